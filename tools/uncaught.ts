/**
 * Loaded ahead of a file of tests on Deno, by tools/test.ts. Deno's `node:test` keeps two kinds of errors to itself
 * and lets the file pass: one thrown by the file's own code once it has a test, and one thrown by a timer or a
 * listener. Bun and Node fail on them. Here they are written to the file that `MUON_TEST_UNCAUGHT` names.
 *
 * @module
 */

import { appendFileSync } from "node:fs";
import process from "node:process";

const path = process.env.MUON_TEST_UNCAUGHT;
let loading = true;

globalThis.addEventListener("load", () => loading = false);
globalThis.addEventListener("error", (event) => {
  // A test that looks for such errors itself has said so.
  if (process.listenerCount("uncaughtException") === 0) note((event as ErrorEvent).error);
});
globalThis.addEventListener("unhandledrejection", (event) => {
  // Once the tests run, a rejection that nobody handles fails the one that runs.
  if (loading) note((event as PromiseRejectionEvent).reason);
});

function note(error: unknown): void {
  const text = error instanceof Error ? error.stack ?? String(error) : String(error);
  if (path !== undefined) appendFileSync(path, `${text}\n`);
}
