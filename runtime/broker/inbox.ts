/**
 * What stands between a broker and a subscriber's handler: a bounded queue with retries, and a way out.
 *
 * @module
 */

import type { Timer } from "../clock.ts";
import { MuonError } from "../errors.ts";
import { backoff } from "../policy.ts";
import type { System } from "../platform.ts";
import { type Delivery, type Message, type SubscribeOptions, type Verdict, verdictOf } from "./broker.ts";
import type { MemoryDeadLetters } from "./dead_letters.ts";
import type { DeliveryPolicy } from "./delivery_policy.ts";

/** Deliveries at a time, where a subscription does not say. */
const CONCURRENCY = 64;

/** The longest delay a clock takes. */
const MAX_DELAY = 2 ** 31 - 1;

/** What a message has been through in its queue. */
export interface History {
  /** Number of its next delivery, from 1. */
  readonly attempt: number;
  /** Ids of the subscriptions that have had it: none of them gets it again. */
  readonly tried: readonly string[];
}

/** The history of a message that comes from its publisher. */
export const NEW: History = { attempt: 1, tried: [] };

/**
 * What became of a message that was offered to the other members of a queue: one took it, one may take it later (it
 * has no room now, or did not answer), or there is no other.
 */
export type Handed = "taken" | "busy" | "none";

/** Why a delivery failed, and what its handler said of the next one: when, in ms. */
interface Failure {
  readonly reason: string;
  readonly wait?: number;
}

/** What an {@link Inbox} is made of. */
export interface InboxOptions {
  /** Id of the subscription, as {@link History.tried} has it. */
  readonly id: string;
  /** Topic of the subscription. */
  readonly topic: string;
  /** What handles a delivery. */
  readonly handle: (delivery: Delivery) => Promise<Verdict> | Verdict;
  /** What the subscriber asked for. */
  readonly subscribe: SubscribeOptions;
  /** Queueing and retries. */
  readonly policy: DeliveryPolicy;
  /** Time, and jitter. */
  readonly system: Pick<System, "clock" | "random">;
  /** Takes what is given up. */
  readonly dead: MemoryDeadLetters;
  /**
   * Offers a message to the other members of the queue. To throw is to say `busy`.
   *
   * @default {there are no others}
   */
  readonly pass?: ((message: Message, how: Passing) => Promise<Handed> | Handed) | undefined;
}

/** How a message is passed on. */
export interface Passing {
  /** What it has been through, this subscription included. */
  readonly history: History;
  /** Aborted when it is too late. */
  readonly signal: AbortSignal;
}

interface Entry {
  readonly message: Message;
  readonly tried: readonly string[];
  /** Number of its next delivery, here or elsewhere. */
  attempt: number;
  /** Deliveries here that failed. */
  failed: number;
  /** When it may be delivered again. */
  due: number;
  /** Why the last delivery failed. */
  reason: string | undefined;
  /** How often it was offered to others, of whom none had room. */
  refused: number;
  /** It is being offered to others, or waits for that. */
  leaving: boolean;
  /** It was handled, was taken by another member, or was given up. */
  over: boolean;
}

/**
 * Delivers messages to one subscriber: `concurrency` at a time, those that fail again after a jittered back-off. It
 * takes no more than it has room for, and says so.
 *
 * What fails for good here is offered to the members of the queue that have not had it; so is, when the subscription
 * drains or closes, what it has not handled. A message goes to each member once at most, so it does not circle. What
 * no other member takes is a dead letter.
 */
export class Inbox {
  readonly #options: InboxOptions;
  readonly #concurrency: number;
  readonly #abort = new AbortController();
  readonly #late = new AbortController();
  readonly #closed = Promise.withResolvers<Error | undefined>();
  readonly #waiting: Entry[] = [];
  readonly #retries = new Map<Entry, Timer>();
  readonly #running = new Set<Entry>();
  readonly #leaving: Entry[] = [];
  readonly #passing = new Set<Entry>();
  #open = true;
  /** Bytes of the largest message so far. */
  #largest = 0;
  #closing: Promise<void> | undefined;
  #changed: (() => void)[] = [];

  constructor(options: InboxOptions) {
    this.#options = options;
    this.#concurrency = options.subscribe.concurrency ?? CONCURRENCY;
  }

  /** Whether it takes messages: not once it is drained or closed. */
  get open(): boolean {
    return this.#open;
  }

