/**
 * What connections leave to one another.
 *
 * @module
 */

/** How many are kept. */
const MOST = 1_024;

/** Things that nobody has: of thousands of connections few write in one turn, or have a call open. */
export class Spares<T> {
  readonly #kept: T[] = [];

  /** One of them, if there is any. */
  take(): T | undefined {
    return this.#kept.pop();
  }

  /** Leaves one. Gives whether it is kept, and its giver's no more. */
  give(one: T): boolean {
    if (this.#kept.length >= MOST) return false;
    this.#kept.push(one);
    return true;
  }
}
