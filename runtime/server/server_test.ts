import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { z } from "zod";
import { utf8 } from "../bytes.ts";
import { cbor } from "../codec/cbor.ts";
import { Codecs } from "../codec/codecs.ts";
import { json } from "../codec/json.ts";
import type { Context } from "../context.ts";
import type { EndpointDefinition, ServiceDefinition } from "../definition.ts";
import { MuonError } from "../errors.ts";
import type { Interceptor } from "../interceptor.ts";
import { lineLogger } from "../log.ts";
import { Metadata } from "../metadata.ts";
import type { Incoming } from "../transport/transport.ts";
import { VirtualClock } from "../virtual_clock.ts";
import type { Description, Stats } from "./debug.ts";
import { asReply, createServer } from "./server.ts";
import type { Outgoing } from "./server_call.ts";

const marshal = json().bind();

/** A call that came in, and what became of it. */
class FakeCall implements Incoming {
  readonly head: Incoming["head"];
  readonly peer = { address: "test" };
  readonly body: Uint8Array | undefined;
  readonly messages: AsyncIterable<Uint8Array>;
  readonly deadline = undefined;
  readonly controller = new AbortController();
  readonly sent: unknown[] = [];
  readonly answers: string[] = [];
  readonly done = Promise.withResolvers<void>();
  over = false;
  value: unknown;
  error: MuonError | undefined;
  trailer: Metadata | undefined;
  /** Awaited before each further item. */
  credit: (() => Promise<void>) | undefined;

  constructor(
    endpoint: string,
    input: unknown,
    options: { service?: string; contentType?: string; items?: readonly unknown[]; raw?: Uint8Array } = {},
  ) {
    this.head = {
      service: options.service ?? "greeter",
      endpoint,
      metadata: Metadata.EMPTY,
      contentType: options.contentType ?? "application/json",
      timeout: 0,
      idempotent: false,
    };
    const { items } = options;
    this.body = items === undefined ? options.raw ?? marshal.encode(input).slice() : undefined;
    this.messages = (async function* () {
      for (const item of items ?? []) yield marshal.encode(item).slice();
    })();
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** Its caller gives up. */
  leave(): void {
    this.over = true;
    this.controller.abort(new MuonError("canceled", "the caller left"));
  }

  reply(body: Uint8Array, trailer?: Metadata): void {
    this.value = marshal.decode(body.slice());
    this.#end("reply", trailer);
  }

  send(body: Uint8Array): Promise<void> | undefined {
    this.sent.push(marshal.decode(body.slice()));
    return this.credit?.();
  }

  end(trailer?: Metadata): void {
    this.#end("end", trailer);
  }

  fail(error: MuonError, trailer?: Metadata): void {
    this.error = error;
    this.#end("fail", trailer);
  }

  #end(how: string, trailer: Metadata | undefined): void {
    this.answers.push(how);
    this.trailer = trailer;
    this.over = true;
    this.done.resolve();
  }
}

type Members = Record<string, (input: never, context: Context) => unknown>;

function serving(
  endpoints: Readonly<Record<string, Partial<EndpointDefinition>>>,
  members: Members,
  options: { interceptors?: readonly Interceptor[]; maxConcurrentCalls?: number } = {},
) {
  const clock = new VirtualClock();
  const lines: string[] = [];
  const server = createServer({
    clock,
    codecs: new Codecs([json(), cbor()]),
    outgoing: {} as Outgoing,
    log: lineLogger((line) => lines.push(line)),
    ...options,
    debug: {
      node: "n1",
      started: clock.wall(),
      now: () => clock.wall(),
      health: () => "ok",
      registryAway: () => 1_001,
    },
  });
  const definition: ServiceDefinition = {
    name: "greeter",
    version: "1.0.0",
    handler: "Greeter",
    metadata: {},
    forward: [],
    endpoints: Object.entries(endpoints).map(([member, endpoint]) => ({
      name: `Greeter.${member.charAt(0).toUpperCase()}${member.slice(1)}`,
      member,
      idempotent: false,
      ...endpoint,
    })),
    subscriptions: [{ topic: "user.created", member: "x", queue: "q" }],
  };
  server.handle(definition, members);
  const call = async (made: FakeCall): Promise<FakeCall> => {
    server.accept(made);
    await made.done.promise;
    await turns();
    assert.equal(made.answers.length, 1, "a call is answered once");
    return made;
  };
  const stats = (endpoint: string) => {
    const { latency, ...counts } = server.services[0]!.endpoints.get(endpoint)!.stats;
    return { ...counts, timed: latency.count };
  };
  return { server, definition, clock, lines, call, stats };
}

