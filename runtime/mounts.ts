/**
 * What is mounted on a host, and which of it gets a request: the part that every host shares.
 *
 * @module
 */

import { utf8 } from "./bytes.ts";
import { MuonError } from "./errors.ts";
import type { Protocol, RequestHead } from "./host.ts";

/** A protocol that takes WebSockets. */
export type SocketProtocol = Protocol & Required<Pick<Protocol, "socket" | "subprotocol">>;
/** A protocol that answers HTTP requests. */
export type FetchProtocol = Protocol & Required<Pick<Protocol, "fetch">>;
/** A protocol that answers HTTP requests without the web's forms. */
export type AnswerProtocol = FetchProtocol & Required<Pick<Protocol, "answer">>;
/** A protocol that takes raw connections. */
export type ConnectionProtocol = Protocol & Required<Pick<Protocol, "connection">>;

/** The answer to a request that nobody takes. */
export interface Refusal {
  /** HTTP status. */
  readonly status: number;
  /** Body, JSON in Go Micro's error form. */
  readonly body: Uint8Array;
}

/**
 * The protocols mounted on one host, in order: of those that can serve a request in the form it comes, the first
 * that matches gets it.
 *
 * @example
 * ```ts
 * const mounts = new Mounts({ raw: false });
 * using mounted = mounts.mount(protocol);
 * mounts.http({ method: "GET", path: "/healthz", header: () => null })?.fetch(request, peer);
 * ```
 */
export class Mounts {
  #protocols: readonly Protocol[] = [];
  readonly #raw: boolean;

  /** @param options `raw`: whether the host can hand out raw connections. */
  constructor(options: { readonly raw: boolean }) {
    this.#raw = options.raw;
  }

  /** Whether a protocol is mounted that takes raw connections. */
  get takesConnections(): boolean {
    return this.#protocols.some((protocol) => protocol.connection !== undefined);
  }

  /**
   * Adds a protocol behind those that are there, until the result is disposed.
   *
   * @throws {TypeError} If the protocol can do nothing, takes sockets under no subprotocol, or can do nothing but
   * take raw connections, on a host that has none.
   */
  mount(protocol: Protocol): Disposable {
    const { name } = protocol;
    if (protocol.socket !== undefined && protocol.subprotocol === undefined) {
      throw new TypeError(
        `Cannot mount protocol "${name}": it has "socket" and needs "subprotocol" beside it`,
      );
    }
    if (protocol.fetch === undefined && protocol.socket === undefined) {
      if (protocol.connection === undefined) {
        throw new TypeError(
          `Cannot mount protocol "${name}": it has none of "fetch", "socket", "connection"`,
        );
      }
      if (!this.#raw) {
        throw new TypeError(
          `Cannot mount protocol "${name}": it takes raw connections only, which this runtime's own server does ` +
            `not give; serve with the net host (serveNet of adapters/node), which runs on Deno, Bun and Node`,
        );
      }
    }
    this.#protocols = [...this.#protocols, protocol];
    return {
      [Symbol.dispose]: () => {
        const at = this.#protocols.indexOf(protocol);
        if (at >= 0) this.#protocols = this.#protocols.toSpliced(at, 1);
      },
    };
  }

  /** Who answers this HTTP request. */
  http(head: RequestHead): FetchProtocol | undefined {
    for (const protocol of this.#protocols) {
      if (protocol.fetch !== undefined && protocol.matches(head)) return protocol as FetchProtocol;
    }
    return undefined;
  }

  /** Who takes this connection, of which `head` is the first request. */
  connection(head: RequestHead): ConnectionProtocol | undefined {
    for (const protocol of this.#protocols) {
      if (protocol.connection !== undefined && protocol.matches(head)) return protocol as ConnectionProtocol;
    }
    return undefined;
  }

  /** Who takes the WebSocket that this request asks for, or how it is refused. */
  socket(head: RequestHead): { readonly protocol: SocketProtocol } | { readonly refusal: Refusal } {
    const offered = subprotocols(head.header("sec-websocket-protocol"));
    const served: string[] = [];
    for (const protocol of this.#protocols) {
      if (protocol.socket === undefined || !protocol.matches(head)) continue;
      if (offered.includes(protocol.subprotocol!)) return { protocol: protocol as SocketProtocol };
      served.push(protocol.subprotocol!);
    }
    if (served.length === 0) return { refusal: nobody(head) };
    const offer = offered.length === 0 ? "none" : offered.join(", ");
    return {
      refusal: refusal(
        400,
        new MuonError(
          "invalid_argument",
          `the WebSocket subprotocols offered for ${head.path} are not served: offered ${offer}, served ${
            served.join(", ")
          }`,
          { id: "muon.host" },
        ),
      ),
    };
  }
}

/** The answer to a request that no protocol matches: 404, with a body that names the path. */
export function nobody(head: RequestHead): Refusal {
  return refusal(
    404,
    new MuonError("not_found", `nothing is served at ${head.method} ${head.path}`, { id: "muon.host" }),
  );
}

/** The answer while a host drains: 503, so that the caller tries elsewhere. */
export function draining(head: RequestHead): Refusal {
  return refusal(
    503,
    new MuonError("unavailable", `this host stops and does not take ${head.method} ${head.path}`, {
      id: "muon.host",
    }),
  );
}

/** The answer when a protocol's `fetch` throws, which it should not: 500. The error stays at home. */
export function failed(head: RequestHead, protocol: Protocol): Refusal {
  return refusal(
    500,
    new MuonError("internal", `protocol "${protocol.name}" failed at ${head.method} ${head.path}`, {
      id: "muon.host",
    }),
  );
}

/** A refusal as a `Response`. */
export function toResponse({ status, body }: Refusal): Response {
  return new Response(body as Uint8Array<ArrayBuffer>, {
    status,
    headers: { "content-type": "application/json" },
  });
}

/**
 * Whether a request asks for a WebSocket, which none but a GET can.
 * Source: {@link https://www.rfc-editor.org/rfc/rfc6455#section-4.1 | RFC 6455 §4.1}.
 */
export function asksForSocket(head: RequestHead): boolean {
  return head.method === "GET" && head.header("upgrade")?.toLowerCase() === "websocket";
}

/** The subprotocols that a `Sec-WebSocket-Protocol` header offers; clients join them with and without a space. */
export function subprotocols(header: string | null): readonly string[] {
  if (header === null) return [];
  return header.split(",").map((name) => name.trim()).filter((name) => name !== "");
}

function refusal(status: number, error: MuonError): Refusal {
  return { status, body: utf8(JSON.stringify(error)) };
}
