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
