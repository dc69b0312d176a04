/**
 * As many connections as calls are in flight, one call in flight on each.
 *
 *   load.ts echo          a WebSocket message that comes back as it is
 *   load.ts cbor          `{id, name}` → `{id, greeting}` in CBOR, a WebSocket message each, of unary/bare.ts
 *   load.ts muon <mode>   `{name}` → `{greeting}` of unary/muon.ts, each client a mesh; `mode` as there
 */
import process from "node:process";
import { Encoder } from "cbor-x/encode";
import type { Interceptor } from "../../mod.ts";
import { load, settings } from "../load.ts";
import { system } from "../system.ts";
import { clients, forEach } from "./clients.ts";

/** Connections that are opened at a time. */
const OPENED = 50;

type Call = (n: number) => Promise<void>;

const [what, mode] = process.argv.slice(2);
const { address, inflight } = settings();
const calls = what === "muon" ? await meshes() : await sockets(what === "cbor" ? greet : echo);
await forEach(inflight, OPENED, (n) => calls[n]!(n));
// Whoever is done makes way for the same client's next call: each has one in flight.
const idle = [...calls];
await load(async (n) => {
  const call = idle.pop()!;
  await call(n);
  idle.push(call);
});

async function meshes(): Promise<Call[]> {
  const through: Interceptor = (next) => (invocation) => next(invocation);
  const options = mode === "full" ? { timeout: 5_000, metadata: { "x-tenant": "acme" } } : undefined;
  const all = await clients(inflight, {
    callInterceptors: mode === "full" ? [through, through, through] : [],
  });
  return all.map((mesh) => {
    const greeter = mesh.client<{ hello(input: { name: string }): { greeting: string } }>("bench.greeter");
    return async (n) => {
      const { greeting } = await greeter.hello({ name: `user${n & 1023}` }, options);
      if (greeting !== `Hello user${n & 1023}`) throw new Error(`wrong answer: ${greeting}`);
    };
  });
}

type Exchange = (message: Uint8Array) => Promise<Uint8Array>;

async function sockets(callOf: (exchange: Exchange) => Call): Promise<Call[]> {
  const { platform } = await system();
  const made: Call[] = [];
  await forEach(inflight, OPENED, async (n) => {
    const socket = await platform.dialWebSocket(`ws://${address}/`, { protocol: "bare" });
    let answered = (_: Uint8Array) => {};
    socket.listen({ message: (message) => answered(message), drain() {}, close() {} });
    made[n] = callOf((message) => {
      socket.send(message);
      return new Promise((resolve) => answered = resolve);
    });
  });
  return made;
}

function echo(exchange: Exchange): Call {
  const message = new Uint8Array(20);
  return async (n) => {
    message[0] = message[19] = n;
    const answer = await exchange(message);
    if (answer.length !== 20 || answer[0] !== (n & 255) || answer[19] !== answer[0]) {
      throw new Error(`wrong answer: ${answer}`);
    }
  };
}

function greet(exchange: Exchange): Call {
  const cbor = new Encoder({ useRecords: false, tagUint8Array: false });
  let id = 0;
  return async (n) => {
    const answer = await exchange(cbor.encode({ id: ++id, name: `user${n & 1023}` }));
    const { id: answered, greeting } = cbor.decode(answer) as { id: number; greeting: string };
    if (answered !== id || greeting !== `Hello user${n & 1023}`) throw new Error(`wrong answer: ${greeting}`);
  };
}
