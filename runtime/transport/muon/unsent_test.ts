import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { MuonError } from "../../errors.ts";
import { hex, TestPair } from "./testing.ts";
import type { wireOptions } from "./limits.ts";

const large = new Uint8Array(100_000);

/** A listener that keeps about `unsent` bytes for a dialler that takes 16 KiB of each answer and then reads no more. */
async function slow(unsent: number, limits: Parameters<typeof wireOptions>[0] = {}): Promise<TestPair> {
  const pair = new TestPair({ dialler: { window: 16_384 }, listener: { unsent, ...limits } });
  await pair.settle();
  return pair;
}

function outcome(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(() => "done", (error) => error);
}

describe("bytes that wait to be sent", () => {
  test("are limited over all answers: one more ends its call, and no call is taken", async () => {
    const pair = await slow(200_000);
    const calls = [0, 1, 2, 3].map(() => pair.dialler.call());
    await pair.settle();
    const { session, wire } = pair.listener;
    // The socket takes nothing.
    wire.buffered = 1_000_000;
    for (const call of pair.listener.calls) call.reply(large);
    assert.equal(session.sender.unsent, 2 * 100_064);
    assert.equal(session.sender.full, true);
    const refused = pair.dialler.call();
    await pair.settle();
    assert.deepEqual(
      [...calls, refused].map(({ error }) => error && [error.status, error.notRun]),
      [
        undefined,
        undefined,
        ["resource_exhausted", false],
        ["resource_exhausted", false],
        ["resource_exhausted", true],
      ],
    );
    assert.match(refused.error!.detail, /200128 bytes wait on the connection .* \(limit unsent 200000\)/);
    assert.equal(pair.listener.calls.length, 4, "its handler was not called");
    // A short answer needs no room.
    wire.buffered = 0;
    session.drained();
    await pair.settle();
    assert.deepEqual(calls.slice(0, 2).map(({ body }) => body!.length), [100_000, 100_000]);
    assert.equal(session.sender.unsent, 0);
    const again = pair.dialler.call();
    await pair.settle();
    pair.listener.calls[4]!.reply(large);
    await pair.settle();
    assert.equal(again.body!.length, 100_000);
  });

  test("are given back when the last of them is written, and not when their call ends before", async () => {
    const pair = await slow(10_000_000);
    const back: string[] = [];
    const lender = (name: string) => ({
      reclaim: (bytes: Uint8Array) => void back.push(`${name} ${bytes.buffer === large.buffer}`),
    });
    const calls = [0, 1, 2].map(() => pair.dialler.call());
    await pair.settle();
    const [short, long, gone] = pair.listener.calls;
    pair.listener.wire.buffered = 1_000_000;
    short!.reply(large.subarray(0, 10), undefined, lender("short"));
    assert.deepEqual(back, ["short true"], "a short one is copied at once");
    long!.reply(large, undefined, lender("long"));
    gone!.reply(large, undefined, lender("gone"));
    await pair.settle();
    calls[2]!.handle.cancel(new MuonError("canceled", "enough"));
    await pair.settle();
    assert.deepEqual(back, ["short true"]);
    pair.listener.wire.buffered = 0;
    pair.listener.session.drained();
    await pair.settle();
    assert.equal(calls[1]!.body!.length, 100_000);
    assert.deepEqual(back, ["short true", "long true"]);
  });

  test("go with their call, however it ends", async () => {
    const pair = await slow(10_000_000);
    const { session, wire } = pair.listener;
    const calls = [0, 1, 2, 3].map(() => pair.dialler.call(hex("01"), { timeout: 1_000 }));
    await pair.settle();
    wire.buffered = 1_000_000;
    const [canceled, late, streamed] = pair.listener.calls;
    canceled!.reply(large);
    void streamed!.send(large);
    void streamed!.send(large);
    late!.reply(large);
    assert.equal(session.sender.unsent, 4 * 100_064);
    calls[0]!.handle.cancel(new MuonError("canceled", "enough"));
    await pair.settle();
    assert.equal(session.sender.unsent, 3 * 100_064);
    await pair.clock.advance(1_000);
    await pair.settle();
    assert.equal(session.sender.unsent, 0, "callers whose time is over say so");
    void streamed!.send(large);
    pair.listener.calls[3]!.reply(large);
    assert.equal(session.sender.unsent, 0);
    session.lost(1006, "");
    assert.equal(session.sender.unsent, 0);
  });

  test("are freed when the connection is lost", async () => {
    const pair = await slow(10_000_000);
    pair.dialler.call();
    const exchange = pair.dialler.open();
    void exchange.send(large);
    await pair.settle();
    pair.listener.wire.buffered = 1_000_000;
    pair.listener.calls[0]!.reply(large);
    void exchange.send(new Uint8Array(3_000_000));
    assert.ok(pair.dialler.session.sender.unsent >= 3_000_000);
    pair.dialler.session.lost(1006, "");
    pair.listener.session.lost(1006, "");
    assert.deepEqual(
      [pair.dialler.session.sender.unsent, pair.listener.session.sender.unsent],
      [0, 0],
    );
  });

  test("end a stream whose writer does not wait, on either side, and free what it had", async () => {
    const pair = await slow(50_000);
    const stream = pair.dialler.open();
    const other = pair.dialler.open();
    await pair.settle();
    const [writer, reader] = pair.listener.calls;
    let error: unknown;
    for (let i = 0; i < 1_000 && error === undefined; i++) {
      void writer!.send(new Uint8Array(1_000))?.catch((thrown) => error = thrown);
      if (i % 10 === 9) await pair.settle();
      assert.ok(pair.listener.session.sender.unsent < 60_000);
    }
    assert.match((error as MuonError).detail, /bytes wait on the connection .* \(limit unsent 50000\)/);
    assert.equal(pair.listener.session.sender.unsent, 0);
    assert.equal((await outcome(stream.trailer) as MuonError).status, "resource_exhausted");
    writer!.end();
    assert.equal(pair.listener.session.abandoned, 0);
    reader!.reply(hex("01"));
    await pair.settle();
    assert.equal(await outcome(other.trailer), "done");

    const back = new TestPair({ dialler: { unsent: 50_000 }, listener: { window: 16_384 } });
    await back.settle();
    const inputs = back.dialler.open();
    for (let i = 0; i < 100; i++) void inputs.send(new Uint8Array(1_000))?.catch(() => {});
    assert.equal((await outcome(inputs.trailer) as MuonError).status, "resource_exhausted");
    assert.deepEqual([back.dialler.session.sender.unsent, back.dialler.session.inflight], [0, 0]);
  });

  test("refuse a large input before anything of it is sent, and no small one", async () => {
    const pair = new TestPair({ dialler: { unsent: 50_000 } });
    await pair.settle();
    pair.dialler.wire.buffered = 1_000_000;
    const calls = [large, large, hex("01")].map((body) => pair.dialler.call(body));
    await pair.settle();
    assert.deepEqual(
      calls.map(({ error }) => error && [error.status, error.notRun]),
      [undefined, ["resource_exhausted", true], undefined],
    );
    assert.match(calls[1]!.error!.detail, /83680 bytes wait on the connection .* \(limit unsent 50000\)/);
    assert.equal(pair.listener.calls.length, 1);
  });

  test("are none once a call was answered before it had its whole input", () => {
    const pair = new TestPair({ listener: { window: 16_384, maxMessage: 200_000 } });
    const call = pair.dialler.call(new Uint8Array(190_000));
    pair.dialler.take();
    // HELLO, and a REPLY to call 1.
    pair.dialler.session.receive(hex("0100000100"));
    pair.dialler.session.receive(hex("0400000201ff"));
    assert.deepEqual(call.body, hex("ff"));
    assert.equal(pair.dialler.session.sender.unsent, 0);
  });
});
