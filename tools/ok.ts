/**
 * What a change must pass: format, lint, types and exports, then all tests. Arguments go to the tests.
 *
 * ```
 * deno task ok [--ci] [--no-tests]
 * ```
 *
 * @module
 */

import { join } from "node:path";
import process from "node:process";
import { ROOT } from "./runtimes.ts";
import { deno, step } from "./steps.ts";

const args = process.argv.slice(2).filter((arg) => arg !== "--no-tests");
const tests = args.length === process.argv.length - 2;
const tool = (name: string, ...rest: string[]) =>
  deno("run", "-A", "--no-check", "--quiet", join(ROOT, "tools", name), ...rest);

// All of them, so that one run tells all there is to mend.
let good = await step("fmt", deno("fmt", "--check"));
good = await step("lint", deno("lint")) && good;
good = await step("check", tool("check.ts"), { shown: true }) && good;
if (tests) good = await step("test", tool("test.ts", ...args), { shown: true }) && good;
process.exit(good ? 0 : 1);
