/**
 * Fetch over `node:http`. Node's own takes neither authorities nor a certificate, and opens a connection for every
 * request that is in flight: at a thousand of them, servers reset those that they cannot accept in time.
 *
 * @module
 */

import type {
  Agent,
  ClientRequest,
  ClientRequestArgs,
  IncomingMessage,
  OutgoingHttpHeaders,
  RequestOptions,
} from "node:http";
import type { AgentOptions } from "node:https";
import process from "node:process";
import type { DialTlsOptions } from "../../runtime/platform.ts";
import { LONGEST_HEAD } from "../web/bounds.ts";
import { bodyOf } from "./http_bridge.ts";

// Not imported: in a program of one file an import is done at its start, whatever runtime it is on.
const { Agent: HttpAgent, request: httpRequest } = process.getBuiltinModule("node:http");
const { Agent: HttpsAgent, request: httpsRequest } = process.getBuiltinModule("node:https");

/** Connections to one address; requests beyond them wait for one. Bun's fetch has as many. */
const MAX_CONNECTIONS = 256;
/** How long an idle connection is kept, in ms, where the server does not say less. */
const KEEP_ALIVE = 60_000;
/** Methods that may run twice. Source: RFC 9110 §9.2.2. */
const IDEMPOTENT: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"]);
/** Why a request on a kept connection is sent again. */
const RETRY = Symbol("retry");
/** Answers that have no body, whatever their headers say. */
const NO_BODY: ReadonlySet<number> = new Set([204, 205, 304]);

type Fetch = typeof globalThis.fetch;
type Agents = Readonly<Record<"http:" | "https:", Agent>>;

/** By what they were made of: agents hold connections, and nobody says when one is no longer wanted. */
const made = new Map<string, Fetch>();

/**
 * A fetch with keys and certificates of its own. Connections are kept, and there are at most 256 to an address; a
 * request beyond them waits its turn, or until its signal is aborted. Other than the web's, it follows no redirect (the
 * answer is the redirect itself, or with `redirect: "error"` a failure), and asks for no compression and unpacks none.
 *
 * @param tls What is trusted, instead of the system's authorities, and what is shown.
 *
 * @example
 * ```ts
 * const fetch = fetchWithNode({ ca });
 * await fetch("https://10.0.0.1:8443/");
 * ```
 */
export function fetchWithNode({ ca, cert, key }: DialTlsOptions): Fetch {
  const name = JSON.stringify([ca, cert, key]);
  let fetch = made.get(name);
  if (fetch === undefined) {
    const options: AgentOptions = {
      keepAlive: true,
      maxSockets: MAX_CONNECTIONS,
      maxFreeSockets: MAX_CONNECTIONS,
      timeout: KEEP_ALIVE,
    };
    const agents: Agents = {
      "http:": new HttpAgent(options),
      "https:": new HttpsAgent({ ...options, ca, cert, key }),
    };
    for (const agent of Object.values(agents)) agent.getName = nameOf;
    fetch = (input, init) => fetchBy(agents, input, init);
    made.set(name, fetch);
  }
  return fetch;
}

/** Of an agent all of whose connections have the same keys: Node's own name would hold them, at every request. */
function nameOf({ host, port }: ClientRequestArgs = {}): string {
  return `${host}:${port}`;
}

function fetchBy(agents: Agents, input: string | URL | Request, init: RequestInit = {}): Promise<Response> {
  if (typeof input === "object" && !(input instanceof URL)) {
    const { url, method, headers, body, signal, redirect } = new Request(input, init);
    return fetchBy(agents, url, { method, headers, body, signal, redirect });
  }
  return once(agents, new URL(input), init).catch((error) => {
    if (error !== RETRY) throw error;
    return once(agents, new URL(input), init);
  });
}

function once(agents: Agents, url: URL, init: RequestInit): Promise<Response> {
  return new Promise((resolve, reject) => {
    if (init.signal?.aborted) throw init.signal.reason;
    new Exchange(agents, { url, init, resolve, reject }).start();
  });
}

