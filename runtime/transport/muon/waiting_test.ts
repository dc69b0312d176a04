import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { MuonError } from "../../errors.ts";
import { Metadata } from "../../metadata.ts";
import { below, seeded } from "../../random.ts";
import type { CallHandle, Exchange, ReplySink } from "../transport.ts";
import { Explainer } from "./explain.ts";
import type { wireOptions } from "./limits.ts";
import { hex, type TestCall, type TestEnd, testHead, TestPair } from "./testing.ts";

/** Two that have said HELLO, of which the listener takes so many calls at a time. */
async function met(maxStreams: number, dialler: Parameters<typeof wireOptions>[0] = {}): Promise<TestPair> {
  const pair = new TestPair({ dialler, listener: { maxStreams } });
  await pair.settle();
  return pair;
}

function statuses(calls: readonly TestCall[]): unknown[] {
  return calls.map(({ error }) => error === undefined ? undefined : [error.status, error.notRun]);
}

function outcome(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(() => "done", (error) => error);
}

async function all(messages: AsyncIterable<Uint8Array>): Promise<number[][]> {
  const items: number[][] = [];
  for await (const item of messages) items.push([...item]);
  return items;
}

/** Answers all that came, until nothing comes any more. Gives what came, in its order. */
async function answerAll(pair: TestPair, end: TestEnd = pair.listener): Promise<number[]> {
  const came: number[] = [];
  for (;;) {
    await pair.settle();
    const calls = end.calls.splice(0);
    if (calls.length === 0) return came;
    for (const call of calls) {
      came.push(call.body![0]!);
      call.reply(call.body!);
    }
  }
}

