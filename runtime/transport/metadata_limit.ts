/**
 * How much metadata travels.
 *
 * @module
 */

import { MuonError } from "../errors.ts";
import type { Metadata } from "../metadata.ts";

/**
 * Most entries of metadata in the headers of one message. Of all headers, HTTP's and Go Micro's own among them, Deno's
 * fetch takes 100 of an answer, Deno's server 128 of a request, and Bun's 200.
 */
const MAX_HEADERS = 80;

/** What metadata is measured against. */
export interface MetadataLimit {
  /** Most bytes of keys and values that the other end takes. */
  readonly limit: number;
  /** Who refuses. */
  readonly id: string;
  /** Whether it is a call's, so that nothing has run. @default {false} */
  readonly notRun?: boolean;
}

/** That metadata is larger than the other end takes. */
export function tooMuchMetadata(size: number, { limit, id, notRun = false }: MetadataLimit): MuonError {
  return new MuonError(
    "resource_exhausted",
    `the metadata has ${size} bytes, and the other end takes ${limit} (its limit maxMetadata)`,
    { id, notRun },
  );
}

/** That metadata has more entries than can be carried. */
export function tooManyEntries(
  count: number,
  { limit, id, notRun = false }: MetadataLimit,
): MuonError {
  return new MuonError("resource_exhausted", `the metadata has ${count} entries, more than ${limit}`, {
    id,
    notRun,
  });
}

/** Why metadata does not go as the headers of a message; `undefined` if it does. */
export function headersRefusal(metadata: Metadata, within: MetadataLimit): MuonError | undefined {
  const { size } = metadata;
  if (size === 0) return undefined;
  if (size > MAX_HEADERS) return tooManyEntries(size, { ...within, limit: MAX_HEADERS });
  const bytes = metadata.byteLength;
  return bytes > within.limit ? tooMuchMetadata(bytes, within) : undefined;
}

/**
 * The error of an answer with HTTP status 431: the server has not looked at what was asked. It is in good health, and
 * would answer the same again.
 */
export function headTooLong(options: { readonly id: string }): MuonError {
  return new MuonError(
    "resource_exhausted",
    "the other end answered HTTP 431: the request's headers, in which metadata travels, are more than its server reads: " +
      "call with less metadata, or raise that server's limit",
    { ...options, notRun: true },
  );
}
