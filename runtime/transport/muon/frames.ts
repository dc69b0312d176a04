/**
 * The kinds of frames of muon.v1, and the payloads that are more than a few numbers. See `docs/protocol.md`.
 *
 * @module
 */

import { EMPTY, hasAt, looseText, utf8 } from "../../bytes.ts";
import { type ErrorDetail, MuonError, type Status, STATUSES, textOf, type Where } from "../../errors.ts";
import { FLOOR, type WireOptions } from "./limits.ts";
import { ProtocolError, Reader } from "./reader.ts";
import { textRoom, type Writer } from "./writer.ts";

/** Says which limits a peer has; its first frame. */
export const HELLO = 1;
/** Opens a stream. */
export const CALL = 2;
/** A message on a stream, or a part of one. */
export const DATA = 3;
/** The one answer to a call, or a part of it. */
export const REPLY = 4;
/** Metadata ahead of the first answer. */
export const HEADER = 5;
/** Says that its sender sends no more. */
export const END = 6;
/** Ends a call with an error. */
export const ERROR = 7;
/** Ends a call from the caller's side. */
export const CANCEL = 8;
/** Gives credit. */
export const CREDIT = 9;
/** Asks for a PONG. */
export const PING = 10;
/** Answers a PING. */
export const PONG = 11;
/** Says that its sender takes no more calls. */
export const GOAWAY = 12;

/** Flag of CALL, DATA and REPLY: the rest of the message follows. */
export const MORE = 1 << 4;
/** Flag of CALL: the inputs follow. */
export const STREAM = 2 << 4;
/** Flag of CALL: it may be run twice. */
export const IDEMPOTENT = 4 << 4;
/** Flag of REPLY: metadata comes first. */
export const TRAILER = 2 << 4;
/** Flag of ERROR: the handler did not run. */
export const NOT_RUN = 1 << 4;

const VERSION = 1;
/** Longest detail of an error that is sent, in UTF-16 units; the rest is cut off. */
const MAX_DETAIL = 1_024;
/** Longest id of an error that is sent. */
const MAX_ID = 256;

/** What a peer says of itself. */
export interface Hello extends
  Pick<
    WireOptions,
    "maxMessage" | "maxMetadata" | "maxStreams" | "window" | "fragment" | "routes" | "keys"
  > {
  /** The program, for people. */
  readonly agent: string;
  /** Id of its node, or nothing. */
  readonly node: string;
  /** What it can do beyond version 1. */
  readonly features: readonly string[];
}

const NUMBERS = [
  [2, "maxMessage"],
  [3, "fragment"],
  [4, "window"],
  [5, "maxStreams"],
  [6, "routes"],
  [7, "keys"],
  [8, "maxMetadata"],
] as const;
const TEXTS = [[9, "agent"], [10, "node"]] as const;
const FEATURES = 11;

/** Writes HELLO. */
export function writeHello(writer: Writer, hello: Hello): void {
  const texts = [
    ...TEXTS.map(([field, name]) => [field, utf8(hello[name])] as const),
    [FEATURES, utf8(hello.features.join(","))] as const,
  ].filter(([, value]) => value.length > 0);
  const room = 128 + texts.reduce((sum, [, value]) => sum + value.length + 16, 0);
  const frame = writer.begin(HELLO, 0, room);
  writeNumber(writer, 1, VERSION);
  for (const [field, name] of NUMBERS) writeNumber(writer, field, hello[name]);
  for (const [field, value] of texts) {
    writer.varint(field);
    writer.varint(value.length);
    writer.raw(value);
  }
  writer.finish(frame);
}

const NONE: readonly string[] = [];

/** Longest HELLO that is known again, in bytes. */
const MEMO = 256;
/** The HELLO that was read last: a thousand clients of one program say the same, and one object says it of all. */
let last: { readonly bytes: Uint8Array; readonly hello: Hello } | undefined;

/**
 * Reads HELLO.
 *
 * @throws {ProtocolError} If it is malformed, of another version, or names a limit below the least.
 */
export function readHello(reader: Reader): Hello {
  const { bytes, at, end } = reader;
  if (last?.bytes.length === end - at && hasAt(bytes, at, last.bytes, end - at)) return last.hello;
  const hello = parseHello(reader);
  if (end - at <= MEMO) last = { bytes: bytes.slice(at, end), hello };
  return hello;
}

function parseHello(reader: Reader): Hello {
  const hello = {
    maxMessage: 4_194_304,
    fragment: FLOOR,
    window: FLOOR,
    maxStreams: 4_096,
    routes: 0,
    keys: 0,
    maxMetadata: 16_384,
    agent: "",
    node: "",
    features: NONE,
  };
  let version = VERSION;
  while (reader.at < reader.end) {
    const field = reader.varint();
    const value = fieldOf(reader);
    if (field === 1) version = value.varint();
    for (const [number, name] of NUMBERS) if (number === field) hello[name] = value.varint();
    for (const [number, name] of TEXTS) if (number === field) hello[name] = looseText(value.rest());
    if (field === FEATURES) hello.features = looseText(value.rest()).split(",");
  }
  if (version !== VERSION) {
    throw new ProtocolError(`HELLO says version ${version}, and this end speaks ${VERSION}`);
  }
  for (const name of ["fragment", "window"] as const) {
    if (hello[name] < FLOOR) throw new ProtocolError(`HELLO says ${name} ${hello[name]}, less than ${FLOOR}`);
  }
  return hello;
}

