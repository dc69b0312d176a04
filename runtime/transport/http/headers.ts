/**
 * Headers: metadata in them and back, content types, what a caller accepts, how long it waits.
 *
 * @module
 */

import { fromBase64, text, toBase64, utf8 } from "../../bytes.ts";
import { MuonError } from "../../errors.ts";
import type { BareHeaders } from "../../host.ts";
import { isKey, isValue, Metadata } from "../../metadata.ts";

/** What belongs to HTTP, to Connect or to the client, and is no metadata; of the families below what comes often. */
const TRANSPORT: ReadonlySet<string> = new Set([
  "accept",
  "accept-charset",
  "accept-encoding",
  "accept-language",
  "accept-post",
  "allow",
  "connect-protocol-version",
  "connect-timeout-ms",
  "connection",
  "content-length",
  "content-type",
  "date",
  "expect",
  "host",
  "keep-alive",
  "origin",
  "referer",
  "server",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "user-agent",
  "vary",
]);
const TRANSPORT_FAMILIES = /^(?:connect|content|proxy|sec|access-control|trailer)-/;
const TRAILER = "trailer-";

const CONNECT = "application/connect+";
const PLAIN = "application/";

/** Whether a header is no metadata. */
function isTransport(name: string): boolean {
  return TRANSPORT.has(name) || TRANSPORT_FAMILIES.test(name);
}

/**
 * Writes metadata into headers.
 *
 * @param metadata What to write.
 * @param into Headers, or the record they are made of.
 * @throws {MuonError} `invalid_argument`, if a key is the name of a header that is HTTP's or Connect's own.
 */
export function writeMetadata(metadata: Metadata, into: Record<string, string>): void {
  for (const [key, value] of metadata) {
    if (isTransport(key)) {
      throw new MuonError(
        "invalid_argument",
        `metadata "${key}" cannot travel over HTTP, where the header of that name says something else: rename it`,
        { id: "muon.http", notRun: true },
      );
    }
    into[key] = encodeValue(value);
  }
}

/** Writes trailing metadata as Connect has it in a unary answer: headers with `trailer-` before their names. */
export function writeTrailer(trailer: Metadata, into: Record<string, string>): void {
  for (const [key, value] of trailer) into[TRAILER + key] = encodeValue(value);
}

/** Trailing metadata as Connect has it at the end of a stream: lists of values by key. */
export function trailerRecord(trailer: Metadata): Record<string, string[]> {
  return Object.fromEntries(Array.from(trailer, ([key, value]) => [key, [encodeValue(value)]]));
}

/** Metadata of what {@link trailerRecord} wrote; what is none is left out. */
export function trailerOf(record: unknown): Metadata {
  if (typeof record !== "object" || record === null) return Metadata.EMPTY;
  const entries = new Map<string, string>();
  for (const [name, values] of Object.entries(record)) {
    const key = name.toLowerCase();
    if (isKey(key) && Array.isArray(values)) entries.set(key, decodeValue(values.map(String).join(", ")));
  }
  return Metadata.trusted(entries);
}

/** What a call needs of a request's headers. They are gone through once: a runtime's own `Headers` are slow to ask. */
export class CallHeaders {
  /** `Origin`: a browser's page calls. */
  origin: string | null = null;
  /** `Content-Type`. */
  contentType: string | null = null;
  /** `Content-Length`. */
  contentLength: string | null = null;
  /** `Transfer-Encoding`: a body comes, of a length that is not known. */
  transferEncoding: string | null = null;
  /** `Content-Encoding`: how the body is compressed. */
  contentEncoding: string | null = null;
  /** `Connect-Content-Encoding`: how a stream's messages are. */
  connectContentEncoding: string | null = null;
  /** `Connect-Protocol-Version`. */
  version: string | null = null;
  /** `Connect-Timeout-Ms`. */
  timeout: string | null = null;
  /** `Accept`. */
  accept: string | null = null;
  #metadata: Map<string, string> | undefined;
  /** Bytes of the metadata as it came. */
  #size = 0;

