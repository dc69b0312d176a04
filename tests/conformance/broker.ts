/**
 * What every broker must do. Plugin authors run it against theirs.
 *
 * @module
 */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Broker, Delivery, Message, Verdict } from "../../runtime/broker/broker.ts";
import { text, utf8 } from "../../runtime/bytes.ts";
import { MuonError } from "../../runtime/errors.ts";
import { LIMITS } from "../../runtime/policy.ts";

/** Three brokers over one backend, as three processes have them. Disposing it disposes all. */
export interface BrokerHarness extends AsyncDisposable {
  /** The one that publishes. */
  readonly here: Broker;
  /** One that subscribes. */
  readonly there: Broker;
  /** Another that subscribes. */
  readonly other: Broker;
  /** Lets `ms` milliseconds pass, on a clock that is turned or by waiting, and with it the I/O that they bring. */
  advance(ms: number): Promise<void>;
  /** What the subscribers gave up. */
  deadLetters(): readonly { readonly message: Message; readonly reason: string; readonly attempts: number }[];
}

/** What the suite wants of the brokers it tests. */
export interface BrokerSettings {
  /** Deliveries of a message before it is given up. */
  readonly attempts: number;
  /** Messages that may wait for one subscription; `undefined`: the backend's own limit, which is not tested. */
  readonly capacity: number | undefined;
}

/** What {@link testBroker} tests. */
export interface BrokerSuite {
  /** Name of the implementation. */
  readonly name: string;
  /** Makes a harness over an empty backend. */
  readonly create: (settings: BrokerSettings) => Promise<BrokerHarness> | BrokerHarness;
  /** Whether the bound on what waits for a subscriber can be set and is the publisher's error. @default {true} */
  readonly bounded?: boolean;
  /**
   * Whether what a member of a queue cannot handle, or has not handled when its subscription ends, goes to another.
   *
   * @default {true}
   */
  readonly redelivery?: boolean;
}

const TOPIC = "user.created";

/** A message with a text for its body. */
export function messageOf(id: string, body = "{}"): Message {
  return {
    id,
    header: { "Content-Type": "application/json", "Micro-Topic": TOPIC, "Micro-Id": id, "tenant": "acme" },
    body: utf8(body),
  };
}

/**
 * Runs the suite.
 *
 * @example
 * ```ts
 * testBroker({ name: "memory", create: (settings) => harness });
 * ```
 */
