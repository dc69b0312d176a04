/**
 * CBOR of plain values, which most messages are, written in one pass, without a library behind. Whatever else there is in
 * a value is left to that. What is written here, `cbor_plain_reader.ts` reads.
 *
 * Measured with `{name}` in and `{greeting}` out, all that muon does for a call but the sockets: 16 % less CPU on
 * Deno and Node, 20 % on Bun, than with the check and cbor-x. Lists of 20 and 1,000 records are read in half of their
 * time, and written in 0.3 (20) to 1.1 (1,000, on Bun) of cbor-x's. What turns out not to be plain at the end of
 * 100 kB takes up to twice as long.
 *
 * @module
 */

import { utf8, utf8Into } from "../bytes.ts";

/** Bytes that a written head may take, and a number. */
const HEAD = 9;
/** Texts up to this many bytes are written and read unit by unit: beyond, a call into the runtime is cheaper. */
export const SHORT = 48;
/** Messages are written one behind the other into an array of this many bytes, and never over one another. */
const SLAB = 8_192;
/** What has to be left of it to begin another, in bytes; one that takes more gets an array of its own as it grows. */
const LEAST = 2_048;
/** How deep a value that is written here may be nested. */
const DEEPEST = 16;
/** Most bytes that are written here: a value that holds itself, or a list of nothing but length, is to end somewhere. */
const LONGEST = 16_777_216;

/**
 * What is left in front of a message in an array of its own, in bytes: room for the head of the frame that carries it,
 * so that it need not be copied behind that.
 */
const FRONT = 512;

/** Longest array that is kept to be used again, in bytes: of the one that is kept, and the one that is lent. */
const KEPT = 2_097_152;

let slab = new Uint8Array(SLAB);
let view = new DataView(slab.buffer);
/** Where the message begins that is written. */
let start = 0;
/** Where is written. */
let at = 0;
/** Up to where a head or a number may begin. */
let room = 0;
/** The slab, while a message that grew out of it is written. */
let shared: { readonly slab: typeof slab; readonly view: typeof view; readonly at: number } | undefined;
/** Whether something is being written: a getter of the value may write another. */
let busy = false;
/** The last message's own array, while whoever has it may give it back. */
let lent: ArrayBuffer | undefined;
/** One that was given back. */
let spare: typeof slab | undefined;

/**
 * Writes a value of null, booleans, numbers, texts, bytes, lists and objects, byte for byte as cbor-x does
 * ({@link https://www.rfc-editor.org/rfc/rfc8949#section-4.1 | RFC 8949 §4.1}, but for floats, which all take eight).
 *
 * @returns The bytes, the caller's to keep; `undefined` if there is something else in the value, or too much of it.
 *
 * @example
 * ```ts
 * encodePlain({ a: 1 }); // a1 61 61 01
 * ```
 */
export function encodePlain(value: unknown): Uint8Array | undefined {
  if (busy) return undefined;
  if (slab.length - at < LEAST) {
    slab = new Uint8Array(SLAB);
    view = new DataView(slab.buffer);
    at = 0;
  }
  start = at;
  room = slab.length - HEAD;
  busy = true;
  let whole = false;
  try {
    whole = write(value, DEEPEST);
    return whole ? slab.subarray(start, at) : undefined;
  } finally {
    busy = false;
    if (shared !== undefined) {
      lent = whole && slab.length <= KEPT ? slab.buffer : undefined;
      ({ slab, view, at } = shared);
      shared = undefined;
    } else if (!whole) at = start;
  }
}

/**
 * Takes back the bytes of a message that is sent: the array of a long one serves for another. To make one for each took
 * a sender of 64 kB items 10 to 20 % more CPU (upload_chunks, three interleaved runs on each runtime), and a call of 1 MB
 * on Node 15 % more time.
 */
export function reclaimPlain(bytes: Uint8Array): void {
  if (lent === undefined || bytes.buffer !== lent) return;
  spare = new Uint8Array(lent);
  lent = undefined;
}

/** How many bytes in front of a message's, in their array, are nobody's: of the last long one, until it is given back. */
export function frontOfPlain(bytes: Uint8Array): number {
  return lent !== undefined && bytes.buffer === lent ? bytes.byteOffset : 0;
}

/** The message that is being written goes on in an array of its own, with room for `bytes` and more; not if too long. */
function grow(bytes: number): boolean {
  if (at - start + bytes > LONGEST) return false;
  shared ??= { slab, view, at: start };
  const written = slab.subarray(start, at);
  const length = FRONT + Math.max(SLAB, 2 * written.length) + bytes;
  if (spare !== undefined && spare.length >= length) {
    slab = spare;
    spare = undefined;
  } else {
    slab = new Uint8Array(length);
  }
  view = new DataView(slab.buffer);
  slab.set(written, FRONT);
  start = FRONT;
  at = FRONT + written.length;
  room = slab.length - HEAD;
  return true;
}

