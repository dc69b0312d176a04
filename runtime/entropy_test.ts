import assert from "node:assert/strict";
import { test } from "node:test";
import { uuid } from "./entropy.ts";

test("a UUID has version 4 and its variant, and all the rest from the entropy", () => {
  assert.equal(uuid({ fill: (bytes) => bytes.fill(0) }), "00000000-0000-4000-8000-000000000000");
  assert.equal(uuid({ fill: (bytes) => bytes.fill(0xff) }), "ffffffff-ffff-4fff-bfff-ffffffffffff");
  const counted = uuid({ fill: (bytes) => bytes.map((_, i) => i) });
  assert.equal(counted, "00010203-0405-4607-8809-0a0b0c0d0e0f");
});
