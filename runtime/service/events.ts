/**
 * Events: from a broker's delivery to a subscribing handler, and from `publish` to the broker.
 *
 * @module
 */

import { type Broker, type Delivery, type Message, type Verdict, verdictOf } from "../broker/broker.ts";
import type { PublishOptions, Receipt } from "../call.ts";
import { canceled } from "../client/pending_call.ts";
import type { Codecs } from "../codec/codecs.ts";
import { type Topic, Values } from "../context.ts";
import {
  checkTopicName,
  durableRefusal,
  type ServiceDefinition,
  type SubscriptionDefinition,
} from "../definition.ts";
import { uuid } from "../entropy.ts";
import { MuonError, textOf } from "../errors.ts";
import { type Handler, intercept, type Interceptor, type Invocation } from "../interceptor.ts";
import type { Logger } from "../log.ts";
import { isKey, isValue, Metadata } from "../metadata.ts";
import type { System } from "../platform.ts";
import { type AnySchema, validate } from "../schema.ts";
import { type Parent, ServerCall, type ServerCallHost } from "../server/server_call.ts";
import { memberOf } from "../server/table.ts";

/** How events are written where a publication does not say: what Go Micro reads. */
export const EVENT_CONTENT_TYPE = "application/json";

/** What an event handler is made of. */
export interface EventHandlerOptions {
  /** The service that subscribes. */
  readonly definition: ServiceDefinition;
  /** Its subscription. */
  readonly subscription: SubscriptionDefinition;
  /** The object that has the member. */
  readonly implementation: object;
  /** Ways of reading. */
  readonly codecs: Codecs;
  /** What the handler's context needs. */
  readonly host: ServerCallHost;
  /** Stand around the handler, outermost first. */
  readonly interceptors: readonly Interceptor[];
}

/**
 * What handles the deliveries of a subscription. An event that cannot be read, or does not fit the schema, will not
 * do better the next time: it goes to the dead letters. A handler that throws is asked again by the broker's rules.
 */
export function eventHandler(options: EventHandlerOptions): (delivery: Delivery) => Promise<Verdict> {
  const { definition, subscription, codecs, host } = options;
  const method = memberOf(definition, options.implementation, subscription.member);
  const what = `event on ${subscription.topic}`;
  // A handler may throw the very same status, of a call that it made: that one may do better the next time.
  const unfit = new WeakSet<object>();
  const { input } = subscription;
  const checked = async (event: unknown, schema: AnySchema): Promise<unknown> => {
    try {
      return await validate(schema, event, what);
    } catch (error) {
      if (error instanceof MuonError) unfit.add(error);
      throw error;
    }
  };
  const handle: Handler = intercept(
    options.interceptors,
    input === undefined
      ? (invocation) => method(invocation.input, invocation.context!)
      : async (invocation) => await method(await checked(invocation.input, input), invocation.context!),
  );
  const log = host.log.with({ service: definition.name, topic: subscription.topic });

  return async (delivery) => {
    let call: ServerCall;
    try {
      call = new ServerCall(host, {
        definition,
        endpoint: subscription.topic,
        kind: "event",
        input: decode(delivery.message, codecs),
        metadata: metadataOf(delivery.message.header),
        carrier: {
          peer: { address: "broker" },
          deadline: undefined,
          signal: delivery.signal,
          eventId: delivery.message.id,
        },
      });
    } catch (error) {
      return refuse(log, delivery, error);
    }
    try {
      return verdictOf(await handle(call));
    } catch (error) {
      if (typeof error === "object" && error !== null && unfit.has(error)) {
        return refuse(log, delivery, error);
      }
      log.warn("event handler failed", { id: delivery.message.id, attempt: delivery.attempt, error });
      throw error;
    }
  };
}

/** Options of {@link Publisher}. */
export interface PublisherOptions {
  /** Takes the messages. */
  readonly broker: Broker;
  /** Ways of writing. */
  readonly codecs: Codecs;
  /** Ids and time. */
  readonly system: System;
  /** Stand around a publication, outermost first. */
  readonly interceptors: readonly Interceptor[];
}

