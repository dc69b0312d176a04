/**
 * Errors as Go Micro sends them: a JSON object, or any text, in the header `Micro-Error`.
 * Source: go-micro `errors/errors.go`, `server/rpc_router.go`.
 *
 * @module
 */

import {
  type ErrorDetail,
  MuonError,
  type MuonErrorOptions,
  type Status,
  STATUSES,
  statusOf,
} from "../../errors.ts";

/** Most characters of an error in a header, where it stands twice: many a client reads no more than 16 KiB of them all. */
const LONGEST = 6_000;
/** What Go Micro's router says, in plain text, of what it does not have. None of it ran. */
const NOT_FOUND = /^rpc: (can't find (service|method)|service\/(endpoint|method) request ill-formed)/;

/**
 * An error as the value of `Micro-Error`: Go Micro's JSON, in ASCII, so that nobody on its way can mistake it. One
 * that is too long for a header loses its details, and says so, then the end of its text.
 */
export function writeError(error: MuonError): string {
  const { id, code, status } = error;
  let { detail } = error;
  let written: string | undefined;
  try {
    written = ascii(error);
  } catch {
    // A detail that JSON cannot carry.
  }
  if (written === undefined || written.length > LONGEST) {
    if (error.details !== undefined) detail += " (its details were left out: a header does not hold them)";
    written = ascii({ id, code, detail, status });
  }
  for (let keep = LONGEST; written.length > LONGEST && keep > 10; keep = keep >> 1) {
    written = ascii({ id: id.slice(0, 200), code, detail: `${detail.slice(0, keep)}…`, status });
  }
  return written;
}

function ascii(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\u007f-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/**
 * The error that a `Micro-Error` says. Plain text is that of an ordinary Go error: `internal`, 500.
 *
 * @param written The header's text.
 * @param options Who was called.
 */
export function readError(written: string, options: MuonErrorOptions): MuonError {
  const parsed = parse(written);
  if (parsed === undefined) {
    return NOT_FOUND.test(written)
      ? new MuonError("not_found", written, { ...options, notRun: true })
      : new MuonError("internal", written, options);
  }
  const { id, detail, details } = parsed;
  // Several at once: the first says what kind it is.
  const errors = Array.isArray(parsed.errors) ? parsed.errors.filter(isObject) : [];
  const code = codeIn(parsed) ?? codeIn(errors[0]);
  const own = STATUSES.includes(parsed.status as Status);
  const status = own ? parsed.status as Status : statusOf(code ?? 500);
  const said = typeof detail === "string" ? detail : errors.map((one) => String(one.detail)).join("; ");
  // Where Go says nothing in words, all that it says is shown; muon's status says enough.
  return new MuonError(status, said === "" && !own ? written : said, {
    ...options,
    ...(code === undefined ? {} : { code }),
    ...(typeof id === "string" && id !== "" ? { id } : {}),
    ...(Array.isArray(details) ? { details: details.filter(isDetail) } : {}),
  });
}

function parse(written: string): Record<string, unknown> | undefined {
  if (!written.startsWith("{")) return undefined;
  try {
    const parsed: unknown = JSON.parse(written);
    if (isObject(parsed) && (typeof parsed.detail === "string" || Array.isArray(parsed.errors))) {
      return parsed;
    }
    return isObject(parsed) && codeIn(parsed) !== undefined ? parsed : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function codeIn(value: Record<string, unknown> | undefined): number | undefined {
  const code = value?.code;
  return typeof code === "number" && Number.isInteger(code) && code > 0 ? code : undefined;
}

function isDetail(value: unknown): value is ErrorDetail {
  return isObject(value) && typeof value.type === "string";
}
