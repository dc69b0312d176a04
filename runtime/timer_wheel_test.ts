import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { below, seeded } from "./random.ts";
import { TimerWheel, WheelTimer } from "./timer_wheel.ts";
import { VirtualClock } from "./virtual_clock.ts";

class Recorder extends WheelTimer {
  readonly #fired: (timer: Recorder) => void;

  constructor(fired: (timer: Recorder) => void) {
    super();
    this.#fired = fired;
  }

  fire(): void {
    this.#fired(this);
  }
}

describe("TimerWheel", () => {
  test("a timer fires at its time, not before", async () => {
    const clock = new VirtualClock();
    const wheel = new TimerWheel(clock);
    let fired = 0;
    wheel.set(new Recorder(() => fired++), clock.now() + 5_003);
    await clock.advance(5_002);
    assert.equal(fired, 0);
    await clock.advance(1);
    assert.equal(fired, 1);
    assert.equal(wheel.size, 0);
    await clock.advance(60_000);
    assert.equal(fired, 1);
  });

  test("one that is taken back never fires, and the wheel does not wake for an empty slot again and again", async () => {
    const clock = new VirtualClock();
    const wheel = new TimerWheel(clock);
    let fired = 0;
    for (let i = 0; i < 100; i++) {
      const timer = new Recorder(() => fired++);
      wheel.set(timer, clock.now() + 1_000 + i);
      wheel.cancel(timer);
      wheel.cancel(timer);
    }
    assert.equal(wheel.size, 0);
    assert.equal(clock.pending, 1, "one timer of the clock serves all");
    await clock.advance(10_000);
    assert.equal(fired, 0);
    assert.equal(clock.pending, 0);
  });

  test("one that is set anew fires at its new time only", async () => {
    const clock = new VirtualClock();
    const wheel = new TimerWheel(clock);
    const times: number[] = [];
    const start = clock.now();
    const timer = new Recorder(() => times.push(clock.now() - start));
    wheel.set(timer, start + 50);
    wheel.set(timer, start + 9_000);
    wheel.set(timer, start + 20);
    await clock.advance(20_000);
    assert.deepEqual(times, [20]);
  });

  test("one that fires may cancel and set anew another that is due as well", () => {
    // A clock that wakes late, so that three fall due at once.
    let now = 0;
    let wake = () => {};
    const clock = {
      now: () => now,
      wall: () => now,
      after(_ms: number, callback: () => void) {
        wake = callback;
        return { cancel: () => wake = () => {} };
      },
    };
    const wheel = new TimerWheel(clock);
    const log: string[] = [];
    const canceled = new Recorder(() => log.push("canceled"));
    const moved = new Recorder(() => log.push(`moved ${now}`));
    const first = new Recorder(() => {
      log.push(`first ${now}`);
      wheel.cancel(canceled);
      wheel.set(moved, 500);
    });
    wheel.set(canceled, 30);
    wheel.set(moved, 20);
    wheel.set(first, 10);
    now = 100;
    wake();
    assert.deepEqual(log, ["first 100"]);
    assert.equal(wheel.size, 1);
    now = 500;
    wake();
    assert.deepEqual(log, ["first 100", "moved 500"]);
    assert.equal(wheel.size, 0);
  });

  test("a time that is past is as soon as can be", async () => {
    const clock = new VirtualClock();
    const wheel = new TimerWheel(clock);
    await clock.advance(100_000);
    let fired = 0;
    wheel.set(new Recorder(() => fired++), clock.now() - 50_000);
    await clock.advance(0);
    assert.equal(fired, 1);
  });

  for (const seed of [1, 2, 3]) {
    test(`any mix of timers fires exactly as set (seed ${seed})`, async () => {
      const random = seeded(seed);
      const clock = new VirtualClock();
      const wheel = new TimerWheel(clock, { tick: 4, slots: 16 });
      const start = clock.now();
      const expected: number[] = [];
      const fired: number[] = [];
      const set: [Recorder, number][] = [];
      for (let round = 0; round < 60; round++) {
        for (let i = below(random, 5); i > 0; i--) {
          const at = clock.now() + below(random, 700);
          const timer = new Recorder(() => {
            fired.push(at - start);
            assert.equal(clock.now(), at);
          });
          wheel.set(timer, at);
          set.push([timer, at]);
        }
        if (set.length > 0 && random.next() < 0.5) {
          const [timer, at] = set.splice(below(random, set.length), 1)[0]!;
          if (at > clock.now()) wheel.cancel(timer);
          else expected.push(at - start);
        }
        await clock.advance(below(random, 90));
      }
      await clock.advance(1_000);
      for (const [, at] of set) expected.push(at - start);
      assert.deepEqual(fired, expected.toSorted((a, b) => a - b));
      assert.equal(wheel.size, 0);
    });
  }

  test("misuse is named", () => {
    const clock = new VirtualClock();
    assert.throws(() => new TimerWheel(clock, { tick: 0 }), /tick must be above 0 ms: current value is 0/);
    assert.throws(() => new TimerWheel(clock, { slots: 12 }), /power of two: current value is 12/);
  });
});
