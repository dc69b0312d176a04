import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { concat } from "../../bytes.ts";
import { MuonError } from "../../errors.ts";
import { Metadata } from "../../metadata.ts";
import { below, type Random, seeded } from "../../random.ts";
import { VirtualClock } from "../../virtual_clock.ts";
import type { Incoming } from "../transport.ts";
import * as frames from "./frames.ts";
import type { InboundCall } from "./inbound.ts";
import { FLOOR, wireOptions } from "./limits.ts";
import { Explainer } from "./explain.ts";
import { hex, type TestCall, TestEnd, TestPair } from "./testing.ts";
import { Writer } from "./writer.ts";

async function all(messages: AsyncIterable<Uint8Array>): Promise<number[][]> {
  const items: number[][] = [];
  for await (const item of messages) items.push([...item]);
  return items;
}

function outcome(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(() => "done", (error) => error);
}

/** A message with one frame. */
function frame(kind: number, id: number, payload: Uint8Array | string): Uint8Array {
  const bytes = typeof payload === "string" ? hex(payload) : payload;
  const writer = new Writer();
  const begun = writer.begin(kind, id, bytes.length);
  writer.raw(bytes);
  writer.finish(begun);
  return writer.take();
}

const HELLO = frame(frames.HELLO, 0, "");
/** A CALL's payload up to its input: literal route a b c, no timeout, no metadata. */
const HEAD = "00 0161 0162 0163 00 00";

/** A listener that has had HELLO from a hand-made dialler. */
async function greeted(
  limits: Parameters<typeof wireOptions>[0] = {},
): Promise<{ pair: TestPair; end: TestEnd }> {
  const pair = new TestPair({ listener: limits });
  const end = pair.listener;
  end.session.receive(HELLO);
  end.take();
  await pair.clock.advance(0);
  return { pair, end };
}

describe("calls", () => {
  test("one input, one answer, both ways at once", async () => {
    const pair = new TestPair();
    const there = pair.dialler.call(hex("0102"), {
      metadata: Metadata.from({ "x-a": "1" }),
      idempotent: true,
    });
    const back = pair.listener.call(hex("03"), { service: "edge" });
    await pair.settle();
    const [call] = pair.listener.calls;
    assert.deepEqual(
      { ...call!.head, metadata: call!.head.metadata.toJSON() },
      {
        service: "greeter",
        endpoint: "Greeter.Hello",
        metadata: { "x-a": "1" },
        contentType: "application/json",
        timeout: 0,
        idempotent: true,
      },
    );
    assert.deepEqual(call!.body, hex("0102"));
    assert.equal(call!.deadline, undefined);
    call!.reply(hex("04"), Metadata.from({ "x-t": "2" }));
    pair.dialler.calls[0]!.reply(hex("05"));
    assert.equal(call!.over, true);
    await pair.settle();
    assert.deepEqual([there.body, there.trailer!.toJSON(), there.answers], [hex("04"), { "x-t": "2" }, 1]);
    assert.deepEqual([back.body, back.trailer!.size], [hex("05"), 0]);
    assert.equal(pair.dialler.session.inflight + pair.listener.session.serving, 0);
  });

  test("calls that were made before the other's HELLO came are taken, the first of them at once", async () => {
    const pair = new TestPair();
    const calls: TestCall[] = [];
    for (let i = 0; i < 100; i++) calls.push(pair.dialler.call(new Uint8Array([i])));
    for (const message of pair.dialler.take()) pair.listener.session.receive(message);
    assert.equal(pair.listener.calls.length, 1);
    await pair.settle();
    assert.equal(pair.listener.calls.length, 100);
    for (const call of pair.listener.calls) call.reply(call.body!);
    await pair.settle();
    assert.deepEqual(calls.map((call) => call.body![0]), calls.map((_, i) => i));
  });

  test("a stream each way, with header and trailers", async () => {
    const pair = new TestPair();
    const exchange = pair.dialler.open();
    assert.equal(exchange.send(hex("01")), undefined);
    assert.equal(exchange.send(hex("02")), undefined);
    exchange.end(Metadata.from({ "x-in": "1" }));
    await pair.settle();
    const call = pair.listener.calls[0]! as Incoming & { header(metadata: Metadata): void };
    assert.equal(call.body, undefined);
    assert.deepEqual(await all(call.messages), [[1], [2]]);
    call.header(Metadata.from({ "x-h": "1" }));
    call.send(hex("03"));
    call.send(hex("04"));
    call.end(Metadata.from({ "x-t": "1" }));
    await pair.settle();
    assert.equal((await exchange.header).get("x-h"), "1");
    assert.equal(await exchange.streaming, true);
    assert.deepEqual(await all(exchange.messages), [[3], [4]]);
    assert.equal((await exchange.trailer).get("x-t"), "1");
    assert.equal(pair.dialler.session.inflight + pair.listener.session.serving, 0);
  });

  test("a stream of inputs that is answered by one value", async () => {
    const pair = new TestPair();
    const exchange = pair.dialler.open();
    exchange.send(hex("01"));
    await pair.settle();
    pair.listener.calls[0]!.reply(hex("09"), Metadata.from({ "x-t": "1" }));
    await pair.settle();
    assert.equal(await exchange.streaming, false);
    assert.deepEqual(await all(exchange.messages), [[9]]);
    assert.equal((await exchange.trailer).get("x-t"), "1");
    await assert.rejects(exchange.send(hex("02"))!, /the call is over/);
  });

  test("one input that is answered by a stream", async () => {
    const pair = new TestPair();
    const call = pair.dialler.call(hex("01"));
    await pair.settle();
    pair.listener.calls[0]!.send(hex("02"));
    await pair.settle();
    assert.equal(call.body, undefined);
    pair.listener.calls[0]!.send(hex("03"));
    pair.listener.calls[0]!.end();
    await pair.settle();
    assert.deepEqual(await all(call.stream!.messages), [[2], [3]]);
    assert.equal(await call.stream!.streaming, true);
    assert.equal(call.answers, 1);
  });

  test("a whole input is also a stream of one", async () => {
    const pair = new TestPair();
    pair.dialler.call(hex("07"));
    await pair.settle();
    assert.deepEqual(await all(pair.listener.calls[0]!.messages), [[7]]);
  });

  test("an error ends a call with what it says, behind the items that were sent before", async () => {
    const pair = new TestPair();
    const exchange = pair.dialler.open();
    await pair.settle();
    const details = [{ type: "google.rpc.ErrorInfo", value: { reason: "X" } }];
    pair.listener.calls[0]!.send(hex("01"));
    pair.listener.calls[0]!.fail(
      new MuonError("not_found", "no user 42", { id: "users", code: 4404, details }),
    );
    await pair.settle();
    const items: number[][] = [];
    const failure = await outcome((async () => {
      for await (const item of exchange.messages) items.push([...item]);
    })());
    assert.deepEqual(items, [[1]]);
    assert.ok(failure instanceof MuonError);
    assert.deepEqual(failure.toJSON(), {
      id: "users",
      code: 4404,
      detail: "no user 42",
      status: "not_found",
      details,
    });
    assert.deepEqual(failure.where, { service: "greeter", endpoint: "Greeter.Hello", address: "listener:1" });
    assert.equal(await outcome(exchange.trailer), failure);
  });

  test("a sink hears of a call that cannot be made, but not before the call was made", async () => {
    const pair = new TestPair();
    await pair.settle();
    const call = pair.dialler.call(hex("01"), { timeout: -1 });
    assert.equal(call.answers, 0);
    await pair.settle();
    assert.equal(call.error!.status, "deadline_exceeded");
    assert.equal(call.error!.notRun, true);
    const canceled = pair.dialler.call(hex("01"), { timeout: -1 });
    canceled.handle.cancel(new MuonError("canceled", "mine"));
    await pair.settle();
    assert.deepEqual([canceled.answers, canceled.error!.detail], [1, "mine"]);
  });
});

