/**
 * The user's own routes beside muon's protocols, on the same port.
 *
 * @module
 */

import type { Hono } from "hono";
import type { Peer, Protocol } from "../host.ts";
import { asksForSocket } from "../mounts.ts";

/** What a route finds in `c.env`. */
export interface RouteEnv {
  /** What the host knows of the request. */
  Bindings: {
    /** Who asks. */
    readonly peer: Peer;
  };
}

/** A Hono application with muon's environment. */
export type App = Hono<RouteEnv>;

/** Routes of the user's own: a function that adds them to an application, or one that has them. */
export type Routes = ((app: App) => unknown) | FetchApp;

/** Anything that answers requests as a Hono application does. */
export interface FetchApp {
  /** Answers a request. */
  fetch(request: Request, env: RouteEnv["Bindings"]): Response | Promise<Response>;
}

/**
 * A protocol that gives whatever no other wants to the user's routes. Hono is loaded here, when somebody has routes,
 * so that those who have none do not wait for it.
 *
 * @param routes What the user gave, in order; the first application that has a route answers.
 *
 * @example
 * ```ts
 * host.mount(await createRoutes([(app) => app.get("/hello", (c) => c.text("hi"))]));
 * ```
 */
export async function createRoutes(routes: readonly Routes[]): Promise<Protocol> {
  const { Hono } = await import("hono");
  const own: App = new Hono<RouteEnv>();
  for (const route of routes) {
    if (typeof route === "function") await route(own);
    // Behind the routes before it, and given the whole path: nothing is cut off and nothing is added.
    else own.all("*", (context) => route.fetch(context.req.raw, context.env));
  }
  return {
    name: "routes",
    matches: (head) => !asksForSocket(head),
    fetch: async (request, peer) => await own.fetch(request, { peer }),
  };
}