async function turns(): Promise<void> {
  for (let i = 0; i < 32; i++) await undefined;
}

const N = z.object({ n: z.number() });

describe("the handler table", () => {
  test("finds a service, an endpoint, a codec, or says what there is", async () => {
    const { call } = serving({ hello: {} }, { hello: () => "hi" });
    assert.equal((await call(new FakeCall("Greeter.Hello", 1))).value, "hi");
    const wrong: readonly [FakeCall, string, RegExp][] = [
      [new FakeCall("Greeter.Hello", 1, { service: "nobody" }), "not_found", /"nobody"; it serves greeter$/],
      [
        new FakeCall("Greeter.None", 1),
        "not_found",
        /no endpoint "Greeter\.None"; it has Greeter\.Hello\. .*@Method/,
      ],
      [new FakeCall("constructor", 1), "not_found", /no endpoint "constructor"/],
      [new FakeCall("Greeter.Hello", 1, { contentType: "text/odd" }), "unimplemented", /text\/odd/],
    ];
    for (const [made, status, detail] of wrong) {
      const { error } = await call(made);
      assert.match(error!.detail, detail);
      if (status === "not_found") assert.equal(error!.status, status);
      assert.equal(error!.notRun, true, "another node may be tried");
    }
  });

  test("is built of members that are there, once a name", () => {
    const { server, definition } = serving({ hello: {} }, { hello: () => 1 });
    assert.throws(() => server.handle(definition, {}), /Cannot serve "greeter" twice/);
    assert.throws(
      () => server.handle({ ...definition, name: "other" }, {}),
      /Cannot serve "other": its definition names the member "hello".*none of that name/,
    );
    assert.throws(() => server.handle({ ...definition, name: "other" }, { hello: 7 }), /a number there/);
    assert.equal(server.services.length, 1);
  });

  test("binds members to their object, and stands interceptors around them in order", async () => {
    const order: string[] = [];
    const around = (name: string): Interceptor => (next) => (invocation) => {
      order.push(name);
      return next(invocation);
    };
    class Greeter {
      #greeting = "hi";
      hello() {
        return this.#greeting;
      }
    }
    const { call } = serving({ hello: {} }, new Greeter() as never, {
      interceptors: [around("outer"), around("inner")],
    });
    assert.equal((await call(new FakeCall("Greeter.Hello", 1))).value, "hi");
    assert.deepEqual(order, ["outer", "inner"]);
  });
});

