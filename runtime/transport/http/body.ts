/**
 * Bodies that are read whole, as far as they may go.
 *
 * @module
 */

import { concat, EMPTY } from "../../bytes.ts";
import { MuonError } from "../../errors.ts";

/** A request or an answer. */
interface Message {
  readonly headers: { get(name: string): string | null; has(name: string): boolean };
  readonly body: ReadableStream<Uint8Array> | null;
  arrayBuffer(): Promise<ArrayBuffer>;
}

/**
 * The bytes of a body.
 *
 * @param message Request or response.
 * @param options `limit`: most bytes; `what`: what it is, for the error.
 * @throws {MuonError} `resource_exhausted`, if there are more; then nothing further is read.
 */
export async function readBody(
  message: Message,
  { limit, what }: { readonly limit: number; readonly what: "input" | "output" },
): Promise<Uint8Array> {
  const length = message.headers.get("content-length");
  // HTTP holds its sender to the length; a body that was unpacked on its way has another.
  if (length !== null && !message.headers.has("content-encoding")) {
    if (Number(length) > limit) {
      await message.body?.cancel().catch(() => {});
      throw tooLarge(what, length, limit);
    }
    return length === "0" ? EMPTY : new Uint8Array(await message.arrayBuffer());
  }
  const { body } = message;
  if (body === null) return EMPTY;
  const reader = body.getReader();
  const parts: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    if (size > limit) {
      await reader.cancel().catch(() => {});
      throw tooLarge(what, `more than ${limit}`, limit);
    }
    parts.push(value);
  }
  return parts.length === 0 ? EMPTY : concat(parts);
}

/** That a message is larger than it may be. */
export function tooLarge(what: "input" | "output", size: string | number, limit: number): MuonError {
  return new MuonError(
    "resource_exhausted",
    `the ${what} has ${size} bytes: at most ${limit} are taken (limit maxMessage)`,
    { id: "muon.http", notRun: what === "input" },
  );
}
