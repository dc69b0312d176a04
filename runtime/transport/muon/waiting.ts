/**
 * The calls that wait until the other end takes more.
 *
 * @module
 */

import { EMPTY } from "../../bytes.ts";
import { OVERHEAD } from "./limits.ts";
import type { Sender } from "./sender.ts";

/**
 * A queue of calls by their ids, first come, first sent. Ids only grow, by two, so that the order is theirs: a call is
 * taken out of the middle in constant time, and leaves nothing behind but a number that is passed over once.
 */
export class Waiting {
  readonly #sender: Sender;
  readonly #inputs = new Map<number, Uint8Array>();
  /** No call with a lower id waits. */
  #first = 0;

  /** @param sender Counts the bytes that wait. */
  constructor(sender: Sender) {
    this.#sender = sender;
  }

  /** How many calls wait. */
  get size(): number {
    return this.#inputs.size;
  }

  /**
   * Lets a call wait.
   *
   * @param id Its id, above all that were added before.
   * @param input Its input; nothing if inputs follow.
   */
  add(id: number, input: Uint8Array = EMPTY): void {
    if (this.#inputs.size === 0) this.#first = id;
    this.#inputs.set(id, input);
    this.#sender.hold(input.length + OVERHEAD);
  }

  /** Takes the call that came first. To be called when one waits. */
  take(): { readonly id: number; readonly input: Uint8Array } {
    const inputs = this.#inputs;
    while (!inputs.has(this.#first)) this.#first += 2;
    const id = this.#first;
    const input = inputs.get(id)!;
    this.remove(id);
    return { id, input };
  }

  /** A call does not wait any more. */
  remove(id: number): void {
    const input = this.#inputs.get(id);
    if (input === undefined) return;
    this.#inputs.delete(id);
    this.#sender.release(input.length + OVERHEAD);
  }
}
