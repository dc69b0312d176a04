/**
 * What travels to the server: small items, or chunks of a file.
 *
 * @module
 */
import { z } from "zod";
import { check as checkItem, type Item, item } from "../server_stream/items.ts";

/** What the server answers. */
export interface Total {
  /** How many items came. */
  readonly count: number;
  /** What was wrong with the first that was. */
  readonly wrong?: string | undefined;
}

/** A part of a file. */
export interface Chunk {
  /** Its place in the stream, from 0. */
  readonly n: number;
  /** Its bytes. */
  readonly data: Uint8Array;
}

/** One kind of stream. */
export interface What {
  /** What zod takes. */
  readonly schema: z.ZodType<unknown, unknown>;
  /** Items in a stream. */
  readonly length: number;
  /** The item at a place. */
  readonly item: (n: number) => unknown;
  /** Throws when it is not the item at a place. */
  readonly check: (item: unknown, n: number) => void;
}

const CHUNK = 65_536;
// One for all: who sends it has written it down before the next is asked for.
const data = new Uint8Array(CHUNK).map((_, at) => at);

const small: What = {
  schema: z.object({ n: z.number(), name: z.string() }),
  length: 10_000,
  item,
  check: (one, n) => checkItem(one as Item, n),
};

const chunks: What = {
  schema: z.object({ n: z.number(), data: z.custom<Uint8Array>((data) => data instanceof Uint8Array) }),
  length: 400,
  item: (n) => {
    data[0] = data[CHUNK - 1] = n;
    return { n, data };
  },
  check: (one, n) => {
    const { n: place, data } = one as Chunk;
    const end = data[CHUNK - 1];
    if (place !== n || data.length !== CHUNK || data[0] !== (n & 255) || end !== data[0] || data[777] !== 9) {
      throw new Error(`wrong chunk at ${n}: n ${place}, ${data.length} bytes, ${data[0]} … ${end}`);
    }
  },
};

/** @param name `small`: `{n, name}`. `chunks`: 64 kB each. */
export function what(name: string): What {
  if (name === "small") return small;
  if (name === "chunks") return chunks;
  throw new RangeError(`There is no "${name}": small, chunks`);
}
