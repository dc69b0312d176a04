/**
 * Looks through CBOR before it is decoded, so that nothing hostile reaches the decoder.
 *
 * @module
 */

import { text } from "../bytes.ts";
import { MuonError } from "../errors.ts";

/** Bytes of a bignum that are read: a decoder's time grows with their square. */
const MAX_BIGNUM = 64;

const UNSIGNED = 0;
const BYTES = 2;
const TEXT = 3;
const ARRAY = 4;
const MAP = 5;
const TAG = 6;

// What is looked through, and how far it is: one message at a time, and the hot path shall not allocate.
let source: Uint8Array = new Uint8Array(0);
let at = 0;
let deepest = 0;

/**
 * Checks that bytes are one whole data item of CBOR ({@link https://www.rfc-editor.org/rfc/rfc8949 | RFC 8949}) of
 * the kinds that JavaScript has values for: no deeper than `maxDepth`, no bignum over 64 bytes, no tag but those of
 * dates (0, 1), bignums (2, 3), typed arrays (64 to 86, {@link https://www.rfc-editor.org/rfc/rfc8746 | RFC 8746}),
 * sets (258), maps (259) and CBOR itself (55799), no text that is no UTF-8, no key `__proto__`. It takes time in
 * proportion to the bytes.
 *
 * @throws {MuonError} `invalid_argument`, naming what is wrong and at which byte.
 */
export function checkCbor(bytes: Uint8Array, maxDepth: number): void {
  source = bytes;
  at = 0;
  deepest = maxDepth;
  try {
    item(0);
    if (at < bytes.length) throw wrong(`${bytes.length - at} bytes follow the value`, at);
  } finally {
    source = EMPTY_SOURCE;
  }
}

const EMPTY_SOURCE = source;

function item(depth: number): void {
  const start = at;
  if (start >= source.length) throw short(start);
  const initial = source[at++]!;
  const info = initial & 0x1f;
  switch (initial >> 5) {
    case BYTES:
    case TEXT:
      if (info === 31) throw wrong("a string of indefinite length, which is not read", start);
      skip(argument(info, start), start);
      if (initial >= 0x60) checkUtf8(start);
      return;
    case ARRAY:
      enter(depth, start);
      if (info === 31) {
        while (!atBreak(start)) item(depth + 1);
      } else {
        for (let n = count(argument(info, start), { size: 1, start }); n > 0; n--) item(depth + 1);
      }
      return;
    case MAP:
      enter(depth, start);
      if (info === 31) {
        while (!atBreak(start)) entry(depth);
      } else {
        for (let n = count(argument(info, start), { size: 2, start }); n > 0; n--) entry(depth);
      }
      return;
    case TAG:
      enter(depth, start);
      tagged(argument(info, start), { start, depth });
      return;
    case 7:
      simple(info, start);
      return;
    default:
      argument(info, start);
  }
}

/** Checks the text that begins here and ends where we are: cbor-x reads bytes that are no UTF-8 as U+FFFD. */
function checkUtf8(start: number): void {
  let any = 0;
  for (let i = start + 1; i < at; i++) any |= source[i]!;
  if (any < 0x80) return;
  try {
    text(source.subarray(at - lengthOf(start), at));
  } catch {
    throw wrong("a text that is no UTF-8", start);
  }
}

function entry(depth: number): void {
  const start = at;
  const major = source[start]! >> 5;
  if (major === ARRAY || major === MAP || major === TAG || major === BYTES) {
    throw wrong("a map's key is neither text nor a number", start);
  }
  item(depth + 1);
  if (major === TEXT && isProto(start)) throw wrong('a map\'s key is "__proto__"', start);
  item(depth + 1);
}

/** Whether the text that begins here, and ends where we are, is `__proto__`. */
function isProto(start: number): boolean {
  const from = at - PROTO.length;
  if (source[at - 1] !== 0x5f || from <= start || lengthOf(start) !== PROTO.length) return false;
  for (let i = 0; i < PROTO.length; i++) if (source[from + i] !== PROTO[i]) return false;
  return true;
}

