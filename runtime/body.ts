/**
 * Bodies that are read whole, as far as they may go.
 *
 * @module
 */

import { concat, EMPTY } from "./bytes.ts";
import { MuonError } from "./errors.ts";

/** What has a body. */
interface Body {
  readonly body: ReadableStream<Uint8Array> | null;
  bytes(): Promise<Uint8Array>;
}

/** A request or an answer. */
interface Message extends Body {
  readonly headers: { get(name: string): string | null };
}

/** How a body is read. */
export interface Reading {
  /** Most bytes. */
  readonly limit: number;
  /** What it is, for the error; an input that is too large has not run. */
  readonly what: "input" | "output" | "answer" | "delivery";
  /** Id of the error. */
  readonly id: string;
}

/**
 * The bytes of a body.
 *
 * @param message Request or response.
 * @param reading How it is read.
 * @throws {MuonError} `resource_exhausted`, if there are more; then nothing further is read.
 */
export function readBody(message: Message, reading: Reading): Promise<Uint8Array> {
  const { headers } = message;
  return readSized(
    message,
    lengthOf(headers.get("content-length"), headers.get("content-encoding")),
    reading,
  );
}

/** The length of a body, as its headers say it: HTTP holds its sender to it. One that is packed has another than that. */
export function lengthOf(length: string | null, encoding: string | null): string | null {
  return encoding === null ? length : null;
}

/** {@link readBody}, where it is known how long the body is, or `null`. */
export function readSized(message: Body, length: string | null, reading: Reading): Promise<Uint8Array> {
  if (length === null) return readParts(message.body, reading);
  if (Number(length) > reading.limit) return refuse(message, length, reading);
  return message.bytes();
}

async function refuse(message: Body, length: string, reading: Reading): Promise<never> {
  await message.body?.cancel().catch(() => {});
  throw tooLarge(length, reading);
}

async function readParts(body: ReadableStream<Uint8Array> | null, reading: Reading): Promise<Uint8Array> {
  if (body === null) return EMPTY;
  const reader = body.getReader();
  const parts: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    if (size > reading.limit) {
      await reader.cancel().catch(() => {});
      throw tooLarge(`more than ${reading.limit}`, reading);
    }
    parts.push(value);
  }
  return parts.length === 0 ? EMPTY : concat(parts);
}

/** That a message is larger than it may be. */
export function tooLarge(size: string | number, { what, limit, id }: Reading): MuonError {
  return new MuonError(
    "resource_exhausted",
    `the ${what} has ${size} bytes: at most ${limit} are taken (limit maxMessage)`,
    { id, notRun: what === "input" },
  );
}
