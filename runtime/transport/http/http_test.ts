import assert from "node:assert/strict";
import { test } from "node:test";
import { testTransport } from "../../../tests/conformance/transport.ts";
import { ownSystem, runtime } from "../../../tests/conformance/own_adapter.ts";
import { utf8 } from "../../bytes.ts";
import type { Accept, Transport } from "../transport.ts";
import { createHttpTransport } from "./http.ts";

const system = ownSystem();

async function serve(transport: Transport, accept: Accept) {
  const host = await system.platform.serve({});
  host.started?.();
  const protocol = transport.protocol!(accept);
  host.mount(protocol);
  return {
    node: { id: "echo-1", address: host.addresses[0]!, metadata: { muon: "muon.v1,connect" } },
    drain: (signal: AbortSignal) => protocol.drain(signal),
    [Symbol.asyncDispose]: () => host[Symbol.asyncDispose](),
  };
}

testTransport({
  name: `http on ${runtime}`,
  symmetrical: false,
  // HTTP/1.1 has no credits: a writer waits once the sockets' buffers and the runtime's are full.
  buffered: 3_000,
  // Nor does one connection carry more than one call.
  atOnce: 1_000,
  create: ({ limits }) => createHttpTransport({ system, limits }),
  serve,
});

test("the body of a stream whose caller left ends without an error: Deno's server writes such on stderr", async () => {
  const caller = new AbortController();
  const protocol = createHttpTransport({ system }).protocol!((call) => {
    void call.send(utf8("{}"));
  });
  const request = new Request("http://127.0.0.1:8080/echo.Echo/Count", {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/connect+json" },
    body: "{}",
    signal: caller.signal,
  });
  const { body } = await protocol.fetch!(request, { address: "127.0.0.1:1" });
  caller.abort();
  const parts = await Array.fromAsync(body!);
  assert.equal(parts.length, 1, "without the message that ends a stream that is whole");
});
