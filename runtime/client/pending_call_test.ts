import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { MuonError } from "../errors.ts";
import { Items } from "../items.ts";
import { Metadata } from "../metadata.ts";
import { type Answers, PendingCall } from "./pending_call.ts";

const END = { done: true, value: undefined };

/** A call, and how often it was canceled. */
function call(): { pending: PendingCall<number>; canceled: () => number } {
  let canceled = 0;
  const pending = new PendingCall<number>(() => {});
  pending.cancelWith({ cancel: () => canceled++ });
  return { pending, canceled: () => canceled };
}

/** The answers of a call whose items are those of a source. */
function answers(source: AsyncIterable<number>, options: { readonly plain?: boolean } = {}) {
  const canceled: MuonError[] = [];
  const made: Answers = {
    trailer: Promise.resolve(Metadata.EMPTY),
    cancel: (error) => canceled.push(error),
    [Symbol.asyncIterator]: () =>
      options.plain ? source[Symbol.asyncIterator]() : new Items(source, (item) => item),
  };
  return { answers: made, canceled };
}

async function* numbers(...values: number[]): AsyncGenerator<number> {
  yield* values;
}

describe("the items of a call", () => {
  for (const plain of [false, true]) {
    const whose = plain ? "an interceptor's" : "the wire's";
    test(`are those of its stream, in the order they are asked for (${whose})`, async () => {
      const { pending } = call();
      const items = pending[Symbol.asyncIterator]();
      const asked = [items.next(), items.next(), items.next(), items.next()];
      const { answers: stream, canceled } = answers(numbers(1, 2, 3), { plain });
      pending.stream(stream);
      assert.deepEqual((await Promise.all(asked)).map(({ value }) => value), [1, 2, 3, undefined]);
      assert.deepEqual(await items.next(), END);
      assert.equal(canceled.length, 0, "what has ended is not canceled");
    });

    test(`are over after an error, and leaving cancels (${whose})`, async () => {
      const broken = call();
      broken.pending.stream(
        answers(
          (async function* () {
            yield 1;
            throw new Error("broken");
          })(),
          { plain },
        ).answers,
      );
      const items = broken.pending[Symbol.asyncIterator]();
      assert.equal((await items.next()).value, 1);
      await assert.rejects(items.next(), /broken/);
      assert.deepEqual(await items.next(), END);

      const left = call();
      const { answers: stream, canceled } = answers(numbers(1, 2), { plain });
      left.pending.stream(stream);
      for await (const item of left.pending) {
        assert.equal(item, 1);
        break;
      }
      assert.equal(canceled[0]!.status, "canceled");
    });
  }

  test("of an interceptor that fail cancel the call, as nobody reads on", async () => {
    const { pending } = call();
    const source = { next: () => Promise.reject(new Error("mine")) };
    const { answers: stream, canceled } = answers({ [Symbol.asyncIterator]: () => source }, { plain: true });
    pending.stream(stream);
    await assert.rejects(pending[Symbol.asyncIterator]().next(), /mine/);
    assert.equal(canceled.length, 1);
  });

  test("are its one value, if that is the answer", async () => {
    const { pending, canceled } = call();
    const items = pending[Symbol.asyncIterator]();
    const asked = [items.next(), items.next()];
    pending.succeed(7, Metadata.EMPTY);
    assert.deepEqual(await Promise.all(asked), [{ done: false, value: 7 }, END]);
    assert.deepEqual(await items.next(), END);
    assert.equal(canceled(), 0);
  });

  test("end with the call's error, told once", async () => {
    const { pending } = call();
    const items = pending[Symbol.asyncIterator]();
    const asked = [items.next(), items.next()];
    pending.fail(new MuonError("aborted", "no"));
    const [first, second] = await Promise.allSettled(asked);
    assert.match(String((first as PromiseRejectedResult).reason), /aborted/);
    assert.deepEqual((second as PromiseFulfilledResult<unknown>).value, END);
    assert.deepEqual(await items.next(), END);
  });

  test("that are not waited for any more cancel the call, and who waits gets the end", async () => {
    const { pending, canceled } = call();
    const items = pending[Symbol.asyncIterator]();
    const waiting = items.next();
    assert.deepEqual(await items.return!(), END);
    assert.deepEqual(await waiting, END);
    assert.equal(canceled(), 1);
    const thrown = call();
    await assert.rejects(thrown.pending[Symbol.asyncIterator]().throw!(new Error("mine")), /mine/);
    assert.equal(thrown.canceled(), 1);
  });
});
