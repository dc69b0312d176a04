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

test("what is none is refused by name", () => {
  for (
    const address of ["host:port", "a:65536", "::1", "::1:80", "a b:1", "[::1", "http://a:1", "a:1:2", "a:-1"]
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
