import assert from "node:assert/strict";
import { test } from "node:test";
import { sleep } from "./clock.ts";
import { VirtualClock } from "./virtual_clock.ts";

test("sleep ends when its time is over", async () => {
  const clock = new VirtualClock();
  let awake = false;
  const sleeping = sleep(clock, 100).then(() => awake = true);
  await clock.advance(99);
  assert.equal(awake, false);
  await clock.advance(1);
  await sleeping;
  assert.equal(awake, true);
});

test("a signal ends a sleep with its reason and leaves no timer", async () => {
  const clock = new VirtualClock();
  const controller = new AbortController();
  const sleeping = sleep(clock, 100, { signal: controller.signal });
  assert.equal(clock.pending, 1);
  controller.abort(new Error("enough"));
  await assert.rejects(sleeping, /enough/);
  assert.equal(clock.pending, 0);
  await assert.rejects(sleep(clock, 100, { signal: controller.signal }), /enough/);
  assert.equal(clock.pending, 0);
});

test("a sleep that is over does not listen to its signal any more", async () => {
  const clock = new VirtualClock();
  const controller = new AbortController();
  let listeners = 0;
  const { signal } = controller;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (
    ...args: unknown[]
  ) => (listeners++, (add as (...args: unknown[]) => void)(...args));
  signal.removeEventListener = (
    ...args: unknown[]
  ) => (listeners--, (remove as (...args: unknown[]) => void)(...args));
  const sleeping = sleep(clock, 10, { signal });
  await clock.advance(10);
  await sleeping;
  assert.equal(listeners, 0);
});

test("a sleep keeps the process alive unless it is told not to", async () => {
  const kept: (boolean | undefined)[] = [];
  const clock = new VirtualClock();
  const watched = {
    now: () => clock.now(),
    wall: () => clock.wall(),
    after(ms: number, callback: () => void, options?: { readonly background?: boolean }) {
      kept.push(options?.background);
      return clock.after(ms, callback);
    },
  };
  const sleeping = Promise.all([sleep(watched, 1), sleep(watched, 1, { background: true })]);
  await clock.advance(1);
  await sleeping;
  assert.deepEqual(kept, [false, true]);
});
