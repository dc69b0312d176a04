/**
 * Values as JSON ({@link https://www.rfc-editor.org/rfc/rfc8259 | RFC 8259}).
 *
 * @module
 */

import { EMPTY, looseText, text, toBase64 } from "../bytes.ts";
import { MuonError, textOf } from "../errors.ts";
import { LIMITS } from "../policy.ts";
import type { Codec, Marshal } from "./codec.ts";
import { checkMaxDepth, excerpt } from "./limits.ts";

/** Options of {@link json}. */
export interface JsonOptions {
  /** Lists and objects within one another that are read or written. @default {64} */
  readonly maxDepth?: number;
}

const POOL = 16_384;
const encoder = new TextEncoder();
let pool = EMPTY;
let used = 0;

/**
 * The codec of `application/json`.
 *
 * - `undefined` is written as no bytes, and no bytes are read as `undefined`, which is how a call without input or
 *   output goes; a protocol whose peers want `{}` there writes that itself.
 * - A `Uint8Array` is written as a string of base64. JSON cannot say what it was: the reader gets the string, and a
 *   schema (zod's `z.base64()`, say) or the method turns it back.
 * - A `Date` is written as an ISO string. A `bigint`, `Map`, `Set`, function or cycle is a TypeError that says where,
 *   rather than a value that is lost on its way.
 *
 * @param options `maxDepth`: how deep values may be nested.
 * @throws {RangeError} If `maxDepth` is no whole number from 1.
 *
 * @example
 * ```ts
 * const marshal = json().bind();
 * marshal.decode(marshal.encode({ name: "John" })); // { name: "John" }
 * ```
 */
export function json(options: JsonOptions = {}): Codec {
  const maxDepth = checkMaxDepth(options.maxDepth ?? LIMITS.maxDepth);
  const marshal: Marshal = {
    encode: (value) => value === undefined ? EMPTY : bytesOf(write(value, maxDepth)),
    text: (value) => value === undefined ? undefined : write(value, maxDepth),
    decode: (bytes) => bytes.length === 0 ? undefined : decode(bytes, maxDepth),
  };
  return { contentType: "application/json", bind: () => marshal };
}

function write(value: unknown, maxDepth: number): string {
  const form = formOf(value, maxDepth);
  if (form === "none") throw new TypeError(`JSON cannot write ${whyNot(value, "", maxDepth)}`);
  return form === "plain" ? JSON.stringify(value) : JSON.stringify(value, withBytes);
}

function bytesOf(written: string): Uint8Array {
  // A TextEncoder's own `encode` costs 0.4 µs on V8 however short the text, `encodeInto` a third of that.
  if (written.length * 3 > POOL / 4) return encoder.encode(written);
  if (pool.length - used < written.length * 3) {
    pool = new Uint8Array(POOL);
    used = 0;
  }
  const start = used;
  used += encoder.encodeInto(written, start === 0 ? pool : pool.subarray(start)).written;
  return pool.subarray(start, used);
}

function withBytes(this: unknown, key: string, value: unknown): unknown {
  const own = (this as Record<string, unknown>)[key];
  return own instanceof Uint8Array ? toBase64(own) : value;
}

/**
 * How a value is written: by `JSON.stringify` alone (`plain`), with a replacer, which takes four times as long
 * (`bytes`), or not at all. It costs some 20 ns for a small object.
 */
function formOf(value: unknown, depth: number): "plain" | "bytes" | "none" {
  if (typeof value !== "object") return isLeaf(value) ? "plain" : "none";
  if (value === null) return "plain";
  if (Array.isArray(value)) {
    if (depth === 0) return "none";
    let bytes = false;
    for (let i = 0; i < value.length; i++) {
      const item: unknown = value[i];
      if (isLeaf(item)) continue;
      const form = formOf(item, depth - 1);
      if (form === "none") return form;
      if (form === "bytes") bytes = true;
    }
    return bytes ? "bytes" : "plain";
  }
  if (value instanceof Uint8Array) return "bytes";
  if (value instanceof Date) return "plain";
  if (typeof (value as { toJSON?: unknown }).toJSON === "function") return "bytes";
  if (depth === 0 || isLost(value)) return "none";
  let bytes = false;
  for (const key in value) {
    const item = (value as Record<string, unknown>)[key];
    if (isLeaf(item)) continue;
    const form = formOf(item, depth - 1);
    if (form === "none") return form;
    if (form === "bytes") bytes = true;
  }
  return bytes ? "bytes" : "plain";
}

/** What it is, and where, that keeps a value from being written; only asked once it is known that something does. */
function whyNot(value: unknown, path: string, depth: number): string | undefined {
  const where = path === "" ? "the value" : `what stands at ${shortened(path)}`;
  if (typeof value !== "object" || value === null) {
    return isLeaf(value) ? undefined : `${where}, a ${typeof value}: ${ADVICE}`;
  }
  if (value instanceof Uint8Array || value instanceof Date) return undefined;
  if (typeof (value as { toJSON?: unknown }).toJSON === "function") return undefined;
  if (isLost(value)) return `${where}, a ${value.constructor.name}: ${ADVICE}`;
  if (depth === 0) return `${where}: it is nested too deep, or refers to itself`;
  const list = Array.isArray(value);
  for (const key in value) {
    const inner = list ? `${path}[${key}]` : path === "" ? key : `${path}.${key}`;
    const found = whyNot((value as Record<string, unknown>)[key], inner, depth - 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** A path of which its beginning and its end are enough: one that goes round in a ring has a segment for each round. */
function shortened(path: string): string {
  return path.length > 100 ? `${path.slice(0, 40)} … ${path.slice(-40)}` : path;
}

const ADVICE = "turn it into a string, a list or an object";

function isLeaf(value: unknown): boolean {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean" ||
    value === undefined || value === null;
}

/** Whether `JSON.stringify` would write it, and lose what it holds. */
function isLost(value: object): boolean {
  return value instanceof Map || value instanceof Set || value instanceof ArrayBuffer ||
    ArrayBuffer.isView(value);
}

function decode(bytes: Uint8Array, maxDepth: number): unknown {
  // A level takes two bytes, so what is short cannot be deep.
  if (bytes.length > 2 * maxDepth) checkDepth(bytes, maxDepth);
  try {
    // On Deno a strict TextDecoder takes twice a lenient one's time; only a text with U+FFFD can have been repaired.
    const loose = looseText(bytes);
    return JSON.parse(loose.includes("\ufffd") ? text(bytes) : loose);
  } catch (error) {
    throw new MuonError(
      "invalid_argument",
      `cannot read JSON: ${
        error instanceof Error ? error.message : textOf(error)
      }; the ${bytes.length} bytes ` +
        `begin ${excerpt(bytes)}`,
      { id: "muon.codec", cause: error },
    );
  }
}

function checkDepth(bytes: Uint8Array, maxDepth: number): void {
  let depth = 0;
  for (let i = 0; i < bytes.length; i++) {
    switch (bytes[i]) {
      case 0x22: // a string, whose brackets do not count
        for (i++; i < bytes.length && bytes[i] !== 0x22; i++) if (bytes[i] === 0x5c) i++;
        break;
      case 0x5b:
      case 0x7b:
        if (++depth > maxDepth) {
          throw new MuonError(
            "invalid_argument",
            `cannot read JSON: at byte ${i} it is nested deeper than ${maxDepth}`,
            { id: "muon.codec" },
          );
        }
        break;
      case 0x5d:
      case 0x7d:
        depth--;
    }
  }
}
