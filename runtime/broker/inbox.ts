/**
 * What stands between a broker and a subscriber's handler: a bounded queue with retries.
 *
 * @module
 */

import type { Timer } from "../clock.ts";
import { MuonError } from "../errors.ts";
import { backoff } from "../policy.ts";
import type { System } from "../platform.ts";
import type { BrokerAbilities, Delivery, Message, SubscribeOptions, Verdict } from "./broker.ts";
import type { DeadLetters } from "./dead_letters.ts";

/** How deliveries are queued and tried again. */
export interface DeliveryPolicy {
  /** Deliveries of a message, the first included, before it goes to the dead letters. @default {3} */
  readonly attempts: number;
  /** Longest wait before the second delivery in ms; each further one waits up to twice as long. @default {100} */
  readonly backoff: number;
  /** Longest wait before a delivery in ms. @default {10_000} */
  readonly maxBackoff: number;
  /** Messages that may wait for one subscription, those that wait for a retry included. @default {1024} */
  readonly capacity: number;
}

/** The defaults of {@link DeliveryPolicy}. */
export const DELIVERY_POLICY: DeliveryPolicy = {
  attempts: 3,
  backoff: 100,
  maxBackoff: 10_000,
  capacity: 1_024,
};

/** Deliveries at a time, where a subscription does not say. */
const CONCURRENCY = 64;

/** The longest delay a clock takes. */
const MAX_DELAY = 2 ** 31 - 1;

/** What the brokers of this folder can do: queue and retry at the subscriber, in memory. */
export const INBOX_ABILITIES: BrokerAbilities = {
  durable: false,
  ack: true,
  replay: false,
  ordered: false,
  delay: true,
  wildcard: false,
};

/** What an {@link Inbox} is made of. */
export interface InboxOptions {
  /** Name of the broker, for errors. */
  readonly broker: string;
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
  readonly dead: DeadLetters;
  /** Takes what waits when the inbox closes; gives whether it did. @default {it goes to the dead letters} */
  readonly pass?: (message: Message, attempt: number) => boolean;
}

interface Entry {
  readonly message: Message;
  readonly attempt: number;
}

/**
 * Checks what a subscriber asks for against what an inbox can do.
 *
 * @throws {MuonError} `unimplemented`, if it asks for what the broker cannot do.
 * @throws {TypeError} If the queue is the empty string.
 * @throws {RangeError} If the concurrency is no whole number from 1.
 */
export function checkSubscribe(broker: string, options: SubscribeOptions): void {
  const { queue, durable, concurrency } = options;
  if (durable === true) {
    throw new MuonError(
      "unimplemented",
      `the ${broker} broker keeps messages in memory: it cannot make a subscription durable`,
      { id: "muon.broker" },
    );
  }
  if (queue === "") throw new TypeError("Queue of a subscription must not be empty; leave it out for none");
  if (concurrency !== undefined && (!Number.isInteger(concurrency) || concurrency < 1)) {
    throw new RangeError(
      `Concurrency of a subscription must be a whole number from 1: current value is ${concurrency}`,
    );
  }
}

/**
 * Delivers messages to one subscriber: `concurrency` at a time, those that fail again after a jittered back-off, and
 * those that fail for good to the dead letters. It takes no more than it has room for, and says so.
 */
export class Inbox {
  readonly #options: InboxOptions;
  readonly #concurrency: number;
  readonly #abort = new AbortController();
  readonly #closed = Promise.withResolvers<Error | undefined>();
  readonly #waiting: Entry[] = [];
  readonly #retries = new Map<Entry, Timer>();
  readonly #running = new Set<Entry>();
  #open = true;
  #drained: (() => void)[] = [];

  constructor(options: InboxOptions) {
    this.#options = options;
    this.#concurrency = options.subscribe.concurrency ?? CONCURRENCY;
  }

  /** Whether it takes messages: not once it is drained or closed. */
  get open(): boolean {
    return this.#open;
  }

  /** Whether there is room for a message. */
  get hasRoom(): boolean {
    return this.#open && this.#waiting.length + this.#retries.size < this.#options.policy.capacity;
  }

  /** Resolves when the inbox is closed. */
  get closed(): Promise<Error | undefined> {
    return this.#closed.promise;
  }