describe("when answers leave", () => {
  const call = (id: number) => frame(frames.CALL, id, HEAD);
  const ids = (messages: readonly Uint8Array[]) =>
    messages.map((message) => {
      const ids: number[] = [];
      for (let at = 0; at < message.length; at += 4 + message[at + 3]!) ids.push(message[at + 4]!);
      return ids;
    });

  /** A listener that answers at once, but for call 1. */
  function answering(): TestEnd {
    const end = new TestEnd(new VirtualClock(), {
      dialler: false,
      accept: (call) => {
        if ((call as InboundCall).id !== 1) call.reply(hex("01"));
      },
    });
    end.session.receive(HELLO);
    end.take();
    return end;
  }

  test("the answer to a call that came alone leaves at once, if it is there", () => {
    const end = answering();
    end.session.receive(call(3));
    assert.equal(end.wire.awake, false);
    assert.deepEqual(ids(end.wire.sent), [[3]]);
    // What comes later does not wait for somebody who is gone.
    end.session.receive(concat([call(5), call(7)]));
    assert.equal(end.wire.awake, true);
    assert.deepEqual(ids(end.take()), [[3], [5, 7]]);
  });

  test("those to calls that came together leave together, at the end of the turn", () => {
    const end = answering();
    end.session.receive(concat([call(3), call(5)]));
    // Those are waited for, so that it joins them.
    end.session.receive(call(7));
    assert.deepEqual(end.wire.sent, []);
    assert.deepEqual(ids(end.take()), [[3, 5, 7]]);
  });

  test("while another call is open, what it may answer in this turn is waited for", () => {
    const end = answering();
    end.session.receive(call(1));
    end.session.receive(call(3));
    assert.deepEqual(end.wire.sent, []);
    assert.equal(end.wire.awake, true);
    end.calls[0]!.reply(hex("02"));
    assert.deepEqual(ids(end.take()), [[3, 1]]);
  });

  test("a call of a prompt end leaves at once if no other is open, and with the others of its turn if one is", () => {
    const end = new TestEnd(new VirtualClock(), { dialler: true, prompt: true });
    end.session.receive(HELLO);
    end.take();
    end.call();
    assert.equal(end.wire.awake, false);
    assert.deepEqual(ids(end.wire.sent), [[1]]);
    end.call();
    end.call();
    assert.deepEqual(ids(end.take()), [[1], [3, 5]]);
  });

  test("a call of one that is not waits for the end of the turn", () => {
    const end = new TestEnd(new VirtualClock(), { dialler: true });
    end.session.receive(HELLO);
    end.take();
    end.call();
    assert.deepEqual(end.wire.sent, []);
    assert.deepEqual(ids(end.take()), [[1]]);
  });
});

