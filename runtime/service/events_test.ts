import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { z } from "zod";
import type { Broker, Delivery, Message } from "../broker/broker.ts";
import { utf8 } from "../bytes.ts";
import { cbor } from "../codec/cbor.ts";
import { Codecs } from "../codec/codecs.ts";
import { json } from "../codec/json.ts";
import type { Context } from "../context.ts";
import type { ServiceDefinition } from "../definition.ts";
import { MuonError } from "../errors.ts";
import type { Interceptor } from "../interceptor.ts";
import { lineLogger } from "../log.ts";
import { Metadata } from "../metadata.ts";
import type { AnySchema } from "../schema.ts";
import type { Outgoing } from "../server/server_call.ts";
import { VirtualClock } from "../virtual_clock.ts";
import { createVirtualSystem } from "../virtual_platform.ts";
import { eventHandler, Publisher } from "./events.ts";

const codecs = new Codecs([cbor(), json()]);
const Created = z.object({ id: z.string(), at: z.number().default(0) });

function delivery(body: string | Uint8Array, header: Record<string, string> = {}): Delivery {
  const message: Message = { id: "m1", header, body: typeof body === "string" ? utf8(body) : body };
  return { topic: "user.created", message, attempt: 1, signal: new AbortController().signal };
}

function handler(
  handle: (event: unknown, context: Context) => unknown,
  options: { input?: AnySchema | undefined; interceptors?: readonly Interceptor[] } = {},
) {
  const lines: string[] = [];
  const definition: ServiceDefinition = {
    name: "ledger",
    version: "1",
    handler: "Ledger",
    metadata: {},
    forward: [],
    endpoints: [],
    subscriptions: [{ topic: "user.created", member: "take", input: options.input }],
  };
  const take = eventHandler({
    definition,
    subscription: definition.subscriptions[0]!,
    implementation: { take: handle },
    codecs,
    host: {
      clock: new VirtualClock(),
      outgoing: {} as Outgoing,
      log: lineLogger((line) => lines.push(line)),
    },
    interceptors: options.interceptors ?? [],
  });
  return { take, lines };
}

