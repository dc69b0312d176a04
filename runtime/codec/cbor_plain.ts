/**
 * CBOR of plain values, which most messages are: written and read here in one pass, without a check before and a
 * library behind. Whatever else there is in a value, or wrong with a message, is left to them, and so are errors.
 *
 * Measured with `{name}` in and `{greeting}` out, all that muon does for a call but the sockets: 16 % less CPU on
 * Deno and Node, 20 % on Bun, than with the check and cbor-x. Lists of 20 and 1,000 records are read in half of their
 * time, and written in 0.3 (20) to 1.1 (1,000, on Bun) of cbor-x's. What turns out not to be plain at the end of
 * 100 kB takes up to twice as long.
 *
 * @module
 */

import { text as textOf, utf8, utf8Into } from "../bytes.ts";

/** Bytes that a written head may take, and a number. */
const HEAD = 9;
/** Texts up to this many bytes are written and read unit by unit: beyond, a call into the runtime is cheaper. */
const SHORT = 48;
/** Messages are written one behind the other into an array of this many bytes, and never over one another. */
const SLAB = 8_192;
/** What has to be left of it to begin another, in bytes; one that takes more gets an array of its own as it grows. */
const LEAST = 2_048;
/** Most items of a list for which room is made before they are read. */
const ROOMY = 64;
/** Messages up to this many bytes have their floats read byte by byte: a view of them takes as long as many of those. */
const FEW = 512;
/** Bytes from this many on are a view of their message, where they are most of what it keeps alive. */
const SHARED = 4_096;
/** How deep a value that is written here may be nested. */
const DEEPEST = 16;
/** Most bytes that are written here: a value that holds itself, or a list of nothing but length, is to end somewhere. */
const LONGEST = 16_777_216;

/** Longest array that is kept to be used again, in bytes: of the one that is kept, and the one that is lent. */
const KEPT = 2_097_152;

/** What {@link decodePlain} gives for a message that is not as plain as all that. */
export const NOT_PLAIN: unique symbol = Symbol("not plain");

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
 * Takes back the bytes of a message, which nobody has any more: a long one's array is used for another. A new one for
 * each takes a tenth (Node) to a fifth (Deno, Bun) of the CPU of who sends a stream of 64 kB items, and on Node 15 % of
 * the time of a call of 1 MB.
 */
export function reclaimPlain(bytes: Uint8Array): void {
  if (lent === undefined || bytes.buffer !== lent) return;
  spare = new Uint8Array(lent);
  lent = undefined;
}