export function testBroker(suite: BrokerSuite): void {
  const settings: BrokerSettings = { attempts: 3, capacity: undefined };
  const run = (title: string, body: (harness: BrokerHarness) => Promise<void>, wants = settings) =>
    test(title, async () => {
      const harness = await suite.create(wants);
      try {
        await body(harness);
      } finally {
        await harness[Symbol.asyncDispose]();
      }
    });

  describe(`broker ${suite.name}`, () => {
    run("nobody listening is no error", async ({ here }) => {
      assert.deepEqual(await here.publish(TOPIC, messageOf("1")), { id: "1", accepted: 0 });
    });

    run("a message arrives whole: body, headers and id", async (harness) => {
      const got = await collect(harness.there, TOPIC);
      const body = new Uint8Array(1_000).map((_, i) => i);
      const { id, accepted } = await harness.here.publish(TOPIC, { ...messageOf("m-1"), body });
      assert.deepEqual({ id, accepted }, { id: "m-1", accepted: 1 });
      await until(harness, () => got.length === 1);
      const { topic, message, attempt, signal } = got[0]!;
      assert.equal(topic, TOPIC);
      assert.equal(message.id, "m-1");
      assert.equal(attempt, 1);
      assert.equal(signal.aborted, false);
      assert.deepEqual(new Uint8Array(message.body), body);
      assert.deepEqual({ ...message.header }, { ...messageOf("m-1").header });
    });

    run("headers of as many bytes as a call's metadata may have arrive", async (harness) => {
      const got = await collect(harness.there, TOPIC);
      const header = {
        ...messageOf("1").header,
        "x-much": "x".repeat(LIMITS.maxMetadata / 4),
        // Twice as long in JSON.
        "x-quoted": '"'.repeat(LIMITS.maxMetadata / 2),
        "x-euros": "\u20ac".repeat(LIMITS.maxMetadata / 16),
      };
      await harness.here.publish(TOPIC, { ...messageOf("1"), header });
      await until(harness, () => got.length === 1);
      assert.deepEqual({ ...got[0]!.message.header }, header);
    });

    run("an empty body arrives as one", async (harness) => {
      const got = await collect(harness.there, TOPIC);
      await harness.here.publish(TOPIC, messageOf("1", ""));
      await until(harness, () => got.length === 1);
      assert.equal(got[0]!.message.body.length, 0);
    });

    run("every subscription without a queue gets every message", async (harness) => {
      const { here, there, other } = harness;
      const all = [await collect(here, TOPIC), await collect(there, TOPIC), await collect(other, TOPIC)];
      all.push(await collect(there, TOPIC));
      const { accepted } = await here.publish(TOPIC, messageOf("1"));
      assert.equal(accepted, 4);
      await until(harness, () => all.every(({ length }) => length === 1));
      await harness.advance(50);
      assert.deepEqual(all.map(ids), [["1"], ["1"], ["1"], ["1"]]);
    });

    run("topics are apart", async (harness) => {
      const got = await collect(harness.there, TOPIC);
      const { accepted } = await harness.here.publish("user.deleted", messageOf("1"));
      assert.equal(accepted, 0);
      await harness.here.publish(TOPIC, messageOf("2"));
      await until(harness, () => got.length > 0);
      assert.deepEqual(ids(got), ["2"]);
    });

    run("one member of each queue gets each message, and each member some", async (harness) => {
      const { here, there, other } = harness;
      const mail = [await collect(there, TOPIC, "mail"), await collect(other, TOPIC, "mail")];
      const audit = await collect(other, TOPIC, "audit");
      const all = await collect(there, TOPIC);
      const count = 60;
      for (let i = 0; i < count; i++) {
        assert.equal((await here.publish(TOPIC, messageOf(`${i}`))).accepted, 3);
      }
      const expected = Array.from({ length: count }, (_, i) => `${i}`);
      await until(harness, () => mail[0]!.length + mail[1]!.length + audit.length + all.length === 3 * count);
      await harness.advance(50);
      assert.deepEqual(sorted(mail.flatMap(ids)), sorted(expected));
      assert.deepEqual(sorted(ids(audit)), sorted(expected));
      assert.deepEqual(sorted(ids(all)), sorted(expected));
      assert.ok(
        mail.every(({ length }) => length > 0),
        `one member got nothing: ${mail.map((m) => m.length)}`,
      );
    });

    run("of many messages published at once none is lost and none doubled", async (harness) => {
      const got = [
        await collect(harness.there, TOPIC, "mail"),
        await collect(harness.other, TOPIC, "mail"),
      ];
      const count = 500;
      const published = Array.from(
        { length: count },
        (_, i) => harness.here.publish(TOPIC, messageOf(`${i}`)),
      );
      for (const { accepted } of await Promise.all(published)) assert.equal(accepted, 1);
      await until(harness, () => got[0]!.length + got[1]!.length >= count);
      await harness.advance(50);
      assert.deepEqual(new Set(got.flatMap(ids)).size, count);
      assert.equal(got[0]!.length + got[1]!.length, count);
    });

    run("no more deliveries run at a time than the subscription allows", async (harness) => {
      let running = 0;
      let most = 0;
      let done = 0;
      const gates: (() => void)[] = [];
      await harness.there.subscribe(TOPIC, async () => {
        most = Math.max(most, ++running);
        await new Promise<void>((resolve) => gates.push(resolve));
        running--;
        done++;
      }, { concurrency: 3 });
      for (let i = 0; i < 10; i++) await harness.here.publish(TOPIC, messageOf(`${i}`));
      await until(harness, () => running === 3);
      await harness.advance(50);
      assert.equal(running, 3);
      await until(harness, () => {
        for (const open of gates.splice(0)) open();
        return done === 10;
      });
      assert.equal(most, 3);
    });

    run("a handler may publish", async (harness) => {
      const got = await collect(harness.there, "second");
      await harness.there.subscribe("first", async ({ message }) => {
        await harness.there.publish("second", message);
      });
      await harness.here.publish("first", messageOf("1"));
      await until(harness, () => got.length === 1);
    });

    retries(run);
    endings(run);
    if (suite.redelivery ?? true) redelivery(run);

    if (suite.bounded ?? true) {
      run("a subscriber that is too far behind is the publisher's error", async (harness) => {
        const gates: (() => void)[] = [];
        let done = 0;
        await harness.there.subscribe(TOPIC, async () => {
          await new Promise<void>((resolve) => gates.push(resolve));
          done++;
        }, { concurrency: 1 });
        let taken = 0;
        const refusal = await rejection((async () => {
          for (let i = 0; i < 50; i++) {
            await harness.here.publish(TOPIC, messageOf(`${i}`));
            taken++;
          }
        })());
        assert.ok(refusal instanceof MuonError, `not a MuonError: ${refusal}`);
        assert.equal(refusal.status, "resource_exhausted");
        assert.match(refusal.detail, /user\.created/);
        assert.ok(taken >= 4, `only ${taken} were taken`);
        await until(harness, () => {
          for (const open of gates.splice(0)) open();
          return done === taken;
        });
        assert.equal((await harness.here.publish(TOPIC, messageOf("again"))).accepted, 1);
        await until(harness, () => gates.length === 1);
        gates[0]!();
        await until(harness, () => done === taken + 1);
      }, { ...settings, capacity: 4 });

      run("a member of a queue that has no room is passed over", async (harness) => {
        await harness.there.subscribe(TOPIC, ({ signal }) => aborted(signal), {
          queue: "mail",
          concurrency: 1,
        });
        const got = await collect(harness.other, TOPIC, "mail");
        for (let i = 0; i < 30; i++) {
          assert.equal((await harness.here.publish(TOPIC, messageOf(`${i}`))).accepted, 1);
          await harness.advance(1);
        }
        await until(harness, () => got.length >= 25);
      }, { ...settings, capacity: 4 });
    }

    run("what the broker cannot do is refused at once", async ({ there }) => {
      if (!there.can.durable) {
        const refusal = await rejection(there.subscribe(TOPIC, () => {}, { queue: "q", durable: true }));
        assert.ok(refusal instanceof MuonError);
        assert.equal(refusal.status, "unimplemented");
        assert.match(refusal.detail, /durable/);
      }
      await assert.rejects(there.subscribe(TOPIC, () => {}, { concurrency: 0 }), RangeError);
      await assert.rejects(there.subscribe(TOPIC, () => {}, { queue: "" }), TypeError);
      await assert.rejects(there.subscribe("", () => {}), TypeError);
      await assert.rejects(there.publish("two words", messageOf("1")), TypeError);
    });

    run("an aborted signal keeps a message from going out", async (harness) => {
      const got = await collect(harness.there, TOPIC);
      const reason = new Error("changed my mind");
      assert.equal(
        await rejection(harness.here.publish(TOPIC, messageOf("1"), { signal: AbortSignal.abort(reason) })),
        reason,
      );
      await harness.advance(50);
      assert.equal(got.length, 0);
    });
  });
}

