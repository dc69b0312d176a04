/**
 * Interceptors: one type of function around calls, streams and events, on both sides.
 *
 * @module
 */

import type { Context, Values } from "./context.ts";
import type { Kind } from "./definition.ts";
import type { Metadata } from "./metadata.ts";
import type { Node } from "./record.ts";

/** A call, a stream or an event on its way through interceptors. */
export interface Invocation {
  /** Which side this is. */
  readonly side: "client" | "server";
  /**
   * What it is. On the client, `undefined` where the answer will show whether it is a stream: the output is then a
   * value or an AsyncIterable.
   */
  readonly kind: Kind | "event" | undefined;
  /** Service; for an event the service that publishes or handles it. */
  readonly service: string;
  /** Endpoint; for an event its topic. */
  readonly endpoint: string;
  /** Input, event, or AsyncIterable of inputs. May be replaced. */
  input: unknown;
  /** Metadata that travels along. On the client it may be replaced. */
  metadata: Metadata;
  /** Local values. */
  readonly values: Values;
  /** Aborted when the call is over early. */
  readonly signal: AbortSignal;
  /** Until when the answer is waited for, in ms on the steady clock. */
  readonly deadline: number | undefined;
  /** Number of the attempt, from 1; 0 around the whole call and on the server. */
  readonly attempt: number;
  /** Node that was picked, in an attempt. */
  readonly node: Node | undefined;
  /** The handler's context, on the server. */
  readonly context: Context | undefined;
}

/** Gives the output (a value or an AsyncIterable), at once or later. */
export type Handler = (invocation: Invocation) => unknown;

/**
 * Wraps a handler. The first of a list is the outermost.
 *
 * @example
 * ```ts
 * const timed: Interceptor = (next) => async (invocation) => {
 *   const output = await next(invocation);
 *   console.log(invocation.endpoint);
 *   return output;
 * };
 * ```
 */
export type Interceptor = (next: Handler) => Handler;

/**
 * One handler of a list of interceptors around another.
 *
 * @example
 * ```ts
 * intercept([outer, inner], handler);
 * ```
 */
export function intercept(interceptors: readonly Interceptor[], handler: Handler): Handler {
  return interceptors.reduceRight((next, interceptor) => interceptor(next), handler);
}
