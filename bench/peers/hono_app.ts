/**
 * Hono as its users start it: on each runtime's own server, on Node on `@hono/node-server`.
 *
 * @module
 */
import { once } from "node:events";
import type { AddressInfo, Server } from "node:net";
import { peer } from "./peer.ts";

/** What Hono's handlers get, as far as it is used here. */
export interface Context {
  /** The request. */
  readonly req: { json(): Promise<unknown> };
  /** Answers with JSON. */
  json(body: unknown): Response;
}
/** A Hono app, as far as it is used here. */
export interface App {
  /** Adds a route. */
  get(
    path: string,
    handle: (context: Context) => Response | Promise<Response>,
  ): void;
  /** Adds a route. */
  post(
    path: string,
    handle: (context: Context) => Response | Promise<Response>,
  ): void;
  /** Answers a request. */
  readonly fetch: (request: Request) => Response | Promise<Response>;
}
interface BunLike {
  serve(
    options: { hostname: string; port: number; fetch: App["fetch"] },
  ): { port: number };
}

/** An app without routes. */
export async function createApp(): Promise<App> {
  const { Hono } = await peer<{ Hono: new () => App }>("hono");
  return new Hono();
}

/** Serves it on a free port of the loopback, and gives the port. */
export async function start({ fetch }: App): Promise<number> {
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
