/**
 * What a socket tells of, kept until somebody listens.
 *
 * @module
 */

import type { MessageSocketEvents } from "../../runtime/host.ts";

/**
 * Stands between a runtime's socket, which may tell of messages and of its end as soon as it is there, and whoever
 * listens to the {@link MessageSocket} that is made of it, which may be later.
 */
export class HeldEvents implements MessageSocketEvents {
  #listener: MessageSocketEvents | undefined;
  /** What came before anybody listened. */
  #early: Uint8Array[] | undefined;
  #closed: { readonly code: number; readonly reason: string } | undefined;

  /** Whether the socket has been said to be closed. */
  get closed(): boolean {
    return this.#closed !== undefined;
  }

  /** Tells of what has come, and from now on of what comes. */
  listen(listener: MessageSocketEvents): void {
    this.#listener = listener;
    const early = this.#early;
    this.#early = undefined;
    for (const data of early ?? []) listener.message(data);
    if (this.#closed !== undefined) listener.close(this.#closed.code, this.#closed.reason);
  }

  message(data: Uint8Array): void {
    if (this.#listener === undefined) (this.#early ??= []).push(data);
    else this.#listener.message(data);
  }

  drain(): void {
    this.#listener?.drain();
  }

  close(code: number, reason: string): void {
    this.#closed = { code, reason };
    this.#listener?.close(code, reason);
  }
}