describe("an event", () => {
  test("reaches its handler decoded, parsed, with its metadata and no header of the wire", async () => {
    const seen: unknown[] = [];
    const { take } = handler((event, context) => {
      seen.push(event, [...context.metadata], context.service, context.endpoint, context.peer.address);
    }, { input: Created });
    const verdict = await take(delivery('{"id":"42"}', {
      "Content-Type": "application/json",
      "Micro-Id": "x",
      "Micro-Topic": "user.created",
      "X-Micro-From": "y",
      "X-Tenant": "acme",
      "bad key": "x",
      "x-bad": "line\nfeed",
    }));
    assert.equal(verdict, undefined);
    assert.deepEqual(seen, [
      { id: "42", at: 0 },
      [["x-tenant", "acme"]],
      "ledger",
      "user.created",
      "broker",
    ]);
  });

  test("is JSON unless its header says otherwise", async () => {
    const seen: unknown[] = [];
    const { take } = handler((event) => void seen.push(event));
    await take(delivery('{"a":1}'));
    await take(delivery(cbor().bind().encode({ a: 2 }), { "content-type": "application/cbor" }));
    assert.deepEqual(seen, [{ a: 1 }, { a: 2 }]);
  });

  test("that cannot be read, or does not fit, goes to the dead letters with the reason", async () => {
    let handled = 0;
    const { take, lines } = handler(() => handled++, { input: Created });
    const reasons: readonly [Delivery, RegExp][] = [
      [delivery("{"), /JSON/],
      [delivery("{}", { "content-type": "text/plain" }), /text\/plain/],
      [delivery('{"id":7}'), /event on user\.created does not fit its schema: id: /],
    ];
    for (const [bad, reason] of reasons) {
      const verdict = await take(bad) as { deadLetter: string };
      assert.match(verdict.deadLetter, reason);
    }
    assert.equal(handled, 0);
    assert.equal(lines.length, 3);
    assert.match(lines[0]!, /^error event refused service=ledger topic=user\.created id=m1 reason=/);
  });

  test("whose handler throws is asked for again, whatever it throws", async () => {
    for (
      const error of [
        new Error("no disk"),
        new MuonError("invalid_argument", "of a call that the handler made"),
        new MuonError("unavailable", "away"),
      ]
    ) {
      const { take, lines } = handler(() => Promise.reject(error), { input: Created });
      await assert.rejects(take(delivery('{"id":"1"}')), error);
      assert.match(lines[0]!, /^warn {2}event handler failed .*attempt=1/);
    }
  });

  test("is disposed of as its handler says", async () => {
    const verdicts = [
      [{ retry: 50 }, { retry: 50 }],
      [{ deadLetter: "x" }, { deadLetter: "x" }],
      [{ id: "42", deadLetter: "x", retry: undefined }, { deadLetter: "x" }],
      ["done", undefined],
      [true, undefined],
      [{ id: "42" }, undefined],
      [[1], undefined],
    ];
    for (const [given, expected] of verdicts) {
      assert.deepEqual(await handler(() => given).take(delivery("1")), expected);
    }
  });

  test("is not lost when its handler says what only looks like a verdict", async () => {
    const wrong: readonly [unknown, RegExp][] = [
      [
        { deadLetter: true },
        /returned \{ deadLetter: true \}, a boolean, which is no verdict: return \{ retry: <ms/,
      ],
      [{ retry: "5" }, /returned \{ retry: 5 \}, a string, which is no verdict/],
      [{ retry: true }, /returned \{ retry: true \}, a boolean/],
      [{ retry: NaN }, /returned \{ retry: NaN \}, a number/],
      [{ retry: undefined }, /returned \{ retry: undefined \}/],
    ];
    for (const [given, reason] of wrong) {
      const verdict = await handler(() => given).take(delivery("1")) as { deadLetter: string };
      assert.match(verdict.deadLetter, reason);
    }
  });

  test("passes interceptors, which may answer for the handler", async () => {
    const order: string[] = [];
    const interceptor = (name: string): Interceptor => (next) => async (invocation) => {
      order.push(`${name} ${invocation.side} ${invocation.kind} ${invocation.endpoint}`);
      return await next(invocation);
    };
    const { take } = handler(() => void order.push("handler"), {
      interceptors: [interceptor("a"), interceptor("b")],
    });
    await take(delivery("1"));
    assert.deepEqual(order, ["a server event user.created", "b server event user.created", "handler"]);
    const stopped = handler(() => assert.fail("not reached"), { interceptors: [() => () => ({ retry: 1 })] });
    assert.deepEqual(await stopped.take(delivery("1")), { retry: 1 });
  });

  test("has a member that takes it", () => {
    assert.throws(() => handler("no function" as never), /names the member "take".*a string there/);
  });
});

describe("a publication", () => {
  const sent: { topic: string; message: Message }[] = [];
  const broker = {
    name: "fake",
    publish: (topic: string, message: Message) => {
      sent.push({ topic, message });
      return Promise.resolve({ id: message.id, accepted: 1 });
    },
  } as unknown as Broker;
  const publisher = new Publisher({ broker, codecs, system: createVirtualSystem(), interceptors: [] });

  test("is written as it was given, in JSON, and carries what flows on", async () => {
    sent.length = 0;
    const receipt = await publisher.publish({ name: "user.created", schema: Created }, { id: "1" }, {
      metadata: { "X-Own": "o" },
      parent: {
        signal: new AbortController().signal,
        deadline: undefined,
        forwarded: Metadata.from({ traceparent: "t", "x-own": "of the parent" }),
      },
    });
    const { topic, message } = sent[0]!;
    assert.equal(topic, "user.created");
    assert.equal(receipt.id, message.id);
    assert.equal(new TextDecoder().decode(message.body), '{"id":"1"}', "a subscriber adds the defaults");
    const header = Object.fromEntries(
      Object.entries(message.header).map(([key, value]) => [key.toLowerCase(), value]),
    );
    assert.equal(header["content-type"], "application/json");
    assert.equal(header["x-own"], "o");
    assert.equal(header.traceparent, "t");
  });

  test("is not sent with metadata that would say how the event is read", async () => {
    sent.length = 0;
    for (
      const key of ["content-type", "Content-Type", "Micro-Topic", "x-micro-from", "micro-own", "muon-tried"]
    ) {
      await assert.rejects(
        publisher.publish("user.created", {}, { metadata: { [key]: "application/cbor" } }),
        {
          status: "invalid_argument",
          detail:
            `metadata "${key.toLowerCase()}" cannot travel with an event, where the header of that name says ` +
            "something else: rename it",
          notRun: true,
        },
      );
    }
    assert.deepEqual(sent, []);
    await publisher.publish("user.created", {}, { metadata: { "content-language": "de", micro: "x" } });
    assert.equal(sent.length, 1);
  });

  test("is refused where it is to be durable, which none is", async () => {
    sent.length = 0;
    const durable = { durable: true } as object;
    await assert.rejects(publisher.publish("user.created", {}, durable), {
      name: "TypeError",
      message: /^publish on "user\.created": durable: true is not to be had/,
    });
    await publisher.publish("user.created", {}, { durable: false } as object);
    assert.equal(sent.length, 1);
  });

  test("ends with the call whose handler makes it, and by its own signal", async () => {
    for (const which of ["parent", "own"] as const) {
      const waiting = {
        name: "fake",
        publish: (_topic: string, _message: Message, { signal }: { signal?: AbortSignal }) =>
          new Promise((_, reject) => signal!.addEventListener("abort", () => reject(signal!.reason))),
      } as unknown as Broker;
      const slow = new Publisher({
        broker: waiting,
        codecs,
        system: createVirtualSystem(),
        interceptors: [],
      });
      const [parent, own] = [new AbortController(), new AbortController()];
      const published = slow.publish("t", 1, {
        signal: own.signal,
        parent: { signal: parent.signal, deadline: undefined, forwarded: Metadata.EMPTY },
      });
      const failed = assert.rejects(published, /gone/);
      await new Promise((resolve) => setTimeout(resolve, 0));
      (which === "own" ? own : parent).abort(new Error("gone"));
      await failed;
    }
  });

  test("that does not fit, or cannot be written, is refused before the broker", async () => {
    sent.length = 0;
    await assert.rejects(publisher.publish({ name: "t", schema: Created }, { id: 1 }), {
      status: "invalid_argument",
    });
    await assert.rejects(publisher.publish("t", 10n), (error: MuonError) => {
      assert.equal(error.status, "invalid_argument");
      assert.match(error.detail, /Cannot encode the event for t/);
      return true;
    });
    await assert.rejects(publisher.publish("t", 1, { contentType: "text/odd" }), /text\/odd/);
    await assert.rejects(publisher.publish("two words", 1), /Topic name/);
    await assert.rejects(publisher.publish("t", 1, { signal: AbortSignal.abort(new Error("stop")) }), /stop/);
    assert.equal(sent.length, 0);
  });
});