/** One request and its answer. */
class Exchange {
  readonly #init: RequestInit;
  readonly #agent: Agent;
  /** The agent's name of the address. */
  readonly #name: string;
  readonly #request: ClientRequest;
  readonly #resolve: (response: Response) => void;
  readonly #reject: (error: unknown) => void;
  /** What the request's body is read from, while it is. */
  #upload: ReadableStreamDefaultReader<Uint8Array> | undefined;
  readonly #aborted = () => {
    const { reason } = this.#init.signal!;
    // A request that waits for a connection says nothing of its own end.
    this.#reject(reason);
    this.#request.destroy(reason instanceof Error ? reason : new DOMException(String(reason), "AbortError"));
    this.#stopUpload(reason);
  };

  constructor(
    agents: Agents,
    { url, init, resolve, reject }: {
      readonly url: URL;
      readonly init: RequestInit;
      readonly resolve: (response: Response) => void;
      readonly reject: (error: unknown) => void;
    },
  ) {
    const { protocol, hostname, port, pathname, search } = url;
    if (protocol !== "http:" && protocol !== "https:") {
      throw new TypeError(`Cannot fetch ${url.href}: only http and https are spoken`);
    }
    this.#init = init;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#agent = agents[protocol];
    const address = {
      // An IPv6 address stands in brackets in a URL, and in none here.
      host: hostname.startsWith("[") ? hostname.slice(1, -1) : hostname,
      port: port === "" ? (protocol === "https:" ? 443 : 80) : port,
    };
    this.#name = nameOf(address);
    const options: RequestOptions = {
      ...address,
      agent: this.#agent,
      path: pathname + search,
      method: init.method ?? "GET",
      headers: headersOf(init.headers),
      maxHeaderSize: LONGEST_HEAD,
    };
    this.#request = protocol === "https:" ? httpsRequest(options) : httpRequest(options);
  }

  /** Sends it. */
  start(): void {
    const request = this.#request;
    const { signal, body } = this.#init;
    signal?.addEventListener("abort", this.#aborted, { once: true });
    request.on("response", (message) => this.#answer(message));
    request.on("error", (error) => this.#fail(error));
    request.on("close", () => signal?.removeEventListener("abort", this.#aborted));
    if (body === undefined || body === null) request.end();
    else if (body instanceof Uint8Array) request.end(body);
    else this.#send(body);
  }

  #send(body: BodyInit): void {
    // Whatever else a body may be, a Response makes a stream of it, and knows its type.
    const { body: stream, headers } = new Response(body);
    const type = headers.get("content-type");
    if (type !== null && !this.#request.hasHeader("content-type")) {
      this.#request.setHeader("content-type", type);
    }
    // The head goes ahead: the other end may answer before there is any of the body.
    this.#request.flushHeaders();
    const reader: ReadableStreamDefaultReader<Uint8Array> = stream!.getReader();
    this.#upload = reader;
    void this.#pump(reader);
  }

  async #pump(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
    const request = this.#request;
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (this.#upload === undefined) return;
        if (done) break;
        if (!request.write(value)) await this.#room();
      }
      this.#upload = undefined;
      request.end();
    } catch (error) {
      this.#upload = undefined;
      request.destroy(error instanceof Error ? error : new TypeError(String(error)));
    }
  }

  #room(): Promise<void> {
    const request = this.#request;
    return new Promise((resolve) => {
      const done = () => {
        request.off("drain", done);
        request.off("close", done);
        resolve();
      };
      request.on("drain", done);
      request.on("close", done);
    });
  }

  #stopUpload(reason: unknown): void {
    const upload = this.#upload;
    this.#upload = undefined;
    upload?.cancel(reason).catch(() => {});
  }

  #answer(message: IncomingMessage): void {
    const status = message.statusCode!;
    const headers = new Headers();
    const { rawHeaders } = message;
    for (let i = 0; i < rawHeaders.length; i += 2) headers.append(rawHeaders[i]!, rawHeaders[i + 1]!);
    if (this.#init.redirect === "error" && status >= 300 && status < 400 && headers.has("location")) {
      this.#reject(failed(new Error(`the answer is a redirect to ${headers.get("location")}`)));
      return void this.#request.destroy();
    }
    if (NO_BODY.has(status) || this.#init.method === "HEAD") {
      message.resume();
      return this.#resolve(new Response(null, { status, headers }));
    }
    const body = bodyOf(message, {
      // Only a connection whose answers are read can be used again.
      cancel: () => void this.#request.destroy(),
      error: (cause) => this.#init.signal?.aborted ? this.#init.signal.reason : failed(cause),
    });
    this.#resolve(new Response(body, { status, headers }));
  }

  #fail(error: Error): void {
    this.#stopUpload(error);
    const { method = "GET", body, signal } = this.#init;
    if (!this.#request.reusedSocket) return this.#reject(failed(error));
    // What the server closed while it was idle, it most likely closed with the others that were: each of them would
    // fail one more request.
    for (const socket of this.#agent.freeSockets[this.#name] ?? []) socket.destroy();
    // Whether the server has read it, nobody knows: only what may run twice is sent again.
    const again = IDEMPOTENT.has(method) && (body ?? undefined) === undefined && !signal?.aborted;
    this.#reject(again ? RETRY : failed(error));
  }
}

function headersOf(headers: HeadersInit | undefined): OutgoingHttpHeaders {
  return headers instanceof Headers || Array.isArray(headers)
    ? Object.fromEntries(new Headers(headers))
    : { ...headers };
}

/** The error of Node's own fetch. */
function failed(cause: unknown): TypeError {
  return new TypeError("fetch failed", { cause });
}
