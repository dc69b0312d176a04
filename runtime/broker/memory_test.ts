import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type BrokerHarness, messageOf, testBroker } from "../../tests/conformance/broker.ts";
import { MuonError } from "../errors.ts";
import { SILENT } from "../log.ts";
import { seeded } from "../random.ts";
import { VirtualClock } from "../virtual_clock.ts";
import { MemoryDeadLetters } from "./dead_letters.ts";
import type { DeliveryPolicy } from "./delivery_policy.ts";
import { createMemoryBroker, MemoryBus } from "./memory.ts";

function harness(policy: Partial<DeliveryPolicy>): BrokerHarness {
  const clock = new VirtualClock();
  const bus = new MemoryBus();
  const make = () => createMemoryBroker({ system: { clock, random: seeded(1) }, bus, policy });
  const [here, there, other] = [make(), make(), make()];
  return {
    here,
    there,
    other,
    advance: (ms) => clock.advance(ms),
    deadLetters: () => [here, there, other].flatMap((broker) => [...broker.deadLetters]),
    async [Symbol.asyncDispose]() {
      for (const broker of [here, there, other]) await broker[Symbol.asyncDispose]();
      assert.equal(clock.pending, 0, "a timer was left");
    },
  };
}

testBroker({
  name: "memory",
  create: ({ attempts, capacity }) => harness({ attempts, ...(capacity === undefined ? {} : { capacity }) }),
});