function fieldOf(reader: Reader): Reader {
  const length = reader.varint();
  const start = reader.at;
  if (start + length > reader.end) throw new ProtocolError("a field of HELLO is cut short");
  reader.at = start + length;
  return new Reader(reader.bytes.subarray(start, start + length));
}

function writeNumber(writer: Writer, field: number, value: number): void {
  writer.varint(field);
  writer.varint(varintLength(value));
  writer.varint(value);
}

function varintLength(value: number): number {
  let length = 1;
  for (; value >= 128; value = Math.floor(value / 128)) length++;
  return length;
}

/** gRPC's number of a status. */
export function statusNumber(status: Status): number {
  return STATUSES.indexOf(status) + 1;
}

/** The status of gRPC's number; one that is none of the sixteen is `unknown`. */
export function statusAt(number: number): Status {
  return STATUSES[number - 1] ?? "unknown";
}

/** An error's texts as they are sent. */
export interface ErrorTexts {
  /** Who says so. */
  readonly id: string;
  /** What went wrong. */
  readonly detail: string;
  /** The details in JSON, or nothing. */
  readonly details: Uint8Array;
}

/**
 * An error's texts, cut to what a frame holds; where the details are too large or no JSON, the detail says so.
 *
 * @param limit Most bytes of the details.
 */
export function errorTexts(error: MuonError, limit: number): ErrorTexts {
  const id = error.id.slice(0, MAX_ID);
  let detail = error.detail.length > MAX_DETAIL ? `${error.detail.slice(0, MAX_DETAIL)}…` : error.detail;
  let details = EMPTY;
  if (error.details !== undefined) {
    try {
      details = utf8(JSON.stringify(error.details));
      if (details.length > limit) {
        detail += ` (its details were left out: they have ${details.length} bytes, more than ${limit})`;
        details = EMPTY;
      }
    } catch (cause) {
      detail += ` (its details were left out: they are no JSON: ${
        textOf(cause instanceof Error ? cause.message : cause)
      })`;
    }
  }
  return { id, detail, details };
}

/** Most bytes that {@link writeError} writes. */
export function errorRoom(texts: ErrorTexts): number {
  return 32 + textRoom(texts.id) + textRoom(texts.detail) + texts.details.length;
}

/** Writes the payload of ERROR up to its trailers. */
export function writeError(writer: Writer, error: MuonError, texts: ErrorTexts): void {
  writer.byte(statusNumber(error.status));
  writer.varint(Number.isSafeInteger(error.code) && error.code >= 0 ? error.code : 0);
  writer.text(texts.id);
  writer.text(texts.detail);
  writer.varint(texts.details.length);
  writer.raw(texts.details);
}

/** Reads the payload of ERROR up to its trailers. */
export function readError(reader: Reader, notRun: boolean, where: Where): MuonError {
  const status = statusAt(reader.byte());
  const code = reader.varint();
  const id = reader.text(Infinity, "an error's id");
  let detail = reader.text(Infinity, "an error's detail");
  const json = reader.text(Infinity, "an error's details");
  let details: readonly ErrorDetail[] | undefined;
  if (json !== "") {
    details = parseDetails(json);
    if (details === undefined) detail += " (its details could not be read)";
  }
  return new MuonError(status, detail, {
    id,
    where,
    notRun,
    answered: true,
    ...(code === 0 ? {} : { code }),
    ...(details === undefined ? {} : { details }),
  });
}

/**
 * Whether a message is a CALL and nothing else. Its answer, if it is there at once, does not wait for the turn's end to
 * be joined by others: among 1,000 clients with a call each, to come back to a connection when the other 999 have passed
 * through the caches took a tenth of the server's CPU (10.8 → 9.9 µs a call on Bun, 17.4 → 15.9 on Deno, 17.1 → 16.1 on
 * Node, interleaved). With 1 to 64 calls in flight on one connection it made no difference.
 */
export function isLoneCall(message: Uint8Array): boolean {
  return (message[0]! & 15) === CALL &&
    message.length === 4 + ((message[1]! << 16) | (message[2]! << 8) | message[3]!);
}

/** Reads the payload of PING or PONG. */
export function readPing(reader: Reader): Uint8Array {
  const bytes = reader.rest();
  if (bytes.length !== 8) throw new ProtocolError(`PING or PONG has ${bytes.length} bytes instead of 8`);
  return bytes;
}

function parseDetails(json: string): readonly ErrorDetail[] | undefined {
  try {
    const value: unknown = JSON.parse(json);
    if (!Array.isArray(value)) return undefined;
    const whole = value.every((one) =>
      typeof one === "object" && one !== null && typeof one.type === "string"
    );
    return whole ? value : undefined;
  } catch {
    return undefined;
  }
}
