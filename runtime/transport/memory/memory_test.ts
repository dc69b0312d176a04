import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createSystem } from "../../../adapters/node/mod.ts";
import { testTransport } from "../../../tests/conformance/transport.ts";
import { utf8 } from "../../bytes.ts";
import { MuonError } from "../../errors.ts";
import { createVirtualSystem } from "../../virtual_platform.ts";
import { createMemoryTransport, MemoryNetwork } from "./memory.ts";
import { type MemorySocket, socketPair } from "./socket_pair.ts";

const system = createSystem();

testTransport({
  name: "memory",
  create: (options) => createMemoryTransport({ system, ...options }),
  serve: async (transport, accept) => {
    const listener = await transport.listen!(accept);
    return {
      node: { id: "echo-1", address: listener.address, metadata: {} },
      drain: (signal) => listener.drain(signal),
      [Symbol.asyncDispose]: () => listener[Symbol.asyncDispose](),
    };
  },
});

describe("MemoryNetwork", () => {
  test("transports meet on the network they share, and on no other", async () => {
    const network = new MemoryNetwork();
    const virtual = createVirtualSystem();
    const server = createMemoryTransport({ system: virtual, network });
    await using listener = await server.listen!((call) => call.reply(call.body!), { address: "greeter-1" });
    assert.equal(listener.address, "memory://greeter-1");
    const node = { id: "greeter-1", address: listener.address, metadata: {} };
    await using link = await createMemoryTransport({ system: virtual, network }).dial(node);
    assert.equal(link.peer.address, "memory://greeter-1");
    await assert.rejects(
      createMemoryTransport({ system: virtual }).dial(node),
      /nobody listens on memory:\/\/greeter-1 of this memory network/,
    );
    await assert.rejects(
      server.listen!(() => {}, { address: "greeter-1" }),
      (error) => error instanceof MuonError && error.status === "already_exists",
    );
  });
});

describe("socketPair", () => {
  /** A pair, what each end hears, and how to let things arrive. */
  function pair(): { near: MemorySocket; far: MemorySocket; heard: string[]; turn: () => void } {
    const due: (() => void)[] = [];
    const [near, far] = socketPair({ schedule: (deliver) => due.push(deliver) });
    const heard: string[] = [];
    for (const [name, socket] of [["near", near], ["far", far]] as const) {
      socket.listen({
        message: (data) => heard.push(`${name} ${new TextDecoder().decode(data)}`),
        drain: () => heard.push(`${name} drain`),
        close: (code, reason) => heard.push(`${name} closed ${code} ${reason}`),
      });
    }
    return { near, far, heard, turn: () => due.splice(0).forEach((deliver) => deliver()) };
  }

  test("messages arrive in order and later, and what is on its way is counted", () => {
    const { near, heard, turn } = pair();
    near.send(utf8("one"));
    near.send(utf8("two"));
    assert.deepEqual(heard, []);
    assert.equal(near.buffered, 6);
    turn();
    assert.deepEqual(heard, ["far one", "far two", "near drain"]);
    assert.equal(near.buffered, 0);
  });

  test("a close comes behind what was sent, once, on both ends", () => {
    const { near, far, heard, turn } = pair();
    near.send(utf8("one"));
    near.close(4001, "bye");
    near.send(utf8("two"));
    far.close(4002, "no");
    turn();
    turn();
    assert.deepEqual(heard.toSorted(), [
      "far closed 4001 bye",
      "far one",
      "near closed 4001 bye",
      "near drain",
    ]);
  });

  test("terminating loses what is on its way", () => {
    const { near, heard, turn } = pair();
    near.send(utf8("one"));
    near.terminate();
    turn();
    assert.deepEqual(heard.toSorted(), ["far closed 1006 ", "near closed 1006 "]);
  });
});
