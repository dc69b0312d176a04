/**
 * Steps of a check, one after the other: each says in a line whether it went well, and what it said if not.
 *
 * @module
 */

import { spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { binaryOf, ROOT } from "./runtimes.ts";

/** A program to run, by its path, with its arguments. */
export type Program = readonly [file: string, ...args: string[]];

/**
 * A sub-command of the pinned Deno.
 *
 * @param args `lint`, and what follows it.
 */
export function deno(...args: string[]): Program {
  return [binaryOf("deno"), ...args];
}

/**
 * The pinned TypeScript compiler.
 *
 * @param args Its arguments.
 */
export function tsc(...args: string[]): Program {
  return [binaryOf("node"), join(ROOT, "node_modules", "typescript", "bin", "tsc"), ...args];
}

/**
 * Runs one step, and says how it went.
 *
 * @param name What it is called.
 * @param program What it runs.
 * @param options `shown`: its output is shown as it comes, and not only when it fails.
 * @returns Whether it went well.
 */
export async function step(
  name: string,
  program: Program,
  options: { readonly shown?: boolean } = {},
): Promise<boolean> {
  const start = performance.now();
  const { code, output } = await run(program, options.shown ?? false);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  if (code !== 0) console.log(output.trimEnd());
  // What is shown ends with a line of its own.
  if (!options.shown) console.log(`${code === 0 ? "ok    " : "FAILED"}  ${name} (${seconds} s)`);
  return code === 0;
}

function run([file, ...args]: Program, shown: boolean): Promise<{ code: number; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      cwd: ROOT,
      env: { ...process.env, NO_COLOR: "1" },
      stdio: shown ? "inherit" : ["ignore", "pipe", "pipe"],
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8");
      stream?.on("data", (chunk: string) => output += chunk);
    }
    child.on("error", reject);
    child.on("close", (code) => resolve({ code: code ?? 1, output }));
  });
}
