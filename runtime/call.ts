/**
 * A call as its caller sees it: options, the object it returns, and the typed client.
 *
 * @module
 */

import type { Context } from "./context.ts";
import type { Decision, Filter, Strategy, Weight } from "./filter.ts";
import type { Metadata, MetadataInit } from "./metadata.ts";

/** Options of a call: always its second argument. */
export interface CallOptions {
  /** Time for the whole call in ms, retries included. For a stream: time to its first answer. @default {5000} */
  readonly timeout?: number;
  /** Cancels the call, at the server too. */
  readonly signal?: AbortSignal;
  /** Travels with the call. */
  readonly metadata?: MetadataInit;
  /** How often it may be tried again after the first time, if that is safe. @default {2} */
  readonly retries?: number;
  /** `host:port` to call without registry and selector, in muon.v1; a scheme as `mucp://` says otherwise. */
  readonly address?: string;
  /** Leave out nodes, beside the filters set as default. */
  readonly filters?: readonly Filter[];
  /** How much of the calls nodes get, beside the weights set as default. */
  readonly weights?: readonly Weight[];
  /** How to choose among the nodes, by name or as a strategy of one's own. @default {as the mesh's `selector` says} */
  readonly strategy?: "random" | "roundrobin" | "leastconn" | Strategy;
  /**
   * `false`: a node that is left out because calls to it failed may serve this call like any other.
   *
   * @default {it may not, while another can}
   */
  readonly ejection?: false;
  /** Told how the node of each attempt was picked: who was known, who was left out by what, who won. */
  readonly explain?: (decision: Decision) => void;
  /** How the input is written: `application/json`, `application/cbor`, or a content type of the option `codecs`. */
  readonly contentType?: string;
  /** Name of the transport to use, whatever the node's record prefers. */
  readonly transport?: string;
}

/** A call that answers once. It is sent when it is made, not when it is awaited. */
export interface UnaryCall<T> extends Promise<T> {
  /** Metadata that came with the answer; settles when the call does. */
  readonly trailer: Promise<Metadata>;
}

/** Values that come one by one. Leaving the loop cancels the call. */
export interface Stream<T> extends AsyncIterable<T>, AsyncDisposable {
  /** Metadata that came after the last value. */
  readonly trailer: Promise<Metadata>;
  /** Ends the call, at the server too. */
  cancel(reason?: unknown): void;
}

/** A call that answers with a stream: iterate it, or await it for a {@link Stream}. */
export interface StreamCall<T> extends Stream<T>, PromiseLike<Stream<T>> {}

/** The typed client of a service class, from `import type` alone. */
export type Client<T> = {
  readonly [K in keyof T as K extends string ? Exclude<K, "then" | "toJSON" | "constructor"> : never]: Remote<
    T[K]
  >;
};

/** A method as its callers see it. */
export type Remote<F> = F extends (...parameters: infer A) => infer R
  // Not `F extends () => …`: a method whose input may be left out is one of those too.
  ? A extends [] ? (input?: void, options?: CallOptions) => Result<R>
  : F extends (input: infer P, ctx: Context) => unknown
    ? (undefined extends P ? (input?: P, options?: CallOptions) => Result<R>
      : (input: P, options?: CallOptions) => Result<R>)
  : never
  : never;

/** What calling a method that returns `R` gives. */
export type Result<R> = R extends AsyncIterable<infer X> ? StreamCall<X> : UnaryCall<Awaited<R>>;

/** What an untyped call gives: whether the answer is one value or a stream shows when it comes. */
export interface UntypedCall<T = unknown> extends UnaryCall<T>, AsyncIterable<T>, AsyncDisposable {
  /** Ends the call, at the server too. */
  cancel(reason?: unknown): void;
}

/** Options of a publication. */
export interface PublishOptions {
  /** Travels with the event. */
  readonly metadata?: MetadataInit;
  /** How the event is written: `application/json`, or a content type of the option `codecs`. */
  readonly contentType?: string;
  /** Ends the attempt. */
  readonly signal?: AbortSignal;
  /** Events with the same key stay in order, where the broker can. */
  readonly key?: string;
  /** Whether nobody taking the event is an error: `unavailable`, and it may be published again. @default {false} */
  readonly required?: boolean;
}

/** That a broker took an event. */
export interface Receipt {
  /** Id of the event. */
  readonly id: string;
  /** How many subscribers (each queue counts as one) it was handed to or kept for. 0: nobody took it, which is no error unless {@link PublishOptions.required} says so. */
  readonly accepted: number;
}
