/**
 * Builds what npm gets, JavaScript and declarations, into `dist/` or the folder that is named.
 *
 * ```
 * deno task build [folder]
 * ```
 *
 * @module
 */

import { rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import process from "node:process";
import { step, tsc } from "./steps.ts";
import { ROOT } from "./runtimes.ts";

const [folder = "dist"] = process.argv.slice(2);
const out = resolve(ROOT, folder);

// Of an earlier build nothing may stay behind and be published.
await rm(out, { recursive: true, force: true });
const built = await step("build", tsc("-p", join(ROOT, "tsconfig.build.json"), "--outDir", out));
process.exit(built ? 0 : 1);
