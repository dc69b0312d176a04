/**
 * The `http` transport: JSON or CBOR over `POST /<service>.<Handler>/<Method>`, in Connect's forms, on the shared port.
 * Source: {@link https://connectrpc.com/docs/protocol | Connect protocol reference}.
 *
 * @module
 */

import { fetchOf } from "../../fetch.ts";
import { authorityOf } from "../../host_port.ts";
import type { DialTlsOptions, System } from "../../platform.ts";
import { LIMITS, type Limits } from "../../policy.ts";
import type { Transport } from "../transport.ts";
import { HttpLink } from "./link.ts";
import { HttpServer } from "./server.ts";

/** Name of the protocol: what a node's record lists. */
const NAME = "connect";

/** Content types that are read unless an option says otherwise. */
export const CONTENT_TYPES: readonly string[] = [
  "application/cbor",
  "application/json",
  "application/octet-stream",
];

/** Options of {@link createHttpTransport}. */
export interface HttpOptions {
  /** Time, and which runtime this is. */
  readonly system: Pick<System, "clock" | "platform">;
  /** What this process takes in; `maxStreams` is not looked at, as HTTP's calls share no connection. @default {LIMITS} */
  readonly limits?: Partial<Limits>;
  /**
   * Content types of messages that are read; others are answered 415 before their input is.
   *
   * @default {["application/cbor", "application/json", "application/octet-stream"]}
   */
  readonly contentTypes?: readonly string[];
  /**
   * Origins whose pages may call, as `https://app.example`. Browsers let any page send requests to any address, loopback
   * too: one that is not named here is answered 403. What is no browser tells no origin.
   *
   * @default {[]}
   */
  readonly origins?: readonly string[];
  /** What nodes whose record says `secure` are called with, where the runtime's fetch can. @default {the system's authorities} */
  readonly tls?: DialTlsOptions | undefined;
  /** Makes requests, without `tls`: for what the runtime's own cannot do. @default {the runtime's} */
  readonly fetch?: typeof globalThis.fetch;
}

/**
 * A transport over HTTP requests.
 *
 * @example
 * ```ts
 * const transport = createHttpTransport({ system });
 * host.mount(transport.protocol!((call) => call.reply(call.body!)));
 * // curl -H 'content-type: application/json' -d '{}' http://127.0.0.1:8080/echo.Echo/Echo
 * const link = await transport.dial({ id: "echo-1", address: host.addresses[0]!, metadata: { muon: "connect" } });
 * ```
 */
export function createHttpTransport(options: HttpOptions): Transport {
  const { clock, platform } = options.system;
  const limits = { ...LIMITS, ...options.limits };
  const fetch: typeof globalThis.fetch = options.fetch ?? fetchOf(platform, options.tls);
  // Deno's fetch sends a request again, whatever its method, when the connection is lost before the answer. What comes
  // from a stream it cannot send twice.
  const resends = options.fetch === undefined && platform.runtime === "deno";
  return {
    name: "http",
    speaks: (node) => (node.metadata.muon ?? "").split(",").some((name) => name.trim() === NAME),
    async dial(node, { signal } = {}) {
      const scheme = node.metadata.secure === "true" ? "https" : "http";
      return await HttpLink.dial({ fetch, clock, limits, resends }, {
        peer: { address: node.address },
        base: `${scheme}://${authorityOf(node)}`,
        signal,
      });
    },
    protocol: (accept) =>
      new HttpServer({
        clock,
        accept,
        limits,
        contentTypes: options.contentTypes ?? CONTENT_TYPES,
        origins: options.origins ?? [],
      }),
  };
}