describe("canceling and deadlines", () => {
  test("a caller's cancel reaches the handler's signal, and its own sink at once", async () => {
    const pair = new TestPair();
    const call = pair.dialler.call();
    await pair.settle();
    const { signal } = pair.listener.calls[0]!;
    call.handle.cancel(new MuonError("canceled", "enough"));
    assert.equal(call.error!.detail, "enough");
    call.handle.cancel(new MuonError("canceled", "again"));
    await pair.settle();
    assert.equal(call.answers, 1);
    assert.equal(signal.aborted, true);
    assert.equal(signal.reason.detail, "enough");
    assert.equal(pair.listener.calls[0]!.over, true);
    pair.listener.calls[0]!.reply(hex("01"));
    await pair.settle();
    assert.equal(call.answers, 1);
  });

  test("a signal that is asked for afterwards is aborted already", async () => {
    const pair = new TestPair();
    const call = pair.dialler.call();
    await pair.settle();
    call.handle.cancel(new MuonError("canceled", "enough"));
    await pair.settle();
    assert.equal(pair.listener.calls[0]!.signal.aborted, true);
  });

  test("a stream ends by its caller's signal, by cancel, and by leaving the loop", async () => {
    const pair = new TestPair();
    const controller = new AbortController();
    const bySignal = pair.dialler.open({}, controller.signal);
    const byCancel = pair.dialler.open();
    const byLeaving = pair.dialler.open();
    await pair.settle();
    for (const call of pair.listener.calls) for (let i = 0; i < 3; i++) call.send(hex("01"));
    await pair.settle();
    controller.abort(new Error("window closed"));
    byCancel.cancel();
    for await (const _ of byLeaving.messages) break;
    const error = await outcome(all(bySignal.messages)) as MuonError;
    assert.deepEqual([error.status, error.detail], ["canceled", "window closed"]);
    assert.equal((await outcome(byCancel.trailer) as MuonError).status, "canceled");
    await pair.settle();
    for (const call of pair.listener.calls) {
      assert.equal(call.over, true);
      assert.equal(call.signal.aborted, true);
      assert.equal(((await outcome(call.send(hex("02"))!)) as MuonError).status, "canceled");
    }
    assert.equal(pair.dialler.session.inflight + pair.listener.session.serving, 0);
    const late = pair.dialler.open({}, controller.signal);
    assert.equal((await outcome(late.trailer) as MuonError).notRun, true);
  });

  test("a deadline travels and ends the call on both sides at its time", async () => {
    const pair = new TestPair();
    const call = pair.dialler.call(hex("01"), { timeout: 200 });
    await pair.settle();
    const incoming = pair.listener.calls[0]!;
    assert.equal(incoming.deadline, pair.clock.now() + 200);
    const { signal } = incoming;
    await pair.clock.advance(199);
    assert.deepEqual([call.answers, signal.aborted], [0, false]);
    await pair.clock.advance(1);
    assert.deepEqual([call.error!.status, call.error!.detail], [
      "deadline_exceeded",
      "no answer within 200 ms",
    ]);
    assert.equal(signal.aborted, true);
    assert.equal(signal.reason.status, "deadline_exceeded");
    await pair.settle();
    assert.equal(call.answers, 1);
    assert.equal(pair.dialler.session.inflight + pair.listener.session.serving, 0);
  });

  test("a stream's deadline is that of its first answer", async () => {
    const pair = new TestPair();
    const exchange = pair.dialler.open({ timeout: 200 });
    const unary = pair.dialler.call(hex("01"), { timeout: 200 });
    await pair.settle();
    for (const call of pair.listener.calls) call.send(hex("01"));
    await pair.settle();
    await pair.clock.advance(1_000);
    for (const call of pair.listener.calls) {
      assert.equal(call.over, false);
      call.end();
    }
    await pair.settle();
    assert.deepEqual(await all(exchange.messages), [[1]]);
    assert.deepEqual(await all(unary.stream!.messages), [[1]]);
  });

  test("a stream that gives no answer in time fails", async () => {
    const pair = new TestPair();
    const exchange = pair.dialler.open({ timeout: 200 });
    await pair.settle();
    await pair.clock.advance(200);
    assert.equal((await outcome(all(exchange.messages)) as MuonError).status, "deadline_exceeded");
  });
});

