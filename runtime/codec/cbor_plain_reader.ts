/**
 * CBOR of plain values, read in one pass, without a check before and a library behind. Whatever else there is in a message,
 * or wrong with it, is left to them, and so are errors. What it saves stands beside the writer.
 *
 * @module
 */

import { EMPTY, text as textOf } from "../bytes.ts";
import { SHORT } from "./cbor_plain_writer.ts";

/** Most items of a list for which room is made before they are read. */
const ROOMY = 64;
/** Messages up to this many bytes have their floats read byte by byte: a view of them takes as long as many of those. */
const FEW = 512;
/** Bytes from this many on are a view of their message, where they are most of what it keeps alive. */
const SHARED = 4_096;

/** What {@link decodePlain} gives for a message that is not as plain as all that. */
export const NOT_PLAIN: unique symbol = Symbol("not plain");

/** What is read, how far it is, and where it ends. */
let source: Uint8Array = EMPTY;
let sourceView: DataView | undefined;
let from = 0;
let end = 0;

/**
 * Reads what `encodePlain` writes, and what others write so.
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
  source = EMPTY;
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
