/**
 * Connections that make one call each, and then nothing.
 *
 *   load.ts bare   WebSockets: a message that comes back as it is
 *   load.ts muon   each a mesh: a call that is answered with its input
 */
import process from "node:process";
import { measure, settings } from "../load.ts";
import { clients, forEach } from "../fan_out/clients.ts";
import { system } from "../system.ts";

/** Share of the connections that is open before memory is looked at: what every server needs once is there by then. */
const WARM = 0.05;
/** Connections that are opened at a time. */
const OPENED = 50;

const { address, calls } = settings();
const open = process.argv[2] === "muon" ? await meshes() : await sockets();

const warm = Math.ceil(calls * WARM);
await forEach(warm, OPENED, open);
await measure(async () => {
  await forEach(calls - warm, OPENED, (n) => open(warm + n));
  return { calls: calls - warm };
});

async function meshes(): Promise<(n: number) => Promise<void>> {
  const all = await clients(calls);
  return async (n) => {
    const idle = all[n]!.client<{ echo(input: { n: number }): { n: number } }>("bench.idle");
    const answer = await idle.echo({ n });
    if (answer.n !== n) throw new Error(`wrong answer to ${n}: ${answer.n}`);
  };
}

async function sockets(): Promise<(n: number) => Promise<void>> {
  const { platform } = await system();
  const kept: unknown[] = [];
  return async (n) => {
    const socket = await platform.dialWebSocket(`ws://${address}/`, { protocol: "bare" });
    kept.push(socket);
    const answer = await new Promise<Uint8Array>((resolve, reject) => {
      const close = () => reject(new Error(`connection ${n} was closed`));
      socket.listen({ message: resolve, drain() {}, close });
      socket.send(new Uint8Array([n, n >> 8]));
    });
    if (answer.length !== 2 || answer[0] !== (n & 255) || answer[1] !== (n >> 8 & 255)) {
      throw new Error(`wrong answer to ${n}: ${answer}`);
    }
  };
}
