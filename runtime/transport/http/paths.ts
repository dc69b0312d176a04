/**
 * Where an endpoint is served: `/<service>.<Handler>/<Method>`, as Connect and gRPC have it.
 *
 * @module
 */

/** What a path names. */
export interface Route {
  /** Name of the service; it may hold dots. */
  readonly service: string;
  /** `<Handler>.<Method>`. */
  readonly endpoint: string;
}

/** Routes remembered by their path: more than any node serves, and a bound against those who ask for anything. */
const MAX_ROUTES = 1_024;
/** Longest path that is remembered, in characters. */
const MAX_PATH = 256;
const routes = new Map<string, Route>();

/**
 * The path of an endpoint.
 *
 * @example
 * ```ts
 * pathOf({ service: "acme.greeter", endpoint: "Greeter.Hello" }); // "/acme.greeter.Greeter/Hello"
 * ```
 */
export function pathOf({ service, endpoint }: Route): string {
  const dot = endpoint.lastIndexOf(".");
  const handler = endpoint.slice(0, Math.max(0, dot));
  return `/${encodeURIComponent(service)}.${encodeURIComponent(handler)}/${
    encodeURIComponent(endpoint.slice(dot + 1))
  }`;
}

/**
 * The endpoint that a path names, its query left aside; `undefined` if it is no endpoint's path. A service's name may
 * hold dots: the last one before the slash stands in front of the handler. Handlers and methods begin with no digit, so
 * that `/v1.0/users` is none.
 *
 * @example
 * ```ts
 * routeOf("/acme.greeter.Greeter/Hello"); // { service: "acme.greeter", endpoint: "Greeter.Hello" }
 * routeOf("/healthz"); // undefined
 * ```
 */
export function routeOf(path: string): Route | undefined {
  const known = routes.get(path);
  if (known !== undefined) return known;
  const parts = /^\/([^/?#]+)\.([^\d./?#][^./?#]*)\/([^\d./?#][^./?#]*)(?:\?|$)/.exec(path);
  if (parts === null) return undefined;
  const [service, handler, method] = [decoded(parts[1]!), decoded(parts[2]!), decoded(parts[3]!)];
  if (service === undefined || handler === undefined || method === undefined) return undefined;
  const route = { service, endpoint: `${handler}.${method}` };
  if (path.length <= MAX_PATH) {
    if (routes.size >= MAX_ROUTES) routes.clear();
    routes.set(path, route);
  }
  return route;
}

/** The path and query of a URL, without the cost of parsing all of it. */
export function pathOfUrl(url: string): string {
  return url.slice(url.indexOf("/", url.indexOf("://") + 3));
}

function decoded(part: string): string | undefined {
  if (!part.includes("%")) return part;
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}
