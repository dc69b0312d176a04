import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { testTransport } from "../../../tests/conformance/transport.ts";
import type { MuonError } from "../../errors.ts";
import { Metadata } from "../../metadata.ts";
import type { System } from "../../platform.ts";
import { createVirtualSystem } from "../../virtual_platform.ts";
import type { Accept, Transport } from "../transport.ts";
import { createWsTransport } from "./ws.ts";

/** The adapter of the runtime this runs on. */
async function machine(): Promise<System> {
  const name = "Deno" in globalThis ? "deno" : "Bun" in globalThis ? "bun" : "node";
  const { createSystem } = await import(`../../../adapters/${name}/mod.ts`);
  return createSystem();
}

const system = await machine();

async function serve(transport: Transport, accept: Accept) {
  const host = await system.platform.serve({});
  const protocol = transport.protocol!(accept);
  host.mount(protocol);
  return {
    node: { id: "echo-1", address: host.addresses[0]!, metadata: { muon: "muon.v1,mucp" } },
    drain: (signal: AbortSignal) => protocol.drain(signal),
    [Symbol.asyncDispose]: () => host[Symbol.asyncDispose](),
  };
}

testTransport({
  name: `ws on ${system.platform.runtime}`,
  create: (options) => createWsTransport({ system, ...options }),
  serve,
});

describe("the ws transport", () => {
  const head = (method: string, path: string, headers: Record<string, string>) => ({
    method,
    path,
    header: (name: string) => headers[name] ?? null,
  });
  const transport = createWsTransport({ system: createVirtualSystem() });

  test("takes upgrades at / and /muon, and nothing else", () => {
    const { matches, subprotocol } = transport.protocol!(() => {});
    const upgrade = { upgrade: "websocket", "sec-websocket-protocol": "muon.v1" };
    assert.equal(subprotocol, "muon.v1");
    assert.equal(matches(head("GET", "/", upgrade)), true);
    assert.equal(matches(head("GET", "/muon?x=1", upgrade)), true);
    assert.equal(matches(head("GET", "/other", upgrade)), false);
    assert.equal(matches(head("POST", "/", upgrade)), false);
    assert.equal(matches(head("GET", "/", {})), false);
  });

  test("takes no page of a browser but those of the origins that are named", () => {
    const upgrade = { upgrade: "websocket", "sec-websocket-protocol": "muon.v1" };
    const page = (origin: string) => head("GET", "/", { ...upgrade, origin });
    assert.equal(transport.protocol!(() => {}).matches(page("https://evil.example")), false);
    const open = createWsTransport({ system: createVirtualSystem(), origins: ["https://app.example"] });
    assert.equal(open.protocol!(() => {}).matches(page("https://app.example")), true);
    assert.equal(open.protocol!(() => {}).matches(page("https://evil.example")), false);
  });

  test("speaks with nodes whose record lists muon.v1", () => {
    const node = (muon?: string) => ({
      id: "a",
      address: "b:1",
      metadata: muon === undefined ? {} : { muon } as Record<string, string>,
    });
    assert.equal(transport.speaks(node("mucp, muon.v1")), true);
    assert.equal(transport.speaks(node("muon.v10,mucp")), false);
    assert.equal(transport.speaks(node()), false);
  });

  test("a socket that is cut ends its calls, and says what happened", async () => {
    const server = createWsTransport({ system });
    const host = await system.platform.serve({});
    const began = Promise.withResolvers<void>();
    host.mount(server.protocol!(() => began.resolve()));
    const node = { id: "echo-1", address: host.addresses[0]!, metadata: {} };
    const link = await createWsTransport({ system }).dial(node);
    const failed = new Promise<MuonError>((resolve, reject) => {
      link.unary(
        {
          service: "echo",
          endpoint: "Echo.Echo",
          metadata: Metadata.EMPTY,
          contentType: "application/json",
          timeout: 10_000,
          idempotent: false,
        },
        new Uint8Array(1),
        { reply: () => reject(new Error("answered")), fail: resolve },
      );
    });
    await began.promise;
    await host[Symbol.asyncDispose]();
    const error = await failed;
    assert.equal(error.status, "unavailable");
    assert.match(error.detail, /127\.0\.0\.1:\d+/);
    await link[Symbol.asyncDispose]();
  });
});
