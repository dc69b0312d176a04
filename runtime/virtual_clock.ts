/**
 * A clock that stands still until a test turns it.
 *
 * @module
 */

import type { Clock, Timer } from "./clock.ts";

interface Entry {
  readonly at: number;
  readonly order: number;
  readonly callback: () => void;
}

/**
 * A {@link Clock} whose time moves only by {@link VirtualClock.advance}, so that deadlines, retries and expiry are
 * tested without waiting. Timers fire in the order of their time, then in the order they were set.
 *
 * @example
 * ```ts
 * const clock = new VirtualClock();
 * let rang = false;
 * clock.after(1_000, () => rang = true);
 * await clock.advance(999); // rang is false
 * await clock.advance(1); // rang is true
 * ```
 */
export class VirtualClock implements Clock {
  #now: number;
  #order = 0;
  #skew = 0;
  #entries: Entry[] = [];
  readonly #settle: () => Promise<void>;

  /**
   * A clock that stands still.
   *
   * @param options `start`: the first time, in ms since the epoch. `settle`: lets the work that a timer started go
   * on before the next one fires; by default a good number of microtasks, which is enough for what does no I/O.
   */
  constructor(options: { readonly start?: number; readonly settle?: () => Promise<void> } = {}) {
    this.#now = options.start ?? 1_700_000_000_000;
    this.#settle = options.settle ?? microtasks;
  }

  /** How many timers are set. */
  get pending(): number {
    return this.#entries.length;
  }

  /** The time, in ms; it only moves on. */
  now(): number {
    return this.#now;
  }

  /** The time as the system has it, in ms since the epoch: it may {@link jump}. */
  wall(): number {
    return this.#now + this.#skew;
  }

  /** Makes the wall clock jump by `ms`, and the steady one not, as a machine's does when it is set. */
  jump(ms: number): void {
    this.#skew += ms;
  }

  /**
   * Calls back once, `ms` from now.
   *
   * @throws {RangeError} If `ms` is below 0 or no number.
   */
  after(ms: number, callback: () => void): Timer {
    if (!(ms >= 0)) throw new RangeError(`Timer delay must be at least 0 ms: current value is ${ms}`);
    const entry = { at: this.#now + ms, order: this.#order++, callback };
    this.#entries.push(entry);
    return {
      cancel: () => {
        const index = this.#entries.indexOf(entry);
        if (index >= 0) this.#entries.splice(index, 1);
      },
    };
  }

  /**
   * Turns the clock on by `ms`, firing what falls due on the way, each at its own time.
   *
   * @param ms How far, in milliseconds.
   */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await this.#settle();
    for (;;) {
      const next = this.#due(end);
      if (next === undefined) break;
      this.#now = Math.max(this.#now, next.at);
      next.callback();
      await this.#settle();
    }
    this.#now = end;
  }

  #due(end: number): Entry | undefined {
    let first: Entry | undefined;
    for (const entry of this.#entries) {
      if (entry.at > end) continue;
      if (
        first === undefined || entry.at < first.at || (entry.at === first.at && entry.order < first.order)
      ) {
        first = entry;
      }
    }
    if (first !== undefined) this.#entries.splice(this.#entries.indexOf(first), 1);
    return first;
  }
}

async function microtasks(): Promise<void> {
  for (let i = 0; i < 64; i++) await undefined;
}