/** Publishes events. */
export class Publisher {
  readonly #options: PublisherOptions;

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  /**
   * Publishes an event.
   *
   * @throws {TypeError} If the topic's name is none, or the options ask for a durable event.
   * @throws {MuonError} `invalid_argument`, if the event does not fit the topic's schema or cannot be written, or a key
   * of its metadata is the name of a header that says something else; `unavailable`, if it is `required` and nobody
   * took it; what the broker throws, if it does not take the message on.
   */
  async publish(
    topic: string | Topic,
    event: unknown,
    options: PublishOptions & { readonly parent?: Parent | undefined } = {},
  ): Promise<Receipt> {
    const { system, interceptors } = this.#options;
    const name = typeof topic === "string" ? topic : topic.name;
    checkTopicName(name);
    const refusal = durableRefusal(options);
    if (refusal !== undefined) throw new TypeError(`publish on "${name}": ${refusal}`);
    const own = Metadata.from(options.metadata);
    const signals = [options.signal, options.parent?.signal].filter((signal) => signal !== undefined);
    const signal = signals.length > 1 ? AbortSignal.any(signals) : signals[0];
    if (signal?.aborted) throw canceled(signal.reason);
    const invocation: Invocation = {
      side: "client",
      kind: "event",
      service: "",
      endpoint: name,
      input: event,
      metadata: options.parent === undefined ? own : options.parent.forwarded.with(own),
      values: new Values(),
      signal: signal ?? NEVER,
      deadline: undefined,
      attempt: 0,
      node: undefined,
      context: undefined,
    };
    const id = uuid(system.entropy);
    const handle = intercept(interceptors, (final) => this.#send(final, { id, topic, options, signal }));
    return await handle(invocation) as Receipt;
  }

  async #send(
    invocation: Invocation,
    { id, topic, options, signal }: {
      readonly id: string;
      readonly topic: string | Topic;
      readonly options: PublishOptions;
      readonly signal: AbortSignal | undefined;
    },
  ): Promise<Receipt> {
    const { broker, codecs } = this.#options;
    const name = invocation.endpoint;
    const schema = typeof topic === "string" ? undefined : topic.schema;
    // What is sent is the event as it was given: a subscriber parses it once, with defaults and brands of its own.
    if (schema !== undefined) await validate(schema, invocation.input, `event for ${name}`);
    for (const [key] of invocation.metadata) if (isOfWire(key)) throw clash(key);
    const contentType = options.contentType ?? EVENT_CONTENT_TYPE;
    const marshal = codecs.find(contentType);
    if (marshal === undefined) throw codecs.unknown(contentType);
    const message: Message = {
      id,
      header: {
        ...invocation.metadata.toJSON(),
        "Content-Type": contentType,
        "Micro-Topic": name,
        "Micro-Id": id,
      },
      body: encode(() => marshal.encode(invocation.input), name),
      key: options.key,
    };
    const receipt = await broker.publish(name, message, { signal });
    if (options.required && receipt.accepted === 0) {
      throw new MuonError(
        "unavailable",
        `Nobody took the event ${id} on ${name}, and it was required: the ${broker.name} broker knows no subscriber, ` +
          `or none could be reached`,
        { id: "muon.client", notRun: true },
      );
    }
    return receipt;
  }
}

const NEVER: AbortSignal = new AbortController().signal;

/** A copy: brokers keep bodies, and an encoder may use its buffer again. */
function encode(write: () => Uint8Array, topic: string): Uint8Array {
  try {
    return write().slice();
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : textOf(cause);
    throw new MuonError("invalid_argument", `Cannot encode the event for ${topic}: ${message}`, {
      id: "muon.client",
      cause,
    });
  }
}

function decode(message: Message, codecs: Codecs): unknown {
  const contentType = contentTypeOf(message.header) ?? EVENT_CONTENT_TYPE;
  const marshal = codecs.find(contentType);
  if (marshal === undefined) throw codecs.unknown(contentType);
  return marshal.decode(message.body);
}

/** The content type; muon's publishers and Go Micro's write its name as HTTP does. */
function contentTypeOf(header: Readonly<Record<string, string>>): string | undefined {
  const usual = header["Content-Type"];
  if (usual !== undefined) return usual;
  for (const name of Object.keys(header)) if (name.toLowerCase() === "content-type") return header[name];
  return undefined;
}

/** Whether a message's header of this name, in lower case, is the wire's: how to read it, and where it has been. */
function isOfWire(name: string): boolean {
  return name === "content-type" || name.startsWith("micro-") || name.startsWith("x-micro-") ||
    name === "muon-attempt" || name === "muon-tried";
}

function clash(key: string): MuonError {
  return new MuonError(
    "invalid_argument",
    `metadata "${key}" cannot travel with an event, where the header of that name says something else: rename it`,
    { id: "muon.client", notRun: true },
  );
}

/** What the publisher sent along: the message's headers without those of the wire, and without what is no metadata. */
function metadataOf(header: Readonly<Record<string, string>>): Metadata {
  let entries: Map<string, string> | undefined;
  for (const name of Object.keys(header)) {
    const key = name.toLowerCase();
    if (isOfWire(key)) continue;
    const value = header[name]!;
    if (isKey(key) && isValue(value)) (entries ??= new Map()).set(key, value);
  }
  return entries === undefined ? Metadata.EMPTY : Metadata.trusted(entries);
}

function refuse(log: Logger, delivery: Delivery, error: unknown): Verdict {
  const { detail } = MuonError.from(error);
  log.error("event refused", { id: delivery.message.id, reason: detail });
  return { deadLetter: detail };
}
