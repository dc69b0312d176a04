/**
 * Frames gathered in WebSocket messages, as the limits of streams send them: no credit, and a pause while the socket
 * has much to send, without which a loop would hold all of a stream in memory.
 *
 * @module
 */
import { Encoder } from "cbor-x/encode";
import type { MessageSocket } from "../../runtime/host.ts";

/** How the limits write a frame. */
export const cbor: Encoder = new Encoder({ useRecords: false, tagUint8Array: false });

/** Bytes after which a batch leaves, however few its frames, and with which it starts. */
const BATCH = 32_768;
/** Bytes in the socket from which on the next frame waits. */
const HIGH = 262_144;

/** Sends frames in batches, over one socket. */
export class Batches {
  readonly #socket: MessageSocket;
  readonly #cut: number;
  #buffer = new Uint8Array(BATCH);
  #length = 0;
  #frames = 0;
  #drained: (() => void) | undefined;

  /** @param cut Frames after which a batch leaves; 1: each frame is a message, and nothing is batched. */
  constructor(socket: MessageSocket, cut: number) {
    this.#socket = socket;
    this.#cut = cut;
  }

  /** Adds a frame, behind its length in 4 bytes. Gives what to wait for before the next, if the socket is full. */
  send(frame: Uint8Array): Promise<void> | undefined {
    if (this.#cut === 1) {
      this.#socket.send(frame);
      return this.#room();
    }
    const end = this.#length + frame.length + 4;
    if (end > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(end, this.#buffer.length * 2));
      larger.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = larger;
    }
    new DataView(this.#buffer.buffer).setUint32(this.#length, frame.length);
    this.#buffer.set(frame, this.#length + 4);
    this.#length = end;
    if (++this.#frames < this.#cut && end < BATCH) return undefined;
    this.flush();
    return this.#room();
  }

  /** Sends what is gathered. */
  flush(): void {
    if (this.#frames === 0) return;
    this.#socket.send(this.#buffer.slice(0, this.#length));
    this.#length = this.#frames = 0;
  }

  /** The socket has sent what it had. */
  drained(): void {
    const resume = this.#drained;
    this.#drained = undefined;
    resume?.();
  }

  #room(): Promise<void> | undefined {
    if (this.#socket.buffered < HIGH) return undefined;
    return new Promise((resolve) => this.#drained = resolve);
  }
}

/** Takes a message of {@link Batches} apart, which were cut alike. */
export function eachFrame(message: Uint8Array, cut: number, take: (frame: Uint8Array) => void): void {
  if (cut === 1) return take(message);
  const view = new DataView(message.buffer, message.byteOffset, message.length);
  for (let at = 0; at < message.length;) {
    const length = view.getUint32(at);
    take(message.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
}
