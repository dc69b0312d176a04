/**
 * The answer of a call that turned out to be a stream: an exchange's bytes, decoded.
 *
 * @module
 */

import type { Marshal } from "../codec/codec.ts";
import { MuonError } from "../errors.ts";
import { Items } from "../items.ts";
import type { Exchange } from "../transport/transport.ts";
import type { Answers } from "./pending_call.ts";

/**
 * Decodes an exchange's messages.
 *
 * @param exchange The stream on the wire.
 * @param marshal Reads its items.
 * @param place Adds to an error where it happened.
 */
export function decodeAnswers(
  exchange: Exchange,
  marshal: Marshal,
  place: (error: unknown) => MuonError,
): Answers {
  const trailer = exchange.trailer.catch((error) => {
    throw place(error);
  });
  // Whoever iterates sees the failure; the trailer is extra, and must not end the process because nobody wants it.
  trailer.catch(() => {});
  return {
    trailer,
    cancel: (error) => exchange.cancel(error),
    [Symbol.asyncIterator]: () =>
      new Items(exchange.messages, (body) => {
        try {
          return marshal.decode(body);
        } catch (error) {
          throw unreadable(error);
        }
      }, { place }),
  };
}

/** The error for an answer that its codec cannot read: what that says of a value is said of inputs, too. */
export function unreadable(error: unknown): MuonError {
  const { detail } = MuonError.from(error);
  return new MuonError("internal", `the answer cannot be read: ${detail}`, {
    id: "muon.client",
    cause: error,
  });
}

/** Sends the items of an input stream, then says that there are no more. A source that fails cancels the call. */
export async function pump(
  source: AsyncIterable<unknown>,
  { exchange, marshal, failed }: {
    readonly exchange: Exchange;
    readonly marshal: Marshal;
    readonly failed: (error: unknown) => void;
  },
): Promise<void> {
  let items: AsyncIterator<unknown> | undefined;
  let over = false;
  const stop = async () => {
    if (over) return;
    over = true;
    try {
      await items?.return?.();
    } catch {
      // The call's own end is what its caller hears of.
    }
  };
  // The server may answer, or fail, before it has read everything: then the source is not read on.
  exchange.trailer.then(stop, stop);
  try {
    items = source[Symbol.asyncIterator]();
    while (!over) {
      const item = await items.next();
      if (item.done || over) break;
      const body = marshal.encode(item.value);
      const credit = exchange.send(body);
      if (credit !== undefined) await credit;
      marshal.reclaim?.(body);
    }
    if (!over) exchange.end();
    over = true;
  } catch (error) {
    if (!over) failed(error);
    void stop();
  }
}
