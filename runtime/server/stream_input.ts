/**
 * A stream of inputs, as a method gets it that may mean one.
 *
 * @module
 */

import { MuonError } from "../errors.ts";
import type { Items } from "../items.ts";

type Stream = Items<unknown, unknown>;

/** What a reader of a stream asks it for. */
const METHODS: ReadonlySet<PropertyKey> = new Set(["next", "return", "throw", Symbol.asyncDispose]);

/**
 * A stream that can be read as one, and as nothing else. Whether a method without a declared kind takes a stream or one
 * value shows in its types alone; a caller that sends a stream where one value is meant would have the method run with
 * an input that no schema has seen, each of whose fields is `undefined`. So to ask for a field is an error.
 *
 * @param items The stream, its items checked.
 * @param endpoint Who takes it, for the error.
 */
export function streamInput(items: Stream, endpoint: string): AsyncIterable<unknown> {
  const refuse = (): never => {
    throw new MuonError(
      "invalid_argument",
      `${endpoint} takes one input, and the caller sent a stream (one that takes a stream says so by the option kind of @Method)`,
    );
  };
  return new Proxy(items, {
    get(_, key) {
      if (key === Symbol.asyncIterator) return () => items;
      if (METHODS.has(key)) return (items[key as keyof Stream] as () => unknown).bind(items);
      // What `await` asks of everything, and what is asked of an object to show it.
      return key === "then" || typeof key === "symbol" ? undefined : refuse();
    },
    has: (_, key) => key === Symbol.asyncIterator || METHODS.has(key),
    ownKeys: refuse,
    getOwnPropertyDescriptor: refuse,
  });
}
