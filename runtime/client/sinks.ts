/**
 * What takes the answer of a call: of one on the hot path, and of one that is awaited.
 *
 * @module
 */

import type { Marshal } from "../codec/codec.ts";
import { MuonError } from "../errors.ts";
import type { Metadata } from "../metadata.ts";
import type { Pick } from "../selector/selector.ts";
import type { Exchange, ReplySink } from "../transport/transport.ts";
import { decodeAnswers } from "./answers.ts";
import type { PendingCall } from "./pending_call.ts";
import { type Route, type Target, whereOf } from "./target.ts";

/** What a call on the hot path was made of. */
export interface StraightCall {
  /** What was called. */
  readonly target: Target;
  /** Its input. */
  readonly input: unknown;
  /** What the caller holds. */
  readonly pending: PendingCall;
  /** The node that was picked. */
  readonly pick: Pick;
  /** Reads the answer. */
  readonly marshal: Marshal;
  /** The endpoint, as the node's record tells it. */
  readonly route: Route;
  /** When it was made, in ms on the steady clock. */
  readonly started: number;
}

/** What a {@link StraightSink} needs of its client. */
export interface StraightClient {
  /** The steady clock, in ms. */
  now(): number;
  /** The call failed: another attempt may be made. */
  retryStraight(call: StraightCall, error: MuonError): void;
}

/** Takes the answer of a call on the hot path. */
export class StraightSink implements ReplySink {
  readonly #client: StraightClient;
  readonly #call: StraightCall;

  constructor(client: StraightClient, call: StraightCall) {
    this.#client = client;
    this.#call = call;
  }

  reply(body: Uint8Array | undefined, trailer: Metadata, stream: Exchange | undefined): void {
    const { pending, pick, marshal } = this.#call;
    const duration = this.#client.now() - this.#call.started;
    if (stream !== undefined) return this.#stream(stream, duration);
    pick.done({ duration });
    try {
      pending.succeed(marshal.decode(body!), trailer);
    } catch (error) {
      pending.fail(this.#place(error));
    }
  }

  #stream(stream: Exchange, duration: number): void {
    const { pending, pick, marshal } = this.#call;
    const answers = decodeAnswers(stream, marshal, (error) => this.#place(error));
    answers.trailer.then(
      () => pick.done({ duration }),
      (error) => pick.done({ error: MuonError.from(error), duration }),
    );
    pending.stream(answers);
  }

  #place(error: unknown): MuonError {
    return MuonError.from(error, { where: whereOf(this.#call.target, this.#call.pick.candidate.node) });
  }

  fail(error: MuonError): void {
    this.#call.pick.done({ error, duration: this.#client.now() - this.#call.started });
    this.#client.retryStraight(this.#call, error);
  }
}

/** Takes the answer of a call that is awaited. */
export class PromiseSink implements ReplySink {
  readonly #settled = Promise.withResolvers<{
    readonly body: Uint8Array | undefined;
    readonly trailer: Metadata;
    readonly stream: Exchange | undefined;
  }>();

  get answer(): Promise<
    {
      readonly body: Uint8Array | undefined;
      readonly trailer: Metadata;
      readonly stream: Exchange | undefined;
    }
  > {
    return this.#settled.promise;
  }

  reply(body: Uint8Array | undefined, trailer: Metadata, stream: Exchange | undefined): void {
    this.#settled.resolve({ body, trailer, stream });
  }

  fail(error: MuonError): void {
    this.#settled.reject(error);
  }
}
