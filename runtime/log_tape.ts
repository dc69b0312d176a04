/**
 * Sends lines to LogTape, the logging library: its sinks, filters and formats instead of muon's own.
 *
 * @module
 */

import { type LogFields, type Logger, type LogLevel, redact, redactFields } from "./log.ts";

type Say = (message: string, properties: Record<string, unknown>) => void;

/** What is used of a logger of LogTape's, whose `getLogger` gives one. */
export interface LogTapeLogger {
  /** Takes a line of that level. */
  readonly debug: Say;
  /** Takes a line of that level. */
  readonly info: Say;
  /** Takes a line of that level. */
  readonly warn: Say;
  /** Takes a line of that level. */
  readonly error: Say;
  /** Whether somebody listens; `warning` is LogTape's name of `warn`. */
  isEnabledFor(level: "debug" | "info" | "warning" | "error"): boolean;
}

/**
 * A logger that hands its lines to LogTape: what muon says itself, and `ctx.log`. Fields become LogTape's properties, as
 * JSON carries them, and without secrets, as muon's own loggers leave them out. Levels are chosen by LogTape's
 * configuration; `logLevel` and `logFormat` have no say.
 *
 * @param to Where lines go.
 *
 * @example
 * ```ts
 * import { getLogger } from "@logtape/logtape";
 *
 * const service = createService({ log: logTapeLogger(getLogger(["acme", "greeter"])) });
 * ```
 */
export function logTapeLogger(to: LogTapeLogger): Logger {
  return made(to, {});
}

function made(to: LogTapeLogger, base: LogFields): Logger {
  const at = (level: LogLevel) => (message: string, fields?: LogFields) => {
    if (!to.isEnabledFor(level === "warn" ? "warning" : level)) return;
    // LogTape fills in {names}; in a message of muon's a brace is a brace.
    const plain = redact(message).replaceAll("{", "{{").replaceAll("}", "}}");
    to[level](plain, redactFields({ ...base, ...fields }));
  };
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    with: (fields) => made(to, { ...base, ...fields }),
  };
}