const PROTO = new TextEncoder().encode("__proto__");

function tagged(tag: number, { start, depth }: { readonly start: number; readonly depth: number }): void {
  const content = at;
  const major = content < source.length ? source[content]! >> 5 : -1;
  item(depth + 1);
  switch (tag) {
    case 0:
      if (major !== TEXT) throw wrong("tag 0 is a date, and holds no text", start);
      return;
    case 1:
      if (major !== UNSIGNED && major !== 1 && !isFloat(content)) {
        throw wrong("tag 1 is a date, and holds no number", start);
      }
      return;
    case 2:
    case 3:
      if (major !== BYTES) throw wrong(`tag ${tag} is a bignum, and holds no bytes`, start);
      if (at - content > MAX_BIGNUM + 2) throw wrong(`a bignum of more than ${MAX_BIGNUM} bytes`, start);
      return;
    case 258:
      if (major !== ARRAY) throw wrong("tag 258 is a set, and holds no array", start);
      return;
    case 259:
      if (major !== MAP) throw wrong("tag 259 is a map, and holds none", start);
      return;
    case 55799:
      return;
    default: {
      const size = elementSize(tag);
      if (size === 0) throw wrong(`tag ${tag}, which is not read`, start);
      if (major !== BYTES) throw wrong(`tag ${tag} is a typed array, and holds no bytes`, start);
      if (lengthOf(content) % size !== 0) throw wrong(`tag ${tag} holds no whole number of elements`, start);
    }
  }
}

/** Bytes an element of a typed array takes (RFC 8746 §2.1), 0 for what is none that JavaScript has. */
function elementSize(tag: number): number {
  if (tag < 64 || tag > 86 || tag === 76 || tag === 80 || tag === 83 || tag === 84) return 0;
  const float = (tag >> 4) & 1;
  return 1 << (float + (tag & 3));
}

function isFloat(start: number): boolean {
  const initial = source[start]!;
  return initial >= 0xf9 && initial <= 0xfb;
}

function lengthOf(start: number): number {
  const resume = at;
  at = start + 1;
  const length = argument(source[start]! & 0x1f, start);
  at = resume;
  return length;
}

function enter(depth: number, start: number): void {
  if (depth >= deepest) throw wrong(`it is nested deeper than ${deepest}`, start);
}

function atBreak(start: number): boolean {
  if (at >= source.length) throw short(start);
  if (source[at] !== 0xff) return false;
  at++;
  return true;
}

/** An item's argument (RFC 8949 §3), with `at` behind its additional information. */
function argument(info: number, start: number): number {
  if (info < 24) return info;
  if (info > 27) throw wrong(`additional information ${info}, which is none`, start);
  const size = 1 << (info - 24);
  if (at + size > source.length) throw short(start);
  let value = 0;
  for (let i = 0; i < size; i++) value = value * 256 + source[at++]!;
  return value;
}

function count(n: number, { size, start }: { readonly size: number; readonly start: number }): number {
  if (n * size > source.length - at) throw short(start);
  return n;
}

function skip(n: number, start: number): void {
  if (n > source.length - at) throw short(start);
  at += n;
}

function simple(info: number, start: number): void {
  if (info >= 20 && info <= 23) return;
  if (info >= 25 && info <= 27) return skip(1 << (info - 24), start);
  throw info === 31
    ? wrong("a break outside of an item of indefinite length", start)
    : wrong("a simple value that is not false, true, null, undefined or a number", start);
}

function short(start: number): MuonError {
  return wrong(`it is cut: ${source.length} bytes do not hold the item`, start);
}

function wrong(what: string, byte: number): MuonError {
  return new MuonError("invalid_argument", `cannot read CBOR: at byte ${byte}: ${what}`, {
    id: "muon.codec",
  });
}
