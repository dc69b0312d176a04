import assert from "node:assert/strict";
import { test } from "node:test";
import { sleep } from "./clock.ts";
import { VirtualClock } from "./virtual_clock.ts";

test("time stands still until it is turned", async () => {
  const clock = new VirtualClock({ start: 1_000 });
  assert.equal(clock.now(), 1_000);
  await clock.advance(250);
  assert.equal(clock.now(), 1_250);
  assert.equal(clock.wall(), 1_250);
});

test("timers fire in the order of their time, then of their setting, each at its own time", async () => {
  const clock = new VirtualClock({ start: 0 });
  const fired: string[] = [];
  const set = (name: string, ms: number) => clock.after(ms, () => fired.push(`${name}@${clock.now()}`));
  set("c", 30);
  set("a", 10);
  set("b1", 20);
  set("b2", 20);
  set("later", 31);
  await clock.advance(30);
  assert.deepEqual(fired, ["a@10", "b1@20", "b2@20", "c@30"]);
  assert.equal(clock.pending, 1);
});

test("a timer is taken back, once and for all", async () => {
  const clock = new VirtualClock();
  let rang = 0;
  const timer = clock.after(5, () => rang++);
  const other = clock.after(5, () => rang++);
  timer.cancel();
  timer.cancel();
  await clock.advance(10);
  other.cancel();
  assert.equal(rang, 1);
  assert.equal(clock.pending, 0);
});

test("timers that timers set fire on the way, and so does what they awaken", async () => {
  const clock = new VirtualClock({ start: 0 });
  const at: number[] = [];
  const loop = (async () => {
    for (let i = 0; i < 5; i++) {
      await sleep(clock, 10);
      at.push(clock.now());
    }
  })();
  await clock.advance(50);
  await loop;
  assert.deepEqual(at, [10, 20, 30, 40, 50]);
});

test("a jump moves the wall clock and no timer", async () => {
  const clock = new VirtualClock({ start: 0 });
  let rang = false;
  clock.after(100, () => rang = true);
  clock.jump(1_000_000);
  await clock.advance(99);
  assert.equal(rang, false);
  assert.equal(clock.now(), 99);
  assert.equal(clock.wall(), 1_000_099);
  clock.jump(-2_000_000);
  assert.equal(clock.wall(), -999_901);
});

test("a delay that is none is refused", () => {
  const clock = new VirtualClock();
  assert.throws(() => clock.after(-1, () => {}), RangeError);
  assert.throws(() => clock.after(Number.NaN, () => {}), RangeError);
});
