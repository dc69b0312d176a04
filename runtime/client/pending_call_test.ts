import assert from "node:assert/strict";
import process from "node:process";
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

describe("a call", () => {
  const ways: Readonly<Record<string, (pending: PendingCall<number>) => unknown>> = {
    await: async (pending) => await pending,
    then: (pending) => pending.then((value) => value),
    finally: (pending) => pending.finally(() => {}),
    "Promise.all": (pending) => Promise.all([pending]),
    "what a then gives": (pending) => Promise.resolve().then(() => pending),
    "for await": async (pending) => {
      for await (const item of pending) assert.equal(item, 7);
    },
    trailer: (pending) => pending.trailer,
  };
  for (const [name, look] of Object.entries(ways)) {
    test(`learns that it is looked at: ${name}`, async () => {
      const told: unknown[] = [];
      const pending = new PendingCall<number>((_, error) => told.push(error));
      assert.equal(pending.observed, false);
      const looked = look(pending);
      // What a then gives is looked at in a later job.
      await new Promise((resolve) => setTimeout(resolve));
      assert.equal(pending.observed, true);
      pending.succeed(7, Metadata.EMPTY);
      await looked;

      const broken = new PendingCall<number>((_, error) => told.push(error));
      const failed = look(broken);
      await new Promise((resolve) => setTimeout(resolve));
      broken.fail(new MuonError("aborted", "no"));
      await assert.rejects(async () => await failed, { status: "aborted" });
      assert.deepEqual(told, []);
    });
  }

  test("is a promise, and what comes of it are plain ones", async () => {
    const { pending } = call();
    assert.ok(pending instanceof Promise);
    assert.equal(Promise.resolve(pending), pending, "to await it takes no other promise");
    const next = pending.then((value) => value + 1);
    assert.equal(Object.getPrototypeOf(next), Promise.prototype);
    assert.equal(Object.getPrototypeOf(pending.finally(() => {})), Promise.prototype);
    pending.succeed(7, Metadata.EMPTY);
    assert.equal(await next, 8);
  });

  test("that fails before anybody looks tells of it, ends no process, and fails for who comes later", async () => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown) => void unhandled.push(reason);
    process.on("unhandledRejection", note);
    const told: MuonError[] = [];
    const pending = new PendingCall<number>((_, error) => told.push(error));
    const error = new MuonError("aborted", "no");
    pending.fail(error);
    assert.deepEqual(told, [error]);
    assert.equal(pending.observed, false);
    await new Promise((resolve) => setTimeout(resolve, 20));
    await assert.rejects(async () => await pending, (thrown) => thrown === error);
    assert.equal(pending.observed, true);
    process.off("unhandledRejection", note);
    assert.deepEqual(unhandled, []);
  });

  test("that its caller ended tells nobody, and fails for who looks", async () => {
    const told: MuonError[] = [];
    const pending = new PendingCall<number>((_, error) => told.push(error));
    pending.cancel();
    await assert.rejects(async () => await pending, { status: "canceled" });
    assert.deepEqual(told, []);
  });

  test("settles once", async () => {
    const { pending } = call();
    assert.equal(pending.settled, false);
    pending.succeed(7, Metadata.from({ one: "1" }));
    pending.fail(new MuonError("aborted", "no"));
    pending.succeed(8, Metadata.EMPTY);
    const late = answers(numbers(1));
    pending.stream(late.answers);
    assert.equal(late.canceled.length, 1, "a stream that comes too late is ended");
    assert.equal(pending.settled, true);
    assert.equal(await pending, 7);
    assert.equal((await pending.trailer).get("one"), "1");
  });
});

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
