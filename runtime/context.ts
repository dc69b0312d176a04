/**
 * What a handler knows beside its input.
 *
 * @module
 */

import type { CallOptions, Client, PublishOptions, Receipt, UntypedCall } from "./call.ts";
import type { ServiceDefinition } from "./definition.ts";
import type { Peer } from "./host.ts";
import type { Logger } from "./log.ts";
import type { Metadata, MetadataInit } from "./metadata.ts";
import type { StandardSchemaV1 } from "./schema.ts";

/** A topic with the schema of its events. */
export interface Topic<S extends StandardSchemaV1 = StandardSchemaV1> {
  /** Name of the topic. */
  readonly name: string;
  /** Schema of its events. */
  readonly schema: S;
}

/** The key of a local value, typed. Made by {@link valueKey}. */
export interface ValueKey<T> {
  /** What it is called, for people. */
  readonly name: string;
  /** Value where none was set. */
  readonly initial: T;
}

/**
 * A key under which interceptors and handlers of one call pass each other a value. It never travels.
 *
 * @example
 * ```ts
 * const user = valueKey<string | undefined>("user", undefined);
 * ctx.values.set(user, "42");
 * ctx.values.get(user); // "42"
 * ```
 */
export function valueKey<T>(name: string, initial: T): ValueKey<T> {
  return { name, initial };
}

/** Typed values of one call, local to this process. */
export class Values {
  #map: Map<ValueKey<unknown>, unknown> | undefined;

  /** The value of a key, or its initial one. */
  get<T>(key: ValueKey<T>): T {
    const map = this.#map;
    return map !== undefined && map.has(key as ValueKey<unknown>)
      ? map.get(key as ValueKey<unknown>) as T
      : key.initial;
  }

  /** Sets the value of a key. */
  set<T>(key: ValueKey<T>, value: T): void {
    (this.#map ??= new Map()).set(key as ValueKey<unknown>, value);
  }
}

/** Calls other services and publishes: what a handler's context, a mesh and a service have in common. */
export interface Caller {
  /** A typed client of a service, by its name or by its definition. */
  client<T>(service: string | ServiceDefinition<T>): Client<T>;
  /** Calls an endpoint without types. */
  call<T = unknown>(
    service: string,
    endpoint: string,
    input?: unknown,
    options?: CallOptions,
  ): UntypedCall<T>;
  /** Publishes an event to a topic with a schema. */
  publish<S extends StandardSchemaV1>(
    topic: Topic<S>,
    event: S extends StandardSchemaV1<infer I, unknown> ? I : never,
    options?: PublishOptions,
  ): Promise<Receipt>;
  /** Publishes an event to a topic by name. */
  publish(topic: string, event: unknown, options?: PublishOptions): Promise<Receipt>;
}

/** What a handler knows beside its input. Calls made through it carry its deadline, trace and declared metadata on. */
export interface Context extends Caller {
  /** Service that is called. */
  readonly service: string;
  /** Endpoint that is called; the topic of an event. */
  readonly endpoint: string;
  /** Id of an event, the same each time it is delivered, so that it can be handled once; `undefined` in a call. */
  readonly eventId: string | undefined;
  /** Aborted when the caller cancels, goes away, or its deadline has passed. */
  readonly signal: AbortSignal;
  /**
   * Until when the caller waits, in ms on the steady clock (`clock.now()`); `undefined`: no limit, or a stream whose
   * first item was sent.
   */
  readonly deadline: number | undefined;
  /** Milliseconds the caller still waits; `Infinity`: no limit. */
  remaining(): number;
  /** What the caller sent along. */
  readonly metadata: Metadata;
  /** Who calls. */
  readonly peer: Peer;
  /** Typed values of this call, local to this process. */
  readonly values: Values;
  /** A logger that knows service and endpoint. */
  readonly log: Logger;
  /** Adds to the metadata that the caller gets with the answer. */
  trail(metadata: MetadataInit): void;
}
