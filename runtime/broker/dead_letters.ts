/**
 * Messages that nobody could handle, in memory.
 *
 * @module
 */

import type { Clock } from "../clock.ts";
import { MuonError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { DeadLetter, DeadLetters } from "./broker.ts";

/** Options of {@link MemoryDeadLetters}. */
export interface MemoryDeadLettersOptions {
  /** Time. */
  readonly clock: Clock;
  /** Told of every dead letter. */
  readonly log: Logger;
  /** How many are kept; the oldest goes when one more comes. @default {1000} */
  readonly limit?: number;
  /** Bytes that the bodies of those may have together; the latest is kept however large it is. @default {67_108_864} */
  readonly maxBytes?: number;
}

/**
 * Keeps the latest dead letters in memory, for tests and for whoever operates the service. Each is logged as an error
 * too, so that none goes unseen when it is no longer kept.
 */
export class MemoryDeadLetters implements DeadLetters {
  /** What is kept, oldest first, and what delivers it anew. */
  readonly #letters = new Map<DeadLetter, () => void>();
  readonly #options: MemoryDeadLettersOptions;
  readonly #limit: number;
  readonly #maxBytes: number;
  #bytes = 0;
  #total = 0;

  constructor(options: MemoryDeadLettersOptions) {
    this.#options = options;
    this.#limit = options.limit ?? 1_000;
    this.#maxBytes = options.maxBytes ?? 67_108_864;
  }

  get size(): number {
    return this.#letters.size;
  }

  get total(): number {
    return this.#total;
  }

  /**
   * Adds one.
   *
   * @param letter What was given up.
   * @param again Has it delivered anew, or throws why it cannot be.
   */
  add(letter: Omit<DeadLetter, "time">, again: () => void): void {
    const { topic, queue, message, attempts, reason } = letter;
    this.#total++;
    this.#letters.set({ ...letter, time: this.#options.clock.wall() }, again);
    this.#bytes += message.body.length;
    while (
      this.#letters.size > this.#limit || (this.#bytes > this.#maxBytes && this.#letters.size > 1)
    ) this.remove(this.#letters.keys().next().value!);
    this.#options.log.error("event given up", { topic, queue, id: message.id, attempts, reason });
  }

  remove(letter: DeadLetter): boolean {
    const kept = this.#letters.delete(letter);
    if (kept) this.#bytes -= letter.message.body.length;
    return kept;
  }

  async redrive(letter: DeadLetter): Promise<void> {
    await undefined;
    const again = this.#letters.get(letter);
    if (again === undefined) {
      throw new MuonError("not_found", `the dead letter "${letter.message.id}" is not kept (any more)`, {
        id: "muon.broker",
      });
    }
    again();
    this.remove(letter);
  }

  [Symbol.iterator](): IterableIterator<DeadLetter> {
    return [...this.#letters.keys()].values();
  }
}
