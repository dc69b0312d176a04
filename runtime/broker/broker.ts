/**
 * Broker: events from publishers to subscribers.
 *
 * @module
 */

import type { Receipt } from "../call.ts";
import { textOf } from "../errors.ts";

export type { Receipt } from "../call.ts";

/** An event as brokers see it: bytes, and notes about them. */
export interface Message {
  /** Its id, unique. */
  readonly id: string;
  /** Notes: `Content-Type`, `Micro-Topic` and what the publisher gave. */
  readonly header: Readonly<Record<string, string>>;
  /** The event, written by a codec that `Content-Type` names. */
  readonly body: Uint8Array;
  /** Messages with the same key stay in order, where the broker can. */
  readonly key?: string | undefined;
}

/** A message that came for a subscription. */
export interface Delivery {
  /** Topic it was published to. */
  readonly topic: string;
  /** The message. */
  readonly message: Message;
  /** Number of this delivery, from 1, those to other members of the queue included. */
  readonly attempt: number;
  /** Aborted when the subscription or broker closes before the handler is done. */
  readonly signal: AbortSignal;
}

/**
 * What becomes of a delivery: nothing (it is done), `retry` after so many ms, or `deadLetter` for this reason. A
 * handler that throws asks for a retry by the broker's own policy.
 */
export type Verdict = void | { readonly retry: number } | { readonly deadLetter: string };

/**
 * The verdict in what a handler returned, which may be anything. What has neither `retry` nor `deadLetter` is none: the
 * delivery is done. What has one of them and is no verdict for all that is given up, and says so, as its event would be
 * lost otherwise.
 *
 * @example
 * ```ts
 * verdictOf({ retry: 50 }); // { retry: 50 }
 * verdictOf({ retry: "50" }); // { deadLetter: 'the handler returned { retry: 50 }, a string: …' }
 * ```
 */
export function verdictOf(returned: unknown): Verdict {
  if (typeof returned !== "object" || returned === null) return undefined;
  const { retry, deadLetter } = returned as { readonly retry?: unknown; readonly deadLetter?: unknown };
  if (typeof retry === "number" && Number.isFinite(retry)) return { retry };
  if (typeof deadLetter === "string") return { deadLetter };
  const key = "retry" in returned ? "retry" : "deadLetter" in returned ? "deadLetter" : undefined;
  if (key === undefined) return undefined;
  const value = key === "retry" ? retry : deadLetter;
  return {
    deadLetter:
      `the handler returned { ${key}: ${textOf(value).slice(0, 100)} }, a ${typeof value}, which is no ` +
      "verdict: return { retry: <ms, a number> } for another delivery, or { deadLetter: <why, a string> } for none",
  };
}

/** Options of {@link Broker.subscribe}. A broker refuses at once what it cannot do. */
export interface SubscribeOptions {
  /** Group of subscribers of which one gets each message. @default {none: this subscriber gets every message} */
  readonly queue?: string | undefined;
  /** Keep messages while no member of the queue is there. @default {false} */
  readonly durable?: boolean;
  /** Deliveries at a time. @default {64} */
  readonly concurrency?: number;
}

/** A subscription. Disposing it ends it at once. */
export interface Subscription extends AsyncDisposable {
  /** Takes no new message, and resolves when those it has are done, or at the signal. */
  drain(signal?: AbortSignal): Promise<void>;
  /** Resolves when the subscription is over: with why, if it was not asked to. */
  readonly closed: Promise<Error | undefined>;
}

/** What a broker is able to do. */
export interface BrokerAbilities {
  /** Keeps messages over a restart. */
  readonly durable: boolean;
  /** Learns whether a handler failed, and delivers again: to the same member of a queue, then to others. */
  readonly ack: boolean;
  /** Gives a new subscriber old messages. */
  readonly replay: boolean;
  /** Keeps the order of messages with the same key. */
  readonly ordered: boolean;
  /** Can wait before a redelivery. */
  readonly delay: boolean;
  /** Takes patterns for topics. */
  readonly wildcard: boolean;
}

/** A message that was given up, and why. */
export interface DeadLetter {
  /** Topic it was published to. */
  readonly topic: string;
  /** Queue of the subscription; `undefined` for one that gets every message. */
  readonly queue: string | undefined;
  /** The message. */
  readonly message: Message;
  /** How often it was delivered. */
  readonly attempts: number;
  /** Why it was given up. */
  readonly reason: string;
  /** When, in ms since the epoch. */
  readonly time: number;
}

/** The messages that a broker's own subscriptions gave up, oldest first. What comes or goes meanwhile harms no loop. */
export interface DeadLetters extends Iterable<DeadLetter> {
  /** How many are kept. */
  readonly size: number;
  /** How many there were, those included that are not kept any more. */
  readonly total: number;
  /** Keeps a letter no longer; gives whether it was kept. */
  remove(letter: DeadLetter): boolean;
  /**
   * Has a letter's message delivered anew to the subscription that gave it up, and to no other: its attempts begin at 1.
   * The letter is not kept any more then; a message that fails again is a new letter.
   *
   * @throws {MuonError} `not_found`, if the letter is not kept (any more); `resource_exhausted`, if the subscription has
   * no room; `failed_precondition`, if it is closed. The letter stays, then.
   */
  redrive(letter: DeadLetter): Promise<void>;
}

/** Brings events from publishers to subscribers. Brokers know bytes, and no codec. */
export interface Broker extends AsyncDisposable {
  /** Name of the implementation, as `--broker` takes it. */
  readonly name: string;
  /** What it can do. */
  readonly can: BrokerAbilities;
  /** What the subscriptions of this process gave up. @default {the broker keeps none where this process can see them} */
  readonly deadLetters?: DeadLetters;
  /** Resolves when the broker has taken the message on. Nobody listening is `accepted: 0`, no error. */
  publish(
    topic: string,
    message: Message,
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<Receipt>;
  /**
   * Has a topic's messages handled.
   *
   * @throws {MuonError} `unimplemented`, if the options ask for what the broker cannot do.
   */
  subscribe(
    topic: string,
    handle: (delivery: Delivery) => Promise<Verdict> | Verdict,
    options?: SubscribeOptions,
  ): Promise<Subscription>;
}
