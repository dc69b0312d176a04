/**
 * Reads command lines with `node:util`.
 *
 * @module
 */

import { parseArgs as parse } from "node:util";
import type { FlagSpec, ParsedArgs } from "../../runtime/platform.ts";

/**
 * Reads a command line strictly.
 *
 * @throws {TypeError} If a flag is unknown or its value is missing; the message names it.
 *
 * @example
 * ```ts
 * parseArgs(["--registry", "memory"], { registry: { type: "string" } }).values.registry; // "memory"
 * ```
 */
export function parseArgs(args: readonly string[], flags: Readonly<Record<string, FlagSpec>>): ParsedArgs {
  const { values, positionals } = parse({
    args: [...args],
    options: flags,
    strict: true,
    allowPositionals: true,
  });
  return { values: values as ParsedArgs["values"], positionals };
}
