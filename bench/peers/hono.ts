/**
 * Hono: JSON by POST over HTTP/1.1, on each runtime's own server, called by its fetch.
 *
 *   hono.ts server [zod]
 *   hono.ts load
 */
import { once } from "node:events";
import type { AddressInfo, Server } from "node:net";
import process from "node:process";
import { z } from "zod";
import { serve, settings } from "../load.ts";
import { greetings, peer, role } from "./peer.ts";

interface Context {
  readonly req: { json(): Promise<{ name: string }> };
  json(body: unknown): Response;
}
interface App {
  post(path: string, handle: (context: Context) => Promise<Response>): void;
  readonly fetch: (request: Request) => Response | Promise<Response>;
}
interface BunLike {
  serve(
    options: { hostname: string; port: number; fetch: App["fetch"] },
  ): { port: number };
}

async function start({ fetch }: App): Promise<number> {
  const { Bun, Deno } = globalThis as unknown as {
    Bun?: BunLike;
    Deno?: typeof globalThis.Deno;
  };
  const where = { hostname: "127.0.0.1", port: 0 };
  if (Bun !== undefined) return Bun.serve({ ...where, fetch }).port;
  if (Deno !== undefined) {
    return Deno.serve({ ...where, onListen() {} }, fetch).addr.port;
  }
  const node = await peer<{ serve(options: unknown): Server }>(
    "@hono/node-server",
  );
  const server = node.serve({ ...where, fetch });
  if (!server.listening) await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

if (role === "server") {
  const { Hono } = await peer<{ Hono: new () => App }>("hono");
  const app = new Hono();
  const input = z.object({ name: z.string() });
  const check = process.argv[3] === "zod" ? input.parse.bind(input) : (value: { name: string }) => value;
  app.post("/hello", async (context) => {
    const { name } = check(await context.req.json());
    return context.json({ greeting: `Hello ${name}` });
  });
  serve(`127.0.0.1:${await start(app)}`);
} else {
  const url = `http://${settings().address}/hello`;
  const headers = { "content-type": "application/json" };
  await greetings(async (input) => {
    const response = await fetch(url, {
      method: "POST",
      headers,
      body: JSON.stringify(input),
    });
    return await response.json() as { greeting: string };
  });
}
