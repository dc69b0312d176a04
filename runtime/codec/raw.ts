/**
 * Bytes, passed through.
 *
 * @module
 */

import { EMPTY } from "../bytes.ts";
import type { Codec, Marshal } from "./codec.ts";

/**
 * The codec of what is bytes already: a `Uint8Array` goes out as it is, and comes in as one. Nothing is copied;
 * `undefined` is written as no bytes, and no bytes are read as an empty `Uint8Array`.
 *
 * @example
 * ```ts
 * raw().bind().encode(new Uint8Array([1, 2]));
 * ```
 */
export function raw(): Codec {
  return { contentType: "application/octet-stream", bind: () => marshal };
}

const marshal: Marshal = {
  encode(value) {
    if (value instanceof Uint8Array) return value;
    if (value === undefined) return EMPTY;
    throw new TypeError(
      `Content type application/octet-stream carries a Uint8Array and nothing else: current value is ${
        value === null
          ? "null"
          : typeof value === "object"
          ? value.constructor?.name ?? "an object"
          : typeof value
      }. Give bytes, or choose application/json or application/cbor`,
    );
  },
  decode: (bytes) => bytes,
};