describe("credit", () => {
  const item = new Uint8Array(1_000);
  const cost = item.length + 64;

  /** Sends until it is told to wait. */
  function fill(
    send: (body: Uint8Array) => Promise<void> | undefined,
  ): { sent: number; wait: Promise<void> } {
    for (let sent = 1; sent < 100_000; sent++) {
      const wait = send(item);
      if (wait !== undefined) return { sent, wait };
    }
    throw new Error("never told to wait");
  }

  test("a slow reader stops its writer and nothing else", async () => {
    const pair = new TestPair({ dialler: { window: 65_536 } });
    const slow = pair.dialler.open();
    await pair.settle();
    const writer = pair.listener.calls[0]!;
    const { sent, wait } = fill((body) => writer.send(body));
    assert.equal(sent, Math.ceil(65_536 / cost));
    let resumed = false;
    wait.then(() => resumed = true);
    await pair.settle();
    assert.ok(pair.dialler.session.holdings.bytes <= 65_536);
    // Another stream and a call go on.
    const other = pair.dialler.call(hex("01"));
    await pair.settle();
    pair.listener.calls[1]!.reply(hex("02"));
    await pair.settle();
    assert.deepEqual(other.body, hex("02"));
    assert.equal(resumed, false);
    // Half a window is read: there is credit again.
    const reader = slow.messages[Symbol.asyncIterator]();
    for (let i = 0; i < Math.ceil(32_768 / cost); i++) await reader.next();
    await pair.settle();
    assert.equal(resumed, true);
    assert.equal(writer.send(item), undefined);
    await reader.return!();
    await pair.settle();
    assert.equal(pair.dialler.session.holdings.bytes, 0);
  });

  test("a writer that does not wait loses nothing", async () => {
    const pair = new TestPair({ listener: { window: 16_384 } });
    const exchange = pair.dialler.open();
    await pair.settle();
    for (let i = 0; i < 300; i++) exchange.send(new Uint8Array(500).fill(i));
    exchange.end();
    const read = all(pair.listener.calls[0]!.messages);
    await pair.settle();
    const items = await read;
    assert.deepEqual(items.map((bytes) => bytes[0]), items.map((_, i) => i & 255));
    assert.equal(items.length, 300);
  });

  test("a message far larger than the window arrives, and empty ones are not free", async () => {
    const pair = new TestPair({ dialler: { window: 16_384 }, listener: { window: 16_384 } });
    const body = new Uint8Array(1_000_000).map((_, i) => i % 251);
    const call = pair.dialler.call(body);
    await pair.settle();
    assert.deepEqual(pair.listener.calls[0]!.body, body);
    pair.listener.calls[0]!.reply(body, Metadata.from({ "x-t": "1" }));
    assert.equal(pair.listener.session.serving, 1, "the answer is not out yet");
    await pair.settle();
    assert.deepEqual(call.body, body);
    assert.equal(call.trailer!.get("x-t"), "1");
    assert.equal(pair.listener.session.serving + pair.listener.session.holdings.bytes, 0);
    assert.equal(pair.dialler.session.holdings.bytes, 0);

    const exchange = pair.dialler.open();
    let empty = 0;
    while (exchange.send(new Uint8Array(0)) === undefined) empty++;
    assert.equal(empty + 1, 16_384 / 64);
  });

  test("parts that stand behind unread messages are granted once those are read", async () => {
    const pair = new TestPair({ listener: { window: 16_384 } });
    const exchange = pair.dialler.open();
    await pair.settle();
    exchange.send(hex("01"));
    exchange.send(new Uint8Array(200_000).fill(2));
    exchange.end();
    await pair.settle();
    assert.ok(pair.listener.session.holdings.bytes <= 2 * 16_384, "a slow reader holds about a window");
    const items = all(pair.listener.calls[0]!.messages);
    await pair.settle();
    assert.deepEqual((await items).map((bytes) => bytes.length), [1, 200_000]);
  });

  test("one that sends beyond its credit has its call ended, and no other", async () => {
    const { end } = await greeted({ window: 16_384 });
    end.session.receive(frame(frames.CALL | frames.STREAM, 1, HEAD));
    end.session.receive(frame(frames.CALL | frames.STREAM, 3, HEAD));
    for (let i = 0; i < 4; i++) end.session.receive(frame(frames.DATA, 1, new Uint8Array(10_000)));
    assert.equal(end.calls[0]!.over, true);
    assert.match(end.calls[0]!.signal.reason.message, /beyond its credit of 16384 bytes/);
    assert.equal(end.calls[1]!.over, false);
    assert.equal(end.session.over, false);
    assert.equal(end.session.holdings.bytes, 0);
  });

  test("what comes behind a reader that left is not held", async () => {
    const pair = new TestPair();
    const exchange = pair.dialler.open();
    await pair.settle();
    exchange.send(hex("01"));
    await pair.settle();
    const [call] = pair.listener.calls;
    for await (const _ of call!.messages) break;
    for (let i = 0; i < 10; i++) exchange.send(item);
    await pair.settle();
    assert.equal(pair.listener.session.holdings.bytes, 0);
    call!.reply(hex("02"));
    await pair.settle();
    assert.deepEqual(await all(exchange.messages), [[2]]);
    assert.equal(pair.listener.session.holdings.bytes, 0);
  });

  test("what all streams hold together is limited", async () => {
    const { end } = await greeted({ held: 30_000 });
    for (const id of [1, 3]) {
      end.session.receive(frame(frames.CALL | frames.STREAM, id, HEAD));
      end.session.receive(frame(frames.DATA, id, new Uint8Array(16_000)));
    }
    assert.deepEqual(end.calls.map((call) => call.over), [false, true]);
    assert.match(
      end.calls[1]!.signal.reason.message,
      /holds 16000 bytes .* may not hold 16000 more \(limit 30000\)/,
    );
  });

  test("large bodies take turns, and small calls do not wait for them", async () => {
    const pair = new TestPair({ dialler: { highWater: 65_536 } });
    await pair.settle();
    const large = [0, 1, 2].map(() => pair.dialler.call(new Uint8Array(200_000)));
    pair.dialler.call(hex("01"));
    const order: number[] = [];
    const messages = pair.dialler.take();
    for (const message of messages) {
      for (let at = 0; at < message.length;) {
        const length = (message[at + 1]! << 16) | (message[at + 2]! << 8) | message[at + 3]!;
        order.push(message[at + 4]!);
        at += 4 + length;
      }
      pair.listener.session.receive(message);
    }
    assert.deepEqual(order.slice(0, 10), [1, 3, 5, 7, 1, 3, 5, 1, 3, 5]);
    assert.equal(pair.listener.calls.length, 1, "the small one is there first");
    await pair.settle();
    assert.equal(pair.listener.calls.length, 4);
    assert.deepEqual(large.map((call) => call.answers), [0, 0, 0]);
  });

  /** Lets what one end sends arrive at the other; gives the lengths of its large frames. */
  function pass(from: TestEnd, to: TestEnd): number[] {
    const lengths: number[] = [];
    for (const message of from.take()) {
      to.session.receive(message);
      for (let at = 0; at < message.length;) {
        const length = (message[at + 1]! << 16) | (message[at + 2]! << 8) | message[at + 3]!;
        if (length > 1_000) lengths.push(length);
        at += 4 + length;
      }
    }
    return lengths;
  }

  const inSlices = (lengths: readonly number[]) =>
    lengths.length > 1 && lengths.every((length) => length < FLOOR + 100);

  test("a large body goes in one frame where no other call is under way, and in slices beside others", async () => {
    const limits = { fragment: 400_000, slice: FLOOR };
    const pair = new TestPair({ dialler: limits, listener: limits });
    await pair.settle();
    const large = new Uint8Array(300_000).fill(7);

    const first = pair.dialler.call(large);
    assert.equal(pass(pair.dialler, pair.listener).length, 1, "the input");
    pair.listener.calls[0]!.reply(large);
    assert.equal(pass(pair.listener, pair.dialler).length, 1, "the answer");
    assert.deepEqual(first.body, large);

    const stream = pair.dialler.open();
    void stream.send(large);
    assert.equal(pass(pair.dialler, pair.listener).length, 1, "the item of a stream");

    const beside = pair.dialler.call(large);
    assert.ok(inSlices(pass(pair.dialler, pair.listener)));
    await pair.settle();
    pair.listener.calls[2]!.reply(large);
    assert.ok(inSlices(pass(pair.listener, pair.dialler)));
    await pair.settle();
    assert.deepEqual(beside.body, large);
  });

  test("it goes in slices to an end that is not near", async () => {
    const limits = { fragment: 400_000, slice: FLOOR };
    const pair = new TestPair({ dialler: limits, listener: limits });
    pass(pair.dialler, pair.listener);
    pass(pair.listener, pair.dialler);
    const ping = pair.dialler.take();
    await pair.clock.advance(51);
    for (const message of ping) pair.listener.session.receive(message);
    await pair.settle();
    assert.equal(pair.dialler.session.rtt, 51);
    const large = new Uint8Array(300_000).fill(7);
    pair.dialler.call(large);
    assert.ok(inSlices(pass(pair.dialler, pair.listener)));
    await pair.settle();
    assert.deepEqual(pair.listener.calls[0]!.body, large);
  });

  for (const copies of [true, false]) {
    const when = copies ? "comes back at once" : "is the socket's";
    test(`a large body with room in front goes in its own array, which ${when}`, async () => {
      const pair = new TestPair({ dialler: { fragment: 400_000 }, listener: { fragment: 400_000 } });
      await pair.settle();
      const array = new Uint8Array(300_512);
      const body = array.subarray(512).fill(7);
      const back: Uint8Array[] = [];
      const lender = { front: () => 512, reclaim: (bytes: Uint8Array) => void back.push(bytes) };
      const calls = [1, 2].map((n) => pair.dialler.call(new Uint8Array([n])));
      await pair.settle();
      const { wire } = pair.listener;
      wire.copies = copies;
      const given: Uint8Array[] = [];
      wire.send = (batch) => {
        given.push(batch);
        wire.sent.push(batch.slice());
      };
      pair.listener.calls[0]!.reply(hex("01"), undefined, lender);
      pair.listener.calls[1]!.reply(body, Metadata.from({ "x-trailer": "there" }), lender);
      assert.deepEqual(given.map(({ buffer }) => buffer === array.buffer), [false, true], "in their order");
      assert.deepEqual(back.map((bytes) => bytes.length), copies ? [1, 300_000] : [1]);
      await pair.settle();
      assert.deepEqual(calls.map((call) => call.body!.length), [1, 300_000]);
      assert.deepEqual(calls[1]!.body, body);
      assert.equal(calls[1]!.trailer!.get("x-trailer"), "there");
    });
  }

  test("a head that does not fit in front of a large body is followed by a copy of it", async () => {
    const pair = new TestPair({ dialler: { fragment: 400_000 }, listener: { fragment: 400_000 } });
    await pair.settle();
    const array = new Uint8Array(300_016);
    const call = pair.dialler.call(new Uint8Array([1]));
    await pair.settle();
    const trailer = Metadata.from({ "x-trailer": "x".repeat(100) });
    pair.listener.calls[0]!.reply(array.subarray(16).fill(7), trailer, { front: () => 16 });
    assert.deepEqual(array.subarray(0, 16), new Uint8Array(16));
    await pair.settle();
    assert.deepEqual(call.body, array.subarray(16));
  });

  test("while the socket is full, bodies wait for it, and calls do not", async () => {
    const pair = new TestPair({ dialler: { highWater: 40_000 } });
    await pair.settle();
    pair.dialler.wire.buffered = 50_000;
    const exchange = pair.dialler.open();
    pair.dialler.call(new Uint8Array(100_000));
    pair.dialler.take();
    const wait = exchange.send(hex("01"));
    assert.ok(wait !== undefined);
    pair.dialler.call(hex("02"));
    const sent = pair.dialler.take();
    assert.equal(sent.length, 1);
    assert.ok(sent[0]!.length < 40);
    pair.dialler.wire.buffered = 0;
    pair.dialler.session.drained();
    await wait;
    assert.ok(pair.dialler.take().reduce((sum, message) => sum + message.length, 0) > 83_000);
  });
});