describe("memory broker", () => {
  test("without a bus it has one of its own", async () => {
    const system = { clock: new VirtualClock(), random: seeded(1) };
    await using here = createMemoryBroker({ system });
    await using there = createMemoryBroker({ system });
    await there.subscribe("t", () => {});
    assert.equal((await here.publish("t", messageOf("1"))).accepted, 0);
  });

  test("a queue's members take turns", async () => {
    await using brokers = harness({});
    const got: string[] = [];
    for (
      const [name, broker] of [["a", brokers.there], ["b", brokers.other], ["c", brokers.there]] as const
    ) {
      await broker.subscribe("t", () => {
        got.push(name);
      }, { queue: "q" });
    }
    for (let i = 0; i < 6; i++) await brokers.here.publish("t", messageOf(`${i}`));
    await brokers.advance(0);
    assert.deepEqual(got, ["a", "b", "c", "a", "b", "c"]);
  });

  test("a message that one subscriber has no room for is handed to none", async () => {
    await using brokers = harness({ capacity: 1 });
    let handled = 0;
    await brokers.there.subscribe("t", () => {
      handled++;
    });
    await brokers.other.subscribe(
      "t",
      ({ signal }) => new Promise((resolve) => signal.addEventListener("abort", () => resolve())),
      { concurrency: 1 },
    );
    await brokers.here.publish("t", messageOf("1"));
    await brokers.here.publish("t", messageOf("2"));
    await brokers.advance(0);
    await assert.rejects(brokers.here.publish("t", messageOf("3")), MuonError);
    await brokers.advance(0);
    assert.equal(handled, 2);
  });

  test("what waits is bounded in bytes, too, and one message is always taken", async () => {
    await using brokers = harness({ capacityBytes: 10 });
    const gates: (() => void)[] = [];
    await brokers.there.subscribe("t", () => new Promise<void>((resolve) => gates.push(resolve)), {
      concurrency: 1,
    });
    const publish = async (id: string, size: number) => {
      const { accepted } = await brokers.here.publish("t", { ...messageOf(id), body: new Uint8Array(size) });
      await brokers.advance(0);
      return accepted;
    };
    await publish("handled", 100);
    assert.equal(await publish("alone", 11), 1);
    await assert.rejects(publish("beside it", 1), {
      status: "resource_exhausted",
      detail: /of "t" is 11 bytes behind, and takes 10 \(limit capacityBytes\): publish slower/,
    });
    gates.shift()!();
    await brokers.advance(0);
    assert.equal(await publish("a", 6), 1);
    assert.equal(await publish("b", 4), 1);
    await assert.rejects(publish("c", 1), { status: "resource_exhausted" });
    while (gates.length > 0) {
      gates.shift()!();
      await brokers.advance(0);
    }
  });

  test("dead letters are bounded in bytes, too, and the latest is always kept", async () => {
    const letters = new MemoryDeadLetters({ clock: new VirtualClock(), log: SILENT, maxBytes: 10 });
    const add = (id: string, size: number) =>
      letters.add({
        topic: "t",
        queue: undefined,
        message: { ...messageOf(id), body: new Uint8Array(size) },
        attempts: 1,
        reason: "no",
      }, () => {});
    const ids = () => Array.from(letters, ({ message }) => message.id);
    add("a", 4);
    add("b", 4);
    add("c", 2);
    assert.deepEqual(ids(), ["a", "b", "c"]);
    add("d", 1);
    assert.deepEqual(ids(), ["b", "c", "d"]);
    letters.remove([...letters][0]!);
    await letters.redrive([...letters][0]!);
    assert.deepEqual(ids(), ["d"]);
    add("e", 9);
    assert.deepEqual(ids(), ["d", "e"], "what is no longer kept does not count");
    add("f", 100);
    assert.deepEqual(ids(), ["f"]);
    assert.equal(letters.total, 6);
  });

  test("waits before a retry, longer each time and never beyond the ceiling", async () => {
    const clock = new VirtualClock();
    const waits: number[] = [];
    await using broker = createMemoryBroker({
      system: { clock, random: { next: () => 1 } },
      policy: { attempts: 6, backoff: 100, maxBackoff: 500 },
    });
    let last = clock.now();
    await broker.subscribe("t", () => {
      waits.push(clock.now() - last);
      last = clock.now();
      throw new Error("no disk");
    });
    await broker.publish("t", messageOf("1"));
    await clock.advance(10_000);
    assert.deepEqual(waits, [0, 100, 200, 400, 500, 500]);
    assert.equal([...broker.deadLetters].length, 1);
  });

  test("what waits for a member that closes goes to another, with its count of attempts", async () => {
    await using brokers = harness({ backoff: 1_000 });
    const first = await brokers.there.subscribe("t", () => {
      throw new Error("no disk");
    }, { queue: "q" });
    await brokers.here.publish("t", messageOf("1"));
    await brokers.advance(0);
    const got: number[] = [];
    await brokers.other.subscribe("t", ({ attempt }) => {
      got.push(attempt);
    }, { queue: "q" });
    await first[Symbol.asyncDispose]();
    await brokers.advance(0);
    assert.deepEqual(got, [2]);
    assert.deepEqual(brokers.deadLetters(), []);
  });

  test("a handler may throw anything, even what cannot be made a text", async () => {
    await using brokers = harness({});
    const thrown = [
      Object.create(null),
      {
        toString() {
          throw new Error("no text");
        },
      },
      Symbol("s"),
      "text",
      undefined,
    ];
    for (const value of thrown) {
      await brokers.there.subscribe(`t.${brokers.deadLetters().length}`, () => {
        throw value;
      });
      await brokers.here.publish(`t.${brokers.deadLetters().length}`, messageOf("1"));
      await brokers.advance(60_000);
    }
    assert.deepEqual(brokers.deadLetters().map(({ reason, attempts }) => [attempts, reason]), [
      [3, "thrown: [object]"],
      [3, "thrown: [object]"],
      [3, "thrown: Symbol(s)"],
      [3, "text"],
      [3, "thrown: undefined"],
    ]);
  });

  test("a handler that returns something else has handled the message", async () => {
    await using brokers = harness({});
    for (const value of [5, null, "text", {}]) {
      let deliveries = 0;
      const subscription = await brokers.there.subscribe("t", () => {
        deliveries++;
        return value as unknown as void;
      });
      await brokers.here.publish("t", messageOf("1"));
      await brokers.advance(60_000);
      assert.equal(deliveries, 1);
      await subscription[Symbol.asyncDispose]();
    }
    assert.deepEqual(brokers.deadLetters(), []);
  });

  test("a handler that returns what only looks like a verdict makes a dead letter", async () => {
    await using brokers = harness({});
    for (const value of [{ retry: "5" }, { deadLetter: true }]) {
      const subscription = await brokers.there.subscribe("t", () => value as unknown as void);
      await brokers.here.publish("t", messageOf("1"));
      await brokers.advance(60_000);
      await subscription[Symbol.asyncDispose]();
    }
    const letters = brokers.deadLetters();
    assert.deepEqual(letters.map(({ attempts }) => attempts), [1, 1]);
    assert.match(letters[0]!.reason, /^the handler returned \{ retry: 5 \}, a string, which is no verdict/);
    assert.match(letters[1]!.reason, /^the handler returned \{ deadLetter: true \}, a boolean/);
  });

  test("what has failed waits for another member to have room, and is given up in the end", async () => {
    for (const opens of [true, false]) {
      await using brokers = harness({ capacity: 2, attempts: 3 });
      const gates: (() => void)[] = [];
      const done: string[] = [];
      await brokers.other.subscribe("t", async ({ message }) => {
        await new Promise<void>((resolve) => gates.push(resolve));
        done.push(message.id);
      }, { queue: "q", concurrency: 1 });
      for (const id of ["0", "1", "2"]) {
        await brokers.here.publish("t", messageOf(id));
        await brokers.advance(0);
      }
      let failed = 0;
      await brokers.there.subscribe("t", (): { retry: number } => {
        failed++;
        return { retry: 0 };
      }, { queue: "q" });
      await brokers.here.publish("t", messageOf("3"));
      await brokers.advance(0);
      assert.equal(failed, 3);
      assert.deepEqual(brokers.deadLetters(), []);
      if (opens) gates.shift()!();
      await brokers.advance(10_000);
      const letters = brokers.deadLetters().map(({ message, reason, attempts }) => [
        message.id,
        attempts,
        reason,
      ]);
      for (let i = 0; i < 4; i++) {
        for (const open of gates.splice(0)) open();
        await brokers.advance(0);
      }
      if (opens) {
        assert.deepEqual(letters, []);
        assert.deepEqual(done, ["0", "1", "2", "3"]);
      } else {
        assert.deepEqual(letters, [[
          "3",
          3,
          "the handler asked for another delivery (and no other member of the queue could take it)",
        ]]);
        assert.deepEqual(done, ["0", "1", "2"]);
      }
    }
  });

  test("a handler that ends after its message was handed over changes nothing any more", async () => {
    for (const end of [undefined, new Error("stopped"), { deadLetter: "stopped" }]) {
      await using brokers = harness({});
      const gate = Promise.withResolvers<void>();
      const closing = await brokers.there.subscribe("t", async () => {
        await gate.promise;
        if (end instanceof Error) throw end;
        return end;
      }, { queue: "q" });
      await brokers.here.publish("t", messageOf("1"));
      await brokers.advance(0);
      let got = 0;
      await brokers.other.subscribe("t", () => void got++, { queue: "q" });
      await closing[Symbol.asyncDispose]();
      gate.resolve();
      await brokers.advance(10_000);
      assert.equal(got, 1);
      assert.deepEqual(brokers.deadLetters(), []);
    }
  });

  test("a handler that fails when its subscription is closed, and there is no other, makes a dead letter", async () => {
    await using brokers = harness({});
    const closing = await brokers.there.subscribe(
      "t",
      ({ signal }) =>
        new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
      { queue: "q" },
    );
    await brokers.here.publish("t", messageOf("1"));
    await brokers.advance(0);
    await closing[Symbol.asyncDispose]();
    await brokers.advance(0);
    assert.deepEqual(brokers.deadLetters().map(({ attempts, reason }) => [attempts, reason]), [
      [1, '[canceled] the subscription to "t" was closed'],
    ]);
  });

  test("what fails while its subscription drains goes to another member at once", async () => {
    await using brokers = harness({ backoff: 3_600_000, maxBackoff: 3_600_000 });
    const gate = Promise.withResolvers<void>();
    const draining = await brokers.there.subscribe("t", async () => {
      await gate.promise;
      throw new Error("no disk");
    }, { queue: "q" });
    await brokers.here.publish("t", messageOf("1"));
    await brokers.advance(0);
    const got: number[] = [];
    await brokers.other.subscribe("t", ({ attempt }) => void got.push(attempt), { queue: "q" });
    const drained = draining.drain();
    gate.resolve();
    await drained; // The clock stands still.
    assert.deepEqual(got, [2]);
  });
});
