/**
 * What `run` says when it cannot go on, and with which code the process then ends.
 *
 * @module
 */

import { MuonError } from "../errors.ts";
import { formatFor, LOG_FORMATS, type LogFormat, machineLogger, redact } from "../log.ts";
import type { Platform, System } from "../platform.ts";
import { StartError } from "../start_error.ts";
import { UsageError } from "./origins.ts";

/** Those that tell of a mistake in a program, whose stack somebody wants to see. */
const BUGS = new Set(["internal", "unknown", "unimplemented"]);

/**
 * The code that a process ends with: 2 if the command line, a variable or the file is wrong, 1 if the machine or the
 * network is; `undefined` if the program is, so that the error is to be thrown.
 *
 * @param error What was thrown.
 */
function exitCodeOf(error: unknown): 1 | 2 | undefined {
  if (error instanceof UsageError) return 2;
  if (error instanceof StartError) return 1;
  return error instanceof MuonError && !BUGS.has(error.status) ? 1 : undefined;
}

/**
 * Ends the process with the code of {@link exitCodeOf}, having said on stderr why, without a stack: a line for people,
 * or one of JSON.
 *
 * @param error Why.
 * @param how `system`: the process, and its stderr. `format`: how lines are written there, if it is known.
 * @throws The error, if it is the program's.
 */
export function giveUp(
  error: unknown,
  { system, format }: { readonly system: System; readonly format?: LogFormat | undefined },
): void {
  const code = exitCodeOf(error);
  if (code === undefined) throw error;
  const { platform } = system;
  const message = error instanceof MuonError ? error.detail : (error as Error).message;
  if (formatFor(platform, format) === "json") machineLogger(system, { format: "json" }).error(message);
  else platform.writeError(`${redact(message)}\n`);
  platform.exit(code);
}

/** The format that a command line or a variable asks for, however wrong the rest of it is. */
export function formatAsked(platform: Pick<Platform, "args" | "env">): LogFormat | undefined {
  const said = platform.args.flatMap((word, at) => {
    const [flag, value = platform.args[at + 1]] = word.split("=", 2);
    return flag?.replaceAll("-", "_") === "__log_format" ? [value] : [];
  });
  const asked = [...said, platform.env("MUON_LOG_FORMAT"), platform.env("MICRO_LOG_FORMAT")];
  const first = asked.find((each) => each !== undefined && each !== "");
  return LOG_FORMATS.find((format) => format === first);
}
