import assert from "node:assert/strict";
import { test } from "node:test";
import { locate } from "./local_link.ts";

test("an address is here, on a link, or elsewhere", () => {
  const interfaces = [
    { address: "127.0.0.1", netmask: "255.0.0.0" },
    { address: "192.168.5.130", netmask: "255.255.255.128" },
    { address: "10.1.0.1", netmask: "255.255.0.0" },
    { address: "203.0.113.7", netmask: "255.255.255.255" },
  ];
  for (const here of ["127.0.0.1", "127.5.5.5", "192.168.5.130", "10.1.0.1", "203.0.113.7", "0.0.0.0"]) {
    assert.equal(locate(here, interfaces), "here", here);
  }
  for (const link of ["192.168.5.129", "192.168.5.254", "10.1.255.9"]) {
    assert.equal(locate(link, interfaces), "link", link);
  }
  for (
    const elsewhere of [
      "192.168.5.1",
      "192.168.6.130",
      "10.2.0.1",
      "203.0.113.8",
      "8.8.8.8",
      "1.2.3",
      "a.b.c.d",
      "::1",
      "",
    ]
  ) {
    assert.equal(locate(elsewhere, interfaces), "elsewhere", elsewhere);
  }
});
