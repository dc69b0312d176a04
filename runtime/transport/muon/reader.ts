/**
 * Reads the values of muon.v1 out of a message, trusting none of them.
 *
 * @module
 */

import { text } from "../../bytes.ts";

/** The peer does not speak muon.v1 as `docs/protocol.md` has it: the connection ends. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}

/** A message, and how far it was read. */
export class Reader {
  /** The message. */
  readonly bytes: Uint8Array;
  /** Where the next value begins. */
  at = 0;
  /** Where the frame that is read ends: no value goes beyond. */
  end = 0;
  /** Bytes of the text that was read last. */
  length = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.end = bytes.length;
  }

  /** Reads a byte. */
  byte(): number {
    if (this.at >= this.end) throw short();
    return this.bytes[this.at++]!;
  }

  /** Reads a byte if it is this one; gives whether it is. */
  skips(byte: number): boolean {
    if (this.at >= this.end || this.bytes[this.at] !== byte) return false;
    this.at++;
    return true;
  }

  /** Reads an integer of 1 to 8 bytes, up to 2^53 - 1. */
  varint(): number {
    const { bytes } = this;
    if (this.at >= this.end) throw short();
    const first = bytes[this.at++]!;
    if (first < 128) return first;
    let value = first & 127;
    let scale = 128;
    for (let i = 1; i < 8; i++) {
      if (this.at >= this.end) throw short();
      const byte = bytes[this.at++]!;
      value += (byte & 127) * scale;
      if (byte < 128) {
        if (value > Number.MAX_SAFE_INTEGER) break;
        return value;
      }
      scale *= 128;
    }
    throw new ProtocolError("a varint is above 2^53 - 1 or longer than 8 bytes");
  }

  /** Reads a text of at most `limit` bytes; `what` names it for people. */
  text(limit: number, what: string): string {
    const length = this.varint();
    if (length > limit) {
      throw new ProtocolError(`${what} has ${length} bytes, more than ${limit}`);
    }
    const { at, bytes } = this;
    if (at + length > this.end) throw short();
    this.at = at + length;
    this.length = length;
    if (length === 0) return "";
    try {
      return text(bytes.subarray(at, at + length));
    } catch (error) {
      throw new ProtocolError(`${what} is no UTF-8`, { cause: error });
    }
  }

  /** The bytes from here to the frame's end, not copied. */
  rest(): Uint8Array {
    const rest = this.bytes.subarray(this.at, this.end);
    this.at = this.end;
    return rest;
  }
}

function short(): ProtocolError {
  return new ProtocolError("a frame is cut short");
}