  /** Whether there is room for a message. */
  hasRoomFor({ body }: Message): boolean {
    if (!this.#open) return false;
    const { capacity, capacityBytes } = this.#options.policy;
    const count = this.#count;
    if (count === 0) return capacity > 0;
    if (count >= capacity) return false;
    // Where as many of the largest would fit, they need not be added up.
    const largest = Math.max(this.#largest, body.length);
    return (count + 1) * largest <= capacityBytes || this.#bytes + body.length <= capacityBytes;
  }

  /** How many messages wait. */
  get #count(): number {
    return this.#waiting.length + this.#retries.size + this.#leaving.length + this.#passing.size;
  }

  /** How large they are. They change places in too many ways to be kept count of. */
  get #bytes(): number {
    let bytes = 0;
    for (const entries of [this.#waiting, this.#retries.keys(), this.#leaving, this.#passing]) {
      for (const { message } of entries) bytes += message.body.length;
    }
    return bytes;
  }

  /** Resolves when the inbox is closed. */
  get closed(): Promise<Error | undefined> {
    return this.#closed.promise;
  }

  /** Takes a message, if there is room; gives whether it did. The handler does not run before this returns. */
  offer(message: Message, { attempt, tried }: History = NEW): boolean {
    if (!this.hasRoomFor(message)) return false;
    this.#largest = Math.max(this.#largest, message.body.length);
    this.#waiting.push({
      message,
      tried,
      attempt,
      failed: 0,
      due: 0,
      reason: undefined,
      refused: 0,
      leaving: false,
      over: false,
    });
    this.#pump();
    return true;
  }

  /** The error for a publisher whose message found no room. */
  full(): MuonError {
    const { topic, subscribe, policy } = this.#options;
    const of = subscribe.queue === undefined ? "" : ` in queue "${subscribe.queue}"`;
    const behind = this.#count < policy.capacity
      ? `${this.#bytes} bytes behind, and takes ${policy.capacityBytes} (limit capacityBytes)`
      : `${policy.capacity} messages behind (limit capacity)`;
    return new MuonError(
      "resource_exhausted",
      `a subscriber of "${topic}"${of} is ${behind}: publish slower, or add subscribers`,
      { id: "muon.broker" },
    );
  }

  /**
   * Takes no new message, and offers what has not begun to the other members of the queue. Resolves when all that is
   * left is done, or at the signal, and is closed then.
   */
  async drain(signal?: AbortSignal): Promise<void> {
    this.#open = false;
    if (this.#options.pass !== undefined && !this.#abort.signal.aborted) {
      for (const entry of this.#takeWaiting()) this.#leave(entry);
    }
    const stop = () => this.#wake();
    signal?.addEventListener("abort", stop, { once: true });
    await this.#until(() => this.#idle || this.#abort.signal.aborted || (signal?.aborted ?? false));
    signal?.removeEventListener("abort", stop);
    await this.close();
  }

  /**
   * Ends it at once: handlers see their signal. What has not begun, and what handlers are still at, is offered to the
   * other members of the queue; resolves when that is decided.
   */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    const { topic, policy, system } = this.#options;
    this.#open = false;
    this.#abort.abort(new MuonError("canceled", `the subscription to "${topic}" was closed`));
    const left = this.#takeWaiting();
    // Their handlers may never come to an end; one that does so now makes a delivery too many, not one too few.
    if (this.#options.pass !== undefined) left.push(...this.#running);
    for (const entry of left) this.#leave(entry);
    this.#wake();
    if (this.#leaving.length + this.#passing.size > 0) {
      const timer = system.clock.after(policy.handover, () => this.#late.abort(), { background: false });
      await this.#until(() => this.#leaving.length + this.#passing.size === 0);
      timer.cancel();
    }
    this.#closed.resolve(undefined);
  }

  #takeWaiting(): Entry[] {
    for (const timer of this.#retries.values()) timer.cancel();
    const waiting = [...this.#waiting.splice(0), ...this.#retries.keys()];
    this.#retries.clear();
    return waiting;
  }

  get #idle(): boolean {
    return this.#count + this.#running.size === 0;
  }

  async #until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#changed.push(resolve));
  }

  #wake(): void {
    for (const changed of this.#changed.splice(0)) changed();
  }

  #pump(): void {
    while (this.#running.size < this.#concurrency) {
      const entry = this.#waiting.shift();
      if (entry === undefined) break;
      this.#running.add(entry);
      void this.#deliver(entry);
    }
    while (this.#passing.size < this.#concurrency) {
      const entry = this.#leaving.shift();
      if (entry === undefined) break;
      this.#passing.add(entry);
      void this.#pass(entry);
    }
    if (this.#changed.length > 0) this.#wake();
  }

  async #deliver(entry: Entry): Promise<void> {
    const { handle, topic } = this.#options;
    const { message, attempt } = entry;
    const { signal } = this.#abort;
    let failure: Failure | undefined;
    try {
      await undefined;
      // A handler in plain JavaScript may return anything.
      const verdict = verdictOf(await handle({ topic, message, attempt, signal }));
      if (verdict === undefined) {
        entry.over = true;
      } else if ("retry" in verdict) {
        failure = { reason: "the handler asked for another delivery", wait: verdict.retry };
      } else if (!entry.over) {
        entry.attempt++;
        this.#giveUp(entry, verdict.deadLetter);
      }
    } catch (error) {
      failure = { reason: error instanceof Error ? error.message : MuonError.from(error).detail };
    }
    this.#running.delete(entry);
    if (failure !== undefined && !entry.over) this.#failed(entry, failure);
    this.#pump();
  }

  #failed(entry: Entry, { reason, wait }: Failure): void {
    const { policy, system, pass } = this.#options;
    entry.reason = reason;
    entry.attempt++;
    entry.failed++;
    // Once it is closed, others have been asked, or are being asked.
    if (entry.leaving) return;
    if (this.#abort.signal.aborted) return this.#giveUp(entry, reason);
    const spent = entry.failed >= policy.attempts;
    if (spent && pass === undefined) return this.#giveUp(entry, reason);
    let delay = spent ? 0 : backoff(policy, entry.failed, system.random.next());
    if (wait !== undefined) delay = Math.min(MAX_DELAY, Math.max(0, wait));
    entry.due = system.clock.now() + delay;
    if (pass !== undefined && !this.#open) this.#leave(entry);
    else this.#later(entry);
  }

  /** Goes on with it when it is due: delivers it here, or offers it to others if it has failed here for good. */
  #later(entry: Entry): void {
    const { policy, system } = this.#options;
    const next = () => {
      this.#retries.delete(entry);
      if (entry.failed >= policy.attempts) this.#leave(entry);
      else this.#waiting.push(entry);
      this.#pump();
    };
    const wait = entry.due - system.clock.now();
    if (wait <= 0) next();
    else this.#retries.set(entry, system.clock.after(wait, next, { background: false }));
  }

  #leave(entry: Entry): void {
    if (this.#options.pass === undefined) return this.#stay(entry, "none");
    entry.leaving = true;
    this.#leaving.push(entry);
    this.#pump();
  }

  async #pass(entry: Entry): Promise<void> {
    const { pass, id } = this.#options;
    const { message, tried } = entry;
    // What a handler is still at counts as delivered.
    const attempt = entry.attempt + (this.#running.has(entry) ? 1 : 0);
    const { signal } = this.#late;
    let handed: Handed = "busy";
    try {
      if (!entry.over && !signal.aborted) {
        handed = await pass!(message, { history: { attempt, tried: [...tried, id] }, signal });
      }
    } catch {
      // Whether anybody is there could not be learnt: as good as nobody having room.
    }
    this.#passing.delete(entry);
    entry.leaving = false;
    if (handed === "taken") entry.over = true;
    else if (!entry.over) this.#stay(entry, handed);
    this.#pump();
  }

  /** Goes on with a message that no other member took. */
  #stay(entry: Entry, handed: Handed): void {
    const { policy, system } = this.#options;
    const closed = this.#abort.signal.aborted;
    // Its handler is still at it, and decides.
    if (this.#running.has(entry)) return;
    const spent = entry.failed >= policy.attempts;
    if (handed === "busy" && spent) entry.refused++;
    if (closed || (spent && (handed === "none" || entry.refused >= policy.attempts))) {
      const reason = entry.reason ?? "the subscription was closed before it was delivered";
      return this.#giveUp(
        entry,
        handed === "busy" ? `${reason} (and no other member of the queue could take it)` : reason,
      );
    }
    if (spent) {
      entry.due = system.clock.now() + backoff(policy, entry.refused, system.random.next());
    }
    this.#later(entry);
  }

  #giveUp(entry: Entry, reason: string): void {
    const { topic, subscribe, dead } = this.#options;
    const { message, attempt } = entry;
    entry.over = true;
    dead.add(
      { topic, queue: subscribe.queue, message, attempts: attempt - 1, reason },
      () => this.#again(message),
    );
  }

  /** Delivers anew what was given up here. */
  #again(message: Message): void {
    if (this.offer(message)) return;
    if (this.#open) throw this.full();
    const { topic } = this.#options;
    throw new MuonError(
      "failed_precondition",
      `message "${message.id}" cannot be delivered again: the subscription to "${topic}" that gave it up is closed`,
      { id: "muon.broker" },
    );
  }
}
