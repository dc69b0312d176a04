/**
 * A {@link MessageSocket} over the web's `WebSocket`: what Deno's server accepts and Bun's client dials.
 *
 * @module
 */

import type { Clock, Timer } from "../../runtime/clock.ts";
import type { MessageSocket } from "../../runtime/host.ts";
import { EventSocket } from "./event_socket.ts";

/** The web has no event for a buffer that ran empty: how long until it is looked at again, in ms. */
const LOOK = 2;
/**
 * A buffer of so many bytes makes its writer wait soon, or does already: it is looked at turn by turn. A value of 1 MB
 * waits four times, and took 13 ms with timers alone where it takes 7 so (Deno, both ways, interleaved).
 */
const FULL = 65_536;
/** Turns in which it is, until its reader is taken to be slow, and the clock times the looks. */
const TURNS = 16;

/** Options of {@link WebMessageSocket}. */
export interface WebMessageSocketOptions {
  /** Subprotocol that was agreed on; Deno's server socket does not say. */
  readonly protocol: string;
  /** Largest message that is taken, in bytes. */
  readonly maxMessage: number;
  /** Times the looks at a buffer. */
  readonly clock: Clock;
  /** Calls back at the end of the turn. */
  readonly endOfTurn: (callback: () => void) => void;
  /** Closes the connection at once. */
  readonly terminate: () => void;
}

/** A WebSocket in the web's form. */
export class WebMessageSocket extends EventSocket implements MessageSocket {
  readonly protocol: string;
  // Both runtimes copy: Deno into its writer's queue, Bun as it masks.
  readonly copies = true;
  readonly #socket: WebSocket;
  readonly #options: WebMessageSocketOptions;
  /** Why this end closes: what comes after it is not taken. */
  #fault: { readonly code: number; readonly reason: string } | undefined;
  #look: Timer | undefined;
  /** Turns left in which the buffer is looked at. */
  #turns = 0;

  /**
   * @param socket The WebSocket, open or about to be accepted.
   * @param options What it does not say itself.
   */
  constructor(socket: WebSocket, options: WebMessageSocketOptions) {
    super();
    this.#socket = socket;
    this.#options = options;
    this.protocol = options.protocol;
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => this.#receive(data);
    // Unheard, an error event ends a Deno process; what matters of it comes with the close.
    socket.onerror = (event) => {
      event.preventDefault();
    };
    socket.onclose = ({ code, reason }) => this.#end(code, reason);
  }

  get buffered(): number {
    return this.#socket.readyState === WebSocket.OPEN ? this.#socket.bufferedAmount : 0;
  }

  send(data: Uint8Array): void {
    const socket = this.#socket;
    if (socket.readyState !== WebSocket.OPEN) return;
    socket.send(data as Uint8Array<ArrayBuffer>);
    // What is small does not fill the buffer: that it is looked at later is enough.
    if (this.#turns > 0 || (this.#look !== undefined && data.length < FULL / 4)) return;
    const { bufferedAmount } = socket;
    if (bufferedAmount >= FULL) {
      this.#turns = TURNS;
      this.#options.endOfTurn(this.#turn);
    } else if (bufferedAmount > 0) {
      this.#lookLater();
    }
  }

  close(code = 1000, reason = ""): void {
    if (this.#socket.readyState <= WebSocket.OPEN) this.#socket.close(code, reason);
  }

  terminate(): void {
    this.#options.terminate();
    this.#end(1006, "");
  }

  #receive(data: string | ArrayBuffer): void {
    if (this.#fault !== undefined || this.closed) return;
    if (typeof data === "string") return this.#refuse(1003, "text messages are not taken");
    const { maxMessage } = this.#options;
    if (data.byteLength > maxMessage) {
      return this.#refuse(1009, `a message was larger than ${maxMessage} bytes`);
    }
    this.tellMessage(new Uint8Array(data));
  }

  #refuse(code: number, reason: string): void {
    this.#fault = { code, reason };
    this.close(code, reason);
  }

  #end(code: number, reason: string): void {
    if (this.closed) return;
    this.#look?.cancel();
    this.tellClose(this.#fault?.code ?? code, this.#fault?.reason ?? reason);
  }

  #lookLater(): void {
    this.#look ??= this.#options.clock.after(LOOK, () => {
      this.#look = undefined;
      if (!this.#isEmpty()) this.#lookLater();
    });
  }

  readonly #turn = () => {
    const left = this.#turns - 1;
    // Whoever is told that the buffer is empty fills it again, which is to be looked at anew.
    this.#turns = 0;
    if (this.#isEmpty()) return;
    if (left === 0) return this.#lookLater();
    this.#turns = left;
    this.#options.endOfTurn(this.#turn);
  };

  /** Looks, and tells if the buffer ran empty; so it counts as if nobody listens any more. */
  #isEmpty(): boolean {
    if (this.closed) return true;
    if (this.buffered > 0) return false;
    this.#look?.cancel();
    this.#look = undefined;
    this.tellDrain();
    return true;
  }
}
