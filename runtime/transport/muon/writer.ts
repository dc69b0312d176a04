/**
 * Where outgoing frames are written: one growing buffer, of which batches are handed to the socket.
 *
 * @module
 */

import { EMPTY, utf8 } from "../../bytes.ts";
import { Spares } from "./spares.ts";

/** What a buffer grows to, in bytes, and beyond only for a frame that needs more. */
const SLAB = 65_536;
/** What it has at first, and all that a connection needs that says little. */
const LEAST = 256;
/** Writers with so many bytes. */
const spares = new Spares<Writer>();
const HEADER = 4;
/** Most bytes of a frame's kind, length and stream id. */
export const FRAME_HEAD = HEADER + 8;

/**
 * Bytes on their way out. The room a frame may take is reserved once, by {@link Writer.begin}; what writes into it
 * checks nothing.
 *
 * @example
 * ```ts
 * const writer = new Writer();
 * const frame = writer.begin(CREDIT, 1, 8);
 * writer.varint(4096);
 * writer.finish(frame);
 * writer.take(); // 0 9 0 0 3 …
 * ```
 */
export class Writer {
  #bytes: Uint8Array = EMPTY;
  #start = 0;
  #at = 0;
  /** Bytes that were taken since the buffer was last trimmed. */
  #taken = 0;

  /** A writer, for as long as there is something to write: see {@link Writer.reuse}. */
  static lent(): Writer {
    return spares.take() ?? new Writer();
  }

  /** Bytes that were written and not taken. */
  get size(): number {
    return this.#at - this.#start;
  }

  /**
   * Begins a frame.
   *
   * @param head Kind and flags.
   * @param id Stream id.
   * @param room Most bytes that its payload may take.
   * @returns Where it begins, for {@link Writer.finish}.
   */
  begin(head: number, id: number, room: number): number {
    if (this.#at + room + FRAME_HEAD > this.#bytes.length) this.#grow(room + FRAME_HEAD);
    const frame = this.#at;
    this.#bytes[frame] = head;
    this.#at = frame + HEADER;
    this.varint(id);
    return frame;
  }

  /** Ends a frame: writes its length. */
  finish(frame: number): void {
    this.#length(frame, this.#at - frame - HEADER);
  }

  /**
   * Ends a frame whose body is not copied: its head moves to where there is room in front of the body, and the writer
   * has nothing of it any more.
   *
   * @returns The frame, in the body's array.
   */
  detach(frame: number, body: Uint8Array): Uint8Array {
    const size = this.#at - frame;
    this.#length(frame, size - HEADER + body.length);
    const whole = new Uint8Array(body.buffer, body.byteOffset - size, size + body.length);
    whole.set(this.#bytes.subarray(frame, this.#at));
    this.#at = frame;
    return whole;
  }

  /** Writes a byte. */
  byte(value: number): void {
    this.#bytes[this.#at++] = value;
  }

  /** Writes an integer from 0 to 2^53 - 1 in 1 to 8 bytes. */
  varint(value: number): void {
    const bytes = this.#bytes;
    let at = this.#at;
    // Bit operations see 32 bits only.
    while (value >= 0x80000000) {
      bytes[at++] = (value % 128) | 128;
      value = Math.floor(value / 128);
    }
    while (value >= 128) {
      bytes[at++] = (value & 127) | 128;
      value >>>= 7;
    }
    bytes[at++] = value;
    this.#at = at;
  }

  /** Writes a text: its length in bytes, then its UTF-8. It takes up to `textRoom(text)` bytes. */
  text(text: string): void {
    const { length } = text;
    if (length < 64) {
      const bytes = this.#bytes;
      const start = this.#at + 1;
      let i = 0;
      for (; i < length; i++) {
        const unit = text.charCodeAt(i);
        if (unit > 127) break;
        bytes[start + i] = unit;
      }
      if (i === length) {
        bytes[start - 1] = length;
        this.#at = start + length;
        return;
      }
    }
    const encoded = utf8(text);
    this.varint(encoded.length);
    this.raw(encoded);
  }

  /** Writes bytes as they are. */
  raw(from: Uint8Array): void {
    const { length } = from;
    const bytes = this.#bytes;
    const at = this.#at;
    // For a few bytes a loop beats the call into the runtime.
    if (length < 32) {
      for (let i = 0; i < length; i++) bytes[at + i] = from[i]!;
    } else {
      bytes.set(from, at);
    }
    this.#at = at + length;
  }

  /**
   * What was written since it was last taken. The bytes are the caller's to keep, but for {@link Writer.reuse}.
   */
  take(): Uint8Array {
    const batch = this.#bytes.subarray(this.#start, this.#at);
    this.#taken += batch.length;
    this.#start = this.#at;
    return batch;
  }

  /**
   * Says that nobody needs what was taken any more, of which there was nothing left to be sent before: the bytes are
   * written over. New buffers for each batch took half of a Node server's CPU in a stream of 64 kB items, to be zeroed
   * and collected.
   *
   * @returns Whether the writer is given back with them, for whoever writes next: one whose buffer has not grown.
   */
  reuse(): boolean {
    if (this.size > 0) return false;
    this.#start = this.#at = 0;
    return this.#bytes.length === LEAST && spares.give(this);
  }

  /** Lets the buffer go if less than a quarter of it was used since the last time. To be called now and then. */
  trim(): void {
    if (this.size === 0 && this.#taken * 4 < this.#bytes.length) {
      this.#bytes = EMPTY;
      this.#start = this.#at = 0;
    }
    this.#taken = 0;
  }

  #length(frame: number, length: number): void {
    const bytes = this.#bytes;
    bytes[frame + 1] = length >>> 16;
    bytes[frame + 2] = length >>> 8;
    bytes[frame + 3] = length;
  }

  /** The bytes written so far stay together: a batch leaves as one. */
  #grow(room: number): void {
    if (this.#bytes.length === 0 && room <= LEAST) {
      this.#bytes = new Uint8Array(LEAST);
      return;
    }
    const size = this.size;
    const next = new Uint8Array(Math.max(LEAST, Math.min(SLAB, 4 * this.#bytes.length), 2 * size + room));
    next.set(this.#bytes.subarray(this.#start, this.#at));
    this.#bytes = next;
    this.#start = 0;
    this.#at = size;
  }
}

/** Most bytes that {@link Writer.text} writes for a text. */
export function textRoom(text: string): number {
  return text.length * 3 + 4;
}