describe("a call with one answer", () => {
  test("is checked on its way in and out", async () => {
    const { call, stats, lines } = serving(
      { double: { input: N, output: N }, wrong: { output: N } },
      { double: ({ n }: { n: number }) => ({ n: n * 2 }), wrong: () => Promise.resolve({ n: "x" }) },
    );
    assert.deepEqual((await call(new FakeCall("Greeter.Double", { n: 2 }))).value, { n: 4 });
    const unfit = (await call(new FakeCall("Greeter.Double", { n: "x" }))).error!;
    assert.equal(unfit.status, "invalid_argument");
    assert.match(unfit.detail, /input of Greeter\.Double does not fit its schema: n: /);
    const garbage = (await call(new FakeCall("Greeter.Double", 1, { raw: utf8("{") }))).error!;
    assert.equal(garbage.status, "invalid_argument");
    const mine = (await call(new FakeCall("Greeter.Wrong", 1))).error!;
    assert.equal(mine.status, "internal");
    assert.match(mine.detail, /output of Greeter\.Wrong/);
    assert.deepEqual(stats("Greeter.Double"), { requests: 3, errors: 2, canceled: 0, inflight: 0, timed: 3 });
    assert.equal(lines.length, 1, "what the caller did wrong is not the log's business");
    assert.match(lines[0]!, /^error handler failed service=greeter endpoint=Greeter\.Wrong/);
  });

  test("fails with what the handler threw, at once or later, trailer included", async () => {
    const { call } = serving({ now: {}, later: {}, odd: {} }, {
      now: (_: never, context) => {
        context.trail({ "x-a": "1" });
        throw new Error("plain");
      },
      later: () => Promise.reject(new MuonError("not_found", "no user 7", { notRun: true })),
      odd: () => Promise.reject("a string"),
    });
    const now = await call(new FakeCall("Greeter.Now", 1));
    assert.deepEqual([now.error!.status, now.error!.detail, now.error!.id], ["internal", "plain", "greeter"]);
    assert.equal(now.trailer!.get("x-a"), "1");
    const later = (await call(new FakeCall("Greeter.Later", 1))).error!;
    assert.deepEqual([later.status, later.notRun], ["not_found", false]);
    assert.equal((await call(new FakeCall("Greeter.Odd", 1))).error!.detail, "a string");
  });

  test("is answered whatever its handler threw", async () => {
    const odd = [
      undefined,
      null,
      Object.create(null),
      { toString: null },
      Object.freeze(new Error("no")),
      Object.assign(new Error(), { message: undefined }),
    ];
    const { call } = serving({ now: {}, later: {} }, {
      now: (which: never) => {
        throw odd[which];
      },
      later: (which: never) => Promise.reject(odd[which]),
    });
    for (const endpoint of ["Greeter.Now", "Greeter.Later"]) {
      for (const which of odd.keys()) {
        const { error } = await call(new FakeCall(endpoint, which));
        assert.equal(error!.status, "internal");
        assert.equal(typeof error!.detail, "string");
      }
    }
  });

  test("that cannot be encoded is an error that says so", async () => {
    const { call, stats } = serving({ big: {} }, { big: () => 10n });
    const { error } = await call(new FakeCall("Greeter.Big", 1));
    assert.equal(error!.status, "internal");
    assert.match(error!.detail, /^Cannot encode the output of Greeter\.Big: /);
    assert.deepEqual(stats("Greeter.Big"), { requests: 1, errors: 1, canceled: 0, inflight: 0, timed: 1 });
  });

  test("whose caller gave up is counted as canceled, which is an error", async () => {
    const entered = Promise.withResolvers<void>();
    const { server, stats } = serving({ slow: {} }, { slow: () => entered.promise });
    const made = new FakeCall("Greeter.Slow", 1);
    server.accept(made);
    assert.deepEqual(stats("Greeter.Slow"), { requests: 1, errors: 0, canceled: 0, inflight: 1, timed: 0 });
    made.leave();
    entered.resolve();
    await turns();
    assert.deepEqual(stats("Greeter.Slow"), { requests: 1, errors: 1, canceled: 1, inflight: 0, timed: 1 });
  });

  test("takes a stream of one item, and no other, if it takes one input", async () => {
    const { call } = serving({ hello: { kind: "unary", input: N } }, { hello: ({ n }: { n: number }) => n });
    assert.equal((await call(new FakeCall("Greeter.Hello", 0, { items: [{ n: 7 }] }))).value, 7);
    for (const [items, sent] of [[[], "none"], [[{ n: 1 }, { n: 2 }], "several"]] as const) {
      const { error } = await call(new FakeCall("Greeter.Hello", 0, { items }));
      assert.equal(error!.status, "invalid_argument");
      assert.match(error!.detail, new RegExp(`takes one input, and the caller sent ${sent}`));
    }
  });
});

