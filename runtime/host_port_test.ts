import assert from "node:assert/strict";
import { test } from "node:test";
import { createHttpTransport } from "./transport/http/http.ts";
import { createMucpTransport } from "./transport/mucp/mucp.ts";
import { createWsTransport } from "./transport/ws/ws.ts";
import { authorityOf, isHostPort } from "./host_port.ts";
import { createVirtualSystem } from "./virtual_platform.ts";

test("an address is a host and a port, and carries nothing else into a URL", () => {
  for (const good of ["127.0.0.1:80", "node-1.local:65535", "[::1]:8080", "my_host:1"]) {
    assert.equal(isHostPort(good), true, good);
    assert.equal(authorityOf({ id: "a", address: good, metadata: {} }), good);
  }
  for (
    const bad of [
      "",
      "host",
      ":80",
      "a:80/x",
      "a:80?x",
      "u@a:80",
      "a:80#",
      "a b:80",
      "::1:80",
      "a:123456",
      "http://a:80",
    ]
  ) {
    assert.equal(isHostPort(bad), false, bad);
  }
});

test("no transport dials anything else", async () => {
  const system = createVirtualSystem();
  const node = { id: "evil", address: "127.0.0.1:80/admin?x=", metadata: { muon: "muon.v1,connect,mucp" } };
  for (const create of [createWsTransport, createHttpTransport, createMucpTransport]) {
    await assert.rejects(create({ system }).dial(node), { status: "unavailable", notRun: true });
  }
});
