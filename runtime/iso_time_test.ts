import assert from "node:assert/strict";
import { test } from "node:test";
import { isoTime } from "./iso_time.ts";
import { seeded } from "./random.ts";

test("times are written as the runtime's own Date writes them", () => {
  const known = [
    0,
    1_700_000_000_000,
    951_782_400_000,
    951_868_799_999,
    4_107_542_400_000,
    -1,
    -62_135_596_800_000,
  ];
  for (const ms of known) assert.equal(isoTime(ms), new Date(ms).toISOString());
  const random = seeded(7);
  for (let i = 0; i < 10_000; i++) {
    const ms = Math.floor(random.next() * 9e12) - 3e12;
    assert.equal(isoTime(ms), new Date(ms).toISOString());
  }
});

test("what is less than a millisecond is cut off", () =>
  assert.equal(isoTime(1.9), "1970-01-01T00:00:00.001Z"));
