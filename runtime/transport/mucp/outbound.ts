/**
 * A call that is made as a request.
 *
 * @module
 */

import { readBody } from "../../body.ts";
import { MuonError, textOf } from "../../errors.ts";
import { neverConnected } from "../../fetch.ts";
import { WheelTimer } from "../../timer_wheel.ts";
import { headersRefusal, headTooLong } from "../metadata_limit.ts";
import type { CallHandle, CallHead, ReplySink } from "../transport.ts";
import { BYTES_TYPE, firstEnvelopeOf, JSON_TYPE, PROTOBUF_TYPE, type RpcEnvelope } from "./envelope.ts";
import { readError } from "./errors.ts";
import {
  ENDPOINT,
  ERROR,
  fromHeader,
  ID,
  METHOD,
  readTrailer,
  SERVICE,
  STREAM,
  TIMEOUT,
  toHeader,
  writeMetadata,
} from "./headers.ts";
import { unimplementedStream } from "./inbound.ts";

/** What a call needs of its link. */
export interface OutboundHost {
  /** Makes requests over kept HTTP/1.1 connections, one at a time on each. */
  readonly fetch: typeof globalThis.fetch;
  /** Where requests go. */
  readonly url: string;
  /** Largest answer that is taken, in bytes. */
  readonly maxMessage: number;
  /** Most metadata that is sent with a call, in bytes. */
  readonly maxMetadata: number;
  /** Whether calls go in the envelopes of Go Micro's first generation. */
  readonly firstGeneration: boolean;
  /** The call is over. `unreachable`: nobody answers there. */
  leave(call: OutboundCall, unreachable: MuonError | undefined): void;
}

/** A call that is made as a request. */
export class OutboundCall extends WheelTimer implements CallHandle {
  readonly #host: OutboundHost;
  readonly #head: CallHead;
  readonly #sink: ReplySink;
  readonly #abort = new AbortController();
  #over = false;

  constructor(host: OutboundHost, head: CallHead, sink: ReplySink) {
    super();
    this.#host = host;
    this.#head = head;
    this.#sink = sink;
  }

  /**
   * Sends the request.
   *
   * @param body The input; it is copied.
   * @param ids `id`: the call's number. `stream`: one that no other call has.
   */
  start(body: Uint8Array, ids: { readonly id: string; readonly stream: string }): void {
    void this.#run(body.slice() as Uint8Array<ArrayBuffer>, ids);
  }

  cancel(error: MuonError): void {
    this.fail(error);
  }

  /** Its deadline has passed. */
  fire(): void {
    this.fail(
      new MuonError("deadline_exceeded", `no answer within ${this.#head.timeout} ms`, {
        id: "muon.mucp",
        where: this.#where(),
      }),
    );
  }