type Run = (title: string, body: (harness: BrokerHarness) => Promise<void>, wants?: BrokerSettings) => void;

function retries(run: Run): void {
  run("a handler that throws is given the message again, until it does not", async (harness) => {
    if (!harness.there.can.ack) return;
    const attempts: number[] = [];
    await harness.there.subscribe(TOPIC, ({ attempt }) => {
      attempts.push(attempt);
      if (attempt < 3) throw new Error("not yet");
    });
    assert.equal((await harness.here.publish(TOPIC, messageOf("1"))).accepted, 1);
    await until(harness, () => attempts.length === 3);
    await harness.advance(1_000);
    assert.deepEqual(attempts, [1, 2, 3]);
    assert.deepEqual(harness.deadLetters(), []);
  });

  run("a message that fails every time goes to the dead letters, with the reason", async (harness) => {
    if (!harness.there.can.ack) return;
    let deliveries = 0;
    await harness.there.subscribe(TOPIC, () => {
      deliveries++;
      return Promise.reject(new Error("no disk"));
    });
    await harness.here.publish(TOPIC, messageOf("1", "poison"));
    await until(harness, () => harness.deadLetters().length === 1);
    const [letter] = harness.deadLetters();
    assert.equal(deliveries, 3);
    assert.equal(letter!.message.id, "1");
    assert.equal(text(letter!.message.body), "poison");
    assert.equal(letter!.reason, "no disk");
    assert.equal(letter!.attempts, 3);
  });

  run("a dead letter can be delivered again where it was given up, and to nobody else", async (harness) => {
    const { here, there, other } = harness;
    const { deadLetters } = there;
    if (deadLetters === undefined) return;
    let mended = false;
    const got: Delivery[] = [];
    await there.subscribe(TOPIC, (delivery): Verdict => {
      got.push(delivery);
      return mended ? undefined : { deadLetter: "it is broken" };
    }, { queue: "q" });
    const all = await collect(other, TOPIC);
    for (const id of ["1", "2", "3"]) await here.publish(TOPIC, messageOf(id));
    await until(harness, () => deadLetters.size === 3);
    const [first, second, third] = [...deadLetters].toSorted((a, b) => a.message.id < b.message.id ? -1 : 1);
    assert.deepEqual([first!.topic, first!.queue, first!.attempts], [TOPIC, "q", 1]);

    assert.equal(deadLetters.remove(second!), true);
    assert.equal(deadLetters.remove(second!), false);
    await assert.rejects(deadLetters.redrive(second!), { status: "not_found" });
    await deadLetters.redrive(first!);
    await until(harness, () => deadLetters.total === 4);
    assert.equal(deadLetters.size, 2, "it failed again, and is a new letter");
    mended = true;
    for (const letter of deadLetters) await deadLetters.redrive(letter);
    await assert.rejects(deadLetters.redrive(third!), { status: "not_found" });
    await until(harness, () => got.length === 6);
    assert.deepEqual([deadLetters.size, deadLetters.total], [0, 4]);
    assert.deepEqual(got.slice(4).map(({ message, attempt }) => `${message.id} ${attempt}`).toSorted(), [
      "1 1",
      "3 1",
    ]);
    assert.equal(text(got[5]!.message.body), "{}");
    assert.equal(all.length, 3, "who could handle it does not get it again");
  });

  run("a dead letter stays where its subscription is closed", async (harness) => {
    const { deadLetters } = harness.there;
    if (deadLetters === undefined) return;
    const subscription = await harness.there.subscribe(TOPIC, () => ({ deadLetter: "no" }));
    await harness.here.publish(TOPIC, messageOf("1"));
    await until(harness, () => deadLetters.size === 1);
    await subscription[Symbol.asyncDispose]();
    const [letter] = deadLetters;
    await assert.rejects(deadLetters.redrive(letter!), { status: "failed_precondition" });
    assert.deepEqual([...deadLetters], [letter]);
  });

  run("a handler says when it wants a message again", async (harness) => {
    if (!harness.there.can.delay) return;
    const attempts: number[] = [];
    await harness.there.subscribe(TOPIC, ({ attempt }): Verdict => {
      attempts.push(attempt);
      return attempt === 1 ? { retry: 60 } : undefined;
    });
    await harness.here.publish(TOPIC, messageOf("1"));
    await until(harness, () => attempts.length === 2);
    await harness.advance(200);
    assert.deepEqual(attempts, [1, 2]);
    assert.deepEqual(harness.deadLetters(), []);
  });

  run("a handler gives a message up", async (harness) => {
    if (!harness.there.can.ack) return;
    let deliveries = 0;
    await harness.there.subscribe(TOPIC, (): Verdict => {
      deliveries++;
      return { deadLetter: "it is for nobody" };
    });
    await harness.here.publish(TOPIC, messageOf("1"));
    await until(harness, () => harness.deadLetters().length === 1);
    await harness.advance(500);
    assert.equal(deliveries, 1);
    assert.equal(harness.deadLetters()[0]!.reason, "it is for nobody");
  });

  run("one message that fails does not hold up the others", async (harness) => {
    const got: string[] = [];
    await harness.there.subscribe(TOPIC, ({ message }) => {
      if (message.id === "0") throw new Error("no disk");
      got.push(message.id);
    }, { concurrency: 1 });
    for (let i = 0; i < 5; i++) await harness.here.publish(TOPIC, messageOf(`${i}`));
    await until(harness, () => got.length === 4);
    assert.deepEqual(sorted(got), ["1", "2", "3", "4"]);
    await until(harness, () => harness.deadLetters().length === 1);
  });
}