describe("limits", () => {
  test("a message the other end does not take is not sent", async () => {
    const pair = new TestPair({ dialler: { maxMessage: 1_000 }, listener: { maxMessage: 2_000 } });
    await pair.settle();
    const call = pair.dialler.call(new Uint8Array(2_001));
    const exchange = pair.dialler.open();
    const wait = exchange.send(new Uint8Array(2_001))!;
    await pair.settle();
    assert.equal(call.error!.status, "resource_exhausted");
    assert.match(call.error!.detail, /the input has 2001 bytes, and the other end takes 2000/);
    assert.equal(call.error!.notRun, true);
    assert.equal((await outcome(wait) as MuonError).status, "resource_exhausted");
    const answered = pair.dialler.call(hex("01"));
    await pair.settle();
    pair.listener.calls.at(-1)!.reply(new Uint8Array(1_001));
    await pair.settle();
    assert.match(answered.error!.detail, /the output has 1001 bytes, and the other end takes 1000/);
    assert.equal(answered.error!.notRun, false);
  });

  test("a message too large that comes all the same ends its call", async () => {
    const { end } = await greeted({ maxMessage: 20_000 });
    end.session.receive(
      frame(frames.CALL | frames.MORE, 1, new Uint8Array([...hex(HEAD), ...new Uint8Array(16_000)])),
    );
    end.session.receive(frame(frames.DATA | frames.MORE, 1, new Uint8Array(5_000)));
    assert.equal(end.session.serving, 0);
    assert.equal(end.session.over, false);
    assert.equal(end.calls.length, 0, "the handler never saw it");
  });

  test("more calls than are allowed are answered, and did not run", async () => {
    const { end } = await greeted({ maxStreams: 2 });
    for (const id of [1, 3, 5]) end.session.receive(frame(frames.CALL, id, HEAD));
    assert.equal(end.calls.length, 2);
    assert.deepEqual(end.take().flatMap((message) => new Explainer().explain(message)), [
      'ERROR 5 NOT_RUN resource_exhausted 429 id="muon.wire" ' +
      'detail="2 calls are open on the connection already (limit maxStreams)"',
    ]);
  });

  test("a canceled call counts while its handler runs: others wait until it is done", async () => {
    const pair = new TestPair({ listener: { maxStreams: 2 } });
    await pair.settle();
    for (let i = 0; i < 2; i++) {
      const call = pair.dialler.call();
      await pair.settle();
      call.handle.cancel(new MuonError("canceled", "enough"));
      await pair.settle();
    }
    const calls = [1, 2].map((i) => pair.dialler.call(new Uint8Array([i])));
    await pair.settle();
    const { calls: came, session } = pair.listener;
    assert.deepEqual([came.length, session.serving, session.abandoned], [2, 2, 2]);
    came[0]!.reply(hex("01"));
    came[0]!.reply(hex("01"));
    assert.deepEqual([came.length, session.abandoned], [3, 1], "one is done, whatever it says twice");
    assert.deepEqual(came[2]!.body, hex("01"));
    came[2]!.reply(hex("02"));
    assert.deepEqual(came[3]!.body, hex("02"));
    came[3]!.reply(hex("03"));
    await pair.settle();
    assert.deepEqual(calls.map(({ body }) => body), [hex("02"), hex("03")]);
    came[1]!.fail(new MuonError("canceled", "gone"));
    assert.equal(session.abandoned, 0);
  });

  test("one whose end comes while it waits for a canceled one's handler did not run", async () => {
    const { pair, end } = await greeted({ maxStreams: 1 });
    end.session.receive(frame(frames.CALL, 1, HEAD));
    end.session.receive(frame(frames.CANCEL, 1, "0100"));
    end.session.receive(frame(frames.CALL, 3, "00 0161 0162 0163 64 00"));
    await pair.clock.advance(100);
    assert.deepEqual(end.take().flatMap((message) => new Explainer().explain(message)), [
      'ERROR 3 NOT_RUN deadline_exceeded 408 id="muon.wire" detail="not answered within 100 ms"',
    ]);
    end.session.receive(frame(frames.CALL, 5, HEAD));
    end.session.receive(frame(frames.CANCEL, 5, "0100"));
    assert.deepEqual([end.calls.length, end.session.serving, end.session.abandoned], [1, 0, 1]);
    end.session.receive(frame(frames.CALL, 7, HEAD));
    end.session.lost(1006, "");
    end.calls[0]!.fail(new MuonError("canceled", "gone"));
    assert.deepEqual([end.calls.length, end.session.serving, end.session.abandoned], [1, 0, 0]);
  });

  test("one that waits for a canceled one's handler is not run when the connection ends", async () => {
    const { end } = await greeted({ maxStreams: 2 });
    end.session.receive(frame(frames.CALL, 1, HEAD));
    end.session.receive(frame(frames.CANCEL, 1, "0100"));
    end.session.receive(frame(frames.CALL | frames.MORE, 3, HEAD));
    end.session.receive(frame(frames.CALL, 5, HEAD));
    assert.deepEqual([end.calls.length, end.session.serving], [1, 2]);
    end.session.lost(1006, "");
    assert.deepEqual([end.calls.length, end.session.serving], [1, 0]);
  });

  test("too much metadata is refused on the side that knows", async () => {
    const pair = new TestPair({ listener: { maxMetadata: 100 }, dialler: { maxMetadata: 50 } });
    const metadata = Metadata.from({ "x-a": "y".repeat(98) });
    const early = pair.dialler.call(hex("01"), { metadata });
    await pair.settle();
    assert.match(early.error!.detail, /the metadata has 101 bytes, and the other end takes 100/);
    const late = pair.dialler.call(hex("01"), { metadata });
    await pair.settle();
    assert.equal(late.error!.notRun, true);
    const answered = pair.dialler.call(hex("01"), { metadata: Metadata.from({ "x-a": "y".repeat(97) }) });
    await pair.settle();
    pair.listener.calls[0]!.reply(hex("01"), Metadata.from({ "x-b": "z".repeat(48) }));
    await pair.settle();
    assert.match(answered.error!.detail, /the metadata has 51 bytes, and the other end takes 50/);
    assert.equal(pair.dialler.session.over, false);
  });

  test("metadata with too many entries, or too long a key, harms no other call", async () => {
    const pair = new TestPair();
    await pair.settle();
    const many = Metadata.from(Array.from({ length: 257 }, (_, i) => [`k${i}`, ""] as const));
    const long = Metadata.from({ ["k".repeat(1_025)]: "" });
    const expected = [
      [many, /257 entries, more than 256/],
      [long, /key has 1025 characters, more than 1024: k{32}…/],
    ] as const;
    for (const [metadata, text] of expected) {
      const call = pair.dialler.call(hex("01"), { metadata });
      await pair.settle();
      assert.match(call.error!.detail, text);
      assert.equal(call.error!.notRun, true);
      const exchange = pair.dialler.open();
      exchange.end(metadata);
      assert.match((await outcome(exchange.trailer) as MuonError).detail, text);
      for (
        const answer of [
          (call: Incoming) => call.reply(hex("02"), metadata),
          (call: Incoming) => ((call as InboundCall).header(metadata), call.reply(hex("02"))),
          (call: Incoming) => (call.send(hex("02")), call.end(metadata)),
        ]
      ) {
        const answered = pair.dialler.call(hex("01"));
        await pair.settle();
        answer(pair.listener.calls.at(-1)!);
        await pair.settle();
        const error = answered.error ?? await outcome(answered.stream!.trailer) as MuonError;
        assert.match(error.detail, text);
        assert.equal(error.notRun, false);
      }
      const failed = pair.dialler.call(hex("01"));
      await pair.settle();
      pair.listener.calls.at(-1)!.fail(new MuonError("aborted", "as it was"), metadata);
      await pair.settle();
      assert.equal(failed.error!.detail, "as it was");
    }
    assert.equal(pair.dialler.session.over || pair.listener.session.over, false);
  });

  test("options out of range are named", () => {
    assert.throws(() => wireOptions({ window: 100 }), /Option "window" .* from 16384: current value is 100/);
    assert.throws(() => wireOptions({ maxStreams: 1.5 }), /Option "maxStreams" .* current value is 1.5/);
    assert.throws(() => wireOptions({ fragment: 2 ** 24 }), /"fragment" and "maxMetadata" must be below/);
  });
});

