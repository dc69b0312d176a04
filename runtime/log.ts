/**
 * The logger that a handler sees as `ctx.log` and that muon itself speaks through.
 *
 * @module
 */

import { textOf } from "./errors.ts";
import { isoTime } from "./iso_time.ts";
import type { Platform, System } from "./platform.ts";

/** How much a line matters. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/** How lines are written: `text` for people, `json` one object a line. */
export type LogFormat = "text" | "json";

/** What goes with a line: anything JSON can carry; an Error is written with its message and stack. */
export type LogFields = Readonly<Record<string, unknown>>;

/**
 * Takes structured lines.
 *
 * @example
 * ```ts
 * ctx.log.info("order taken", { order: 42 });
 * ```
 */
export interface Logger {
  /** For whoever looks for a fault. */
  debug(message: string, fields?: LogFields): void;
  /** For whoever wants to know what happens. */
  info(message: string, fields?: LogFields): void;
  /** Something is off, and muon goes on. */
  warn(message: string, fields?: LogFields): void;
  /** Something failed. */
  error(message: string, fields?: LogFields): void;
  /** A logger that adds these fields to each line. */
  with(fields: LogFields): Logger;
}

/** The levels, the least first. */
export const LOG_LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];
/** The formats. */
export const LOG_FORMATS: readonly LogFormat[] = ["text", "json"];

/** Whatever stands around these, it is a secret: `db_password`, `refreshToken`. */
const SECRET =
  /password|passwd|passphrase|secret|token|authorization|cookie|jwt|credentials?|bearer|signature|(?:api|private|access)[-_]?key|connection[-_]?string/i;