function endings(run: Run): void {
  run("draining takes nothing new and finishes what there is", async (harness) => {
    const gates: (() => void)[] = [];
    let done = 0;
    const subscription = await harness.there.subscribe(TOPIC, async () => {
      await new Promise<void>((resolve) => gates.push(resolve));
      done++;
    }, { concurrency: 2 });
    for (let i = 0; i < 5; i++) await harness.here.publish(TOPIC, messageOf(`${i}`));
    await until(harness, () => gates.length === 2);
    let drained = false;
    const draining = subscription.drain().then(() => drained = true);
    await harness.advance(50);
    assert.equal(drained, false);
    assert.equal((await harness.here.publish(TOPIC, messageOf("late"))).accepted, 0);
    await until(harness, () => {
      for (const open of gates.splice(0)) open();
      return drained;
    });
    await draining;
    assert.equal(done, 5);
    assert.equal(await subscription.closed, undefined);
  });

  run("draining ends at the signal, and tells the handlers", async (harness) => {
    let told = false;
    let started = false;
    const subscription = await harness.there.subscribe(TOPIC, async ({ signal }) => {
      started = true;
      await aborted(signal);
      told = true;
    });
    await harness.here.publish(TOPIC, messageOf("1"));
    await until(harness, () => started);
    const controller = new AbortController();
    const draining = subscription.drain(controller.signal);
    await harness.advance(50);
    assert.equal(told, false);
    controller.abort();
    await draining;
    await until(harness, () => told);
    assert.equal(await subscription.closed, undefined);
  });

  run("what a member that drains does not take goes to the others of its queue", async (harness) => {
    const first = await harness.there.subscribe(TOPIC, () => {}, { queue: "mail" });
    const got = await collect(harness.other, TOPIC, "mail");
    await first.drain();
    for (let i = 0; i < 10; i++) {
      assert.equal((await harness.here.publish(TOPIC, messageOf(`${i}`))).accepted, 1);
    }
    await until(harness, () => got.length === 10);
  });

  run("a subscription that is disposed is over, and can be again", async (harness) => {
    const got: Delivery[] = [];
    const subscription = await harness.there.subscribe(TOPIC, (delivery) => {
      got.push(delivery);
    });
    await subscription[Symbol.asyncDispose]();
    await subscription[Symbol.asyncDispose]();
    assert.equal(await subscription.closed, undefined);
    assert.equal((await harness.here.publish(TOPIC, messageOf("1"))).accepted, 0);
    const again = await collect(harness.there, TOPIC);
    await harness.here.publish(TOPIC, messageOf("2"));
    await until(harness, () => again.length === 1);
    assert.deepEqual(got, []);
  });

  run("what an ended subscription had not handled is not dropped in silence", async (harness) => {
    const gate = Promise.withResolvers<void>();
    let started = false;
    const subscription = await harness.there.subscribe(TOPIC, async () => {
      started = true;
      await gate.promise;
    }, { concurrency: 1 });
    await harness.here.publish(TOPIC, messageOf("1"));
    await harness.here.publish(TOPIC, messageOf("2"));
    await until(harness, () => started);
    await subscription[Symbol.asyncDispose]();
    gate.resolve();
    await until(harness, () => harness.deadLetters().length === 1);
    assert.equal(harness.deadLetters()[0]!.message.id, "2");
    assert.match(harness.deadLetters()[0]!.reason, /closed/);
  });

  run("a broker that is disposed ends its subscriptions, and says that it is closed", async (harness) => {
    const subscription = await harness.there.subscribe(TOPIC, () => {});
    await harness.there[Symbol.asyncDispose]();
    await harness.there[Symbol.asyncDispose]();
    assert.equal(await subscription.closed, undefined);
    assert.equal((await harness.here.publish(TOPIC, messageOf("1"))).accepted, 0);
    for (
      const refusal of [
        await rejection(harness.there.publish(TOPIC, messageOf("2"))),
        await rejection(harness.there.subscribe(TOPIC, () => {})),
      ]
    ) {
      assert.ok(refusal instanceof MuonError);
      assert.equal(refusal.status, "failed_precondition");
      assert.match(refusal.detail, /closed/);
    }
  });
}

