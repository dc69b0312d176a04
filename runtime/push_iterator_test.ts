import assert from "node:assert/strict";
import { test } from "node:test";
import { PushIterator } from "./push_iterator.ts";

async function read<T>(values: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const value of values) all.push(value);
  return all;
}

test("values come in order, whether they wait or are waited for", async () => {
  const values = new PushIterator<number>();
  const early = values.next();
  const second = values.next();
  for (const n of [1, 2, 3, 4]) assert.equal(values.push(n), true);
  assert.deepEqual([await early, await second], [{ done: false, value: 1 }, { done: false, value: 2 }]);
  assert.equal(values.waiting, 2);
  values.end();
  assert.equal(values.push(5), false);
  assert.deepEqual(await read(values), [3, 4]);
  assert.equal((await values.next()).done, true);
});

test("an error comes after what waits, once", async () => {
  const values = new PushIterator<number>();
  values.push(1);
  values.end(new Error("lost"));
  values.end(new Error("second"));
  assert.deepEqual(await values.next(), { done: false, value: 1 });
  await assert.rejects(values.next(), /lost/);
  assert.equal((await values.next()).done, true);
});

test("an error reaches the first of several that wait", async () => {
  const values = new PushIterator<number>();
  const waits = [values.next(), values.next()];
  values.end(new Error("lost"));
  await assert.rejects(waits[0]!, /lost/);
  assert.equal((await waits[1]!).done, true);
});

test("leaving the loop, disposing and the signal end it, and let go what waits", async () => {
  let closed = 0;
  const controller = new AbortController();
  const make = (signal?: AbortSignal) => {
    const values = new PushIterator<number>({ signal, closed: () => closed++ });
    values.push(1);
    values.push(2);
    return values;
  };
  const left = make();
  for await (const _ of left) break;
  const disposed = make();
  await disposed[Symbol.asyncDispose]();
  const aborted = make(controller.signal);
  controller.abort();
  const never = make(controller.signal);
  for (const values of [left, disposed, aborted, never]) {
    assert.ok(values.ended);
    assert.equal(values.waiting, 0);
    assert.deepEqual(await read(values), []);
  }
  assert.equal(closed, 4);
});

test("an iteration that is over does not listen to its signal any more", async () => {
  const { signal } = new AbortController();
  let listeners = 0;
  const add = signal.addEventListener.bind(signal) as (...args: unknown[]) => void;
  const remove = signal.removeEventListener.bind(signal) as (...args: unknown[]) => void;
  signal.addEventListener = (...args: unknown[]) => (listeners++, add(...args));
  signal.removeEventListener = (...args: unknown[]) => (listeners--, remove(...args));
  const [ended, left] = [new PushIterator({ signal }), new PushIterator({ signal })];
  assert.equal(listeners, 2);
  ended.end();
  await left.return();
  assert.equal(listeners, 0);
});

test("return ends a read that waits", async () => {
  const values = new PushIterator<number>();
  const waiting = values.next();
  await values.return();
  assert.equal((await waiting).done, true);
});

test("a reader that is too slow gets what there is, then the error", async () => {
  const values = new PushIterator<number>({ limit: 2 });
  assert.deepEqual([1, 2, 3].map((n) => values.push(n)), [true, true, false]);
  assert.deepEqual([(await values.next()).value, (await values.next()).value], [1, 2]);
  await assert.rejects(values.next(), /resource_exhausted.*2 values behind/);
});

test("what waits can be put together instead", async () => {
  const values = new PushIterator<number>({
    limit: 3,
    overflow: (waiting) => [waiting.reduce((sum, n) => sum + n, 0)],
  });
  for (const n of [1, 2, 3, 4, 5]) assert.equal(values.push(n), true);
  values.end();
  assert.deepEqual(await read(values), [10, 5]);
});

test("a senseless limit is refused", () => {
  for (const limit of [0, -1, 1.5, Number.NaN]) assert.throws(() => new PushIterator({ limit }), RangeError);
});
