/**
 * A link over HTTP requests: the runtime's `fetch` keeps the connections.
 *
 * @module
 */

import { readBody, tooLarge } from "../../body.ts";
import type { Clock } from "../../clock.ts";
import { MuonError, textOf, type Where } from "../../errors.ts";
import { neverConnected } from "../../fetch.ts";
import type { Peer } from "../../host.ts";
import type { Limits } from "../../policy.ts";
import { headersRefusal } from "../metadata_limit.ts";
import { Later } from "../muon/later.ts";
import type { CallHandle, CallHead, Exchange, Link, ReplySink } from "../transport.ts";
import { ERROR_BODY, errorOfBody } from "./errors.ts";
import { envelopedType, writeMetadata } from "./headers.ts";
import { HttpExchange, type Outbound, UnaryCall } from "./outbound.ts";
import { pathOf } from "./paths.ts";
import { MAX_MESSAGE, MAX_METADATA } from "./server.ts";

/** What a link needs of its transport. */
export interface HttpLinkContext {
  /** Makes requests. */
  readonly fetch: typeof globalThis.fetch;
  /** Time. */
  readonly clock: Clock;
  /** What this end takes. */
  readonly limits: Limits;
  /** Whether `fetch` may send a request twice on its own. */
  readonly resends: boolean;
}

/** Any path of the protocol will do for a first question. */
const GREETING = pathOf({ service: "muon", endpoint: "Link.Open" });

/** A {@link Link} over HTTP requests. Calls go one way: whoever was dialled cannot call back. */
export class HttpLink implements Link {
  readonly peer: Peer;
  readonly contentType?: string;
  readonly #context: HttpLinkContext;
  readonly #base: string;
  readonly #calls = new Set<Outbound>();
  readonly #closed = new Later<MuonError | undefined>();
  readonly #idle = new Later<void>();
  /** Largest message that the other end takes; `undefined` if it did not say. */
  readonly #maxMessage: number | undefined;
  /** Most metadata that it takes, in bytes; where it did not say, as much as this end does. */
  readonly #maxMetadata: number;
  #accepting = true;
  #why: MuonError | undefined;

  /** @param other What the other end said of itself; what is missing of it is so where it is not muon. */
  constructor(
    context: HttpLinkContext,
    other: {
      readonly peer: Peer;
      readonly base: string;
      readonly maxMessage: number | undefined;
      readonly maxMetadata: number | undefined;
    },
  ) {
    this.#context = context;
    this.peer = other.peer;
    this.#base = other.base;
    this.#maxMessage = other.maxMessage;
    this.#maxMetadata = other.maxMetadata ?? context.limits.maxMetadata;
    if (other.maxMessage === undefined) this.contentType = "application/json";
  }

  /**
   * Asks the node at an address whether it takes calls.
   *
   * @throws {MuonError} `unavailable`, if nobody answers, or it takes none any more.
   */
  static async dial(
    context: HttpLinkContext,
    { peer, base, signal }: {
      readonly peer: Peer;
      readonly base: string;
      readonly signal: AbortSignal | undefined;
    },
  ): Promise<HttpLink> {
    signal?.throwIfAborted();
    const where: Where = { address: peer.address };
    let response: Response;
    try {
      response = await context.fetch(base + GREETING, {
        method: "OPTIONS",
        redirect: "manual",
        ...(signal === undefined ? {} : { signal }),
      });
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      throw unreachable(error, { where, notRun: true });
    }
    if (response.status === 503) {
      const body = await readBody(response, ERROR_BODY);
      const { detail, id } = errorOfBody(body, 503, where);
      throw new MuonError("unavailable", detail, { id, where, notRun: true });
    }
    await response.body?.cancel();
    const limit = (name: string) => {
      const said = response.headers.get(name);
      return said === null ? undefined : Number(said);
    };
    return new HttpLink(context, {
      peer,
      base,
      maxMessage: limit(MAX_MESSAGE),
      maxMetadata: limit(MAX_METADATA),
    });
  }

  get inflight(): number {
    return this.#calls.size;
  }

  get accepting(): boolean {
    return this.#accepting;
  }

  get closed(): Promise<MuonError | undefined> {
    return this.#closed.promise;
  }

  /** Time. */
  get clock(): Clock {
    return this.#context.clock;
  }

  /** What this end takes. */
  get limits(): Limits {
    return this.#context.limits;
  }

  /** Whether the other end is muon, which reads more than Connect says. */
  get isMuon(): boolean {
    return this.#maxMessage !== undefined;
  }

  unary(head: CallHead, body: Uint8Array, sink: ReplySink): CallHandle {
    const call = new UnaryCall(this, { head, sink });
    this.#calls.add(call);
    const refusal = this.#refusal(head) ?? this.refusedSize(body.length);
    if (refusal === undefined) call.start(body as Uint8Array<ArrayBuffer>);
    else void Promise.resolve().then(() => call.stop(refusal.at(this.where(head))));
    return call;
  }

