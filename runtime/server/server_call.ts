/**
 * A call on its way through a server: the handler's context and the interceptors' invocation in one object, so that
 * a call costs one allocation here. What few handlers ask for is made when they do.
 *
 * @module
 */

import type { CallOptions, Client, PublishOptions, Receipt, UntypedCall } from "../call.ts";
import type { Clock } from "../clock.ts";
import { type Context, type Topic, Values } from "../context.ts";
import type { Kind, ServiceDefinition } from "../definition.ts";
import type { Peer } from "../host.ts";
import type { Invocation } from "../interceptor.ts";
import type { Logger } from "../log.ts";
import { Metadata, type MetadataInit } from "../metadata.ts";
import type { StandardSchemaV1 } from "../schema.ts";

/** What calls that a handler makes inherit from the call it handles. */
export interface Parent {
  /** Ends them when it is aborted. */
  readonly signal: AbortSignal;
  /** Until when, in ms on the steady clock. */
  readonly deadline: number | undefined;
  /** Inbound metadata that flows on by itself: trace, baggage and what the service declares. */
  readonly forwarded: Metadata;
}

/** Makes calls and publishes on behalf of a call that is being handled. */
export interface Outgoing {
  /** A typed client. */
  client<T>(service: string | ServiceDefinition<T>, parent: Parent): Client<T>;
  /** An untyped call. */
  callFrom<T>(parent: Parent, call: {
    readonly service: string;
    readonly endpoint: string;
    readonly input: unknown;
    readonly options: CallOptions | undefined;
  }): UntypedCall<T>;
  /** A publication. */
  publish(
    topic: string | Topic,
    event: unknown,
    options: PublishOptions & { parent: Parent },
  ): Promise<Receipt>;
}

/** What a {@link ServerCall} needs of its server. */
export interface ServerCallHost {
  /** Time. */
  readonly clock: Clock;
  /** Whom to make calls with. */
  readonly outgoing: Outgoing;
  /** Log. */
  readonly log: Logger;
}

/** What carried the call or event here. */
export interface Carrier {
  /** Who sent it. */
  readonly peer: Peer;
  /** Until when its sender waits. */
  readonly deadline: number | undefined;
  /** Aborted when it is over early; made when first asked for. */
  readonly signal: AbortSignal;
  /** Id of the event, if it is one. */
  readonly eventId?: string;
}

const TRACE_KEYS: readonly string[] = ["traceparent", "tracestate", "baggage"];

/** The context of a handler, and the invocation that interceptors see. */
export class ServerCall implements Context, Invocation, Parent {
  readonly side = "server";
  readonly attempt = 0;
  readonly node = undefined;
  readonly kind: Kind | "event" | undefined;
  readonly service: string;
  readonly endpoint: string;
  input: unknown;
  metadata: Metadata;
  readonly #host: ServerCallHost;
  readonly #carrier: Carrier;
  readonly #definition: ServiceDefinition;
  #values: Values | undefined;
  #forwarded: Metadata | undefined;
  #trailer: Metadata = Metadata.EMPTY;

  /**
   * @param host The server's side of it.
   * @param what Which endpoint, with what input, and what carried it here.
   */
  constructor(
    host: ServerCallHost,
    what: {
      readonly definition: ServiceDefinition;
      readonly endpoint: string;
      readonly kind: Kind | "event" | undefined;
      readonly input: unknown;
      readonly metadata: Metadata;
      readonly carrier: Carrier;
    },
  ) {
    this.#host = host;
    this.#carrier = what.carrier;
    this.#definition = what.definition;
    this.kind = what.kind;
    this.service = what.definition.name;
    this.endpoint = what.endpoint;
    this.input = what.input;
    this.metadata = what.metadata;
  }

  get context(): Context {
    return this;
  }

  get peer(): Peer {
    return this.#carrier.peer;
  }

  get signal(): AbortSignal {
    return this.#carrier.signal;
  }

  get eventId(): string | undefined {
    return this.#carrier.eventId;
  }

  get deadline(): number | undefined {
    return this.#carrier.deadline;
  }

  get values(): Values {
    return this.#values ??= new Values();
  }

  get log(): Logger {
    return this.#host.log.with({ service: this.service, endpoint: this.endpoint });
  }

  /** What the caller gets with the answer. */
  get trailer(): Metadata {
    return this.#trailer;
  }

  get forwarded(): Metadata {
    return this.#forwarded ??= forwarded(this.metadata, this.#definition.forward);
  }

  remaining(): number {
    const deadline = this.deadline;
    return deadline === undefined ? Infinity : Math.max(0, deadline - this.#host.clock.now());
  }

  trail(metadata: MetadataInit): void {
    this.#trailer = this.#trailer.with(metadata);
  }

  client<T>(service: string | ServiceDefinition<T>): Client<T> {
    return this.#host.outgoing.client<T>(service, this);
  }

  call<T = unknown>(
    service: string,
    endpoint: string,
    input?: unknown,
    options?: CallOptions,
  ): UntypedCall<T> {
    return this.#host.outgoing.callFrom<T>(this, { service, endpoint, input, options });
  }

  publish<S extends StandardSchemaV1>(
    topic: Topic<S> | string,
    event: unknown,
    options: PublishOptions = {},
  ): Promise<Receipt> {
    return this.#host.outgoing.publish(topic as string | Topic, event, { ...options, parent: this });
  }
}

function forwarded(metadata: Metadata, declared: readonly string[]): Metadata {
  if (metadata.size === 0) return Metadata.EMPTY;
  const flowing = new Map<string, string>();
  for (const keys of [TRACE_KEYS, declared]) {
    for (const key of keys) {
      const value = metadata.get(key);
      if (value !== undefined) flowing.set(key.toLowerCase(), value);
    }
  }
  return Metadata.trusted(flowing);
}
