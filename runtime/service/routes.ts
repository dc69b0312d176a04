/**
 * The user's own routes beside muon's protocols, on the same port.
 *
 * @module
 */

import type { ErrorHandler, Hono } from "hono";
import type { Peer, Protocol } from "../host.ts";
import type { Logger } from "../log.ts";
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
 * What a route throws goes to the log, unless the application says with its `onError` what becomes of it.
 *
 * @param routes What the user gave, in order; the first application that has a route answers.
 *
 * @example
 * ```ts
 * host.mount(await createRoutes([(app) => app.get("/hello", (c) => c.text("hi"))], { log }));
 * ```
 */
export async function createRoutes(
  routes: readonly Routes[],
  { log }: { readonly log: Logger },
): Promise<Protocol> {
  const { Hono } = await import("hono");
  const own: App = new Hono<RouteEnv>();
  const { errorHandler } = own as unknown as HandlesErrors;
  logError ??= errorLogger(errorHandler);
  own.onError(logError);
  for (const route of routes) {
    if (typeof route === "function") {
      await route(own);
      continue;
    }
    // An application with a handler of its own keeps it; Hono's would write a bare stack on stderr.
    const theirs = route as Partial<HandlesErrors>;
    if (theirs.errorHandler === errorHandler) theirs.onError?.(logError);
    // Behind the routes before it, and given the whole path: nothing is cut off and nothing is added.
    own.all("*", (context) => route.fetch(context.req.raw, context.env));
  }
  return {
    name: "routes",
    matches: (head) => !asksForSocket(head),
    fetch: async (request, peer) => {
      const env = { peer };
      logs.set(env, log);
      return await own.fetch(request, env);
    },
  };
}

/** What a Hono application has for errors; Hono's types leave out the first. */
interface HandlesErrors {
  readonly errorHandler: ErrorHandler<RouteEnv>;
  onError(handler: ErrorHandler<RouteEnv>): unknown;
}

/** The log of the service that takes a request, by its environment: an application may be in several services. */
const logs = new WeakMap<object, Logger>();

let logError: ErrorHandler<RouteEnv> | undefined;

/** A handler that logs, and leaves to Hono's what is an answer, or is no request of a service. */
function errorLogger(otherwise: ErrorHandler<RouteEnv>): ErrorHandler<RouteEnv> {
  return (error, context) => {
    const log = "getResponse" in error ? undefined : logs.get(context.env);
    if (log === undefined) return otherwise(error, context);
    log.error("a route failed", { method: context.req.method, path: context.req.path, error });
    return context.text("Internal Server Error", 500);
  };
}
