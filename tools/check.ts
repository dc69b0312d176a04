/**
 * Checks the types, with Deno's compiler and with tsc, which knows only what the oldest Node has; and that the exports
 * agree. A folder with a `tsconfig.json` of its own is checked by it.
 *
 * @module
 */

import { readdir } from "node:fs/promises";
import { join, relative } from "node:path";
import process from "node:process";
import { ROOT } from "./runtimes.ts";
import { deno, step, tsc } from "./steps.ts";

let good = await step("deno check", deno("check", "--quiet"));
for (const folder of await configured(ROOT)) {
  good = await step(`tsc -p ${relative(ROOT, folder) || "."}`, tsc("-p", folder, "--pretty", "false")) &&
    good;
}
good = await step("exports", deno("run", "-A", "--no-check", join(ROOT, "tools", "check_exports.ts"))) &&
  good;
process.exit(good ? 0 : 1);

/** The folders that have a `tsconfig.json`. */
async function configured(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const found = entries.some(({ name }) => name === "tsconfig.json") ? [folder] : [];
  for (const { name } of entries.filter((entry) => entry.isDirectory())) {
    if (!/^(\..*|node_modules|dist)$/.test(name)) found.push(...await configured(join(folder, name)));
  }
  return found;
}
