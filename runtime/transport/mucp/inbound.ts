/**
 * A call that came in as a request.
 *
 * @module
 */

import { MuonError } from "../../errors.ts";
import type { Peer } from "../../host.ts";
import { Metadata } from "../../metadata.ts";
import { WheelTimer } from "../../timer_wheel.ts";
import type { CallHead, Incoming } from "../transport.ts";

/** Takes what a call comes to, once. */
export interface Answering {
  /** The output; the bytes are the receiver's to keep. */
  reply(body: Uint8Array, trailer: Metadata): void;
  /** The error. */
  fail(error: MuonError, trailer: Metadata): void;
}

/** A call that came in as a request: one input, one answer. */
export class InboundCall extends WheelTimer implements Incoming {
  readonly head: CallHead;
  readonly peer: Peer;
  readonly body: Uint8Array;
  readonly deadline: number | undefined;
  readonly #answering: Answering;
  readonly #request: { readonly signal: AbortSignal };
  #over = false;
  #aborted: MuonError | undefined;
  #controller: AbortController | undefined;

  /** @param options `request`: its signal, aborted when the caller goes away, is asked for by who asks for the call's. */
  constructor(
    options: {
      readonly head: CallHead;
      readonly peer: Peer;
      readonly body: Uint8Array;
      readonly deadline: number | undefined;
      readonly request: { readonly signal: AbortSignal };
      readonly answering: Answering;
    },
  ) {
    super();
    this.head = options.head;
    this.peer = options.peer;
    this.body = options.body;
    this.deadline = options.deadline;
    this.#answering = options.answering;
    this.#request = options.request;
  }

  get over(): boolean {
    return this.#over;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#aborted !== undefined) this.#controller.abort(this.#aborted);
      else if (!this.#over) this.#watch();
    }
    return this.#controller.signal;
  }

  get messages(): AsyncIterable<Uint8Array> {
    const { body } = this;
    return (async function* () {
      yield body;
    })();
  }

  reply(body: Uint8Array, trailer: Metadata = Metadata.EMPTY): void {
    if (this.#over) return;
    this.#over = true;
    this.#answering.reply(body, trailer);
  }

  send(_body: Uint8Array): Promise<void> | undefined {
    const error = this.#aborted ?? unimplementedStream(this.head.endpoint);
    this.fail(error);
    const refused = Promise.reject(error);
    refused.catch(() => {});
    return refused;
  }

  end(trailer: Metadata = Metadata.EMPTY): void {
    this.fail(unimplementedStream(this.head.endpoint), trailer);
  }

  fail(error: MuonError, trailer: Metadata = Metadata.EMPTY): void {
    if (this.#over) return;
    this.#over = true;
    this.#answering.fail(error, trailer);
  }

  /** Its deadline has passed. */
  fire(): void {
    if (this.#over) return;
    const error = new MuonError("deadline_exceeded", `not answered within ${this.head.timeout} ms`, {
      id: "muon.mucp",
    });
    this.fail(error);
    this.#abort(error);
  }

  /** A runtime may abort the signal of a request that was answered, too. */
  #watch(): void {
    const { signal } = this.#request;
    if (signal.aborted) this.#leave();
    else signal.addEventListener("abort", () => this.#leave(), { once: true });
  }

  #leave(): void {
    if (this.#over) return;
    const error = new MuonError("canceled", "the caller is gone", { id: "muon.mucp" });
    this.fail(error);
    this.#abort(error);
  }

  #abort(error: MuonError): void {
    this.#aborted = error;
    this.#controller?.abort(error);
  }
}

/** The error for a stream, of either side. */
export function unimplementedStream(endpoint: string): MuonError {
  return new MuonError(
    "unimplemented",
    `${endpoint} streams, and over Go Micro's HTTP transport muon carries calls with one input and one answer only: ` +
      "stream over another transport, as muon's own",
    { id: "muon.mucp" },
  );
}
