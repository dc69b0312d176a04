import assert from "node:assert/strict";
import { test } from "node:test";
import { below, seeded } from "./random.ts";

test("the same seed gives the same numbers, another seed others", () => {
  const numbers = (seed: number) =>
    Array.from({ length: 20 }, ((random) => () => random.next())(seeded(seed)));
  assert.deepEqual(numbers(42), numbers(42));
  assert.notDeepEqual(numbers(42), numbers(43));
  assert.notDeepEqual(numbers(0), numbers(1));
});

test("numbers are from 0 to below 1 and spread evenly", () => {
  const random = seeded(1);
  const buckets = new Array<number>(16).fill(0);
  for (let i = 0; i < 160_000; i++) {
    const n = random.next();
    assert.ok(n >= 0 && n < 1);
    buckets[Math.floor(n * 16)]!++;
  }
  // Chi-square with 15 degrees of freedom: 37.7 is exceeded once in a thousand seeds.
  const chi = buckets.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0);
  assert.ok(chi < 37.7, `chi-square is ${chi}`);
});

test("below gives each whole number below its limit", () => {
  const random = seeded(1);
  const seen = new Set(Array.from({ length: 200 }, () => below(random, 5)));
  assert.deepEqual([...seen].sort(), [0, 1, 2, 3, 4]);
  assert.equal(below(random, 1), 0);
  assert.equal(below({ next: () => 1 - 2 ** -32 }, 7), 6);
});