  open(head: CallHead, signal?: AbortSignal): Exchange {
    const call = new HttpExchange(this, head);
    this.#calls.add(call);
    const refusal = this.#refusal(head);
    if (refusal !== undefined) call.stop(refusal.at(this.where(head)));
    else call.start(signal);
    return call;
  }

  /** Posts a call. Only what `fetch` throws is thrown. */
  post(
    head: CallHead,
    { body, enveloped, signal }: {
      readonly body: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array<ArrayBuffer>>;
      readonly enveloped: boolean;
      readonly signal: AbortSignal;
    },
  ): Promise<Response> {
    const { contentType, timeout, metadata } = head;
    const streamed = envelopedType(contentType);
    const headers: Record<string, string> = {
      "content-type": enveloped ? streamed! : contentType,
      "connect-protocol-version": "1",
    };
    // Muon answers in the one form or the other, and says so; Connect's servers answer in the form of the request.
    if (this.isMuon) headers.accept = streamed === undefined ? contentType : `${contentType}, ${streamed}`;
    if (timeout > 0) headers["connect-timeout-ms"] = String(Math.min(Math.ceil(timeout), 9_999_999_999));
    if (metadata.size > 0) writeMetadata(metadata, headers);
    const once = this.#context.resends && !head.idempotent && body instanceof Uint8Array;
    const init: RequestInit & { duplex: "half" } = {
      method: "POST",
      headers,
      body: once ? streamOf(body) : body,
      signal,
      redirect: "manual",
      duplex: "half",
    };
    return this.#context.fetch(this.#base + pathOf(head), init);
  }

  /** Where a call goes, for errors. */
  where({ service, endpoint }: CallHead): Where {
    return { service, endpoint, address: this.peer.address };
  }

  /** That a message is larger than the other end takes. */
  refusedSize(size: number): MuonError | undefined {
    if (this.#maxMessage === undefined || size <= this.#maxMessage) return undefined;
    return tooLarge(size, { limit: this.#maxMessage, what: "input", id: "muon.http" });
  }

  /** The error of a request that got no answer: the link is not used any more. */
  lost(cause: unknown, head: CallHead): MuonError {
    const error = unreachable(cause, { where: this.where(head), notRun: neverConnected(cause) });
    this.#stop(error);
    return error;
  }

  /** The other end answered with an error: perhaps that it stops. */
  failed(error: MuonError): void {
    if (error.status === "unavailable" && error.notRun) this.#stop(error);
  }

  /** A call is over. */
  leave(call: Outbound): void {
    this.#calls.delete(call);
    this.#settle();
  }

  /** A call with one input goes on as a stream. */
  replace(call: Outbound, by: Outbound): void {
    this.#calls.delete(call);
    this.#calls.add(by);
  }

  async drain(signal?: AbortSignal): Promise<void> {
    this.#stop(undefined);
    if (this.#calls.size === 0 || signal?.aborted) return;
    const aborted = new Later<void>();
    const abort = () => aborted.resolve();
    signal?.addEventListener("abort", abort, { once: true });
    await Promise.race([this.#idle.promise, aborted.promise]);
    signal?.removeEventListener("abort", abort);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop(undefined);
    const error = new MuonError(
      "unavailable",
      `the connection to ${this.peer.address} was closed by this end`,
      {
        id: "muon.http",
      },
    );
    for (const call of [...this.#calls]) call.stop(error.at(this.where(call.head)));
    await this.closed;
  }

  #refusal(head: CallHead): MuonError | undefined {
    if (!this.#accepting) {
      const why = this.#why === undefined ? "it is closed" : this.#why.detail;
      return new MuonError("unavailable", `no call is made to ${this.peer.address} any more: ${why}`, {
        id: "muon.http",
        notRun: true,
      });
    }
    const { metadata } = head;
    if (metadata.size === 0) return undefined;
    try {
      writeMetadata(metadata, {});
      return headersRefusal(metadata, { limit: this.#maxMetadata, id: "muon.http", notRun: true });
    } catch (error) {
      return MuonError.from(error);
    }
  }

  #stop(why: MuonError | undefined): void {
    if (this.#accepting) this.#why = why;
    this.#accepting = false;
    this.#settle();
  }

  #settle(): void {
    if (this.#accepting || this.#calls.size > 0) return;
    this.#idle.resolve();
    this.#closed.resolve(this.#why);
  }
}

function streamOf(body: Uint8Array<ArrayBuffer>): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    start(controller) {
      if (body.length > 0) controller.enqueue(body);
      controller.close();
    },
  });
}

function unreachable(
  cause: unknown,
  { where, notRun }: { readonly where: Where; readonly notRun: boolean },
): MuonError {
  return new MuonError("unavailable", `no answer from ${where.address}: ${reasonOf(cause)}`, {
    id: "muon.http",
    where,
    notRun,
    cause,
  });
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return textOf(error);
  // Node's fetch says "fetch failed", and why in the cause.
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
