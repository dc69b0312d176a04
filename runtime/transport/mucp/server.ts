/**
 * Serves Go Micro's HTTP transport on the shared port.
 * Source: go-micro `server/rpc_server.go`, `server/rpc_codec.go`, `transport/http_socket.go`.
 *
 * @module
 */

import { readBody } from "../../body.ts";
import { EMPTY, utf8 } from "../../bytes.ts";
import { type Clock, sleep } from "../../clock.ts";
import { MuonError } from "../../errors.ts";
import type { Peer, RequestHead } from "../../host.ts";
import { Metadata } from "../../metadata.ts";
import type { Limits } from "../../policy.ts";
import type { TimerWheel } from "../../timer_wheel.ts";
import { headersRefusal } from "../metadata_limit.ts";
import type { Accept, ServedProtocol } from "../transport.ts";
import {
  BYTES_TYPE,
  type Envelope,
  type EnvelopedCall,
  envelopeOf,
  isOfFirst,
  JSON_TYPE,
  namesEndpoint,
  PROTOBUF_TYPE,
} from "./envelope.ts";
import { writeError } from "./errors.ts";
import {
  ENDPOINT,
  ERROR,
  fromHeader,
  headerOf,
  ID,
  METHOD,
  PROTOCOL,
  readMetadata,
  SERVICE,
  STREAM,
  TARGET,
  TIMEOUT,
  TOPIC,
  writeTrailer,
} from "./headers.ts";
import { type Answering, InboundCall, unimplementedStream } from "./inbound.ts";

/** Name of the protocol, as node metadata says it. */
export const NAME = "mucp";
const NOTHING = utf8("{}");
/**
 * How long nobody may have called before a drain is over, in ms. Go Micro's callers cannot be told to go elsewhere,
 * and do not try again: until they have heard from the registry that the node is gone, their calls are served.
 */
const QUIET = 250;

/** What a {@link MucpServer} is made of. */
export interface MucpServerOptions {
  /** Time. */
  readonly clock: Clock;
  /** Deadlines. */
  readonly wheel: TimerWheel;
  /** What is taken in. */
  readonly limits: Pick<Limits, "maxMessage" | "maxMetadata">;
  /** Takes the calls. */
  readonly accept: Accept;
}

/** The protocol `mucp`: `POST /` with `Micro-*` headers, and the envelopes of Go Micro's first generation. */
export class MucpServer implements ServedProtocol {
  readonly name = NAME;
  readonly #options: MucpServerOptions;
  #inflight = 0;
  /** When a call came or ended last. */
  #last: number | undefined;
  #idle: (() => void) | undefined;

  constructor(options: MucpServerOptions) {
    this.#options = options;
  }

  /** Go Micro looks at neither method nor path of what names an endpoint; muon wants a POST, as all clients send. */
  matches(head: RequestHead): boolean {
    if (head.method !== "POST") return false;
    for (const name of [ENDPOINT, METHOD, TOPIC]) {
      if (head.header(name) !== null || head.header(`x-${name}`) !== null) return true;
    }
    if (head.path !== "/") return false;
    const type = essence(head.header("content-type"));
    // The first generation always says how long it waits.
    return namesEndpoint(type) || (isOfFirst(type) && head.header(TIMEOUT) !== null);
  }

