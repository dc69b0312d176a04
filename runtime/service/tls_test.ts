import assert from "node:assert/strict";
import { test } from "node:test";
import { MuonError } from "../errors.ts";
import { Origins, UsageError } from "./origins.ts";
import { checkExposure, listenTls } from "./tls.ts";

test("there is TLS once there are certificate and key, unless it is turned off", () => {
  const pair = { cert: "c", key: "k" };
  assert.equal(listenTls(undefined), undefined);
  assert.equal(listenTls({ ca: "a" }), undefined, "authorities are for the nodes that are called");
  assert.deepEqual(listenTls({ ...pair, ca: "a" }), pair);
  assert.deepEqual(listenTls({ ...pair, clientCa: "b" }, { enabled: true }), { ...pair, clientCa: "b" });
  assert.equal(listenTls(pair, { enabled: false }), undefined);
});

test("what is missing is named, and the flag that gives it", () => {
  assert.throws(() => listenTls({ cert: "c" }), /the key is missing.*--tls_cert_file and --tls_key_file/);
  assert.throws(() => listenTls({ key: "k" }), /the certificate is missing/);
  assert.throws(
    () => listenTls({ clientCa: "b" }),
    /^TypeError: The option tls.clientCa needs a certificate/,
  );
  const origins = new Origins(
    new Map([["tlsEnabled", "MICRO_ENABLE_TLS"], ["tlsKeyFile", "--tls_key_file"]]),
  );
  for (const [tls, message] of [[undefined, /^MICRO_ENABLE_TLS needs/], [{ key: "k" }, /missing/]] as const) {
    assert.throws(() => listenTls(tls, { enabled: true, origins }), (error: Error) => {
      assert.ok(error instanceof UsageError);
      assert.match(error.message, message);
      return true;
    });
  }
});

test("nobody listens beyond loopback without TLS by accident", () => {
  const options = { address: "0.0.0.0:80" };
  assert.throws(() => checkExposure("0.0.0.0", { tls: undefined, options }), (error: MuonError) => {
    assert.ok(error instanceof MuonError);
    assert.equal(error.status, "failed_precondition");
    assert.match(
      error.detail,
      /0\.0\.0\.0:80 \(the option address\) without TLS.*--tls_cert_file.*--insecure/,
    );
    return true;
  });
  const origins = new Origins(new Map([["address", "MUON_SERVER_ADDRESS"]]));
  assert.throws(
    () => checkExposure("0.0.0.0", { tls: undefined, options, origins }),
    (error: Error) => error instanceof UsageError && error.message.includes("(MUON_SERVER_ADDRESS)"),
  );
  checkExposure("0.0.0.0", { tls: { cert: "c", key: "k" }, options });
  checkExposure("0.0.0.0", { tls: undefined, options: { insecure: true } });
  checkExposure("::1", { tls: undefined, options: {} });
});
