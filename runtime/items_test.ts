import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Items, NOTHING, TAKE } from "./items.ts";

const END = { done: true, value: undefined };

/** A source whose items come when the test says so. */
class Source implements AsyncIterableIterator<number> {
  closed = 0;
  asked = 0;
  readonly #answers: PromiseWithResolvers<IteratorResult<number>>[] = [];
  #given = 0;

  give(value: number): void {
    this.#at(this.#given++).resolve({ done: false, value });
  }

  end(): void {
    this.#at(this.#given++).resolve({ done: true, value: undefined });
  }

  fail(error: unknown): void {
    this.#at(this.#given++).reject(error);
  }

  next(): Promise<IteratorResult<number>> {
    return this.#at(this.asked++).promise;
  }

  return(): Promise<IteratorResult<number>> {
    this.closed++;
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #at(place: number): PromiseWithResolvers<IteratorResult<number>> {
    return this.#answers[place] ??= Promise.withResolvers();
  }
}

/** A source that gives what is there without a promise. */
class Ready extends Source {
  readonly there: number[] = [];

  [TAKE](): number | typeof NOTHING {
    return this.there.shift() ?? NOTHING;
  }
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const got: T[] = [];
  for await (const item of items) got.push(item);
  return got;
}

async function* numbers(...values: number[]): AsyncGenerator<number, string> {
  yield* values;
  return "not an item";
}

