/**
 * Headers of Go Micro's HTTP transport: their names, metadata in them, and text that is not ASCII.
 * Source: go-micro `transport/headers/headers.go`, `transport/http_socket.go`.
 *
 * @module
 */

import { text, utf8 } from "../../bytes.ts";
import { MuonError } from "../../errors.ts";
import { isValue, Metadata } from "../../metadata.ts";

/** Service that is called. */
export const SERVICE = "micro-service";
/** Endpoint that is called, as `Greeter.Hello`. */
export const ENDPOINT = "micro-endpoint";
/** The same by its older name. */
export const METHOD = "micro-method";
/** The caller's number for the call. */
export const ID = "micro-id";
/** The stream that a message belongs to. */
export const STREAM = "micro-stream";
/** What went wrong. */
export const ERROR = "micro-error";
/** Marks an event. */
export const TOPIC = "micro-topic";
/** Says that the endpoint is named by headers, whatever else they say. */
export const PROTOCOL = "micro-protocol";
/** Says that the endpoint is named by the body. */
export const TARGET = "micro-target";
/** Nanoseconds that the caller waits. */
export const TIMEOUT = "timeout";
/**
 * Stands before the name of metadata that comes with an answer, as in Connect's unary form. Go Micro's answers echo
 * the headers of the connection's first request, so that nothing without a mark could be told from an echo.
 */
export const TRAILER = "trailer-";

/** Headers of the protocol and of HTTP: no metadata, coming or going. Each of Go Micro's has a twin with `X-`. */
const OWN: ReadonlySet<string> = new Set([
  ...[SERVICE, ENDPOINT, METHOD, ID, STREAM, ERROR, TOPIC, PROTOCOL, TARGET]
    .flatMap((name) => [name, `x-${name}`]),
  TIMEOUT,
  // What a Go Micro server adds to the metadata of its handlers, and they send on: its address and its caller's.
  "local",
  "remote",
  "accept",
  "accept-encoding",
  "accept-language",
  "connection",
  "content-encoding",
  "content-length",
  "content-type",
  "date",
  "expect",
  "host",
  "keep-alive",
  "origin",
  "proxy-connection",
  "sec-fetch-mode",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "user-agent",
]);

/** A header of Go Micro's, or its twin with `X-`; `undefined` if neither says anything. */
export function headerOf(headers: { get(name: string): string | null }, name: string): string | undefined {
  return headers.get(name) || headers.get(`x-${name}`) || undefined;
}

/**
 * The metadata of a request.
 *
 * @param headers All headers.
 * @param limit Most bytes it may have, keys and values.
 * @throws {MuonError} `resource_exhausted`, if there is more; `invalid_argument`, if a value holds control characters.
 */
export function readMetadata(headers: Headers, limit: number): Metadata {
  const entries = new Map<string, string>();
  let size = 0;
  for (const [name, value] of headers) {
    if (OWN.has(name)) continue;
    size += name.length + value.length;
    if (size > limit) {
      throw new MuonError("resource_exhausted", `the call has more than ${limit} bytes of metadata`, {
        id: "muon.mucp",
        notRun: true,
      });
    }
    const written = fromHeader(value);
    if (!isValue(written)) {
      throw new MuonError("invalid_argument", `the value of header ${name} holds control characters`, {
        id: "muon.mucp",
        notRun: true,
      });
    }
    entries.set(name, written);
  }
  return Metadata.trusted(entries);
}

/**
 * Lays metadata into the headers of a request.
 *
 * @throws {MuonError} `invalid_argument`, if a key is one that HTTP or Go Micro uses itself.
 */
export function writeMetadata(into: Record<string, string>, metadata: Metadata): void {
  for (const [key, value] of metadata) {
    if (OWN.has(key)) {
      throw new MuonError(
        "invalid_argument",
        `metadata "${key}" cannot be sent to Go Micro, where that header has a meaning of its own: choose another key`,
        { id: "muon.mucp", notRun: true },
      );
    }
    into[key] = toHeader(value);
  }
}

/** Lays the metadata of an answer into its headers. */
export function writeTrailer(into: Record<string, string>, metadata: Metadata): void {
  for (const [key, value] of metadata) into[TRAILER + key] = toHeader(value);
}

/** The metadata that came with an answer. */
export function readTrailer(headers: Headers): Metadata {
  let entries: Map<string, string> | undefined;
  for (const [name, value] of headers) {
    if (!name.startsWith(TRAILER)) continue;
    const written = fromHeader(value);
    if (isValue(written)) (entries ??= new Map()).set(name.slice(TRAILER.length), written);
  }
  return entries === undefined ? Metadata.EMPTY : Metadata.trusted(entries);
}

// deno-lint-ignore no-control-regex
const ASCII = /^[\x00-\x7f]*$/;
// deno-lint-ignore no-control-regex
const LATIN1 = /^[\x00-\xff]*$/;

/** A text as a header carries it: Go Micro writes UTF-8, and the web's `Headers` take one character for one byte. */
export function toHeader(value: string): string {
  if (ASCII.test(value)) return value;
  let bytes = "";
  for (const byte of utf8(value)) bytes += String.fromCharCode(byte);
  return bytes;
}

/** The text of a header: bytes that are UTF-8 are read as such, others as Latin-1, which is what they came as. */
export function fromHeader(value: string): string {
  if (ASCII.test(value) || !LATIN1.test(value)) return value;
  try {
    return text(Uint8Array.from(value, (character) => character.charCodeAt(0)));
  } catch {
    return value;
  }
}
