/**
 * A message that comes in parts, until it is whole.
 *
 * @module
 */

import { EMPTY } from "../../bytes.ts";

/** Least bytes of a part that is kept as it came. */
const LONG = 4_096;
/** A part is copied if it is less than this share of the buffer that it would keep alive. */
const SHARE = 4;

/**
 * Puts the parts of a message together. Long parts wait as they came, and are copied once, when all are there; short
 * ones are copied at once, so that what waits takes little more than the bytes that came.
 */
export class Parts {
  /** Bytes so far. */
  length = 0;
  readonly #long: Uint8Array[] = [];
  /** The short ones behind the long ones. */
  #short: Uint8Array = EMPTY;
  #used = 0;

  /** Adds the next part. */
  add(part: Uint8Array): void {
    this.length += part.length;
    if (part.length >= LONG && part.length * SHARE >= part.buffer.byteLength) {
      this.#settle();
      this.#long.push(part);
      return;
    }
    const used = this.#used + part.length;
    if (used > this.#short.length) {
      const larger = new Uint8Array(2 * used);
      larger.set(this.#short.subarray(0, this.#used));
      this.#short = larger;
    }
    this.#short.set(part, this.#used);
    this.#used = used;
  }

  /** The message, in a buffer of its own, or, if it had one part, that. */
  take(): Uint8Array {
    this.#settle();
    const parts = this.#long;
    if (parts.length === 1) return parts[0]!;
    const whole = new Uint8Array(this.length);
    let at = 0;
    for (const part of parts) {
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  }

  #settle(): void {
    if (this.#used === 0) return;
    this.#long.push(this.#short.subarray(0, this.#used));
    this.#short = EMPTY;
    this.#used = 0;
  }
}
