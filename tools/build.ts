/**
 * Builds what npm gets, JavaScript and declarations, into `dist/` or the folder that is named.
 *
 * ```
 * deno task build [folder]
 * ```
 *
 * tsc makes both, a file of each of a source; esbuild puts the JavaScript together: what is reached together lies in
 * one file, what is loaded late, or by some entries only, in others. A runtime finds, reads and compiles every file for
 * itself: with 170 of them a service's first answer took 60 ms of CPU more on Node, 13 ms on Deno and Bun.
 *
 * @module
 */

import { build as bundle, stop } from "esbuild";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import process from "node:process";
import { step, tsc } from "./steps.ts";
import { ROOT } from "./runtimes.ts";

const [folder = "dist"] = process.argv.slice(2);
const out = resolve(ROOT, folder);

// Of an earlier build nothing may stay behind and be published.
await rm(out, { recursive: true, force: true });
const built = await step("build", tsc("-p", join(ROOT, "tsconfig.build.json"), "--outDir", out));
if (built) await putTogether();
process.exit(built ? 0 : 1);

/** Replaces the JavaScript of each source by few files. */
async function putTogether(): Promise<void> {
  const { outputFiles } = await bundle({
    entryPoints: await entries(),
    // So that what is made names no folder of this machine.
    absWorkingDir: out,
    outdir: out,
    outbase: out,
    chunkNames: "chunks/[hash]",
    bundle: true,
    // What two entries share is there once: `instanceof` holds across them.
    splitting: true,
    packages: "external",
    format: "esm",
    platform: "node",
    target: "es2023",
    // Without white space a start takes 6 ms less on Deno. Names stay, and lines are short, for those who read a stack.
    minifyWhitespace: true,
    minifySyntax: true,
    lineLimit: 120,
    // Beside the files, not named in them: Deno would read them at each start, for 8 ms.
    sourcemap: "external",
    write: false,
    logLevel: "warning",
  });
  await stop();
  for (const file of await readdir(out, { recursive: true })) {
    if (/\.js(\.map)?$/.test(file)) await rm(join(out, file));
  }
  for (const { path, contents } of outputFiles) {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, contents);
  }
}

/** The files that package.json exports. */
async function entries(): Promise<string[]> {
  const { exports } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8")) as {
    exports: Record<string, string | { default: string }>;
  };
  return Object.values(exports).flatMap((target) =>
    typeof target === "string" ? [] : join(out, target.default.replace(/^\.\/dist\//, ""))
  );
}
