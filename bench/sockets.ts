/**
 * Bare WebSockets, as each runtime does them best: its own server and its own client, and on Node, which has no server,
 * both of ws.
 *
 * @module
 */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { WebSocket as NodeSocket, WebSocketServer } from "ws";

/** One end of a WebSocket. */
export interface BareSocket {
  /** Sends a message. */
  send(data: Uint8Array): void;
}

/** Told of a message; `socket` is where it came from. */
export type OnMessage = (data: Uint8Array, socket: BareSocket) => void;

interface BunServer {
  readonly port: number;
  upgrade(request: Request): boolean;
}
interface BunLike {
  serve(options: {
    hostname: string;
    port: number;
    fetch(request: Request, server: BunServer): Response | undefined;
    websocket: { perMessageDeflate: boolean; message(socket: BareSocket, data: Uint8Array): void };
  }): BunServer;
}

const { Bun, Deno } = globalThis as unknown as { Bun?: BunLike; Deno?: typeof globalThis.Deno };

/**
 * Serves WebSockets on the loopback.
 *
 * @param message Told of every message of every socket.
 * @returns `host:port`.
 */
export async function serveSockets(message: OnMessage): Promise<string> {
  if (Bun !== undefined) {
    const { port } = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: (request, server) => server.upgrade(request) ? undefined : new Response(null, { status: 400 }),
      websocket: { perMessageDeflate: false, message: (socket, data) => message(data, socket) },
    });
    return `127.0.0.1:${port}`;
  }
  if (Deno !== undefined) {
    const { addr } = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
      const { socket, response } = Deno.upgradeWebSocket(request);
      listen(socket, message);
      return response;
    });
    return `127.0.0.1:${addr.port}`;
  }
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false });
  server.on("connection", (socket) => socket.on("message", (data: Uint8Array) => message(data, socket)));
  await once(server, "listening");
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/**
 * Opens a WebSocket.
 *
 * @param address `host:port`.
 * @param message Told of every message.
 */
export async function dialSocket(address: string, message: OnMessage): Promise<BareSocket> {
  if (Bun !== undefined || Deno !== undefined) {
    const socket = new WebSocket(`ws://${address}/`);
    listen(socket, message);
    await new Promise<void>((resolve, reject) => {
      socket.onopen = () => resolve();
      socket.onerror = () => reject(new Error(`no WebSocket to ${address}`));
    });
    return socket as BareSocket;
  }
  const socket = new NodeSocket(`ws://${address}/`, { perMessageDeflate: false });
  socket.on("message", (data: Uint8Array) => message(data, socket));
  await once(socket, "open");
  return socket;
}

function listen(socket: WebSocket, message: OnMessage): void {
  socket.binaryType = "arraybuffer";
  socket.onmessage = ({ data }) => message(new Uint8Array(data as ArrayBuffer), socket as BareSocket);
}
