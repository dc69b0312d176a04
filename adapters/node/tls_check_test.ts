import assert from "node:assert/strict";
import { test } from "node:test";
import { ownSystem } from "../../tests/conformance/own_adapter.ts";
import { CA_CERT, CLIENT_CERT, CLIENT_KEY, SERVER_CERT, SERVER_KEY } from "../../tests/fixtures/tls.ts";
import type { TlsMaterial } from "../../runtime/platform.ts";
import { tlsFaults } from "./tls_check.ts";

const NOW = Date.parse("2027-01-01");
const GARBAGE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
const NO_KEY = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";

test("what is well is left alone, chains and bundles too", () => {
  const wells: TlsMaterial[] = [
    {},
    { cert: SERVER_CERT, key: SERVER_KEY },
    {
      cert: `a comment\n${SERVER_CERT}${CA_CERT}`,
      key: SERVER_KEY,
      ca: CA_CERT,
      clientCa: CA_CERT + CLIENT_CERT,
    },
  ];
  for (const well of wells) assert.deepEqual(tlsFaults(well, NOW), []);
  assert.equal(ownSystem().platform.tlsFaults, tlsFaults, "this runtime's platform has it");
});

test("what cannot work is said, with the part that it is", () => {
  const wrong: readonly [TlsMaterial, string, RegExp][] = [
    [{ cert: SERVER_CERT, key: CLIENT_KEY }, "key", /^does not belong to the certificate of$/],
    [{ cert: GARBAGE, key: SERVER_KEY }, "cert", /cannot be read/],
    [{ cert: SERVER_CERT + GARBAGE, key: SERVER_KEY }, "cert", /cannot be read/],
    [{ cert: "", key: SERVER_KEY }, "cert", /^holds no certificate$/],
    [{ cert: SERVER_KEY }, "cert", /^holds no certificate, but PRIVATE KEY$/],
    [{ cert: SERVER_CERT, key: SERVER_CERT }, "key", /^holds no private key, but CERTIFICATE$/],
    [{ cert: SERVER_CERT, key: NO_KEY }, "key", /cannot be read/],
    [{ key: NO_KEY.replaceAll("PRIVATE", "ENCRYPTED PRIVATE") }, "key", /encrypted/],
    [{ ca: GARBAGE }, "ca", /cannot be read/],
    [{ clientCa: GARBAGE }, "clientCa", /cannot be read/],
    [{ clientCa: SERVER_KEY }, "clientCa", /holds no certificate/],
  ];
  for (const [tls, part, why] of wrong) {
    const [fault] = tlsFaults(tls, NOW);
    assert.equal(fault?.part, part, String(why));
    assert.equal(fault.fatal, true);
    assert.match(fault.why, why);
  }
});

test("a certificate out of its time is said, and may be used", () => {
  const at = (year: string) =>
    tlsFaults({ cert: SERVER_CERT, key: SERVER_KEY, clientCa: CA_CERT }, Date.parse(year));
  for (
    const [year, why] of [["2200", /^expired at Oct 30/], ["2020", /^is not valid before Nov 23/]] as const
  ) {
    const faults = at(year);
    assert.deepEqual(faults.map(({ part, fatal }) => [part, fatal]), [["cert", false], ["clientCa", false]]);
    for (const fault of faults) assert.match(fault.why, why);
  }
});