describe("calls beyond as many as may be under way", () => {
  test("are refused before they run, until one of them is over, however it ends", async () => {
    const ends: PromiseWithResolvers<string>[] = [];
    const wait = () => ends[ends.push(Promise.withResolvers<string>()) - 1]!.promise;
    const { server, call, stats } = serving(
      { wait: {}, count: {} },
      {
        wait,
        count: async function* () {
          yield await wait();
        },
      },
      { maxConcurrentCalls: 2 },
    );
    const begin = (endpoint: string) => {
      const made = new FakeCall(endpoint, {});
      server.accept(made);
      return made;
    };
    const refused = async () => {
      const { error } = await call(new FakeCall("Greeter.Wait", {}));
      assert.equal(error!.status, "resource_exhausted");
      assert.match(error!.detail, /as many calls under way as it takes at a time: 2 \(maxConcurrentCalls\)/);
      assert.equal(error!.notRun, true, "another node may be tried");
    };
    const canceled = begin("Greeter.Wait");
    const streaming = begin("Greeter.Count");
    await turns();
    await refused();
    assert.equal(ends.length, 2, "and did not run");
    assert.deepEqual((await call(new FakeCall("Debug.Health", {}))).value, { status: "ok" });

    canceled.leave();
    await turns();
    await refused(); // Its handler runs on.
    ends[0]!.resolve("a");
    await canceled.done.promise;
    const failing = begin("Greeter.Wait");
    await refused();
    ends[2]!.reject(new Error("no"));
    await failing.done.promise;
    const last = begin("Greeter.Wait");
    await refused();
    ends[1]!.resolve("b");
    ends[3]!.resolve("d");
    await Promise.all([streaming.done.promise, last.done.promise]);
    assert.equal(last.value, "d");
    assert.deepEqual(streaming.sent, ["b"]);
    assert.equal(stats("Greeter.Wait").requests, 3, "calls that are refused are not counted as begun");
  });

  test("must be left room by the limit", () => {
    for (const maxConcurrentCalls of [0, -1, NaN]) {
      assert.throws(() => serving({}, {}, { maxConcurrentCalls }), /maxConcurrentCalls must be from 1/);
    }
  });
});