describe("GOAWAY and the end", () => {
  test("a drained peer finishes what it took, and what it did not take never ran", async () => {
    const pair = new TestPair();
    await pair.settle();
    const taken = pair.dialler.call(hex("01"));
    await pair.settle();
    const drained = pair.listener.session.drain();
    let over = false;
    drained.then(() => over = true);
    // These cross with GOAWAY.
    const crossing = pair.dialler.call(hex("02"), { metadata: Metadata.from({ "x-new": "1" }) });
    await pair.settle();
    assert.equal(crossing.error!.status, "unavailable");
    assert.equal(crossing.error!.notRun, true);
    assert.equal(pair.listener.calls.length, 1);
    assert.equal(pair.dialler.session.accepting, false);
    const late = pair.dialler.call(hex("03"));
    await pair.settle();
    assert.match(late.error!.detail, /takes no more calls: the other end stops/);
    assert.equal(late.error!.notRun, true);
    assert.equal(over, false);
    pair.listener.calls[0]!.reply(new Uint8Array(100_000));
    await pair.settle();
    assert.equal(taken.body!.length, 100_000);
    assert.equal(over, true);
    pair.listener.session.close();
    assert.equal(pair.listener.wire.closed!.code, 1001);
    assert.equal(await pair.listener.session.closed, undefined);
  });

  test("keys that a call defined which was not taken are still known", async () => {
    const pair = new TestPair();
    await pair.settle();
    const exchange = pair.dialler.open();
    await pair.settle();
    void pair.listener.session.drain();
    pair.dialler.call(hex("02"), { metadata: Metadata.from({ "x-new": "1" }) });
    exchange.end(Metadata.from({ "x-new": "2" }));
    await pair.settle();
    assert.equal(pair.listener.session.over, false);
    assert.deepEqual(await all(pair.listener.calls[0]!.messages), []);
  });

  test("a socket that dies ends each call, and says which cannot have run", async () => {
    const pair = new TestPair();
    await pair.settle();
    const sent = pair.dialler.call(hex("01"));
    const exchange = pair.dialler.open();
    await pair.settle();
    const partly = pair.dialler.call(new Uint8Array(3_000_000));
    pair.dialler.take();
    const never = pair.dialler.call(hex("02"));
    pair.dialler.session.lost(1006, "");
    pair.listener.session.lost(1006, "");
    assert.deepEqual(
      [sent, partly, never].map(({ error }) => [error!.status, error!.notRun]),
      [["unavailable", false], ["unavailable", true], ["unavailable", true]],
    );
    assert.match(
      sent.error!.message,
      /connection to listener:1 was lost \(code 1006\).*calling greeter Greeter.Hello/,
    );
    assert.equal((await outcome(all(exchange.messages)) as MuonError).status, "unavailable");
    assert.equal((await pair.dialler.session.closed)!.status, "unavailable");
    for (const call of pair.listener.calls) assert.equal(call.signal.reason.status, "unavailable");
    const late = pair.dialler.call(hex("03"));
    await pair.settle();
    assert.equal(late.error!.notRun, true);
    assert.equal(pair.dialler.session.inflight + pair.listener.session.serving, 0);
  });

  test("closing ends calls with unavailable", async () => {
    const pair = new TestPair();
    const call = pair.dialler.call();
    await pair.settle();
    pair.dialler.session.close();
    assert.match(call.error!.detail, /was closed by this end/);
    assert.equal(pair.dialler.wire.closed!.code, 1000);
    await pair.settle();
    pair.listener.session.lost(1000, "");
    assert.match(pair.listener.calls[0]!.signal.reason.detail, /dialler:1, closed the connection: closes/);
    assert.equal(await pair.listener.session.closed, undefined, "it was in order");
  });
});

