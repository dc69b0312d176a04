/**
 * The bare limit: a message of 32 bytes there and back on a WebSocket, once on each runtime's own sockets, once on those of
 * muon's hosts.
 *
 *   echo.ts server own|host
 *   echo.ts load own|host
 */
import process from "node:process";
import { load, serve, settings } from "../load.ts";
import { type BareSocket, dialSocket, type OnMessage, serveSockets } from "../sockets.ts";
import { system } from "../system.ts";

const [role, whose] = process.argv.slice(2);

async function serveEcho(): Promise<string> {
  if (whose === "own") {
    return await serveSockets((data, socket) => socket.send(data));
  }
  const { platform } = await system();
  const host = await platform.serve({});
  host.mount({
    name: "echo",
    subprotocol: "echo",
    matches: () => true,
    socket: (socket) =>
      socket.listen({
        message: (data) => socket.send(data),
        drain() {},
        close() {},
      }),
  });
  return host.addresses[0]!;
}

async function dial(address: string, message: OnMessage): Promise<BareSocket> {
  if (whose === "own") return await dialSocket(address, message);
  const { platform } = await system();
  const socket = await platform.dialWebSocket(`ws://${address}/`, {
    protocol: "echo",
  });
  socket.listen({
    message: (data) => message(data, socket),
    drain() {},
    close() {},
  });
  return socket;
}

if (role === "server") {
  serve(await serveEcho());
} else {
  let answered = (_: Uint8Array) => {};
  const socket = await dial(settings().address, (data) => answered(data));
  await load(async (n) => {
    // A new one each time: not every socket has copied it when send returns.
    const sent = new Uint8Array(32).fill(n & 255);
    const got = await new Promise<Uint8Array>((resolve) => {
      answered = resolve;
      socket.send(sent);
    });
    if (got.length !== 32 || got[0] !== (n & 255)) {
      throw new Error(`wrong answer: ${got}`);
    }
  });
}