  async fetch(request: Request, peer: Peer): Promise<Response> {
    const origin = request.headers.get("origin");
    if (origin !== null) return await refusePage(request, origin);
    this.#inflight++;
    const reply = new Reply(request.headers, this.#options.limits.maxMetadata);
    try {
      return await this.#call(request, { peer, reply });
    } catch (error) {
      // What is left of a body would stand in the way of the connection's next request.
      await request.body?.cancel().catch(() => {});
      return reply.failure(MuonError.from(error, { id: "muon.mucp" }));
    } finally {
      this.#inflight--;
      this.#last = this.#options.clock.now();
      if (this.#inflight === 0) this.#idle?.();
    }
  }

  async drain(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!signal.aborted) {
      if (this.#inflight > 0) {
        await new Promise<void>((resolve) => {
          this.#idle = resolve;
          signal.addEventListener("abort", () => resolve(), { once: true });
        });
        continue;
      }
      const quiet = this.#last === undefined ? QUIET : clock.now() - this.#last;
      if (quiet >= QUIET) return;
      await sleep(clock, QUIET - quiet, { signal }).catch(() => {});
    }
  }

  async #call(
    request: Request,
    { peer, reply }: { readonly peer: Peer; readonly reply: Reply },
  ): Promise<Response> {
    const { headers } = request;
    const { clock, wheel, limits, accept } = this.#options;
    const named = headerOf(headers, ENDPOINT) ?? headerOf(headers, METHOD);
    let endpoint = named === undefined ? undefined : fromHeader(named);
    if (headerOf(headers, TOPIC) !== undefined && endpoint === undefined) {
      throw new MuonError("unimplemented", "events are taken by the broker, not on the calls' way", {
        id: "muon.mucp",
      });
    }
    const type = essence(headers.get("content-type")) || JSON_TYPE;
    const first = endpoint === undefined ||
      (headerOf(headers, TARGET) !== undefined && headerOf(headers, PROTOCOL) === undefined);
    const envelope = reply.envelope = envelopeOf(type, first);
    if (isStream(headers)) throw unimplementedStream(endpoint ?? "the endpoint");
    let input = await readBody(request, { limit: limits.maxMessage, what: "input", id: "muon.mucp" });
    if (envelope !== undefined) {
      const call = reply.call = envelope.readCall(input);
      endpoint ??= call.endpoint;
      input = call.input;
    }
    if (endpoint === undefined) {
      throw new MuonError(
        "invalid_argument",
        `no endpoint is named: content type ${type} needs the header Micro-Endpoint, as Greeter.Hello`,
        { id: "muon.mucp", notRun: true },
      );
    }
    const contentType = envelope?.payload ?? type;
    const timeout = timeoutOf(headers.get(TIMEOUT));
    const head = {
      service: fromHeader(headerOf(headers, SERVICE) ?? ""),
      endpoint,
      metadata: readMetadata(headers, limits.maxMetadata),
      contentType,
      timeout,
      idempotent: false,
    };
    const { promise, resolve } = Promise.withResolvers<Response>();
    const answering: Answering = {
      reply: (output, trailer) => resolve(reply.success(output, { contentType, trailer })),
      fail: (error, trailer) =>
        resolve(reply.failure(explained(error, { endpoint, type, contentType }), trailer)),
    };
    const deadline = timeout === 0 ? undefined : clock.now() + timeout;
    const call = new InboundCall({ head, peer, body: input, deadline, request, answering });
    if (deadline !== undefined) wheel.set(call, deadline);
    accept(call);
    const response = await promise;
    wheel.cancel(call);
    return response;
  }
}

/** The answer to a request: always 200, as callers take any other status for a broken transport. */
class Reply {
  /** What the input came in: then the answer goes in one, too. */
  envelope: Envelope | undefined;
  /** The call as its envelope has it, once that is read. */
  call: EnvelopedCall | undefined;
  readonly #request: Headers;
  readonly #maxMetadata: number;

  /** @param maxMetadata Most metadata that goes with it, in bytes: what a caller takes it does not say. */
  constructor(request: Headers, maxMetadata: number) {
    this.#request = request;
    this.#maxMetadata = maxMetadata;
  }

  success(
    output: Uint8Array,
    { contentType, trailer }: { readonly contentType: string; readonly trailer: Metadata },
  ): Response {
    const refusal = this.#refusal(trailer);
    if (refusal !== undefined) return this.failure(refusal);
    const headers = this.#headers();
    writeTrailer(headers, trailer);
    // Go Micro takes an empty body for JSON that was cut.
    let body = output.length === 0 && contentType === JSON_TYPE ? NOTHING : output;
    if (this.envelope !== undefined && this.call !== undefined) {
      body = this.envelope.writeResult(this.call, body);
    }
    headers["content-length"] = String(body.length);
    return new Response(body as Uint8Array<ArrayBuffer>, { headers });
  }