function redelivery(run: Run): void {
  const queue = "mail";
  const fails = () => Promise.reject(new Error("no disk"));

  run("what one member of a queue cannot handle goes to another", async (harness) => {
    const { here, there, other } = harness;
    let failed = 0;
    await there.subscribe(TOPIC, () => {
      failed++;
      return fails();
    }, { queue });
    await here.publish(TOPIC, messageOf("1", "whole"));
    const got = await collect(other, TOPIC, queue);
    await until(harness, () => got.length === 1);
    await harness.advance(500);
    assert.equal(failed, 3);
    const [{ message, attempt, topic }] = got as [Delivery];
    assert.deepEqual([ids(got), topic, attempt], [["1"], TOPIC, 4]);
    assert.equal(text(message.body), "whole");
    assert.deepEqual({ ...message.header }, { ...messageOf("1").header });
    assert.deepEqual(harness.deadLetters(), []);
  });

  run("what no member can handle goes to each of them once, and is one dead letter", async (harness) => {
    const attempts: Record<string, number[]> = { a: [], b: [], c: [], apart: [] };
    const subscribe = async (broker: Broker, name: string, at?: string) => {
      await broker.subscribe(TOPIC, ({ attempt }) => {
        attempts[name]!.push(attempt);
        if (at !== undefined) throw new Error("no disk");
      }, { queue: at ?? "apart" });
    };
    await subscribe(harness.there, "a", queue);
    await subscribe(harness.other, "b", queue);
    await subscribe(harness.other, "c", queue);
    await subscribe(harness.there, "apart");
    assert.equal((await harness.here.publish(TOPIC, messageOf("1"))).accepted, 2);
    await until(harness, () => harness.deadLetters().length === 1);
    await harness.advance(500);
    const { a = [], b = [], c = [] } = attempts;
    assert.deepEqual([a, b, c].toSorted(([x = 0], [y = 0]) => x - y), [[1, 2, 3], [4, 5, 6], [7, 8, 9]]);
    assert.deepEqual(attempts.apart, [1], "another queue hears nothing of it");
    const [letter] = harness.deadLetters();
    assert.deepEqual([letter!.message.id, letter!.reason, letter!.attempts], ["1", "no disk", 9]);
    assert.equal(harness.deadLetters().length, 1);
  });

  run("what a handler gives up, or what has no queue, goes to nobody else", async (harness) => {
    await harness.there.subscribe(TOPIC, () => ({ deadLetter: "it is for nobody" }), { queue });
    await harness.here.publish(TOPIC, messageOf("1"));
    await harness.there.subscribe("second", fails);
    await harness.here.publish("second", messageOf("2"));
    const got = [await collect(harness.other, TOPIC, queue), await collect(harness.other, "second")];
    await until(harness, () => harness.deadLetters().length === 2);
    await harness.advance(100);
    assert.deepEqual(got.flat(), []);
  });

  run("a member that drains hands over what it has not begun", async (harness) => {
    const gates: (() => void)[] = [];
    const mine: string[] = [];
    const draining = await harness.there.subscribe(TOPIC, async ({ message }) => {
      await new Promise<void>((resolve) => gates.push(resolve));
      mine.push(message.id);
    }, { queue, concurrency: 2 });
    for (let i = 0; i < 10; i++) await harness.here.publish(TOPIC, messageOf(`${i}`));
    const got = await collect(harness.other, TOPIC, queue);
    await until(harness, () => gates.length === 2);
    let drained = false;
    const end = draining.drain().then(() => drained = true);
    await until(harness, () => got.length === 8);
    assert.equal(drained, false);
    for (const open of gates) open();
    await end;
    await harness.advance(50);
    assert.deepEqual(sorted([...mine, ...ids(got)]), Array.from({ length: 10 }, (_, i) => `${i}`));
    assert.ok(got.every(({ attempt }) => attempt === 1));
    assert.deepEqual(harness.deadLetters(), []);
  });

  run("a member that drains does not wait to try again: another does", async (harness) => {
    let failed = 0;
    const draining = await harness.there.subscribe(TOPIC, (): Verdict => {
      failed++;
      return { retry: 3_600_000 };
    }, { queue });
    await harness.here.publish(TOPIC, messageOf("1"));
    await until(harness, () => failed === 1);
    const got = await collect(harness.other, TOPIC, queue);
    await draining.drain();
    await until(harness, () => got.length === 1);
    assert.deepEqual([failed, got[0]!.attempt], [1, 2]);
  });

  run("a member that is disposed hands over all it has, what is being handled too", async (harness) => {
    let running = 0;
    const disposed = await harness.there.subscribe(TOPIC, () => {
      running++;
      return new Promise<void>(() => {});
    }, { queue, concurrency: 3 });
    for (let i = 0; i < 10; i++) await harness.here.publish(TOPIC, messageOf(`${i}`));
    await until(harness, () => running === 3);
    const got = await collect(harness.other, TOPIC, queue);
    await disposed[Symbol.asyncDispose]();
    await until(harness, () => got.length === 10);
    await harness.advance(50);
    assert.deepEqual(sorted(ids(got)), Array.from({ length: 10 }, (_, i) => `${i}`));
    assert.deepEqual(got.map(({ attempt }) => attempt).toSorted(), [1, 1, 1, 1, 1, 1, 1, 2, 2, 2]);
    assert.deepEqual(harness.deadLetters(), []);
  });

  run("a broker that is disposed hands over what its subscriptions have", async (harness) => {
    const hold = () => new Promise<void>(() => {});
    await harness.there.subscribe(TOPIC, hold, { queue, concurrency: 1 });
    await harness.there.subscribe(TOPIC, hold, { queue, concurrency: 1 });
    for (let i = 0; i < 20; i++) await harness.here.publish(TOPIC, messageOf(`${i}`));
    const got = await collect(harness.other, TOPIC, queue);
    await harness.there[Symbol.asyncDispose]();
    await until(harness, () => got.length === 20);
    assert.equal(new Set(ids(got)).size, 20);
    assert.deepEqual(harness.deadLetters(), []);
  });

  run("members that leave under load, one after the other, lose nothing", async (harness) => {
    const { here, there, other } = harness;
    const got = new Set<string>();
    const gates: (() => void)[] = [];
    const member = async (broker: Broker) =>
      await broker.subscribe(TOPIC, async ({ message }) => {
        await new Promise<void>((resolve) => gates.push(resolve));
        got.add(message.id);
      }, { queue, concurrency: 2 });
    let members = [await member(there), await member(other)];
    const sent: string[] = [];
    for (let round = 0; round < 6; round++) {
      for (let i = 0; i < 20; i++) {
        const id = `${round}-${i}`;
        if (i === 10) {
          const next = await member(round % 2 === 0 ? there : other);
          const [leaving, ...staying] = members;
          void (round < 3 ? leaving!.drain() : leaving![Symbol.asyncDispose]());
          members = [...staying, next];
        }
        assert.equal((await here.publish(TOPIC, messageOf(id))).accepted, 1);
        sent.push(id);
      }
      await harness.advance(1);
      for (const open of gates.splice(0)) open();
    }
    await until(harness, () => {
      for (const open of gates.splice(0)) open();
      return got.size >= sent.length;
    });
    assert.deepEqual(sorted([...got]), sorted(sent));
    assert.deepEqual(harness.deadLetters(), []);
  });
}

async function collect(broker: Broker, topic: string, queue?: string): Promise<Delivery[]> {
  const got: Delivery[] = [];
  await broker.subscribe(topic, (delivery) => {
    got.push(delivery);
  }, { queue });
  return got;
}

/** Lets time pass until it is so. */
async function until(harness: BrokerHarness, condition: () => boolean): Promise<void> {
  for (let i = 0; i < 1_000; i++) {
    if (condition()) return;
    await harness.advance(10);
  }
  throw new Error(`It was not so after 10 s: ${condition}`);
}

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("It resolved, and should have rejected");
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

function ids(deliveries: readonly Delivery[]): string[] {
  return deliveries.map(({ message }) => message.id);
}

function sorted(list: readonly string[]): string[] {
  return [...list].sort();
}
