/**
 * Values as CBOR ({@link https://www.rfc-editor.org/rfc/rfc8949 | RFC 8949}).
 *
 * @module
 */

// Never plain `cbor-x`: its native part kills Deno and Bun on the first larger message. Nor `cbor-x/index-no-eval`: to
// load that, which is CommonJS, takes Deno 20 ms of CPU at start.
import * as cborx from "cbor-x/encode";
import { EMPTY } from "../bytes.ts";
import { MuonError, textOf } from "../errors.ts";
import { LIMITS } from "../policy.ts";
import { checkCbor } from "./cbor_check.ts";
import { decodePlain, NOT_PLAIN } from "./cbor_plain_reader.ts";
import { encodePlain, frontOfPlain, reclaimPlain } from "./cbor_plain_writer.ts";
import type { Codec, Marshal } from "./codec.ts";
import { checkMaxDepth } from "./limits.ts";

/** Options of {@link cbor}. */
export interface CborOptions {
  /** Lists, maps and tags within one another that are read. @default {64} */
  readonly maxDepth?: number;
}

/** Messages up to this many bytes are decoded from the scratch. */
const SCRATCH = 4_096;

/** What cbor-x has and its types do not mention. */
interface Machine {
  /** @param end Of the message within its array. */
  decode(source: Uint8Array, end?: number): unknown;
  /**
   * With `REUSE_BUFFER_MODE` it gives the array that it writes into, and where in it: the subarray that it would give
   * otherwise takes as long to make as a small message to write. It writes to none of these bytes again.
   */
  encode(value: unknown, mode: number): Uint8Array & { readonly start: number; readonly end: number };
}

const { REUSE_BUFFER_MODE } = cborx as unknown as { readonly REUSE_BUFFER_MODE: number };

/**
 * The codec of `application/cbor`.
 *
 * - `undefined` is written as no bytes, and no bytes are read as `undefined`.
 * - `Uint8Array`, `Date`, `bigint`, `Map`, `Set` and typed arrays arrive as what they were; bytes that come are a
 *   `Uint8Array` of their own or, where they are most of the message, a view of it. A `number` beyond 32 bits is written
 *   as a float; an integer of 64 bits is read as a `bigint`.
 * - A `Map` is told from an object by tag 259. An object's numeric keys are strings, as they are in JavaScript.
 * - What {@link checkCbor} does not let pass is refused: bignums over 64 bytes, cbor-x's records and other tags,
 *   the key `__proto__`, bytes behind the value.
 *
 * @param options `maxDepth`: how deep values may be nested.
 * @throws {RangeError} If `maxDepth` is no whole number from 1.
 *
 * @example
 * ```ts
 * const marshal = cbor().bind();
 * marshal.decode(marshal.encode({ at: new Date(0) })); // { at: Date }
 * ```
 */
export function cbor(options: CborOptions = {}): Codec {
  const maxDepth = checkMaxDepth(options.maxDepth ?? LIMITS.maxDepth);
  const machine = new cborx.Encoder({
    useRecords: false,
    mapsAsObjects: true,
    variableMapSize: true,
    tagUint8Array: false,
    copyBuffers: true,
  }) as unknown as Machine;
  const scratch = new Uint8Array(SCRATCH);

  const marshal: Marshal = {
    encode(value) {
      if (value === undefined) return EMPTY;
      const plain = encodePlain(value);
      if (plain !== undefined) return plain;
      try {
        const { buffer, byteOffset, start, end } = machine.encode(value, REUSE_BUFFER_MODE);
        return new Uint8Array(buffer, byteOffset + start, end - start);
      } catch (error) {
        throw new TypeError(`CBOR cannot write the value: ${reason(error)}`, { cause: error });
      }
    },
    reclaim: reclaimPlain,
    front: frontOfPlain,
    decode(bytes) {
      const { length } = bytes;
      if (length === 0) return undefined;
      const plain = decodePlain(bytes, maxDepth);
      if (plain !== NOT_PLAIN) return plain;
      checkCbor(bytes, maxDepth);
      try {
        // cbor-x makes a DataView for each array it has not seen, which takes four times as long as decoding a small
        // message does: a scratch array whose view it knows is cheaper. A larger one it gets under a name of its own.
        if (length > SCRATCH) {
          return machine.decode(new Uint8Array(bytes.buffer, bytes.byteOffset, length));
        }
        scratch.set(bytes);
        return machine.decode(scratch, length);
      } catch (error) {
        throw new MuonError("invalid_argument", `cannot read CBOR: ${reason(error)}`, {
          id: "muon.codec",
          cause: error,
        });
      }
    },
  };
  return { contentType: "application/cbor", bind: () => marshal };
}

function reason(error: unknown): string {
  if (error instanceof RangeError) return "it is nested too deep, or refers to itself";
  return error instanceof Error ? error.message : textOf(error);
}
