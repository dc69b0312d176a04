import assert from "node:assert/strict";
import { test } from "node:test";
import { json } from "../codec/json.ts";
import { MuonError } from "../errors.ts";
import { Metadata } from "../metadata.ts";
import type { Exchange } from "../transport/transport.ts";
import { encodeInput, pump } from "./inputs.ts";

const marshal = json().bind();
const endpoint = "Sums.Add";

/** An exchange whose answer comes when the test says so. */
function exchange() {
  const answered = Promise.withResolvers<Metadata>();
  const sent: Uint8Array[] = [];
  const made: Exchange = {
    send(body) {
      sent.push(body.slice());
      return undefined;
    },
    end() {},
    cancel() {},
    header: Promise.resolve(Metadata.EMPTY),
    streaming: Promise.resolve(false),
    trailer: answered.promise,
    messages: (async function* () {})(),
  };
  return { exchange: made, sent, answer: () => answered.resolve(Metadata.EMPTY) };
}

test("a source that cannot be begun fails the call", async () => {
  const errors: unknown[] = [];
  const source = {
    [Symbol.asyncIterator]() {
      throw new Error("not now");
    },
  };
  await pump(source, {
    exchange: exchange().exchange,
    marshal,
    endpoint,
    failed: (error) => errors.push(error),
  });
  assert.match(String(errors[0]), /not now/);
});

test("a source that throws when it is closed harms nobody", async () => {
  for (const answered of [true, false]) {
    const errors: unknown[] = [];
    const there = exchange();
    let returned = 0;
    const next = Promise.withResolvers<IteratorResult<unknown>>();
    const source = {
      [Symbol.asyncIterator]: () => ({
        next: () => next.promise,
        return() {
          returned++;
          throw new Error("cannot close");
        },
      }),
    };
    const pumped = pump(source, {
      exchange: there.exchange,
      marshal,
      endpoint,
      failed: (error) => errors.push(error),
    });
    if (answered) there.answer();
    await new Promise((resolve) => setTimeout(resolve, 0));
    if (answered) next.resolve({ done: false, value: 1 });
    else next.reject(new Error("no more"));
    await pumped;
    assert.equal(returned, 1);
    assert.equal(errors.length, answered ? 0 : 1, "an unhandled rejection would fail the test's file");
    assert.equal(there.sent.length, 0);
  }
});

test("what cannot be written is the caller's mistake, and says what it is part of", async () => {
  assert.throws(() => encodeInput(marshal, { n: 1n }, endpoint), (error: unknown) => {
    assert.ok(error instanceof MuonError);
    assert.deepEqual([error.status, error.notRun], ["invalid_argument", true]);
    assert.match(
      error.detail,
      /^Cannot encode the input of Sums\.Add: JSON cannot write what stands at n, a bigint/,
    );
    return true;
  });
  const errors: unknown[] = [];
  const there = exchange();
  async function* source() {
    yield 1;
    yield 2n;
  }
  await pump(source(), {
    exchange: there.exchange,
    marshal,
    endpoint,
    failed: (error) => errors.push(error),
  });
  const [error] = errors;
  assert.ok(error instanceof MuonError);
  assert.deepEqual([error.status, error.notRun], ["invalid_argument", false]);
  assert.match(
    error.detail,
    /^Cannot encode an item of the input of Sums\.Add: JSON cannot write the value, a bigint/,
  );
  assert.equal(there.sent.length, 1);
});
