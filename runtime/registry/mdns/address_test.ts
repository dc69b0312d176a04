import assert from "node:assert/strict";
import { test } from "node:test";
import { formatSocketAddress, isLoopbackIp, isNobodysIp, parseSocketAddress } from "./address.ts";

test("addresses are read and written", () => {
  for (
    const [written, expected] of [
      ["127.0.0.1:8080", "127.0.0.1:8080"],
      ["10.0.0.7:1", "10.0.0.7:1"],
      ["[::1]:65535", "[::1]:65535"],
      ["[2001:DB8:0:0::1]:80", "[2001:db8::1]:80"],
      ["[fd00:1:2:3:4:5:6:7]:80", "[fd00:1:2:3:4:5:6:7]:80"],
      ["[1::]:80", "[1::]:80"],
      ["[::]:80", "[::]:80"],
      ["[::ffff:10.0.0.1]:80", "10.0.0.1:80"],
    ] as const
  ) {
    const parsed = parseSocketAddress(written);
    assert.ok(parsed, written);
    assert.equal(formatSocketAddress(parsed), expected);
  }
});

test("names, ports that are none, and nonsense are refused", () => {
  for (
    const bad of [
      "localhost:80",
      "127.0.0.1",
      "127.0.0.1:0",
      "127.0.0.1:65536",
      "127.0.0.256:80",
      "0x7f.1:80",
      "1.2.3:80",
      "::1:80",
      "[::1]",
      "[1:2]:80",
      "[::1%eth0]:80",
      "",
      ":80",
      "memory:1",
    ]
  ) assert.equal(parseSocketAddress(bad), undefined, bad);
});

test("loopback and nobody's addresses are told apart", () => {
  const ip = (address: string) => parseSocketAddress(address)!.ip;
  for (const loopback of ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1"]) {
    assert.ok(isLoopbackIp(ip(loopback)), loopback);
  }
  for (const other of ["10.0.0.1:1", "[::2]:1", "[1::1]:1"]) assert.ok(!isLoopbackIp(ip(other)), other);
  for (const nobodys of ["0.0.0.0:1", "[::]:1", "224.0.0.251:1", "255.255.255.255:1", "[ff02::fb]:1"]) {
    assert.ok(isNobodysIp(ip(nobodys)), nobodys);
  }
  for (const other of ["10.0.0.1:1", "[fe80::1]:1", "223.0.0.1:1"]) assert.ok(!isNobodysIp(ip(other)), other);
});