describe("a call with streams", () => {
  const sum = async (items: AsyncIterable<{ n: number }>) => {
    let all = 0;
    for await (const { n } of items) all += n;
    return all;
  };

  test("gives a method that takes a stream a single value as one", async () => {
    const { call } = serving({ sum: { kind: "client", input: N } }, { sum: sum as never });
    assert.equal((await call(new FakeCall("Greeter.Sum", { n: 5 }))).value, 5);
    assert.equal((await call(new FakeCall("Greeter.Sum", 0, { items: [{ n: 1 }, { n: 2 }] }))).value, 3);
    const { error } = await call(new FakeCall("Greeter.Sum", 0, { items: [{ n: 1 }, { n: "x" }] }));
    assert.equal(error!.status, "invalid_argument");
  });

  test("gives one that may take a stream nothing else than that of it", async () => {
    const uses: Readonly<Record<string, (input: never) => unknown>> = {
      field: ({ n }: { n: number }) => n,
      absent: ({ m = 1 }: { m?: number }) => m,
      spread: (input: object) => ({ ...input }),
      keys: (input: object) => Object.keys(input).length,
      json: (input: object) => JSON.stringify(input),
      async *stream({ n }: { n: number }) {
        yield n;
      },
    };
    for (const [name, use] of Object.entries(uses)) {
      const { call } = serving({ use: { input: N } }, {
        use: use as never,
      });
      const { error } = await call(new FakeCall("Greeter.Use", 0, { items: [] }));
      assert.equal(error!.status, "invalid_argument", name);
      assert.match(error!.detail, /takes one input, and the caller sent a stream/);
    }

    const { call } = serving({ sum: { input: N }, first: { input: N } }, {
      sum: async (items: AsyncIterable<{ n: number }>) => await sum(await items),
      first: async (items: AsyncIterableIterator<{ n: number }>) => {
        const { value } = await items.next();
        await items.return!();
        return value!.n;
      },
    });
    const items = [{ n: 1 }, { n: 2 }];
    assert.equal((await call(new FakeCall("Greeter.Sum", 0, { items }))).value, 3);
    assert.equal((await call(new FakeCall("Greeter.First", 0, { items }))).value, 1);
    const { error } = await call(new FakeCall("Greeter.Sum", 0, { items: [{ n: 1 }, { n: "x" }] }));
    assert.equal(error!.status, "invalid_argument");
  });

  test("sends items, checked, and ends", async () => {
    const { call, stats } = serving({ count: { kind: "server", output: N } }, {
      async *count(to: number, context: Context) {
        for (let n = 1; n <= to; n++) yield { n };
        context.trail({ "x-to": String(to) });
      },
    } as never);
    const made = await call(new FakeCall("Greeter.Count", 3));
    assert.deepEqual(made.sent, [{ n: 1 }, { n: 2 }, { n: 3 }]);
    assert.deepEqual(made.answers, ["end"]);
    assert.equal(made.trailer!.get("x-to"), "3");
    assert.deepEqual(stats("Greeter.Count"), { requests: 1, errors: 0, canceled: 0, inflight: 0, timed: 1 });
  });

  test("ends with the error of an item, and closes the handler", async () => {
    let closed = 0;
    const { call, stats } = serving({ bad: { kind: "server", output: N }, big: { kind: "server" } }, {
      async *bad() {
        try {
          yield { n: 1 };
          yield { n: "x" };
          yield { n: 3 };
        } finally {
          closed++;
        }
      },
      async *big() {
        try {
          yield 10n;
        } finally {
          closed++;
        }
      },
    } as never);
    const bad = await call(new FakeCall("Greeter.Bad", 0));
    assert.deepEqual(bad.sent, [{ n: 1 }]);
    assert.equal(bad.error!.status, "internal");
    const big = await call(new FakeCall("Greeter.Big", 0));
    assert.match(big.error!.detail, /Cannot encode the output of Greeter\.Big/);
    assert.equal(closed, 2);
    assert.deepEqual(stats("Greeter.Bad"), { requests: 1, errors: 1, canceled: 0, inflight: 0, timed: 1 });
  });

  test("whose consumer leaves closes the handler, even one that waits", async () => {
    const closed: string[] = [];
    const { server, stats } = serving({ ticks: { kind: "server" } }, {
      async *ticks(_: unknown, context: Context) {
        try {
          yield 1;
          await new Promise((_resolve, reject) =>
            context.signal.addEventListener("abort", () => reject(context.signal.reason))
          );
        } finally {
          closed.push("ticks");
        }
      },
    } as never);
    const made = new FakeCall("Greeter.Ticks", 0);
    server.accept(made);
    await turns();
    assert.deepEqual(made.sent, [1]);
    made.leave();
    await turns();
    assert.deepEqual(closed, ["ticks"]);
    assert.deepEqual(stats("Greeter.Ticks"), { requests: 1, errors: 1, canceled: 1, inflight: 0, timed: 1 });
  });

  test("whose consumer left before it began is not begun", async () => {
    let pulled = 0;
    const iterator = { next: () => Promise.resolve({ done: false, value: ++pulled }) };
    const { server, stats } = serving({ ticks: {} }, {
      ticks: () => ({ [Symbol.asyncIterator]: () => iterator }),
    });
    const made = new FakeCall("Greeter.Ticks", 0);
    made.leave();
    server.accept(made);
    await turns();
    assert.equal(pulled, 0);
    assert.deepEqual(stats("Greeter.Ticks"), { requests: 1, errors: 1, canceled: 1, inflight: 0, timed: 1 });
  });

  test("survives iterators that throw where they should not", async () => {
    const fail = () => {
      throw new Error("of the iterator");
    };
    const iterable = (iterator: unknown) => () => ({ [Symbol.asyncIterator]: () => iterator });
    const { call, server, lines } = serving({ none: {}, next: {}, leave: {} }, {
      none: () => ({ [Symbol.asyncIterator]: fail }),
      next: iterable({ next: fail }),
      leave: iterable({ next: () => new Promise(() => {}), return: fail }),
    });
    assert.equal((await call(new FakeCall("Greeter.None", 0))).error!.detail, "of the iterator");
    assert.equal((await call(new FakeCall("Greeter.Next", 0))).error!.detail, "of the iterator");
    const made = new FakeCall("Greeter.Leave", 0);
    server.accept(made);
    await turns();
    made.leave();
    await turns();
    assert.match(lines.at(-1)!, /^warn {2}stream failed while closing/);
  });

  test("waits for credit", async () => {
    const credit = Promise.withResolvers<void>();
    const { server } = serving({ count: { kind: "server" } }, {
      async *count() {
        yield 1;
        yield 2;
      },
    } as never);
    const made = new FakeCall("Greeter.Count", 0);
    made.credit = () => credit.promise;
    server.accept(made);
    await turns();
    assert.deepEqual(made.sent, [1]);
    credit.resolve();
    await turns();
    assert.deepEqual([made.sent, made.answers], [[1, 2], ["end"]]);
  });
});

