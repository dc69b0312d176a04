/**
 * Messages that nobody could handle.
 *
 * @module
 */

import type { Clock } from "../clock.ts";
import type { Logger } from "../log.ts";
import type { Message } from "./broker.ts";

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

/** Options of {@link DeadLetters}. */
export interface DeadLettersOptions {
  /** Time. */
  readonly clock: Clock;
  /** Told of every dead letter. */
  readonly log: Logger;
  /** How many are kept; the oldest goes when one more comes. @default {1000} */
  readonly limit?: number;
}

/**
 * Keeps the latest dead letters in memory, for tests and for whoever operates the service. Each is logged as an error
 * too, so that none goes unseen when it is no longer kept.
 */
export class DeadLetters implements Iterable<DeadLetter> {
  readonly #letters: DeadLetter[] = [];
  readonly #options: DeadLettersOptions;
  readonly #limit: number;
  #total = 0;

  constructor(options: DeadLettersOptions) {
    this.#options = options;
    this.#limit = options.limit ?? 1_000;
  }

  /** How many there were, those included that are not kept any more. */
  get total(): number {
    return this.#total;
  }

  /** Adds one. */
  add(letter: Omit<DeadLetter, "time">): void {
    const { topic, queue, message, attempts, reason } = letter;
    this.#total++;
    this.#letters.push({ ...letter, time: this.#options.clock.wall() });
    if (this.#letters.length > this.#limit) this.#letters.shift();
    this.#options.log.error("event given up", { topic, queue, id: message.id, attempts, reason });
  }

  /** Those that are kept, oldest first. */
  [Symbol.iterator](): IterableIterator<DeadLetter> {
    return [...this.#letters].values();
  }
}
