/**
 * That a client went, for what is served without an `AbortSignal`.
 *
 * @module
 */

import type { BareSignal } from "../../runtime/host.ts";

/** Tells those who listen that the client went before it was answered. */
export class Departure implements BareSignal {
  aborted = false;
  #listeners: readonly (() => void)[] = NONE;

  addEventListener(_type: "abort", listener: () => void): void {
    this.#listeners = [...this.#listeners, listener];
  }

  removeEventListener(_type: "abort", listener: () => void): void {
    this.#listeners = this.#listeners.filter((one) => one !== listener);
  }

  /** The client went. */
  abort(): void {
    this.aborted = true;
    const listeners = this.#listeners;
    this.#listeners = NONE;
    for (const listener of listeners) listener();
  }
}

const NONE: readonly (() => void)[] = [];
