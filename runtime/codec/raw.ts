/**
 * Bytes, passed through.
 *
 * @module
 */

import { EMPTY } from "../bytes.ts";
import type { Codec, Marshal } from "./codec.ts";

/**
 * The codec of what is bytes already: a `Uint8Array` goes out as it is, and comes in as one. What goes out is copied, as
 * its owner may write to it while it waits to be sent; what comes in is not. `undefined` is written as no bytes, and no bytes are read as an empty `Uint8Array`.
 *
 * @param contentType Under which it is found: one whose format is left to whoever has the bytes.
 * Defaults to `application/octet-stream`.
 *
 * @example
 * ```ts
 * raw().bind().encode(new Uint8Array([1, 2]));
 * ```
 */
export function raw(contentType = "application/octet-stream"): Codec {
  const marshal = marshalOf(contentType);
  return { contentType, bind: () => marshal };
}

function marshalOf(contentType: string): Marshal {
  return {
    encode(value) {
      // Not `slice`, which of a Node Buffer shares the memory.
      if (value instanceof Uint8Array) return new Uint8Array(value);
      if (value === undefined) return EMPTY;
      throw new TypeError(
        `Content type ${contentType} carries a Uint8Array and nothing else: current value is ${
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
}