function write(value: unknown, levels: number): boolean {
  if (levels === 0) return false;
  if (at > room && !grow(0)) return false;
  switch (typeof value) {
    case "string":
      return writeText(value);
    case "number":
      writeNumber(value);
      return true;
    case "boolean":
      slab[at++] = value ? 0xf5 : 0xf4;
      return true;
    case "object": {
      if (value === null) {
        slab[at++] = 0xf6;
        return true;
      }
      const { constructor } = value;
      if (constructor === Object) return writeObject(value as Record<string, unknown>, levels);
      if (constructor === Array) return writeList(value as unknown[], levels);
      return constructor === Uint8Array && writeBytes(value as Uint8Array);
    }
    case "undefined":
      slab[at++] = 0xf7;
      return true;
    default:
      return false;
  }
}

function writeObject(value: Readonly<Record<string, unknown>>, levels: number): boolean {
  const keys = Object.keys(value);
  writeHead(0xa0, keys.length);
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i]!;
    if (!writeText(key) || !write(value[key], levels - 1)) return false;
  }
  return true;
}

function writeList(value: readonly unknown[], levels: number): boolean {
  if (value.length > LONGEST) return false;
  writeHead(0x80, value.length);
  for (let i = 0; i < value.length; i++) if (!write(value[i], levels - 1)) return false;
  return true;
}

function writeBytes(value: Uint8Array): boolean {
  if (at + value.length > room && !grow(value.length)) return false;
  writeHead(0x40, value.length);
  slab.set(value, at);
  at += value.length;
  return true;
}

function writeHead(major: number, argument: number): void {
  if (argument < 24) {
    slab[at++] = major | argument;
  } else if (argument < 0x100) {
    slab[at++] = major | 24;
    slab[at++] = argument;
  } else if (argument < 0x10000) {
    slab[at++] = major | 25;
    slab[at++] = argument >> 8;
    slab[at++] = argument;
  } else {
    slab[at++] = major | 26;
    view.setUint32(at, argument);
    at += 4;
  }
}

/** Bytes of a head with this argument. */
function headLength(argument: number): number {
  return argument < 24 ? 1 : argument < 0x100 ? 2 : argument < 0x10000 ? 3 : 5;
}

function writeNumber(value: number): void {
  if (value >>> 0 === value) return writeHead(0x00, value);
  if (value < 0 && value >= -0x100000000 && Math.floor(value) === value) return writeHead(0x20, -1 - value);
  slab[at++] = 0xfb;
  view.setFloat64(at, value);
  at += 8;
}

function writeText(text: string): boolean {
  const { length } = text;
  if (length > SHORT) return writeEncoded(text);
  // A unit takes up to three bytes, and a head up to five.
  if (at + 3 * length > room && !grow(3 * length)) return false;
  const begin = at + headLength(length);
  let to = begin;
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) {
      slab[to++] = unit;
    } else if (unit < 0x800) {
      slab[to++] = 0xc0 | unit >> 6;
      slab[to++] = 0x80 | unit & 0x3f;
    } else if (unit < 0xd800 || unit > 0xdfff) {
      slab[to++] = 0xe0 | unit >> 12;
      slab[to++] = 0x80 | unit >> 6 & 0x3f;
      slab[to++] = 0x80 | unit & 0x3f;
    } else {
      return writeEncoded(text);
    }
  }
  endText(begin, to - begin);
  return true;
}

/** Writes the head of a text whose bytes stand where they would if there were as many as units. */
function endText(begin: number, length: number): void {
  const to = at + headLength(length);
  if (to !== begin) slab.copyWithin(to, begin, begin + length);
  writeHead(0x60, length);
  at += length;
}

function writeEncoded(text: string): boolean {
  const { length } = text;
  if (at + length > room && !grow(length)) return false;
  const begin = at + headLength(length);
  // Its head may turn out to be longer by up to four bytes.
  const { read, written } = utf8Into(text, slab.subarray(begin, slab.length - 4));
  // One half of a surrogate pair is no text; what becomes of it is not decided here. It takes three bytes.
  if (written !== length && !text.isWellFormed()) return false;
  if (read === length) {
    endText(begin, written);
    return true;
  }
  const bytes = utf8(text);
  if (!grow(bytes.length)) return false;
  writeHead(0x60, bytes.length);
  slab.set(bytes, at);
  at += bytes.length;
  return true;
}
