/** Each runtime's suite says which runtime it is meant for: a suite that ran on another one would prove nothing. */
import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { currentRuntime, RUNTIMES } from "../tools/runtimes.ts";

test("the suite runs on the runtime it is meant for", () => {
  // Not set when a file is run by hand: then it is whatever runtime it is.
  const meant = process.env.MUON_TEST_RUNTIME ?? currentRuntime();
  assert.ok(RUNTIMES.some((runtime) => runtime === meant), `MUON_TEST_RUNTIME is "${meant}"`);
  const { deno, bun } = process.versions as Record<string, string | undefined>;
  const actual = deno !== undefined ? "deno" : bun !== undefined ? "bun" : "node";
  assert.equal(actual, meant);
  assert.equal(currentRuntime(), meant);
});