  /** Ends the call; its connection is closed, if it has one already, as an answer may still come on it. */
  fail(error: MuonError, unreachable = false): void {
    if (this.#over) return;
    this.#over = true;
    this.#abort.abort(error);
    this.#host.leave(this, unreachable ? error : undefined);
    this.#sink.fail(error);
  }

  async #run(
    body: Uint8Array<ArrayBuffer>,
    ids: { readonly id: string; readonly stream: string },
  ): Promise<void> {
    const { fetch, url, maxMessage, maxMetadata, firstGeneration } = this.#host;
    try {
      const { kind, endpoint, contentType, metadata } = this.#head;
      if (kind !== undefined && kind !== "unary") throw notRun(unimplementedStream(endpoint));
      const refusal = headersRefusal(metadata, { limit: maxMetadata, id: "muon.mucp", notRun: true });
      if (refusal !== undefined) throw refusal;
      const envelope = firstGeneration ? envelopeFor(contentType) : undefined;
      const response = await fetch(url, {
        method: "POST",
        headers: envelope === undefined
          ? headersOf(this.#head, ids)
          : firstHeadersOf(this.#head, { type: envelope.contentType, stream: ids.stream }),
        body: envelope === undefined
          ? body
          : envelope.writeCall({ endpoint, id: ids.id, input: body }) as Uint8Array<ArrayBuffer>,
        redirect: "manual",
        signal: this.#abort.signal,
      });
      // Only the messages of a stream have this one, and more of them would come where another call's answer should.
      const streamed = response.headers.get("x-micro-endpoint");
      if (streamed !== null && !response.headers.has(ERROR)) {
        if (streamed === toHeader(endpoint)) throw unimplementedStream(endpoint);
        throw new MuonError("unavailable", `the connection was left with answers of a stream, ${streamed}`, {
          id: "muon.mucp",
        });
      }
      const answer = await readBody(response, { limit: maxMessage, what: "answer", id: "muon.mucp" });
      if (this.#over) return;
      const error = errorOf(response, { answer, head: this.#head, where: this.#where() });
      if (error !== undefined) throw error;
      const output = envelope === undefined ? answer : this.#takeOut(answer, envelope);
      this.#over = true;
      this.#host.leave(this, undefined);
      this.#sink.reply(output, readTrailer(response.headers), undefined);
    } catch (thrown) {
      // What failed before anything was awaited must not reach the sink before `unary` has returned.
      await undefined;
      if (this.#over) return;
      if (thrown instanceof MuonError) return this.fail(thrown.at(this.#where()));
      const unreachable = neverConnected(thrown);
      const error = new MuonError(
        "unavailable",
        `${unreachable ? "cannot connect" : "the connection broke"}: ${reasonOf(thrown)}`,
        {
          id: "muon.mucp",
          where: this.#where(),
          notRun: unreachable,
          cause: thrown,
        },
      );
      this.fail(error, unreachable);
    }
  }

  /** What an envelope of the first generation holds, where errors are in it and nowhere else. */
  #takeOut(answer: Uint8Array, envelope: RpcEnvelope): Uint8Array {
    const { output, error } = envelope.readAnswer(answer);
    if (error !== undefined) throw saidError(error, { head: this.#head, where: this.#where() });
    return output;
  }

  #where(): { readonly service: string; readonly endpoint: string } {
    return { service: this.#head.service, endpoint: this.#head.endpoint };
  }
}

/** @throws {MuonError} `invalid_argument`, if the first generation reads no such content type. */
function envelopeFor(contentType: string): RpcEnvelope {
  const envelope = firstEnvelopeOf(contentType);
  if (envelope !== undefined) return envelope;
  throw new MuonError(
    "invalid_argument",
    `the node's record names no protocol, as of Go Micro's first generation, which does not read ${contentType}: ` +
      `call it with ${JSON_TYPE}, or with bytes that are protobuf as ${PROTOBUF_TYPE} or ${BYTES_TYPE}`,
    { id: "muon.mucp", notRun: true },
  );
}

function headersOf(
  head: CallHead,
  ids: { readonly id: string; readonly stream: string },
): Record<string, string> {
  const headers: Record<string, string> = {};
  if (head.metadata.size > 0) writeMetadata(headers, head.metadata);
  const endpoint = toHeader(head.endpoint);
  headers["content-type"] = head.contentType;
  headers.accept = head.contentType;
  headers[SERVICE] = toHeader(head.service);
  headers[ENDPOINT] = endpoint;
  headers[METHOD] = endpoint;
  headers[ID] = ids.id;
  // Go Micro 4.10 to 6 lose an answer now and then where calls that share a connection have no stream of their own.
  headers[STREAM] = ids.stream;
  setTimeoutOf(head, headers);
  return headers;
}

/**
 * As {@link headersOf} for the first generation, without headers that name the call: to it they would be metadata,
 * which its handlers send on with calls of their own, and a later generation's node would be led astray by them.
 */
function firstHeadersOf(
  head: CallHead,
  { type, stream }: { readonly type: string; readonly stream: string },
): Record<string, string> {
  const headers: Record<string, string> = {};
  if (head.metadata.size > 0) writeMetadata(headers, head.metadata);
  headers["content-type"] = type;
  headers.accept = type;
  // A later node whose record has lost its protocol loses no answer with this one.
  headers[STREAM] = stream;
  setTimeoutOf(head, headers);
  return headers;
}

function setTimeoutOf({ timeout }: CallHead, headers: Record<string, string>): void {
  if (timeout > 0) headers[TIMEOUT] = `${Math.ceil(timeout)}000000`;
}

/** What an answer says went wrong; `undefined`: nothing. */
function errorOf(
  response: Response,
  { answer, head, where }: {
    readonly answer: Uint8Array;
    readonly head: CallHead;
    readonly where: { readonly service: string; readonly endpoint: string };
  },
): MuonError | undefined {
  const { status, headers } = response;
  const options = { id: head.service, where };
  const said = headers.get(ERROR);
  if (said) return saidError(fromHeader(said), { head, where });
  const words = () => new TextDecoder().decode(answer.subarray(0, 2_000)).trim();
  if (status === 431) return headTooLong({ id: "muon.mucp" }).at(where);
  if (status !== 200) {
    const error = readError(words() || `HTTP ${status}`, { id: "muon.mucp", where });
    // muon's own hosts answer so while they drain, before anything has run.
    if (status === 503) {
      return new MuonError("unavailable", error.detail, {
        id: error.id,
        where,
        notRun: error.id === "muon.host",
      });
    }
    const text = `the node does not speak mucp: it answers HTTP ${status}: ${error.detail}`;
    return new MuonError(status === 404 ? "unimplemented" : "unavailable", text, { id: "muon.mucp", where });
  }
  const type = headers.get("content-type") ?? "";
  // That is how Go Micro refuses a content type, without an error header.
  if (type.startsWith("text/plain") && head.contentType !== "text/plain") {
    return new MuonError("invalid_argument", words(), { ...options, notRun: true });
  }
  return undefined;
}

/** The error of a call by what the node says; `EOS` is the end of a stream. */
function saidError(
  said: string,
  { head, where }: {
    readonly head: CallHead;
    readonly where: { readonly service: string; readonly endpoint: string };
  },
): MuonError {
  return said === "EOS"
    ? unimplementedStream(head.endpoint).at(where)
    : readError(said, { id: head.service, where, answered: true });
}

function notRun(error: MuonError): MuonError {
  return new MuonError(error.status, error.detail, { id: error.id, notRun: true });
}

function reasonOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return textOf(thrown);
  // Node's fetch says "fetch failed", and why in the cause.
  return thrown.cause instanceof Error ? reasonOf(thrown.cause) : thrown.message || thrown.name;
}
