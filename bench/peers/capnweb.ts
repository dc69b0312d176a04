/** Cap'n Web over WebSocket, each runtime's server as its documentation says. */
import { type EventEmitter, once } from "node:events";
import type { AddressInfo } from "node:net";
import { serve, settings } from "../load.ts";
import { greetings, peer, role } from "./peer.ts";

interface CapnWeb {
  RpcTarget: new () => object;
  newWebSocketRpcSession(socket: unknown, target?: object): {
    hello(input: { name: string }): PromiseLike<{ greeting: string }>;
  };
  newBunWebSocketRpcHandler(target: () => object): unknown;
}
interface Sockets {
  WebSocket: new (url: string) => unknown;
  WebSocketServer: new (
    options: { host: string; port: number },
  ) => EventEmitter & { address(): AddressInfo };
}
interface BunLike {
  serve(options: {
    hostname: string;
    port: number;
    fetch(
      request: Request,
      server: { upgrade(request: Request): boolean },
    ): Response | undefined;
    websocket: unknown;
  }): { port: number };
}

const { newBunWebSocketRpcHandler, newWebSocketRpcSession, RpcTarget } = await peer<CapnWeb>("capnweb");

class Greeter extends RpcTarget {
  hello({ name }: { name: string }) {
    return { greeting: `Hello ${name}` };
  }
}

async function start(): Promise<number> {
  const { Bun, Deno } = globalThis as unknown as {
    Bun?: BunLike;
    Deno?: typeof globalThis.Deno;
  };
  if (Bun !== undefined) {
    const websocket = newBunWebSocketRpcHandler(() => new Greeter());
    return Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: (request, server) => server.upgrade(request) ? undefined : new Response(null, { status: 400 }),
      websocket,
    }).port;
  }
  if (Deno !== undefined) {
    return Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      (request) => {
        const { socket, response } = Deno.upgradeWebSocket(request);
        socket.addEventListener(
          "open",
          () => newWebSocketRpcSession(socket, new Greeter()),
        );
        return response;
      },
    ).addr.port;
  }
  const { WebSocketServer } = await peer<Sockets>("ws");
  const wss = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  wss.on(
    "connection",
    (socket) => newWebSocketRpcSession(socket, new Greeter()),
  );
  await once(wss, "listening");
  return wss.address().port;
}

/** Deno's own WebSocket waits for acknowledgments before it sends small messages, 40 ms at a time; ws's does not. */
async function dial(url: string): Promise<unknown> {
  if (!("Deno" in globalThis)) return url;
  const { WebSocket } = await peer<Sockets>("ws");
  return new WebSocket(url);
}

if (role === "server") {
  serve(`127.0.0.1:${await start()}`);
} else {
  const greeter = newWebSocketRpcSession(
    await dial(`ws://${settings().address}`),
  );
  await greetings((input) => greeter.hello(input));
}
