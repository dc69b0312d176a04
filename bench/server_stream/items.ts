/**
 * What travels in the streams of small items, and how they are measured.
 *
 * @module
 */
import { measure, settings } from "../load.ts";

/** A small item. */
export interface Item {
  /** Its place in the stream, from 0. */
  readonly n: number;
  /** A name that follows from its place. */
  readonly name: string;
}

/** Items in a stream. */
const STREAM = 10_000;

/** The item at a place. */
export function item(n: number): Item {
  return { n, name: `user${n & 1023}` };
}

/**
 * Checks the item at a place.
 *
 * @throws {Error} When it is another.
 */
export function check(item: Item, n: number): void {
  if (item.n !== n || item.name !== `user${n & 1023}`) {
    throw new Error(`wrong item at ${n}: ${JSON.stringify(item)}`);
  }
}

/**
 * Measures streams, one behind the other, of as many items together as the settings say; before, a quarter as many.
 *
 * @param stream Makes one stream of so many items, and checks each.
 * @param options `length`: items in a stream; 10,000 if not given.
 */
export async function load(
  stream: (count: number) => Promise<void>,
  options: { readonly length?: number } = {},
): Promise<void> {
  const { length = STREAM } = options;
  const { calls } = settings();
  const streams = async (items: number) => {
    for (let left = items; left > 0; left -= length) await stream(Math.min(left, length));
  };
  await streams(Math.ceil(calls / 4));
  await measure(async () => {
    await streams(calls);
    return { calls };
  });
}
