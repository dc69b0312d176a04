/** tRPC over WebSocket, its input checked by zod; the server's sockets are ws's, which its adapter is made for. */
import { type EventEmitter, once } from "node:events";
import type { AddressInfo } from "node:net";
import { z } from "zod";
import { serve, settings } from "../load.ts";
import { greetings, peer, role } from "./peer.ts";

interface Procedure {
  input(schema: unknown): Procedure;
  query(
    resolve: (options: { input: { name: string } }) => { greeting: string },
  ): unknown;
}
interface Server {
  initTRPC: {
    create(): {
      procedure: Procedure;
      router(procedures: Record<string, unknown>): unknown;
    };
  };
}
interface Client {
  createWSClient(options: { url: string; WebSocket?: unknown }): unknown;
  wsLink(options: { client: unknown }): unknown;
  createTRPCClient(options: { links: unknown[] }): {
    hello: { query(input: { name: string }): Promise<{ greeting: string }> };
  };
}
interface Sockets {
  WebSocket: unknown;
  WebSocketServer: new (
    options: { host: string; port: number },
  ) => EventEmitter & { address(): AddressInfo };
}

if (role === "server") {
  const { initTRPC } = await peer<Server>("@trpc/server");
  const { applyWSSHandler } = await peer<
    { applyWSSHandler(options: unknown): void }
  >(
    "@trpc/server/adapters/ws",
  );
  const { WebSocketServer } = await peer<Sockets>("ws");
  const { procedure, router } = initTRPC.create();
  const wss = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  applyWSSHandler({
    wss,
    router: router({
      hello: procedure.input(z.object({ name: z.string() })).query((
        { input },
      ) => ({
        greeting: `Hello ${input.name}`,
      })),
    }),
  });
  await once(wss, "listening");
  serve(`127.0.0.1:${wss.address().port}`);
} else {
  const { createTRPCClient, createWSClient, wsLink } = await peer<Client>(
    "@trpc/client",
  );
  const url = `ws://${settings().address}`;
  // Deno's own WebSocket waits for acknowledgments before it sends small messages, 40 ms at a time; ws's does not.
  const sockets = "Deno" in globalThis ? { WebSocket: (await peer<Sockets>("ws")).WebSocket } : {};
  const client = createTRPCClient({
    links: [wsLink({ client: createWSClient({ url, ...sockets }) })],
  });
  await greetings((input) => client.hello.query(input));
}