  /** @param headers The request's headers, names in lower case. */
  constructor(headers: Pick<BareHeaders, "forEach">) {
    headers.forEach((value, name) => this.#take(name, value));
  }

  #take(name: string, value: string): void {
    switch (name) {
      case "origin":
        this.origin = value;
        return;
      case "content-type":
        this.contentType = value;
        return;
      case "content-length":
        this.contentLength = value;
        return;
      case "transfer-encoding":
        this.transferEncoding = value;
        return;
      case "content-encoding":
        this.contentEncoding = value;
        return;
      case "connect-content-encoding":
        this.connectContentEncoding = value;
        return;
      case "connect-protocol-version":
        this.version = value;
        return;
      case "connect-timeout-ms":
        this.timeout = value;
        return;
      case "accept":
        this.accept = value;
        return;
    }
    if (isTransport(name)) return;
    this.#size += name.length + value.length;
    (this.#metadata ??= new Map()).set(name, value);
  }

  /**
   * The metadata.
   *
   * @param limit Most bytes that keys and values may have, encoded words as what they stand for.
   * @throws {MuonError} `resource_exhausted`, if it is larger.
   */
  metadata(limit: number): Metadata {
    const entries = this.#metadata;
    if (entries === undefined) return Metadata.EMPTY;
    for (const [key, value] of entries) if (value.startsWith("=?")) entries.set(key, decodeValue(value));
    const metadata = Metadata.trusted(entries);
    // Encoded, it is larger: most is small enough even so, and need not be measured.
    if (this.#size > limit && metadata.byteLength > limit) {
      throw new MuonError(
        "resource_exhausted",
        `the metadata has ${metadata.byteLength} bytes: at most ${limit} are taken (limit maxMetadata)`,
        { id: "muon.http", notRun: true },
      );
    }
    return metadata;
  }
}

/** The metadata of an answer: `header` came ahead of it, `trailer` belongs to its end. */
export function answerMetadata(headers: Headers): { readonly header: Metadata; readonly trailer: Metadata } {
  const header = new Map<string, string>();
  const trailer = new Map<string, string>();
  for (const [key, value] of headers) {
    if (key.startsWith(TRAILER)) trailer.set(key.slice(TRAILER.length), decodeValue(value));
    else if (!isTransport(key)) header.set(key, decodeValue(value));
  }
  return { header: Metadata.trusted(header), trailer: Metadata.trusted(trailer) };
}

/** Header values in which nobody between the two ends changes anything. */
const SAFE = /^(?:[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)?$/;
const ENCODED = /^=\?utf-8\?b\?([A-Za-z0-9+/=]*)\?=$/i;

/**
 * A metadata value as a header's. Headers carry ASCII safely and nothing else: what has other characters, or white
 * space at an end, goes as one encoded word of RFC 2047, whose limit of 75 characters is not kept.
 * Source: {@link https://www.rfc-editor.org/rfc/rfc2047#section-4.1 | RFC 2047 §4.1}, the "B" encoding.
 *
 * @example
 * ```ts
 * encodeValue("acme"); // "acme"
 * encodeValue("grüß dich"); // "=?UTF-8?B?Z3LDvMOfIGRpY2g=?="
 * ```
 */
export function encodeValue(value: string): string {
  return SAFE.test(value) && !ENCODED.test(value) ? value : `=?UTF-8?B?${toBase64(utf8(value))}?=`;
}

/** A header's value as metadata. What is no encoded word, or none that metadata may hold, stays as it is. */
export function decodeValue(value: string): string {
  const encoded = value.startsWith("=?") ? ENCODED.exec(value) : null;
  if (encoded === null) return value;
  try {
    const decoded = text(fromBase64(encoded[1]!));
    return isValue(decoded) ? decoded : value;
  } catch {
    return value;
  }
}

/** What a content type says. */
export interface MediaType {
  /** How a message is written, as `application/json`. */
  readonly contentType: string;
  /** Whether messages are in envelopes: `application/connect+json`. */
  readonly enveloped: boolean;
}

/**
 * What a `Content-Type` says, in lower case and without parameters; `undefined` if its charset is not UTF-8.
 *
 * @example
 * ```ts
 * mediaType("application/connect+json"); // { contentType: "application/json", enveloped: true }
 * ```
 */
export function mediaType(header: string): MediaType | undefined {
  let type = header;
  const end = header.indexOf(";");
  if (end >= 0) {
    const charset = /;\s*charset\s*=\s*"?([^";\s]*)/i.exec(header)?.[1];
    if (charset !== undefined && !/^utf-?8$/i.test(charset)) return undefined;
    type = header.slice(0, end);
  }
  type = type.trim().toLowerCase();
  return type.startsWith(CONNECT)
    ? { contentType: PLAIN + type.slice(CONNECT.length), enveloped: true }
    : { contentType: type, enveloped: false };
}

/** The content type of a stream whose messages are written so; `undefined` where Connect has none. */
export function envelopedType(contentType: string): string | undefined {
  return contentType.startsWith(PLAIN) ? CONNECT + contentType.slice(PLAIN.length) : undefined;
}

/** Whether an `Accept` header names a content type; ranges such as `*` are not meant. */
export function accepts(header: string | null, contentType: string | undefined): boolean {
  if (header === null || contentType === undefined || !header.includes(contentType)) return false;
  return header.split(",").some((part) => part.split(";", 1)[0]!.trim().toLowerCase() === contentType);
}

/**
 * How long a caller waits, in ms; `undefined`: it does not say.
 *
 * @throws {MuonError} `invalid_argument`, if the header is no whole number of at most ten digits.
 */
export function timeoutOf(header: string | null): number | undefined {
  if (header === null) return undefined;
  if (!/^\d{1,10}$/.test(header)) {
    throw new MuonError(
      "invalid_argument",
      `Connect-Timeout-Ms must be a whole number of ms, at most ten digits: current value is ${
        JSON.stringify(header.slice(0, 40))
      }`,
      { id: "muon.http", notRun: true },
    );
  }
  return Number(header);
}