describe("keepalive", () => {
  test("PING goes out at once and every 15 s, and its round trip is known", async () => {
    const pair = new TestPair();
    await pair.settle();
    assert.equal(pair.dialler.session.rtt, 0);
    await pair.clock.advance(15_000);
    const ping = pair.dialler.take();
    await pair.clock.advance(80);
    for (const message of ping) pair.listener.session.receive(message);
    await pair.settle();
    assert.equal(pair.dialler.session.rtt, 10, "an eighth of 80 ms");
  });

  test("one from which nothing comes is dead after two PINGs", async () => {
    const pair = new TestPair();
    await pair.settle();
    const call = pair.dialler.call();
    pair.dialler.take();
    await pair.clock.advance(15_000);
    pair.dialler.take();
    await pair.clock.advance(29_999);
    assert.equal(pair.dialler.session.over, false);
    await pair.clock.advance(1);
    assert.match(call.error!.detail, /is dead: nothing came for 30000 ms, not even for a PING/);
    assert.equal(pair.dialler.wire.closed!.code, 1001);
  });

  test("one that never says HELLO is given up", async () => {
    const pair = new TestPair();
    const waiting = pair.dialler.call();
    await pair.clock.advance(4_999);
    assert.equal(waiting.answers, 0);
    await pair.clock.advance(1);
    assert.match(waiting.error!.detail, /no HELLO came within 5000 ms/);
  });

  test("one that does not read has its PINGs left unanswered", async () => {
    const { end } = await greeted({ highWater: 1_000 });
    end.wire.buffered = 2_000;
    end.session.receive(frame(frames.PING, 0, new Uint8Array(8)));
    assert.equal(end.take().length, 1);
    for (let i = 0; i < 100; i++) end.session.receive(frame(frames.PING, 0, new Uint8Array(8)));
    assert.equal(end.take().length, 0);
  });
});

test("one that asks and does not read its answers is given up", async () => {
  const { end } = await greeted({ highWater: 1_000, held: 50_000 });
  const ask = (id: number) => {
    end.session.receive(frame(frames.CALL, id, HEAD));
    const call = end.calls.at(-1)!;
    if (!call.over) call.reply(new Uint8Array(10_000));
    end.wire.buffered += end.take().reduce((sum, message) => sum + message.length, 0);
  };
  for (let id = 1; id <= 9; id += 2) ask(id);
  assert.equal(end.session.over, false, "what is in flight may wait");
  for (let id = 11; id <= 15; id += 2) ask(id);
  assert.equal(end.session.over, true);
  assert.match((await end.session.closed)!.detail, /sends and does not read: more than 50000 bytes/);
  assert.equal(end.wire.closed!.code, 1001);
  assert.equal(end.calls.length, 5, "no further call was taken");
});

