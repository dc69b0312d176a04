import assert from "node:assert/strict";
import { test } from "node:test";
import { MuonError, type Status } from "../errors.ts";
import { mayRetry } from "./retries.ts";

test("what is made again: what has not run, and what may run twice where the node was out of reach", () => {
  const failed = (status: Status, more: { notRun?: boolean; answered?: boolean } = {}) =>
    new MuonError(status, "it failed", more);
  for (
    const [error, idempotent, again] of [
      [failed("unavailable", { notRun: true }), false, true],
      [failed("resource_exhausted", { notRun: true }), false, true],
      [failed("unavailable"), false, false],
      [failed("unavailable"), true, true],
      // The node answered: it was there, and said no.
      [failed("unavailable", { answered: true }), true, false],
      [failed("resource_exhausted"), true, false],
      [failed("internal"), true, false],
      [failed("deadline_exceeded", { notRun: true }), true, false],
      [failed("canceled", { notRun: true }), true, false],
    ] as const
  ) {
    assert.equal(
      mayRetry(error, idempotent),
      again,
      `${error.message}, ${JSON.stringify(error)}, ${idempotent}`,
    );
  }
});
