/**
 * One timer for many deadlines: a hashed timer wheel, in which a deadline is set and taken back in constant time.
 * Source: Varghese and Lauck, {@link https://doi.org/10.1145/37499.37504 | Hashed and Hierarchical Timing Wheels} (1987),
 * scheme 6.
 *
 * @module
 */

import type { Clock, Timer } from "./clock.ts";

const IDLE = -1;
const DUE = -2;

/**
 * Something that a {@link TimerWheel} calls when its time has come. What has a deadline extends this class, so that
 * setting one allocates nothing.
 */
export abstract class WheelTimer {
  /** When it falls due, in ms on the steady clock. The wheel's to write. */
  at = 0;
  /** Place in the wheel. The wheel's own. */
  slot: number = IDLE;
  /** Neighbour in its slot. The wheel's own. */
  before: WheelTimer | undefined = undefined;
  /** Neighbour in its slot. The wheel's own. */
  after: WheelTimer | undefined = undefined;

  /** Called once, at or after `at`, unless it was cancelled. It must not throw. */
  abstract fire(): void;
}

/** Options of {@link TimerWheel}. */
export interface TimerWheelOptions {
  /** Width of a slot in ms. It says how many timers lie together, not how exact they are. @default {8} */
  readonly tick?: number;
  /** Number of slots, a power of two. @default {512} */
  readonly slots?: number;
}

/**
 * Deadlines over one timer of a clock. The timer is set for the next deadline there is, so that an idle wheel never
 * wakes, and deadlines that are taken back in time cost nothing but two pointers.
 *
 * @example
 * ```ts
 * class Deadline extends WheelTimer {
 *   fire() { console.log("too late"); }
 * }
 * const wheel = new TimerWheel(clock);
 * const deadline = new Deadline();
 * wheel.set(deadline, clock.now() + 5_000);
 * wheel.cancel(deadline);
 * ```
 */
export class TimerWheel {
  readonly #clock: Clock;
  readonly #tick: number;
  readonly #mask: number;
  readonly #slots: (WheelTimer | undefined)[];
  readonly #origin: number;
  readonly #turn = () => this.#fire();
  /** First slot that was not gone through yet, counted from the origin. */
  #cursor = 0;
  #size = 0;
  #timer: Timer | undefined;
  /** For when the timer is set. */
  #wake = Infinity;

  /** @throws {RangeError} If `tick` is not above 0 or `slots` no power of two. */
  constructor(clock: Clock, options: TimerWheelOptions = {}) {
    const { tick = 8, slots = 512 } = options;
    if (!(tick > 0)) throw new RangeError(`Timer wheel's tick must be above 0 ms: current value is ${tick}`);
    if (!Number.isInteger(slots) || slots < 2 || (slots & (slots - 1)) !== 0) {
      throw new RangeError(`Timer wheel's slots must be a power of two: current value is ${slots}`);
    }
    this.#clock = clock;
    this.#tick = tick;
    this.#mask = slots - 1;
    this.#slots = new Array(slots).fill(undefined);
    this.#origin = clock.now();
  }

  /** How many timers are set. */
  get size(): number {
    return this.#size;
  }

  /**
   * Sets a timer, or sets it anew.
   *
   * @param timer What to call.
   * @param at When, in ms on the steady clock; a time that is past is as soon as can be.
   */
  set(timer: WheelTimer, at: number): void {
    if (timer.slot !== IDLE) this.cancel(timer);
    timer.at = at;
    // What is due already goes into the slot that is gone through next.
    const slot = Math.max(Math.floor((at - this.#origin) / this.#tick), this.#cursor) & this.#mask;
    const head = this.#slots[slot];
    timer.slot = slot;
    timer.before = undefined;
    timer.after = head;
    if (head !== undefined) head.before = timer;
    this.#slots[slot] = timer;
    this.#size++;
    if (at < this.#wake) this.#arm(at);
  }

  /** Takes a timer back; nothing happens if it is not set. */
  cancel(timer: WheelTimer): void {
    if (timer.slot === IDLE) return;
    if (timer.slot !== DUE) this.#unlink(timer);
    timer.slot = IDLE;
  }

  #unlink(timer: WheelTimer): void {
    const { before, after } = timer;
    if (before === undefined) this.#slots[timer.slot] = after;
    else before.after = after;
    if (after !== undefined) after.before = before;
    timer.before = timer.after = undefined;
    this.#size--;
  }

  #arm(at: number): void {
    this.#timer?.cancel();
    this.#wake = at;
    // A machine's timers may count whole milliseconds: rounded down, the wheel would wake too early, and again.
    this.#timer = this.#clock.after(
      Math.min(Math.max(0, Math.ceil(at - this.#clock.now())), 2 ** 31 - 1),
      this.#turn,
    );
  }

  #fire(): void {
    const now = this.#clock.now();
    const due: WheelTimer[] = [];
    const last = Math.floor((now - this.#origin) / this.#tick);
    for (let tick = Math.max(this.#cursor, last - this.#mask); tick <= last; tick++) {
      let timer = this.#slots[tick & this.#mask];
      while (timer !== undefined) {
        const { after } = timer as WheelTimer;
        if (timer.at <= now) {
          this.#unlink(timer);
          timer.slot = DUE;
          due.push(timer);
        }
        timer = after;
      }
    }
    this.#cursor = Math.max(this.#cursor, last);
    due.sort((a, b) => a.at - b.at);
    this.#timer = undefined;
    this.#wake = Infinity;
    for (const timer of due) {
      // One that fired before may have cancelled it, or set it anew.
      if (timer.slot !== DUE) continue;
      timer.slot = IDLE;
      timer.fire();
    }
    const next = this.#next();
    if (next < this.#wake) this.#arm(next);
  }

  /** When the wheel has to be looked at again: the next deadline of this turn of the wheel, or its end. */
  #next(): number {
    if (this.#size === 0) return Infinity;
    const turn = this.#origin + (this.#cursor + this.#mask) * this.#tick;
    for (let tick = this.#cursor; tick < this.#cursor + this.#mask; tick++) {
      const end = this.#origin + (tick + 1) * this.#tick;
      let next = Infinity;
      for (let timer = this.#slots[tick & this.#mask]; timer !== undefined; timer = timer.after) {
        if (timer.at < end && timer.at < next) next = timer.at;
      }
      if (next < Infinity) return next;
    }
    return turn;
  }
}