describe("Debug", () => {
  test("says how the service is, what it counted and what can be called", async () => {
    const { call, clock } = serving({ hello: { input: N, kind: "unary", idempotent: true } }, {
      hello: () => 1,
    });
    assert.deepEqual((await call(new FakeCall("Debug.Health", {}))).value, { status: "ok" });
    await call(new FakeCall("Greeter.Hello", { n: 1 }));
    await call(new FakeCall("Greeter.Hello", {}));
    await clock.advance(5_000);
    const stats = (await call(new FakeCall("Debug.Stats", {}))).value as Stats;
    assert.equal(stats.uptime, 5);
    assert.equal(stats.registryAway, 2, "a part of a second is one");
    assert.deepEqual(
      [stats.requests, stats.errors, stats.inflight],
      [2, 1, 0],
      "Debug does not count itself",
    );
    assert.deepEqual(stats.endpoints, {
      "Greeter.Hello": { requests: 2, errors: 1, canceled: 0, inflight: 0 },
    });
    const told = (await call(new FakeCall("Debug.Describe", {}))).value as Description;
    assert.deepEqual([told.name, told.version, told.node], ["greeter", "1.0.0", "n1"]);
    assert.deepEqual(told.subscriptions, [{ topic: "user.created", queue: "q", event: {} }]);
    const [hello] = told.endpoints;
    assert.deepEqual([hello!.name, hello!.member, hello!.kind, hello!.idempotent], [
      "Greeter.Hello",
      "hello",
      "unary",
      true,
    ]);
    assert.deepEqual((hello!.input as { required: string[] }).required, ["n"]);
  });
});

test("asReply gives an error its service's name, and never says that a call did not run", () => {
  const own = new MuonError("aborted", "x", { id: "mine", details: [{ type: "t", value: 1 }] });
  assert.equal(asReply(own, "greeter"), own);
  const named = asReply(
    new MuonError("aborted", "x", { code: 418, details: [{ type: "t", value: 1 }] }),
    "greeter",
  );
  assert.deepEqual([named.id, named.code, named.status], ["greeter", 418, "aborted"]);
  assert.deepEqual(named.details, [{ type: "t", value: 1 }]);
  const relayed = asReply(new MuonError("unavailable", "x", { id: "muon.client", notRun: true }), "greeter");
  assert.deepEqual([relayed.id, relayed.notRun], ["muon.client", false]);
  const where = { service: "users", endpoint: "Users.Get", node: "u1", address: "10.0.0.1:1" };
  const failed = asReply(new MuonError("unavailable", "no answer", { id: "muon.wire", where }), "greeter");
  assert.equal(failed.detail, "no answer (calling users Users.Get)", "whose failure it is");
  const said = new MuonError("not_found", "no user 42", { id: "users", where, answered: true });
  assert.equal(asReply(said, "greeter"), said, "what another service says is passed on as it is");
  assert.equal(asReply(new Error("plain"), "greeter").status, "internal");
});
