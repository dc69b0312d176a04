/**
 * A {@link MessageSocket} over npm `ws`, dialled or accepted.
 *
 * @module
 */

import type { WebSocket } from "ws";
import type { MessageSocket } from "../../runtime/host.ts";
import { EventSocket } from "../web/event_socket.ts";

const BINARY = { binary: true, compress: false, fin: true };
const ABNORMAL = 1006;

/** A WebSocket of npm `ws`. */
export class WsSocket extends EventSocket implements MessageSocket {
  readonly protocol: string;
  readonly #socket: WebSocket;
  readonly #masks: boolean;
  readonly #written = () => {
    if (this.#waits && this.#socket.bufferedAmount === 0) {
      this.#waits = false;
      this.tellDrain();
    }
  };
  /** Why this end closed the socket itself, where `ws` would report 1006. */
  #fault: { readonly code: number; readonly reason: string } | undefined;
  /** Whether a drain event is owed. */
  #waits = false;

  /**
   * @param socket An open WebSocket.
   * @param options `copies`: whether `send` has copied the bytes when it returns, as a client that masks does.
   * `maxMessage`: the limit `ws` was given, for the reason of a close.
   */
  constructor(socket: WebSocket, options: { readonly copies: boolean; readonly maxMessage: number }) {
    super();
    this.#socket = socket;
    this.protocol = socket.protocol;
    this.#masks = options.copies;
    socket.on("message", (data: Uint8Array, binary: boolean) => {
      if (!binary) {
        this.#fault = { code: 1003, reason: "text messages are not taken" };
        return this.close(1003, this.#fault.reason);
      }
      // `ws` gives a Buffer, whose slice() shares memory where that of a Uint8Array copies.
      const bytes = new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.length);
      if (this.#fault === undefined) this.tellMessage(bytes);
    });
    socket.on("error", (error: Error & { code?: string }) => {
      this.#fault ??= error.code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH"
        ? { code: 1009, reason: `a message was larger than ${options.maxMessage} bytes` }
        : { code: ABNORMAL, reason: error.message };
    });
    socket.on("close", (code, reason) => {
      const fault = this.#fault;
      if (fault !== undefined && code === ABNORMAL) this.tellClose(fault.code, fault.reason);
      else this.tellClose(code, reason.toString());
    });
  }

  get buffered(): number {
    return this.#socket.readyState === this.#socket.OPEN ? this.#socket.bufferedAmount : 0;
  }

  /** What is not masked into a buffer of its own is the kernel's, mostly, when `send` returns. */
  get copies(): boolean {
    const socket = this.#socket;
    return this.#masks || (socket.readyState === socket.OPEN && socket.bufferedAmount === 0);
  }

  send(data: Uint8Array): void {
    const socket = this.#socket;
    if (socket.readyState !== socket.OPEN) return;
    socket.send(data, BINARY, this.#written);
    if (socket.bufferedAmount > 0) this.#waits = true;
  }

  close(code = 1000, reason = ""): void {
    this.#socket.close(code, reason);
  }

  terminate(): void {
    this.#socket.terminate();
  }
}
