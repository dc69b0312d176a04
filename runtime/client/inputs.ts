/**
 * The input of a call on its way out: one value, or the items of a stream.
 *
 * @module
 */

import type { Marshal } from "../codec/codec.ts";
import { MuonError, textOf } from "../errors.ts";
import type { Exchange } from "../transport/transport.ts";

/**
 * The bytes of a call's one input.
 *
 * @throws {MuonError} `invalid_argument`, if the codec cannot write it; nothing has run.
 */
export function encodeInput(marshal: Marshal, input: unknown, endpoint: string): Uint8Array {
  try {
    return marshal.encode(input);
  } catch (cause) {
    throw unwritable(cause, { what: `the input of ${endpoint}`, notRun: true });
  }
}

function encodeItem(marshal: Marshal, item: unknown, endpoint: string): Uint8Array {
  try {
    return marshal.encode(item);
  } catch (cause) {
    throw unwritable(cause, { what: `an item of the input of ${endpoint}`, notRun: false });
  }
}

function unwritable(
  cause: unknown,
  { what, notRun }: { readonly what: string; readonly notRun: boolean },
): MuonError {
  const message = cause instanceof Error ? cause.message : textOf(cause);
  return new MuonError("invalid_argument", `Cannot encode ${what}: ${message}`, {
    id: "muon.client",
    notRun,
    cause,
  });
}

/** Sends the items of an input stream, then says that there are no more. A source that fails cancels the call. */
export async function pump(
  source: AsyncIterable<unknown>,
  { exchange, marshal, endpoint, failed }: {
    readonly exchange: Exchange;
    readonly marshal: Marshal;
    readonly endpoint: string;
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
      const body = encodeItem(marshal, item.value, endpoint);
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
