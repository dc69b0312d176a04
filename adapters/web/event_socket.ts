/**
 * What a socket tells of, kept until somebody listens.
 *
 * @module
 */

import type { MessageSocketEvents } from "../../runtime/host.ts";

/**
 * The events of a {@link MessageSocket}, between a runtime's socket, which may tell of messages and of its end as soon as
 * it is there, and whoever listens, which may be later.
 */
export abstract class EventSocket {
  #listener: MessageSocketEvents | undefined;
  /** What came before anybody listened. */
  #early: Uint8Array[] | undefined;
  #end: { readonly code: number; readonly reason: string } | undefined;

  /** Tells of what has come, and from now on of what comes. */
  listen(listener: MessageSocketEvents): void {
    this.#listener = listener;
    const early = this.#early;
    this.#early = undefined;
    for (const data of early ?? []) listener.message(data);
    if (this.#end !== undefined) listener.close(this.#end.code, this.#end.reason);
  }

  /** Whether the socket has been said to be closed. */
  protected get closed(): boolean {
    return this.#end !== undefined;
  }

  /** A message came. */
  protected tellMessage(data: Uint8Array): void {
    if (this.#listener === undefined) (this.#early ??= []).push(data);
    else this.#listener.message(data);
  }

  /** The socket has sent what it had. */
  protected tellDrain(): void {
    this.#listener?.drain();
  }

  /** The socket is closed. To be called once. */
  protected tellClose(code: number, reason: string): void {
    this.#end = { code, reason };
    this.#listener?.close(code, reason);
  }
}
