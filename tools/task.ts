/**
 * What the tasks of `deno.json` run: brings `node_modules` up to the lock, then runs the task's file on the pinned
 * Deno that is in there, whichever Deno this is.
 *
 * @module
 */

import { spawn } from "node:child_process";
import process from "node:process";
import { runCommand } from "./runtimes.ts";
import { setUp } from "./setup.ts";

const FILES: Readonly<Record<string, string>> = {
  demo: "tools/demo.ts",
  test: "tools/test.ts",
  ok: "tools/ok.ts",
  check: "tools/check.ts",
  build: "tools/build.ts",
  bench: "bench/main.ts",
};

const [name = "", ...args] = process.argv.slice(2);
const script = FILES[name];
if (script === undefined) {
  console.error(`No task is called "${name}". There are: ${Object.keys(FILES).join(", ")}.`);
  process.exit(2);
}

try {
  await setUp();
} catch (error) {
  console.error((error as Error).message);
  process.exit(1);
}

const { file, args: before, env } = runCommand("deno", script, args);
const child = spawn(file, before, { stdio: "inherit", env: { ...process.env, ...env } });
// A signal to the terminal's group reaches the child by itself; it says when it is done.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => {});
child.on("exit", (code, signal) => {
  if (signal !== null) console.error(`${script} was ended by ${signal}.`);
  process.exit(code ?? 1);
});
