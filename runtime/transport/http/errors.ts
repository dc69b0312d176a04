/**
 * Errors as Connect has them: JSON with `code`, `message` and `details`, and an HTTP status for each code.
 * Source: {@link https://connectrpc.com/docs/protocol#error-codes | Connect's error codes}.
 *
 * @module
 */

import type { Reading } from "../../body.ts";
import { looseText, text, toBase64, utf8 } from "../../bytes.ts";
import {
  codeOf,
  type ErrorDetail,
  MuonError,
  type MuonErrorOptions,
  type Status,
  STATUSES,
  textOf,
  type Where,
} from "../../errors.ts";
import { headTooLong } from "../metadata_limit.ts";

/** How the body of an error is read. */
export const ERROR_BODY: Reading = { limit: 1_048_576, what: "output", id: "muon.http" };
/** Most bytes of an error's details that are sent: what goes over muon.v1 fits, in base64 and in `debug`, too. */
const MAX_DETAILS = 262_144;
/** Most characters of an error's text that are sent. */
const MAX_TEXT = 65_536;

const HTTP: Partial<Record<Status, number>> = {
  canceled: 499,
  invalid_argument: 400,
  deadline_exceeded: 504,
  not_found: 404,
  already_exists: 409,
  permission_denied: 403,
  resource_exhausted: 429,
  failed_precondition: 400,
  aborted: 409,
  out_of_range: 400,
  unimplemented: 501,
  unavailable: 503,
  unauthenticated: 401,
};

/** What an HTTP status means where no error stands in the body: an intermediary said it. */
const OF_HTTP: Readonly<Record<number, Status>> = {
  400: "internal",
  401: "unauthenticated",
  403: "permission_denied",
  404: "unimplemented",
  429: "unavailable",
  502: "unavailable",
  503: "unavailable",
  504: "unavailable",
};

/**
 * The HTTP status of a status, as Connect has it.
 *
 * @example
 * ```ts
 * httpStatus("deadline_exceeded"); // 504
 * ```
 */
export function httpStatus(status: Status): number {
  return HTTP[status] ?? 500;
}

/** A detail in Connect's form. */
export interface DetailBody {
  /** Name of its type. */
  readonly type: string;
  /** In base64, without padding: bytes as they are, other values as JSON. */
  readonly value: string;
  /** The value, where it is none of bytes. */
  readonly debug?: unknown;
}

/**
 * An error in Connect's form. Beside what Connect knows stands what muon's own clients read and others skip: who says
 * so (`id`), Go Micro's number where it is another than the status has (`number`), and whether the handler is known not
 * to have run (`notRun`). Connect's details are protobuf messages: a value that is bytes is taken for one, encoded; for
 * others `value` is the JSON that stands in `debug`.
 */
export interface ErrorBody {
  /** The status. */
  readonly code: Status;
  /** What went wrong, in words. */
  readonly message: string;
  /** What a program can read. */
  readonly details?: readonly DetailBody[];
  /** Who says so. */
  readonly id: string;
  /** Go Micro's number. */
  readonly number?: number;
  /** Whether the handler is known not to have run. */
  readonly notRun?: true;
}

/** An error in Connect's form, small enough to be read: where details are too large for that, the message says so. */
export function errorBody(error: MuonError): ErrorBody {
  const { status, detail, id, code, notRun } = error;
  let message = detail.length > MAX_TEXT ? `${detail.slice(0, MAX_TEXT)}…` : detail;
  let details = error.details?.map(detailBody);
  const size = details === undefined ? 0 : utf8(JSON.stringify(details)).length;
  if (size > MAX_DETAILS) {
    details = undefined;
    message += ` (its details were left out: written they have ${size} bytes, more than ${MAX_DETAILS})`;
  }
  return {
    code: status,
    message,
    ...(details === undefined ? {} : { details }),
    id,
    ...(code === codeOf(status) ? {} : { number: code }),
    ...(notRun ? { notRun } : {}),
  };
}

function detailBody({ type, value }: ErrorDetail): DetailBody {
  if (value instanceof Uint8Array) return { type, value: unpadded(value) };
  let json: string;
  try {
    json = JSON.stringify(value) ?? "null";
  } catch {
    // What JSON cannot carry is told in words, rather than lost together with the error.
    json = JSON.stringify(textOf(value));
  }
  return { type, value: unpadded(utf8(json)), debug: JSON.parse(json) };
}

function unpadded(bytes: Uint8Array): string {
  return toBase64(bytes).replace(/=+$/, "");
}

/**
 * The error that an answer's body is.
 *
 * @param body Body of an answer that is no success.
 * @param http Its HTTP status.
 * @param where What was called.
 */
export function errorOfBody(body: Uint8Array, http: number, where: Where): MuonError {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text(body));
  } catch {
    // No JSON: an intermediary's words.
  }
  const known = errorOf(parsed, where);
  if (known !== undefined) return known;
  if (http === 431) return headTooLong({ id: "muon.http" }).at(where);
  const said = looseText(body.subarray(0, 500)).trim();
  return new MuonError(
    OF_HTTP[http] ?? "unknown",
    `the other end answered HTTP ${http}${said === "" ? "" : `: ${said}`}`,
    { id: "muon.http", where },
  );
}

/** The error of a parsed body, of Connect or of one of muon's hosts; `undefined` if it is neither. */
export function errorOf(parsed: unknown, where: Where): MuonError | undefined {
  if (typeof parsed !== "object" || parsed === null) return undefined;
  const { code, status, message, detail, details, id, number, notRun } = parsed as Record<string, unknown>;
  const options: MuonErrorOptions = { id: typeof id === "string" ? id : "muon.http", where, answered: true };
  if (isStatus(code)) {
    const read = Array.isArray(details) ? details.map(detailOf).filter((one) => one !== undefined) : [];
    return new MuonError(code, typeof message === "string" ? message : "", {
      ...options,
      notRun: notRun === true,
      ...(typeof number === "number" ? { code: number } : {}),
      ...(read.length === 0 ? {} : { details: read }),
    });
  }
  if (isStatus(status) && typeof detail === "string") {
    // A host answers so what it handed to nobody: it stops, or nothing is served there.
    const refused = id === "muon.host" && (status === "unavailable" || status === "not_found");
    return new MuonError(status, detail, { ...options, notRun: refused });
  }
  return undefined;
}

function detailOf(detail: unknown): ErrorDetail | undefined {
  if (typeof detail !== "object" || detail === null) return undefined;
  const { type, value, debug } = detail as { type?: unknown; value?: unknown; debug?: unknown };
  if (typeof type !== "string") return undefined;
  // Without the readable form, it is a protobuf message in base64.
  return { type, value: debug === undefined ? value : debug };
}

function isStatus(value: unknown): value is Status {
  return typeof value === "string" && (STATUSES as readonly string[]).includes(value);
}
