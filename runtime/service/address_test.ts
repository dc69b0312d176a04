import assert from "node:assert/strict";
import { test } from "node:test";
import { isLoopback, parseAddress } from "./address.ts";

test("an address is host and port, either of which may be left out", () => {
  assert.deepEqual(parseAddress("10.0.0.1:8080"), { hostname: "10.0.0.1", port: 8080 });
  assert.deepEqual(parseAddress(":8080"), { hostname: "127.0.0.1", port: 8080 });
  assert.deepEqual(parseAddress(""), { hostname: "127.0.0.1", port: 0 });
  assert.deepEqual(parseAddress("localhost"), { hostname: "localhost", port: 0 });
  assert.deepEqual(parseAddress("[::1]:65535"), { hostname: "::1", port: 65_535 });
  assert.deepEqual(parseAddress("[::]"), { hostname: "::", port: 0 });
});

test("a name, or an address of either kind, has a port behind it or none", () => {
  for (
    const [address, hostname, port] of [
      ["host", "host", 0],
      ["a-b_c.example:1", "a-b_c.example", 1],
      ["[::1]:8080", "::1", 8080],
      ["[fe80::1%eth0]:80", "fe80::1%eth0", 80],
      ["[::ffff:10.0.0.1]", "::ffff:10.0.0.1", 0],
      ["0.0.0.0:0", "0.0.0.0", 0],
    ] as const
  ) {
    assert.deepEqual(parseAddress(address), { hostname, port }, address);
  }
});

test("what is wrong with an address is said, and what to write", () => {
  const wrong: readonly [string, RegExp][] = [
    ["8080", /write :8080 for that port on loopback, or 0\.0\.0\.0:8080 for it on every address/],
    ["127.0.0.1:99999", /ports end at 65535/],
    [":100000", /ports end at 65535/],
    ["::1", /in brackets/],
    ["300.1.1.1:80", /no IP address/],
    ["1.2.3:80", /no IP address/],
    ["https://h:1/x", /leave out what stands before the host/],
  ];
  for (const [address, message] of wrong) assert.throws(() => parseAddress(address), message);
  assert.throws(() => parseAddress("x y", "MUON_SERVER_ADDRESS"), /^TypeError: MUON_SERVER_ADDRESS must be/);
});

test("what is none is refused by name", () => {
  for (
    const address of [
      "8080",
      "[gg]:1",
      "host:port",
      "a:65536",
      "::1",
      "::1:80",
      "a b:1",
      "[::1",
      "http://a:1",
      "a:1:2",
      "a:-1",
    ]
  ) {
    assert.throws(() => parseAddress(address), (error: TypeError) => {
      assert.ok(error instanceof TypeError);
      assert.ok(error.message.includes(JSON.stringify(address)), error.message);
      return true;
    });
  }
});

test("loopback is what this machine alone reaches", () => {
  for (const hostname of ["127.0.0.1", "127.8.9.10", "localhost", "::1"]) {
    assert.ok(isLoopback(hostname), hostname);
  }
  for (
    const hostname of ["0.0.0.0", "::", "10.0.0.1", "127.evil.example", "localhost.example", "1127.0.0.1"]
  ) {
    assert.ok(!isLoopback(hostname), hostname);
  }
});