describe("calls beyond what the other end takes", () => {
  test("wait, in their order, and are answered", async () => {
    const pair = await met(2);
    const calls = Array.from({ length: 9 }, (_, i) => pair.dialler.call(new Uint8Array([i])));
    await pair.settle();
    assert.equal(pair.listener.calls.length, 2);
    assert.deepEqual([pair.dialler.session.inflight, pair.dialler.session.waiting], [9, 7]);
    assert.deepEqual(await answerAll(pair), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    assert.deepEqual(calls.map(({ body, answers }) => [body![0], answers]), calls.map((_, i) => [i, 1]));
    const { session } = pair.dialler;
    assert.deepEqual([session.inflight, session.waiting, session.sender.unsent], [0, 0, 0]);
  });

  test("that were made before the other's HELLO came are not killed by what it says", async () => {
    const pair = new TestPair({ listener: { maxStreams: 3 } });
    const calls = Array.from({ length: 9 }, (_, i) => pair.dialler.call(new Uint8Array([i])));
    assert.deepEqual(await answerAll(pair), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    assert.deepEqual(statuses(calls), calls.map(() => undefined));
  });

  test("are checked against what HELLO says when they are sent", async () => {
    const pair = new TestPair({ listener: { maxMessage: 10_000, maxMetadata: 100 } });
    const metadata = Metadata.from({ "x-a": "y".repeat(200) });
    const calls = [
      pair.dialler.call(hex("01")),
      pair.dialler.call(new Uint8Array(10_001)),
      pair.dialler.call(hex("02"), { metadata }),
      pair.dialler.call(hex("03")),
    ];
    assert.deepEqual(await answerAll(pair), [1, 3]);
    const refused = ["resource_exhausted", true];
    assert.deepEqual(statuses(calls), [undefined, refused, refused, undefined]);
    assert.match(calls[1]!.error!.detail, /the input has 10001 bytes, and the other end takes 10000/);
    assert.match(calls[2]!.error!.detail, /the metadata has 203 bytes, and the other end takes 100/);
  });

  test("are not made to wait for an end that takes none", async () => {
    const pair = new TestPair();
    const calls = [0, 1, 2].map(() => pair.dialler.call());
    // HELLO with 0 calls.
    pair.dialler.session.receive(hex("01000004 00 05 01 00".replaceAll(" ", "")));
    calls.push(pair.dialler.call());
    for (let i = 0; i < 8; i++) await undefined;
    const refused = ["resource_exhausted", true];
    assert.deepEqual(statuses(calls), [undefined, refused, refused, refused]);
    assert.match(calls[3]!.error!.detail, /takes no calls \(its limit maxStreams is 0\)/);
  });

  test("send their inputs in their turn, large ones too", async () => {
    const pair = await met(1);
    const first = pair.dialler.call(hex("01"));
    const small = new Uint8Array([1, 2, 3]);
    const large = new Uint8Array(300_000).fill(7);
    const calls = [pair.dialler.call(small), pair.dialler.call(large)];
    assert.equal(pair.dialler.session.sender.unsent, 300_003 + 2 * 64);
    await answerAll(pair);
    assert.deepEqual(first.body, hex("01"));
    assert.deepEqual(calls[0]!.body, new Uint8Array([1, 2, 3]));
    assert.deepEqual(calls[1]!.body, new Uint8Array(300_000).fill(7));
    assert.equal(pair.dialler.session.sender.unsent, 0);
  });

  test("say the time that is left, when they are sent", async () => {
    const pair = await met(1);
    pair.dialler.call();
    const call = pair.dialler.call(hex("02"), { timeout: 500 });
    await pair.settle();
    await pair.clock.advance(199.5);
    pair.listener.calls[0]!.reply(hex("01"));
    await pair.settle();
    assert.equal(pair.listener.calls[1]!.head.timeout, 301);
    await pair.clock.advance(300.5);
    assert.equal(call.error!.detail, "no answer within 500 ms");
    assert.equal(call.error!.notRun, false);
  });

  test("whose time is over before they are sent did not run", async () => {
    const pair = await met(1);
    pair.dialler.call(hex("01"));
    const late = pair.dialler.call(hex("02"), { timeout: 200 });
    const stream = pair.dialler.open({ timeout: 200 });
    const last = pair.dialler.call(hex("03"), { timeout: 201 });
    await pair.settle();
    await pair.clock.advance(199);
    assert.equal(late.answers, 0);
    await pair.clock.advance(1);
    assert.deepEqual(statuses([late]), [["deadline_exceeded", true]]);
    assert.match(
      late.error!.message,
      /not sent within 200 ms: the other end takes 1 calls at a time \(its limit maxStreams\).*Greeter.Hello/,
    );
    assert.equal((await outcome(stream.trailer) as MuonError).notRun, true);
    assert.equal(pair.dialler.session.waiting, 1);
    assert.deepEqual(await answerAll(pair), [1, 3]);
    assert.deepEqual(last.body, hex("03"));
  });

  test("whose time is over when there is room, but whose timer has not fired, are not sent", async () => {
    const pair = await met(1);
    const first = pair.dialler.call(hex("01"));
    await pair.settle();
    pair.listener.calls[0]!.reply(hex("01"));
    const [batch] = pair.listener.take();
    const sink: ReplySink & { error?: MuonError } = {
      deadline: pair.clock.now() - 1,
      reply: () => assert.fail("answered"),
      fail: (error) => void (sink.error = error),
    };
    pair.dialler.session.unary(testHead({ timeout: 5 }), hex("02"), sink);
    pair.dialler.session.receive(batch!);
    assert.equal(first.answers, 1);
    assert.deepEqual([sink.error!.status, sink.error!.notRun], ["deadline_exceeded", true]);
    await pair.settle();
    assert.equal(pair.listener.calls.length, 1);
  });

  test("say so, if it was for want of a HELLO", async () => {
    const pair = new TestPair();
    pair.dialler.call(hex("01"));
    const call = pair.dialler.call(hex("02"), { timeout: 100 });
    const other = pair.dialler.call(hex("03"));
    await pair.clock.advance(100);
    assert.match(call.error!.detail, /not sent within 100 ms: the other end has not said HELLO/);
    await pair.clock.advance(4_900);
    assert.deepEqual(statuses([other]), [["unavailable", true]]);
  });

  test("are canceled without a word to the other end, wherever they stand", async () => {
    const pair = await met(1);
    const calls = Array.from({ length: 6 }, (_, i) => pair.dialler.call(new Uint8Array([i])));
    await pair.settle();
    for (const i of [1, 3, 5]) calls[i]!.handle.cancel(new MuonError("canceled", `enough of ${i}`));
    assert.deepEqual(calls.map(({ error }) => error?.detail), [
      undefined,
      "enough of 1",
      undefined,
      "enough of 3",
      undefined,
      "enough of 5",
    ]);
    assert.deepEqual([pair.dialler.session.waiting, pair.dialler.session.inflight], [2, 3]);
    assert.equal(pair.dialler.take().length, 0);
    calls[3]!.handle.cancel(new MuonError("canceled", "again"));
    assert.deepEqual(await answerAll(pair), [0, 2, 4]);
    assert.ok(calls.every(({ answers }) => answers === 1));
  });

  test("come after a cancel that makes room for them", async () => {
    const pair = await met(1);
    const [first, second] = [pair.dialler.call(hex("01")), pair.dialler.call(hex("02"))];
    await pair.settle();
    pair.listener.calls[0]!.signal.addEventListener("abort", () => pair.listener.calls[0]!.reply(hex("00")));
    first!.handle.cancel(new MuonError("canceled", "enough"));
    await pair.settle();
    assert.equal(pair.listener.calls.length, 2);
    pair.listener.calls[1]!.reply(hex("03"));
    await pair.settle();
    assert.deepEqual(second!.body, hex("03"));
  });

  test("may be streams, to which all is sent that was meant for them", async () => {
    const pair = await met(1);
    pair.dialler.call(hex("01"));
    const stream = pair.dialler.open();
    const empty = pair.dialler.open();
    const waits = stream.send(hex("05"));
    assert.ok(waits !== undefined, "who sends is told to wait");
    void stream.send(new Uint8Array(40_000).fill(6));
    stream.end(Metadata.from({ "x-t": "1" }));
    empty.end();
    await pair.settle();
    assert.equal(pair.listener.calls.length, 1);
    pair.listener.calls[0]!.reply(hex("01"));
    await pair.settle();
    const items = await all(pair.listener.calls[1]!.messages);
    assert.deepEqual(items.map((item) => item.length), [1, 40_000]);
    await waits;
    pair.listener.calls[1]!.reply(hex("07"));
    await pair.settle();
    assert.deepEqual(await all(stream.messages), [[7]]);
    assert.deepEqual(await all(pair.listener.calls[2]!.messages), []);
    pair.listener.calls[2]!.end();
    await pair.settle();
    assert.deepEqual(await all(empty.messages), []);
    assert.equal(pair.dialler.session.sender.unsent, 0);
  });

  test("may be streams that are given up before they are sent", async () => {
    const pair = await met(1);
    pair.dialler.call(hex("01"));
    const controller = new AbortController();
    const bySignal = pair.dialler.open({}, controller.signal);
    const byCancel = pair.dialler.open();
    const wait = bySignal.send(new Uint8Array(1_000))!;
    controller.abort(new Error("window closed"));
    byCancel.cancel();
    assert.equal((await outcome(wait) as MuonError).detail, "window closed");
    assert.equal((await outcome(byCancel.trailer) as MuonError).status, "canceled");
    assert.deepEqual(await answerAll(pair), [1]);
    assert.deepEqual([pair.dialler.session.inflight, pair.dialler.session.sender.unsent], [0, 0]);
  });

  const ends: readonly [string, (pair: TestPair) => void, RegExp][] = [
    ["GOAWAY", (pair) => void pair.listener.session.drain(), /takes no more calls: stops/],
    ["draining", (pair) => void pair.dialler.session.drain(), /takes no more calls: this end stops/],
    ["closing", (pair) => pair.dialler.session.close(), /was closed by this end/],
    ["a lost socket", (pair) => pair.dialler.session.lost(1006, ""), /was lost \(code 1006\)/],
  ];
  for (const [name, end, text] of ends) {
    test(`end with unavailable upon ${name}, and did not run`, async () => {
      const pair = await met(1);
      pair.dialler.call(hex("01"));
      const calls = [pair.dialler.call(hex("02")), pair.dialler.call(hex("03"))];
      const stream = pair.dialler.open();
      await pair.settle();
      const { wire, session } = pair.dialler;
      const said: string[] = [];
      const send = wire.send.bind(wire);
      wire.send = (batch) => {
        said.push(...new Explainer().explain(batch));
        send(batch);
      };
      end(pair);
      await pair.settle();
      session.sender.flush();
      assert.deepEqual(said.filter((frame) => !frame.startsWith("GOAWAY")), []);
      assert.deepEqual(statuses(calls), calls.map(() => ["unavailable", true]));
      assert.match(calls[0]!.error!.detail, text);
      assert.equal((await outcome(stream.trailer) as MuonError).notRun, true);
      assert.deepEqual([pair.dialler.session.waiting, pair.dialler.session.sender.unsent], [0, 0]);
      assert.equal(pair.listener.calls.length, 1);
    });
  }

  test("that somebody makes when he hears of a failure do not overtake, and do not fail", async () => {
    const pair = new TestPair({ listener: { maxMessage: 10_000, maxStreams: 4 } });
    const again: TestCall[] = [];
    const retry = {
      reply: () => assert.fail("answered"),
      fail: () => void again.push(pair.dialler.call(hex("09"))),
    };
    pair.dialler.call(hex("01"));
    for (let i = 0; i < 3; i++) pair.dialler.session.unary(testHead(), new Uint8Array(10_001), retry);
    for (let i = 2; i < 8; i++) pair.dialler.call(new Uint8Array([i]));
    assert.deepEqual(await answerAll(pair), [1, 2, 3, 4, 5, 6, 7, 9, 9, 9]);
    assert.ok(again.every(({ answers, error }) => answers === 1 && error === undefined));
    assert.equal(pair.listener.session.over, false);
  });

  test("are so many, and so many bytes, and no more", async () => {
    const pair = await met(1, { queuedCalls: 2, unsent: 1_000 });
    pair.dialler.call(hex("01"));
    const calls = [0, 1, 2].map(() => pair.dialler.call(hex("02")));
    await pair.settle();
    assert.deepEqual(statuses(calls), [undefined, undefined, ["resource_exhausted", true]]);
    assert.match(
      calls[2]!.error!.detail,
      /takes 1 calls at a time, and 2 wait already, with 130 bytes .*\(limits queuedCalls 2, unsent 1000\)/,
    );
    calls[0]!.handle.cancel(new MuonError("canceled", "enough"));
    const large = pair.dialler.call(new Uint8Array(2_000));
    calls[1]!.handle.cancel(new MuonError("canceled", "enough"));
    const after = pair.dialler.call(hex("03"));
    await pair.settle();
    assert.deepEqual(statuses([large, after]), [undefined, ["resource_exhausted", true]]);
    assert.match(after.error!.detail, /1 wait already, with 2064 bytes/);
  });

  test("that are canceled for ever leave nothing behind", async () => {
    const pair = await met(1);
    pair.dialler.call(hex("01"));
    for (let i = 0; i < 10_000; i++) {
      const call = pair.dialler.call(hex("02"), { timeout: 1_000 });
      if (i % 2 === 0) call.handle.cancel(new MuonError("canceled", "enough"));
      if (i % 100 === 99) {
        await pair.clock.advance(1_000);
        await pair.settle();
      }
    }
    const { session } = pair.dialler;
    assert.deepEqual([session.inflight, session.waiting, session.sender.unsent], [1, 0, 0]);
    assert.equal(session.wheel.size, 1, "the keepalive's");
    pair.dialler.call(hex("03"));
    assert.deepEqual(await answerAll(pair), [1, 3]);
  });

  test("an answer to a call that was not sent ends the connection", async () => {
    const pair = await met(1);
    pair.dialler.call(hex("01"));
    const waiting = pair.dialler.call(hex("02"));
    await pair.settle();
    pair.dialler.session.receive(hex("0400000203ff"));
    assert.match((await pair.dialler.session.closed)!.detail, /an answer came to call 3, never made/);
    assert.deepEqual(statuses([waiting]), [["unavailable", true]]);
  });

  for (const seed of [1, 2, 3, 4, 5, 6]) {
    test(`whatever happens, each ends once, and ran or did not as it says (seed ${seed})`, async () => {
      const random = seeded(seed);
      for (let round = 0; round < 20; round++) await scenario(random.next() * 2 ** 32);
    });
  }
});

/** Calls, cancels, answers and time in any order, and then the end in one of the ways there are. */
async function scenario(seed: number): Promise<void> {
  const random = seeded(seed);
  const maxStreams = 1 + below(random, 4);
  const pair = new TestPair({ listener: { maxStreams } });
  const sinks: Sink[] = [];
  const streams: { readonly exchange: Exchange; over: unknown }[] = [];
  let arrived = 0;
  const done: (() => void)[] = [];
  const look = () => {
    for (const end of done.splice(0)) end();
    const { serving, abandoned } = pair.listener.session;
    assert.ok(serving <= maxStreams && abandoned <= maxStreams, "no more than are taken");
    const { calls } = pair.listener;
    for (; arrived < calls.length; arrived++) {
      // A handler that hears of the end is done a while later.
      const call = calls[arrived]!;
      const { signal } = call;
      const leave = () => void done.push(() => call.fail(new MuonError("canceled", "gone")));
      if (signal.aborted) leave();
      else signal.addEventListener("abort", leave);
    }
  };
  for (let step = 0; step < 120; step++) {
    const choice = below(random, 10);
    if (choice < 4) {
      const timeout = random.next() < 0.5 ? 0 : 1 + below(random, 50);
      const body = new Uint8Array(4 + below(random, random.next() < 0.1 ? 40_000 : 20));
      new DataView(body.buffer).setUint32(0, sinks.length);
      const sink = new Sink();
      sinks.push(sink);
      sink.handle = pair.dialler.session.unary(testHead({ timeout }), body, sink);
    } else if (choice === 4) {
      const exchange = pair.dialler.open({ timeout: 1 + below(random, 50), endpoint: "Greeter.Sum" });
      if (random.next() < 0.5) void outcome(exchange.send(hex("01")) ?? Promise.resolve());
      if (random.next() < 0.5) exchange.end();
      const stream = { exchange, over: undefined as unknown };
      void outcome(exchange.trailer).then((over) => stream.over = over);
      streams.push(stream);
    } else if (choice === 5 && sinks.length > 0) {
      sinks[below(random, sinks.length)]!.handle!.cancel(new MuonError("canceled", "enough"));
    } else if (choice === 6) {
      await pair.clock.advance(below(random, 20));
    } else if (choice < 9) {
      const open = pair.listener.calls.filter((call) => !call.over);
      if (open.length > 0) open[below(random, open.length)]!.reply(hex("01"));
    } else {
      await pair.settle();
      look();
    }
    await undefined;
  }
  await pair.settle();
  look();
  const end = below(random, 4);
  if (end === 0) pair.dialler.session.close();
  else if (end === 1) pair.dialler.session.lost(1006, "");
  else if (end === 2) void pair.listener.session.drain();
  for (let turn = 0; turn < 400 && pair.dialler.session.inflight > 0; turn++) {
    for (const call of pair.listener.calls) if (!call.over) call.reply(hex("01"));
    await pair.settle();
    look();
  }
  await pair.settle();
  const { session } = pair.dialler;
  assert.deepEqual([session.inflight, session.waiting, session.sender.unsent], [0, 0, 0]);
  const unary = pair.listener.calls.filter(({ head }) => head.endpoint === "Greeter.Hello");
  const ran = unary.map(({ body }) => new DataView(body!.buffer, body!.byteOffset).getUint32(0));
  const short = ran.filter((_, i) => unary[i]!.body!.length < 100);
  assert.deepEqual(short, short.toSorted((a, b) => a - b), "they come in the order in which they were made");
  assert.equal(new Set(ran).size, ran.length);
  for (const [i, sink] of sinks.entries()) {
    assert.equal(sink.answers, 1);
    if (sink.error === undefined) assert.ok(ran.includes(i));
    else {
      assert.notEqual(sink.error.status, "resource_exhausted");
      if (sink.error.notRun) assert.ok(!ran.includes(i), `call ${i} ran: ${sink.error.message}`);
    }
  }
  assert.ok(streams.every(({ over }) => over !== undefined));
  session.close();
  pair.listener.session.close();
}

/** Counts how often it is answered. */
class Sink implements ReplySink {
  handle: CallHandle | undefined;
  answers = 0;
  error: MuonError | undefined;

  reply(): void {
    this.answers++;
  }

  fail(error: MuonError): void {
    this.answers++;
    this.error = error;
  }
}