  failure(error: MuonError, trailer: Metadata = Metadata.EMPTY): Response {
    const headers = this.#headers();
    // A trailer that does not go must not hide the error.
    if (this.#refusal(trailer) === undefined) writeTrailer(headers, trailer);
    const written = writeError(error);
    headers[ERROR] = written;
    headers[`x-${ERROR}`] = written;
    const body = this.envelope?.writeFailure(this.call, written) ?? EMPTY;
    headers["content-length"] = String(body.length);
    return new Response(body.length === 0 ? null : body as Uint8Array<ArrayBuffer>, { headers });
  }

  #refusal(trailer: Metadata): MuonError | undefined {
    if (trailer.size === 0) return undefined;
    return headersRefusal(trailer, { limit: this.#maxMetadata, id: "muon.mucp" });
  }

  /** What of the request comes back, as Go Micro's own answers have it. */
  #headers(): Record<string, string> {
    const headers: Record<string, string> = {
      // Empty, it says nothing, and Bun writes one of its own beside it.
      "content-type": this.#request.get("content-type") || JSON_TYPE,
    };
    for (const name of [ID, SERVICE, METHOD, ENDPOINT]) {
      const value = this.#request.get(name);
      if (value !== null) headers[name] = value;
    }
    return headers;
  }
}

/**
 * The answer to a browser's page, which may send requests to any address, loopback too: it tells its origin, and Go
 * Micro's callers tell none. The status is that of the `http` transport, as no caller of this one is to read it.
 */
async function refusePage(request: Request, origin: string): Promise<Response> {
  await request.body?.cancel().catch(() => {});
  const error = new MuonError(
    "permission_denied",
    `pages of ${
      JSON.stringify(origin.slice(0, 200))
    } may not call over mucp: call over http, at a node whose ` +
      `transport's option "origins" names them`,
    { id: "muon.mucp" },
  );
  return Response.json(error, { status: error.code });
}

/**
 * Whether a message is part of a Go Micro stream: there the stream's id is that of the call, and its end is an error
 * `EOS`. A unary call may name a stream, too, as muon's do.
 */
function isStream(headers: Headers): boolean {
  if (headerOf(headers, ERROR) !== undefined) return true;
  const stream = headerOf(headers, STREAM);
  return stream !== undefined && stream === headerOf(headers, ID);
}

/**
 * An error as the caller gets it: one that is about the shape of the input says, where that came as bytes, how else to
 * call.
 */
function explained(
  error: MuonError,
  { endpoint, type, contentType }: {
    readonly endpoint: string;
    readonly type: string;
    readonly contentType: string;
  },
): MuonError {
  const { id, code, detail, details } = error;
  const bytes = contentType === PROTOBUF_TYPE || contentType === BYTES_TYPE;
  if (!bytes || !details?.some((one) => one.type === "muon.Issues")) return error;
  return new MuonError(
    error.status,
    `${detail}. Called with ${type}, ${endpoint} was given its input as bytes` +
      `${
        contentType === PROTOBUF_TYPE ? ", since muon knows no protobuf schemas" : ""
      }: if it takes none, call it ` +
      `with ${JSON_TYPE}, in Go client.NewClient(client.ContentType("${JSON_TYPE}"))`,
    { id, code, details },
  );
}

/** Nanoseconds as whole ms; 0 where there is no timeout, or something else under its name. */
function timeoutOf(nanoseconds: string | null): number {
  if (nanoseconds === null || !/^\d{1,18}$/.test(nanoseconds)) return 0;
  return Math.ceil(Number(nanoseconds) / 1e6);
}

/** A content type without its parameters. */
function essence(contentType: string | null): string {
  return contentType === null ? "" : contentType.split(";", 1)[0]!.trim().toLowerCase();
}