describe("Items", () => {
  test("are what a function makes of each item, now or later", async () => {
    assert.deepEqual(await all(new Items(numbers(1, 2), (n) => n * 2)), [2, 4]);
    assert.deepEqual(await all(new Items(numbers(1, 2), (n) => Promise.resolve(n * 2))), [2, 4]);
    assert.deepEqual(await all(new Items(numbers(1, 2), () => undefined)), [undefined, undefined]);
    assert.deepEqual(await all(new Items(numbers(), (n) => n)), []);
  });

  test("that are there are taken without asking the source, the rest is waited for", async () => {
    const source = new Ready();
    source.there.push(1, 0);
    const items = new Items(source, (n) => n === 0 ? undefined : n);
    assert.deepEqual(await items.next(), { done: false, value: 1 });
    assert.deepEqual(await items.next(), { done: false, value: undefined });
    assert.equal(source.asked, 0);
    const waiting = items.next();
    assert.equal(source.asked, 1);
    // It waits already: what comes now is not for the next one.
    source.there.push(4);
    const behind = items.next();
    source.give(3);
    assert.deepEqual(await waiting, { done: false, value: 3 });
    assert.deepEqual(await behind, { done: false, value: 4 });
    source.end();
    assert.deepEqual(await items.next(), END);
  });

  test("of items are taken through both, whatever either makes of them", async () => {
    const source = new Ready();
    source.there.push(1, 2, 3, 4);
    const inner = new Items(source, (n) => n === 2 ? undefined : n === 3 ? Promise.resolve(30) : n);
    const outer = new Items(inner, (n) => n === undefined ? Promise.resolve("none") : `${n}`);
    source.end();
    assert.deepEqual(await all(outer), ["1", "none", "30", "4"]);
    const broken = new Ready();
    broken.there.push(1, 2, 3);
    const odd = new Items(broken, (n) => {
      if (n === 2) throw new Error("even");
      return n;
    });
    const read = new Items(odd, (n) => n);
    assert.equal((await read.next()).value, 1);
    await assert.rejects(read.next(), /even/);
    assert.deepEqual(await read.next(), END);
    assert.equal(broken.closed, 1);
  });

  test("are given in the order in which they are asked for, however many at once", async () => {
    const source = new Source();
    const items = new Items(source, (n) => n === 2 ? Promise.resolve(n) : n);
    const asked = [items.next(), items.next(), items.next(), items.next(), items.next()];
    assert.equal(source.asked, 1, "the source is asked by one at a time");
    for (const n of [1, 2, 3]) source.give(n);
    source.end();
    assert.deepEqual((await Promise.all(asked)).map(({ value }) => value), [1, 2, 3, undefined, undefined]);
    assert.equal(source.closed, 0, "it has ended by itself");
  });

  test("a source's error is told once, with its place, and then it is over", async () => {
    const source = new Source();
    const items = new Items(source, (n) => n, { place: (error) => new Error("there", { cause: error }) });
    const asked = [items.next(), items.next(), items.next()];
    source.give(1);
    source.fail(new Error("gone"));
    const told = await Promise.allSettled(asked);
    assert.deepEqual(told.map(({ status }) => status), ["fulfilled", "rejected", "fulfilled"]);
    const { reason } = told[1] as PromiseRejectedResult;
    assert.deepEqual([reason.message, reason.cause.message], ["there", "gone"]);
    assert.deepEqual((told[2] as PromiseFulfilledResult<unknown>).value, END);
    assert.deepEqual(await items.next(), END);
    assert.equal(source.asked, 2);
  });

  test("an item that cannot be transformed is told once, and closes the source", async () => {
    const fail = () => {
      throw new Error("bad item");
    };
    for (const transform of [fail, () => Promise.reject(new Error("bad item"))]) {
      for (const source of [new Source(), new Ready()]) {
        if (source instanceof Ready) source.there.push(1, 2);
        else source.give(1);
        const items = new Items(source, transform, { place: (error) => ["there", error] });
        const [first, second] = await Promise.allSettled([items.next(), items.next()]);
        assert.match(String((first as PromiseRejectedResult).reason), /there,Error: bad item/);
        assert.deepEqual((second as PromiseFulfilledResult<unknown>).value, END);
        assert.deepEqual(await items.next(), END);
        await items.return();
        assert.equal(source.closed, 1);
      }
    }
  });

  test("a source that cannot be closed does not hide why it was", async () => {
    const source = new Source();
    source.return = () => Promise.reject(new Error("cannot close"));
    source.give(1);
    const items = new Items(source, () => {
      throw new Error("bad item");
    });
    await assert.rejects(items.next(), /bad item/);
    assert.deepEqual(await items.next(), END);
  });

  test("leaving closes the source, at once, once, and ends who waits", async () => {
    const source = new Source();
    const items = new Items(source, (n) => n);
    const asked = [items.next(), items.next()];
    assert.deepEqual(await items.return(), END);
    assert.deepEqual(await Promise.all(asked), [END, END]);
    await items.return();
    assert.equal(source.closed, 1);
    assert.deepEqual(await items.next(), END);

    const left = new Source();
    left.give(1);
    for await (const _ of new Items(left, (n) => n)) break;
    assert.equal(left.closed, 1);
    const thrown = new Source();
    await assert.rejects(new Items(thrown, (n) => n).throw(new Error("mine")), /mine/);
    assert.equal(thrown.closed, 1);
    const disposed = new Source();
    await new Items(disposed, (n) => n)[Symbol.asyncDispose]();
    assert.equal(disposed.closed, 1);
  });

  test("take sources that cannot be closed, that throw, and that give no promise", async () => {
    let n = 0;
    const source = {
      [Symbol.asyncIterator]: () => ({
        next: () => {
          if (++n === 3) throw new Error("thrown, not rejected");
          return { done: false, value: n } as unknown as Promise<IteratorResult<number>>;
        },
      }),
    };
    const items = new Items(source, (value) => value * 10);
    assert.deepEqual([(await items.next()).value, (await items.next()).value], [10, 20]);
    await assert.rejects(items.next(), /thrown, not rejected/);
    assert.deepEqual(await items.next(), END);
    for await (
      const _ of new Items({ [Symbol.asyncIterator]: () => ({ next: () => numbers(1).next() }) }, String)
    ) {
      break;
    }
  });

  test("of a generator run its finally, when an item is bad and when their reader leaves", async () => {
    let closed = 0;
    async function* source() {
      try {
        yield 1;
        yield 2;
      } finally {
        closed++;
      }
    }
    await assert.rejects(all(new Items(source(), () => Promise.reject(new Error("x")))), /x/);
    assert.equal(closed, 1);
    for await (const _ of new Items(source(), (item) => item)) break;
    assert.equal(closed, 2);
  });
});