describe("a peer that lies", () => {
  const lies: [string, Uint8Array[], RegExp][] = [
    ["a frame cut short", [hex("0300")], /head is cut short/],
    ["a frame longer than its message", [hex("030000ff01")], /a frame is cut short/],
    ["a frame longer than allowed", [hex("03ffffff01")], /a frame has 16777215 bytes, more than 40960/],
    ["a call of this end's parity", [frame(frames.CALL, 2, HEAD)], /call 2 came behind call 0/],
    ["a call on stream 0", [frame(frames.CALL, 0, HEAD)], /call 0 came/],
    [
      "an id used twice",
      [frame(frames.CALL, 1, HEAD), frame(frames.CALL, 1, HEAD)],
      /call 1 came behind call 1/,
    ],
    ["data on a stream never opened", [frame(frames.DATA, 7, "01")], /stream 7, never opened/],
    [
      "an answer to a call never made",
      [frame(frames.REPLY, 2, "01")],
      /an answer came to call 2, never made/,
    ],
    [
      "an answer to its own call",
      [frame(frames.CALL, 1, HEAD), frame(frames.REPLY, 1, "01")],
      /call 1, never made/,
    ],
    ["a route never defined", [frame(frames.CALL, 1, "07")], /route 5 was never defined/],
    ["a second HELLO", [HELLO], /second HELLO/],
    ["a PING of 3 bytes", [frame(frames.PING, 0, "010203")], /3 bytes instead of 8/],
    [
      "data behind a whole input",
      [frame(frames.CALL, 1, HEAD), frame(frames.DATA, 1, "01")],
      /DATA came on call 1 behind its whole input/,
    ],
    [
      "data behind END",
      [frame(frames.CALL | frames.STREAM, 1, HEAD), frame(frames.END, 1, "00"), frame(frames.DATA, 1, "01")],
      /DATA came on call 1 behind/,
    ],
    ["a CANCEL of this end's call", [frame(frames.CANCEL, 2, "0100")], /CANCEL came on call 2/],
  ];
  for (const [name, messages, expected] of lies) {
    test(`${name} ends the connection, and says why`, async () => {
      const { end } = await greeted();
      const call = name.includes("never made") ? undefined : end.call();
      end.take();
      for (const message of messages) end.session.receive(message);
      const error = await end.session.closed;
      assert.equal(error!.status, "unavailable");
      assert.match(error!.detail, expected);
      assert.equal(end.wire.closed!.code, 1002);
      assert.match(end.wire.closed!.reason, expected);
      if (call !== undefined) assert.match(call.error!.detail, /broke muon.v1/);
      const told = new TextDecoder().decode(end.wire.sent.at(-1));
      assert.match(told, expected, "GOAWAY says so too");
    });
  }

  test("anything before HELLO ends the connection", async () => {
    const pair = new TestPair();
    pair.listener.session.receive(frame(frames.CALL, 1, HEAD));
    assert.match((await pair.listener.session.closed)!.detail, /the first frame is no HELLO/);
  });

  test("what crossed with the end of its call, and kinds not known, are skipped", async () => {
    const { end } = await greeted();
    end.session.receive(frame(frames.CALL, 1, HEAD));
    end.calls[0]!.reply(hex("01"));
    for (
      const message of [
        frame(frames.DATA, 1, "01"),
        frame(frames.END, 1, "00"),
        frame(frames.CREDIT, 1, "01"),
        frame(frames.CANCEL, 1, "0100"),
        frame(15, 9, "0102"),
        new Uint8Array(0),
      ]
    ) end.session.receive(message);
    assert.equal(end.session.over, false);
  });

  test("a sink that throws harms no other call of the batch", async () => {
    const pair = new TestPair();
    await pair.settle();
    const bad = pair.dialler.call(hex("01"));
    const good = pair.dialler.call(hex("02"));
    bad.reply = () => {
      throw new Error("broken sink");
    };
    for (const message of pair.dialler.take()) pair.listener.session.receive(message);
    for (const call of pair.listener.calls) call.reply(hex("03"));
    const [batch] = pair.listener.take();
    assert.throws(() => pair.dialler.session.receive(batch!), /broken sink/);
    assert.deepEqual(good.body, hex("03"));
  });

  for (const seed of [1, 2, 3, 4]) {
    test(`no bytes make it throw, hang or hold memory (seed ${seed})`, async () => {
      const random = seeded(seed);
      for (let round = 0; round < 150; round++) {
        const { pair, end } = await greeted({ held: 100_000, maxMessage: 50_000, unsent: 60_000 });
        for (let i = 0; i < 30 && !end.session.over; i++) {
          end.session.receive(mutant(random));
          end.take();
          for (const call of end.calls.splice(0)) {
            const choice = below(random, 6);
            if (choice < 2) call.reply(call.body ?? hex("01"));
            else if (choice === 2) call.send(hex("02"));
            else if (choice === 3) call.reply(new Uint8Array(40_000));
            else if (choice === 4) { for (let j = 0; j < 4; j++) void call.send(new Uint8Array(20_000)); }
          }
          assert.ok(end.session.holdings.bytes <= 100_000);
          assert.ok(end.session.sender.unsent <= 60_000 + 40_064, "not more than a message above");
        }
        end.session.close();
        assert.equal(end.session.serving, 0);
        assert.deepEqual([end.session.holdings.bytes, end.session.sender.unsent], [0, 0]);
        await pair.clock.advance(0);
      }
    });
  }
});

/** A message that is nearly right. */
function mutant(random: Random): Uint8Array {
  const id = 1 + 2 * below(random, 8);
  const bytes = new Uint8Array(below(random, 3) === 0 ? below(random, 9_000) : below(random, 12));
  for (let i = 0; i < bytes.length; i++) bytes[i] = below(random, 256);
  const seeds: Uint8Array[] = [
    frame(frames.CALL | (below(random, 4) << 4), id, new Uint8Array([...hex(HEAD), ...bytes])),
    frame(frames.CALL | frames.STREAM, id, HEAD),
    frame(frames.DATA | (below(random, 2) << 4), id, bytes),
    frame(frames.END, id, "00"),
    frame(frames.CANCEL, id, "0100"),
    frame(frames.CREDIT, id, "8010"),
    frame(1 + below(random, 15), below(random, 4), bytes),
  ];
  const message = seeds[below(random, seeds.length)]!.slice();
  if (random.next() < 0.2) message[below(random, message.length)] = below(random, 256);
  return random.next() < 0.05 ? message.slice(0, below(random, message.length)) : message;
}