  /** Takes a message, if there is room; gives whether it did. The handler does not run before this returns. */
  offer(message: Message, attempt = 1): boolean {
    if (!this.hasRoom) return false;
    this.#waiting.push({ message, attempt });
    this.#pump();
    return true;
  }

  /** The error for a publisher whose message found no room. */
  full(): MuonError {
    const { topic, subscribe, policy } = this.#options;
    const of = subscribe.queue === undefined ? "" : ` in queue "${subscribe.queue}"`;
    return new MuonError(
      "resource_exhausted",
      `a subscriber of "${topic}"${of} is ${policy.capacity} messages behind: publish slower, or add subscribers`,
      { id: "muon.broker" },
    );
  }

  /** Takes no new message; resolves when all it has are done, or at the signal, and is closed then. */
  async drain(signal?: AbortSignal): Promise<void> {
    this.#open = false;
    if (!this.#idle && !(signal?.aborted ?? false)) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const stop = () => resolve();
      this.#drained.push(resolve);
      signal?.addEventListener("abort", stop, { once: true });
      await promise;
      signal?.removeEventListener("abort", stop);
    }
    this.close();
  }

  /** Ends it at once: handlers see their signal, and what waits is passed on or given up. */
  close(): void {
    this.#open = false;
    if (this.#abort.signal.aborted) return;
    const { topic } = this.#options;
    this.#abort.abort(new MuonError("canceled", `the subscription to "${topic}" was closed`));
    for (const timer of this.#retries.values()) timer.cancel();
    const left = [...this.#waiting.splice(0), ...this.#retries.keys()];
    this.#retries.clear();
    for (const entry of left) this.#leave(entry, "the subscription was closed before it was delivered");
    for (const drained of this.#drained.splice(0)) drained();
    this.#closed.resolve(undefined);
  }

  get #idle(): boolean {
    return this.#waiting.length + this.#retries.size + this.#running.size === 0;
  }

  #pump(): void {
    while (this.#running.size < this.#concurrency) {
      const entry = this.#waiting.shift();
      if (entry === undefined) break;
      this.#running.add(entry);
      void this.#deliver(entry);
    }
    if (this.#idle) { for (const drained of this.#drained.splice(0)) drained(); }
  }

  async #deliver(entry: Entry): Promise<void> {
    const { handle, topic, policy, system } = this.#options;
    const { message, attempt } = entry;
    try {
      await undefined;
      const verdict = await handle({ topic, message, attempt, signal: this.#abort.signal });
      // A handler in plain JavaScript may return anything.
      if (typeof verdict !== "object" || verdict === null) return;
      if ("deadLetter" in verdict) {
        this.#giveUp(entry, { attempts: attempt, reason: String(verdict.deadLetter) });
      } else if ("retry" in verdict) {
        this.#again(entry, { wait: verdict.retry, reason: "the handler asked for another delivery" });
      }
    } catch (error) {
      this.#again(entry, {
        wait: backoff(policy, attempt, system.random.next()),
        reason: error instanceof Error ? error.message : String(error),
      });
    } finally {
      this.#running.delete(entry);
      this.#pump();
    }
  }

  #again(entry: Entry, { wait, reason }: { readonly wait: number; readonly reason: string }): void {
    const { policy, system } = this.#options;
    const { message, attempt } = entry;
    if (attempt >= policy.attempts) return this.#giveUp(entry, { attempts: attempt, reason });
    const next = { message, attempt: attempt + 1 };
    if (this.#abort.signal.aborted) return this.#leave(next, reason);
    const delay = Number.isFinite(wait) ? Math.min(MAX_DELAY, Math.max(0, wait)) : policy.maxBackoff;
    const timer = system.clock.after(delay, () => {
      this.#retries.delete(next);
      this.#waiting.push(next);
      this.#pump();
    }, { background: false });
    this.#retries.set(next, timer);
  }

  #leave({ message, attempt }: Entry, reason: string): void {
    if (this.#options.pass?.(message, attempt)) return;
    this.#giveUp({ message, attempt }, { attempts: attempt - 1, reason });
  }

  #giveUp({ message }: Entry, why: { readonly attempts: number; readonly reason: string }): void {
    const { topic, subscribe } = this.#options;
    this.#options.dead.add({ topic, queue: subscribe.queue, message, ...why });
  }
}
