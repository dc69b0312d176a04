/**
 * Calls to one node by HTTP requests.
 *
 * @module
 */

import { MuonError } from "../../errors.ts";
import type { Peer } from "../../host.ts";
import { Metadata } from "../../metadata.ts";
import type { TimerWheel } from "../../timer_wheel.ts";
import type { Clock } from "../../clock.ts";
import type { CallHandle, CallHead, Exchange, Link, ReplySink } from "../transport.ts";
import { unimplementedStream } from "./inbound.ts";
import { OutboundCall, type OutboundHost } from "./outbound.ts";

/** What a {@link MucpLink} is made of. */
export interface MucpLinkOptions {
  /** Who is called. */
  readonly peer: Peer;
  /** Where requests go. */
  readonly url: string;
  /** Makes requests. */
  readonly fetch: typeof globalThis.fetch;
  /** Largest answer that is taken, in bytes. */
  readonly maxMessage: number;
  /** Most metadata that is sent with a call, in bytes: nobody says how much he takes. */
  readonly maxMetadata: number;
  /** Time. */
  readonly clock: Clock;
  /** Deadlines. */
  readonly wheel: TimerWheel;
  /** Whether calls go in the envelopes of Go Micro's first generation. */
  readonly firstGeneration: boolean;
  /** Gives each call a number, and a stream's id that no other call has. */
  readonly ids: () => { readonly id: string; readonly stream: string };
}

/**
 * A link without a connection of its own: `fetch` keeps connections and gives each call one for itself. It closes when
 * it is asked to, or once nobody answers at the node's address.
 */
export class MucpLink implements Link, OutboundHost {
  readonly contentType = "application/json";
  readonly peer: Peer;
  readonly url: string;
  readonly fetch: typeof globalThis.fetch;
  readonly maxMessage: number;
  readonly maxMetadata: number;
  readonly firstGeneration: boolean;
  readonly closed: Promise<MuonError | undefined>;
  readonly #options: MucpLinkOptions;
  readonly #calls = new Set<OutboundCall>();
  readonly #close: (why: MuonError | undefined) => void;
  #accepting = true;
  #unreachable: MuonError | undefined;

  constructor(options: MucpLinkOptions) {
    this.#options = options;
    this.peer = options.peer;
    this.url = options.url;
    this.fetch = options.fetch;
    this.maxMessage = options.maxMessage;
    this.maxMetadata = options.maxMetadata;
    this.firstGeneration = options.firstGeneration;
    const { promise, resolve } = Promise.withResolvers<MuonError | undefined>();
    this.closed = promise;
    this.#close = resolve;
  }

  get inflight(): number {
    return this.#calls.size;
  }

  get accepting(): boolean {
    return this.#accepting;
  }

  unary(head: CallHead, body: Uint8Array, sink: ReplySink): CallHandle {
    const { clock, wheel, ids } = this.#options;
    const call = new OutboundCall(this, head, sink);
    this.#calls.add(call);
    if (!this.#accepting) {
      void Promise.resolve().then(() => call.fail(this.#closedError()));
      return call;
    }
    if (head.timeout > 0) wheel.set(call, clock.now() + head.timeout);
    call.start(body, ids());
    return call;
  }

  open(head: CallHead): Exchange {
    return new RefusedExchange(
      this.#accepting
        ? unimplementedStream(head.endpoint).at({ service: head.service, endpoint: head.endpoint })
        : this.#closedError(),
    );
  }

  leave(call: OutboundCall, unreachable: MuonError | undefined): void {
    this.#options.wheel.cancel(call);
    this.#calls.delete(call);
    if (unreachable !== undefined) {
      this.#accepting = false;
      this.#unreachable = unreachable;
    }
    if (!this.#accepting && this.#calls.size === 0) this.#close(this.#unreachable);
  }

  async drain(signal?: AbortSignal): Promise<void> {
    this.#accepting = false;
    if (this.#calls.size === 0) this.#close(undefined);
    else if (!signal?.aborted) {
      await Promise.race([
        this.closed,
        new Promise<void>((resolve) => signal?.addEventListener("abort", () => resolve(), { once: true })),
      ]);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#accepting = false;
    for (const call of [...this.#calls]) {
      call.fail(new MuonError("unavailable", "the link was closed", { id: "muon.mucp" }));
    }
    this.#close(undefined);
    return Promise.resolve();
  }

  #closedError(): MuonError {
    return new MuonError("unavailable", "the link is closed", { id: "muon.mucp", notRun: true });
  }
}

/** What a stream comes to here. */
class RefusedExchange implements Exchange {
  readonly header: Promise<Metadata>;
  readonly trailer: Promise<Metadata>;
  readonly streaming: Promise<boolean>;
  readonly messages: AsyncIterable<Uint8Array>;
  readonly #error: MuonError;

  constructor(error: MuonError) {
    this.#error = error;
    const refused = Promise.reject(error);
    refused.catch(() => {});
    this.header = this.trailer = this.streaming = refused;
    this.messages = { [Symbol.asyncIterator]: () => ({ next: () => refused }) };
  }

  send(_body: Uint8Array): Promise<void> {
    const refused = Promise.reject(this.#error);
    refused.catch(() => {});
    return refused;
  }

  end(): void {}

  cancel(): void {}
}