/** Secret only as a word of its own at the end: `db_pass`, `sessionId`, and neither `compass` nor `passed`. */
const SECRET_END = /(?:^|[^a-z])(?:pwd|pass|auth|otp|pin|session(?:[-_]?id)?)$/i;
const SECRET_END_CAMEL = /[a-z\d](?:Pwd|Pass|Auth|O(?:tp|TP)|P(?:in|IN)|Session(?:I[dD])?)$/;
/** Keys that were looked at: a program has few, and logs them often. */
const SECRET_KEYS = new Map<string, boolean>();
const MOST_KEYS = 1_000;
const BARE = /^[^\s"=\p{C}]+$/u;
// Line breaks would forge a second line, and escape sequences would steer the terminal.
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}]+/gu;
const URL_PASSWORD = /(\w:\/\/[^\s/:@]*:)[^\s/]+(?=@)/g;
const QUERY_SECRET = /([?&;]([\w.~%[\]-]+)=)[^\s&;#"'<>]+/g;
const JSON_SECRET = /("([\w.~-]+)"\s*:\s*)"(?:[^"\\]|\\.)*"/g;
const CREDENTIALS = /\b(Bearer|Basic)\s+[\w.~+/=-]{8,}/gi;
// Short ones are told from prose by what stands before them, by their capital, or by what no word of prose has.
const SHORT_CREDENTIALS =
  /(\bauthorization["']?\s*[:=]\s*["']?(?:Bearer|Basic)\s+)[\w.~+/=-]+|\b((?:Bearer|Basic)\s+)(?=[\w.~+/=-]*[\dA-Z=_~+/])[\w.~+/=-]{1,7}/g;
const SHORT_BEARER =
  /\b(Bearer\s+)(?!(?:of|or|and|is|was|in|on|for|the|auth|token|tokens|scheme|schemes)\b)[\w.~+/=-]{1,7}(?![\w[])/g;
const PRIVATE_KEY =
  /-----BEGIN [A-Z ]*PRIVATE KEY-----(?:[^-]|-(?!----))*(?:-----END [A-Z ]*PRIVATE KEY-----)?/g;
/** Most texts have none of these, and are not looked through further. */
const MAY_HOLD_SECRETS = /:\/\/|[?&;][\w.~%[\]-]+=|"\s*:|bearer|basic|PRIVATE KEY/i;

/** What stands for a secret. */
const REDACTED = "[redacted]";

/** Options of {@link lineLogger} and {@link jsonLogger}. */
export interface LoggerOptions {
  /** Least that is written. @default {"info"} */
  readonly level?: LogLevel | undefined;
  /** Go with every line. @default {{}} */
  readonly fields?: LogFields;
  /** The time, in ms since the epoch, to begin a line with. @default {none: lines have no time} */
  readonly now?: () => number;
}

/**
 * A logger that writes one line each: level, message, `key=value`. The values of keys that sound like a secret
 * (`token`, `password`, `authorization` …) are written as `[redacted]`, and so is what {@link redact} finds in texts.
 *
 * @param write Takes a line, its newline included.
 *
 * @example
 * ```ts
 * lineLogger((line) => platform.writeError(line)).warn("registry away", { registry: "file" });
 * // warn  registry away registry=file
 * ```
 */
export function lineLogger(write: (line: string) => void, options: LoggerOptions = {}): Logger {
  return logger(options, (level, message, fields) => {
    // The time of day, in UTC: people read these lines as they come.
    const time = options.now === undefined ? "" : `${isoTime(options.now()).slice(11)} `;
    let line = `${time}${level.padEnd(5)} ${redact(message)}`;
    for (const [key, value] of Object.entries(fields)) {
      if (value !== undefined) line += ` ${key}=${isSecret(key) ? REDACTED : show(value)}`;
    }
    write(`${line.replaceAll(UNPRINTABLE, " ")}\n`);
  });
}

/**
 * A logger that writes one JSON object a line: `time` (ISO 8601, UTC), `level`, `message`, then the fields; one whose
 * name is taken gets a `_` behind it. Secrets are left out as by {@link lineLogger}.
 *
 * @param write Takes a line, its newline included.
 *
 * @example
 * ```ts
 * jsonLogger((line) => platform.writeError(line)).warn("registry away", { registry: "file" });
 * // {"level":"warn","message":"registry away","registry":"file"}
 * ```
 */
export function jsonLogger(write: (line: string) => void, options: LoggerOptions = {}): Logger {
  return logger(options, (level, message, fields) => {
    const head: Record<string, unknown> = options.now === undefined
      ? { level, message: redact(message) }
      : { time: isoTime(options.now()), level, message: redact(message) };
    const line: Record<string, unknown> = { ...head };
    for (const [key, value] of Object.entries(fields)) {
      line[Object.hasOwn(head, key) ? `${key}_` : key] = isSecret(key) ? REDACTED : value;
    }
    write(`${stringify(line) ?? stringify(flat(line))}\n`);
  });
}

/**
 * How lines are written on a machine's stderr: as was asked for, else in people's form on a terminal and as JSON
 * elsewhere. All that muon writes there goes by it.
 *
 * @param platform Whose stderr.
 * @param asked What was asked for.
 */
export function formatFor(platform: Pick<Platform, "isTerminal">, asked?: LogFormat): LogFormat {
  return asked ?? (platform.isTerminal ? "text" : "json");
}

/**
 * The logger of a machine: on stderr, with the time, in people's form if that is a terminal, else as JSON.
 *
 * @param system Whose stderr and whose time.
 * @param options What was chosen.
 *
 * @example
 * ```ts
 * machineLogger(system, { level: "debug" }).debug("dialled", { address: "127.0.0.1:8080" });
 * ```
 */
export function machineLogger(
  { clock, platform }: Pick<System, "clock" | "platform">,
  options: { readonly level?: LogLevel | undefined; readonly format?: LogFormat | undefined } = {},
): Logger {
  const format = formatFor(platform, options.format);
  const write = (line: string) => platform.writeError(line);
  const all = { level: options.level, now: () => clock.wall() };
  return format === "json" ? jsonLogger(write, all) : lineLogger(write, all);
}

/** A logger that says nothing. */
export const SILENT: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  with: () => SILENT,
};

/**
 * A text without the secrets that can be told from it alone: passwords in addresses, parameters of a query whose names
 * sound like a secret, texts under such names in JSON, `Bearer` and `Basic` credentials, private keys in PEM.
 *
 * @example
 * ```ts
 * redact("nats://user:hunter2@10.0.0.1:4222"); // "nats://user:[redacted]@10.0.0.1:4222"
 * ```
 */
export function redact(text: string): string {
  if (!MAY_HOLD_SECRETS.test(text)) return text;
  return text
    .replaceAll(PRIVATE_KEY, REDACTED)
    .replaceAll(URL_PASSWORD, `$1${REDACTED}`)
    .replaceAll(QUERY_SECRET, (all, before: string, name: string) => isSecret(name) ? before + REDACTED : all)
    .replaceAll(
      JSON_SECRET,
      (all, before: string, name: string) => isSecret(name) ? `${before}"${REDACTED}"` : all,
    )
    .replaceAll(CREDENTIALS, `$1 ${REDACTED}`)
    .replaceAll(SHORT_CREDENTIALS, `$1$2${REDACTED}`)
    .replaceAll(SHORT_BEARER, `$1${REDACTED}`);
}

/** Whether the value behind a key is to be left out. */
function isSecret(key: string): boolean {
  let known = SECRET_KEYS.get(key);
  if (known === undefined) {
    known = SECRET.test(key) || SECRET_END.test(key) || SECRET_END_CAMEL.test(key);
    if (SECRET_KEYS.size >= MOST_KEYS) SECRET_KEYS.clear();
    SECRET_KEYS.set(key, known);
  }
  return known;
}

/**
 * Fields as JSON carries them, without secrets: those that {@link jsonLogger} leaves out. For loggers of one's own.
 *
 * @example
 * ```ts
 * redactFields({ order: 42, token: "abc" }); // { order: 42, token: "[redacted]" }
 * ```
 */
export function redactFields(fields: LogFields): Record<string, unknown> {
  return JSON.parse(stringify(fields) ?? stringify(flat(fields))!);
}

function logger(
  options: LoggerOptions,
  write: (level: LogLevel, message: string, fields: LogFields) => void,
): Logger {
  const least = LOG_LEVELS.indexOf(options.level ?? "info");
  const made = (base: LogFields): Logger => {
    const at = (level: LogLevel) => {
      if (LOG_LEVELS.indexOf(level) < least) return () => {};
      return (message: string, fields?: LogFields) => write(level, message, { ...base, ...fields });
    };
    return {
      debug: at("debug"),
      info: at("info"),
      warn: at("warn"),
      error: at("error"),
      with: (fields) => made({ ...base, ...fields }),
    };
  };
  return made(options.fields ?? {});
}

function show(value: unknown): string {
  if (value instanceof Error) return JSON.stringify(redact(textOf(value.stack ?? value.message)));
  if (typeof value === "string") {
    const shown = redact(value);
    return BARE.test(shown) ? shown : JSON.stringify(shown);
  }
  if (typeof value === "bigint") return value.toString();
  return stringify(value) ?? textOf(value);
}

/** JSON without secrets; `undefined` if JSON cannot carry the value: it is a ring, or too deep. */
function stringify(value: unknown): string | undefined {
  try {
    return JSON.stringify(value, (key, inner) => {
      if (key !== "" && isSecret(key)) return REDACTED;
      if (typeof inner === "string") return redact(inner);
      if (typeof inner === "bigint") return inner.toString();
      if (inner instanceof Map) return Object.fromEntries(inner);
      if (inner instanceof Set) return [...inner];
      return inner instanceof Error ? errorFields(inner) : inner;
    });
  } catch {
    return undefined;
  }
}

function errorFields(error: Error): Record<string, unknown> {
  const { name, message, stack, cause } = error;
  const { status, code } = error as { status?: unknown; code?: unknown };
  return { name, message, status, code, stack, cause };
}

/** The same with what JSON cannot carry as text. */
function flat(line: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(line).map(([key, value]) => [
      key,
      value !== undefined && stringify(value) === undefined ? textOf(value) : value,
    ]),
  );
}
