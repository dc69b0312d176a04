import assert from "node:assert/strict";
import { test } from "node:test";
import { backoff, CALL_POLICY, fixedPolicy, LIMITS } from "./policy.ts";

test("a back-off doubles up to its ceiling, and chance takes any part of it", () => {
  const policy = { backoff: 20, maxBackoff: 1_000 };
  assert.deepEqual([1, 2, 3, 6, 7, 8, 5_000].map((retry) => backoff(policy, retry, 1)), [
    20,
    40,
    80,
    640,
    1_000,
    1_000,
    1_000,
  ]);
  assert.equal(backoff(policy, 3, 0.5), 40);
  assert.equal(backoff(policy, 3, 0), 0);
});

test("a fixed policy is the default with what was said otherwise", () => {
  assert.deepEqual(fixedPolicy().call("a", "b"), CALL_POLICY);
  assert.deepEqual(fixedPolicy({ timeout: 200 }).call("a", "b"), { ...CALL_POLICY, timeout: 200 });
});

test("the defaults are those the documentation says", () => {
  assert.deepEqual(CALL_POLICY, { timeout: 5_000, retries: 2, backoff: 20, maxBackoff: 1_000 });
  assert.equal(LIMITS.maxMessage, 4 * 1024 * 1024);
  assert.equal(LIMITS.maxMetadata, 16 * 1024);
  assert.equal(LIMITS.window, 256 * 1024);
});
