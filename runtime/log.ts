/**
 * The logger that a handler sees as `ctx.log` and that muon itself speaks through.
 *
 * @module
 */

/** How much a line matters. */
export type LogLevel = "debug" | "info" | "warn" | "error";

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

const LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];
const SECRET = /(?:password|passwd|secret|token|authorization|cookie|api[-_]?key|private[-_]?key)/i;
const BARE = /^[^\s"=\p{C}]+$/u;
// Line breaks would forge a second line, and escape sequences would steer the terminal.
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}]+/gu;

/**
 * A logger that writes one line each: level, message, `key=value`. The values of keys that sound like a secret
 * (`token`, `password`, `authorization` …) are written as `[redacted]`.
 *
 * @param write Takes a line, its newline included.
 * @param options `level`: the least that is written. @default {level: "info"}
 *
 * @example
 * ```ts
 * lineLogger((line) => platform.writeError(line)).warn("registry away", { registry: "file" });
 * // warn  registry away registry=file
 * ```
 */
export function lineLogger(
  write: (line: string) => void,
  options: { readonly level?: LogLevel; readonly fields?: LogFields } = {},
): Logger {
  const least = LEVELS.indexOf(options.level ?? "info");
  const base = options.fields ?? {};
  const at = (level: LogLevel) => {
    if (LEVELS.indexOf(level) < least) return () => {};
    return (message: string, fields?: LogFields) => {
      let line = `${level.padEnd(5)} ${message}`;
      for (const [key, value] of Object.entries({ ...base, ...fields })) {
        if (value !== undefined) line += ` ${key}=${SECRET.test(key) ? "[redacted]" : show(value)}`;
      }
      write(`${line.replaceAll(UNPRINTABLE, " ")}\n`);
    };
  };
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    with: (fields) => lineLogger(write, { ...options, fields: { ...base, ...fields } }),
  };
}

/** A logger that says nothing. */
export const SILENT: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  with: () => SILENT,
};

function show(value: unknown): string {
  if (value instanceof Error) return JSON.stringify(value.stack ?? value.message);
  if (typeof value === "string") return BARE.test(value) ? value : JSON.stringify(value);
  try {
    return JSON.stringify(value, (key, inner) => SECRET.test(key) ? "[redacted]" : inner) ?? String(value);
  } catch {
    return String(value);
  }
}