/** The message that is being written goes on in an array of its own, with room for `bytes` and more; not if too long. */
function grow(bytes: number): boolean {
  if (at - start + bytes > LONGEST) return false;
  shared ??= { slab, view, at: start };
  const written = slab.subarray(start, at);
  const length = Math.max(SLAB, 2 * written.length) + bytes;
  if (spare !== undefined && spare.length >= length) {
    slab = spare;
    spare = undefined;
  } else {
    slab = new Uint8Array(length);
  }
  view = new DataView(slab.buffer);
  slab.set(written);
  start = 0;
  at = written.length;
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

/** What is read, how far it is, and where it ends. */
let source: Uint8Array = slab;
let sourceView: DataView | undefined;
let from = 0;
let end = 0;

/**
 * Reads what {@link encodePlain} writes, and what others write so.
 *
 * @param bytes The whole message.
 * @param maxDepth How deep lists and objects may be nested.
 * @returns {@link NOT_PLAIN} if there is anything else in it, or anything wrong with it.
 */
export function decodePlain(bytes: Uint8Array, maxDepth: number): unknown {
  source = bytes;
  from = 0;
  end = bytes.length;
  const value = read(maxDepth);
  source = slab;
  sourceView = undefined;
  return from === end ? value : NOT_PLAIN;
}

function read(levels: number): unknown {
  if (from >= end) return NOT_PLAIN;
  const initial = source[from++]!;
  const major = initial >> 5;
  if (major === 7) return readSimple(initial);
  if (major === 6) return NOT_PLAIN;
  const argument = readArgument(initial & 31);
  if (argument === -1) return NOT_PLAIN;
  switch (major) {
    case 0:
      return argument;
    case 1:
      return -1 - argument;
    case 2:
      return readBytes(argument);
    case 3:
      return readText(argument);
    case 4:
      return readList(argument, levels);
    default:
      return readObject(argument, levels);
  }
}

function readSimple(initial: number): unknown {
  switch (initial) {
    case 0xf4:
      return false;
    case 0xf5:
      return true;
    case 0xf6:
      return null;
    case 0xf7:
      return undefined;
    case 0xfb:
      return end - from < 8 ? NOT_PLAIN : readFloat();
    default:
      return NOT_PLAIN;
  }
}

const float = new DataView(new ArrayBuffer(8));

function readFloat(): number {
  if (end <= FEW) {
    for (let i = 0; i < 8; i++) float.setUint8(i, source[from++]!);
    return float.getFloat64(0);
  }
  sourceView ??= new DataView(source.buffer, source.byteOffset, end);
  from += 8;
  return sourceView.getFloat64(from - 8);
}

/** An item's argument of up to 32 bits; -1 for what is none, or larger, or not there. */
function readArgument(info: number): number {
  if (info < 24) return info;
  if (info === 24 && end - from >= 1) return source[from++]!;
  if (info === 25 && end - from >= 2) return source[from++]! * 0x100 + source[from++]!;
  if (info !== 26 || end - from < 4) return -1;
  return ((source[from++]! * 0x100 + source[from++]!) * 0x100 + source[from++]!) * 0x100 + source[from++]!;
}

function readList(length: number, levels: number): unknown {
  if (levels === 0 || length > end - from) return NOT_PLAIN;
  // A few bytes may say that a list is as long as the message, which others in it may say of theirs.
  const list = length > ROOMY ? [] : new Array<unknown>(length);
  for (let i = 0; i < length; i++) {
    const item = read(levels - 1);
    if (item === NOT_PLAIN) return NOT_PLAIN;
    list[i] = item;
  }
  return list;
}

function readObject(size: number, levels: number): unknown {
  if (levels === 0 || size > end - from) return NOT_PLAIN;
  const object: Record<string, unknown> = {};
  for (let i = 0; i < size; i++) {
    const key = readKey();
    if (key === undefined) return NOT_PLAIN;
    const value = read(levels - 1);
    if (value === NOT_PLAIN) return NOT_PLAIN;
    object[key] = value;
  }
  return object;
}

/** Keys that were read before, by their length and their first and last bytes: a text is made once for all messages. */
const known: string[] = new Array(512).fill("");

function readKey(): string | undefined {
  if (from >= end) return undefined;
  const initial = source[from++]!;
  if (initial >> 5 !== 3) return undefined;
  const length = readArgument(initial & 31);
  if (length === -1 || length > end - from) return undefined;
  const place = (length * 37 + source[from]! * 7 + source[from + length - 1]!) & 511;
  const guess = known[place]!;
  if (length > 0 && guess.length === length && isNext(guess)) {
    from += length;
    return guess;
  }
  const key = readText(length);
  if (key === NOT_PLAIN || key === "__proto__") return undefined;
  // Of ASCII alone: other texts have fewer units than bytes.
  if (key.length === length) known[place] = key;
  return key;
}

/** Whether the next bytes are those of a text, which has none but ASCII's if they are. */
function isNext(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (source[from + i] !== text.charCodeAt(i)) return false;
  return true;
}

/** An array for the units of a text of each length: a new one each time takes as long again as the text. */
const units: readonly number[][] = Array.from(
  { length: SHORT + 1 },
  (_, length) => new Array(length).fill(0),
);

function readText(length: number): string | typeof NOT_PLAIN {
  if (length > end - from) return NOT_PLAIN;
  const start = from;
  from += length;
  if (length <= SHORT) {
    const ascii = units[length]!;
    let any = 0;
    for (let i = 0; i < length; i++) any |= ascii[i] = source[start + i]!;
    if (any < 0x80) return String.fromCharCode.apply(String, ascii);
    const text = readShort(start, from);
    if (text !== undefined) return text;
  }
  try {
    return textOf(source.subarray(start, from));
  } catch {
    return NOT_PLAIN;
  }
}

/**
 * A short text of sequences of up to three bytes ({@link https://www.rfc-editor.org/rfc/rfc3629#section-4 | RFC 3629
 * §4}); `undefined` if there is another in it, or something that is none.
 */
function readShort(start: number, stop: number): string | undefined {
  let count = 0;
  for (let i = start; i < stop; i++) if ((source[i]! & 0xc0) !== 0x80) count++;
  const text = units[count]!;
  let i = start;
  for (let n = 0; n < count; n++) {
    const first = source[i++]!;
    if (first < 0x80) {
      text[n] = first;
      continue;
    }
    if (first < 0xc2 || first > 0xef || i >= stop) return undefined;
    const second = source[i++]!;
    if ((second & 0xc0) !== 0x80) return undefined;
    if (first < 0xe0) {
      text[n] = (first & 0x1f) << 6 | second & 0x3f;
      continue;
    }
    const third = i < stop ? source[i++]! : 0;
    const unit = (first & 0x0f) << 12 | (second & 0x3f) << 6 | third & 0x3f;
    if ((third & 0xc0) !== 0x80 || unit < 0x800 || (unit >= 0xd800 && unit <= 0xdfff)) return undefined;
    text[n] = unit;
  }
  return i === stop ? String.fromCharCode.apply(String, text) : undefined;
}

function readBytes(length: number): Uint8Array | typeof NOT_PLAIN {
  if (length > end - from) return NOT_PLAIN;
  if (length >= SHARED && 2 * length > source.buffer.byteLength) {
    return source.subarray(from, from += length);
  }
  const bytes = new Uint8Array(length);
  bytes.set(source.subarray(from, from + length));
  from += length;
  return bytes;
}
