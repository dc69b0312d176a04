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
  bytes(): Promise<Uint8Array>;
}

/** How a body is read. */
interface Reading {
  /** Most bytes. */
  readonly limit: number;
  /** What it is, for the error. */
  readonly what: "input" | "output";
}

/**
 * The bytes of a body.
 *
 * @param message Request or response.
 * @param reading How it is read.
 * @throws {MuonError} `resource_exhausted`, if there are more; then nothing further is read.
 */
export function readBody(message: Message, reading: Reading): Promise<Uint8Array> {
  const length = message.headers.get("content-length");
  // HTTP holds its sender to the length; a body that was unpacked on its way has another.
  if (length === null || message.headers.has("content-encoding")) return readParts(message.body, reading);
  if (Number(length) > reading.limit) return refuse(message, length, reading);
  return message.bytes();
}

async function refuse(message: Message, length: string, { limit, what }: Reading): Promise<never> {
  await message.body?.cancel().catch(() => {});
  throw tooLarge(what, length, limit);
}

async function readParts(
  body: ReadableStream<Uint8Array> | null,
  { limit, what }: Reading,
): Promise<Uint8Array> {
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
