import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Codecs } from "../codec/codecs.ts";
import { json } from "../codec/json.ts";
import { MuonError } from "../errors.ts";
import type { Candidate, PickContext } from "../filter.ts";
import type { Interceptor } from "../interceptor.ts";
import { Metadata } from "../metadata.ts";
import type { Platform } from "../platform.ts";
import { fixedPolicy } from "../policy.ts";
import { seeded } from "../random.ts";
import type { Node, ServiceRecord } from "../record.ts";
import type { Outcome, Selector } from "../selector/selector.ts";
import type { CallHead, Exchange, Link, ReplySink, Transport } from "../transport/transport.ts";
import { VirtualClock } from "../virtual_clock.ts";
import { RpcClient, type RpcClientOptions } from "./client.ts";
import { Target } from "./target.ts";

const marshal = json().bind();

/** What a node does with a call: answers, fails, or says nothing. */
type Behaviour = (head: CallHead, sink: ReplySink) => void;

/** A client over nodes that behave as told, under a clock that stands still. */
class Bench {
  readonly clock = new VirtualClock();
  readonly picks: string[] = [];
  readonly outcomes: Outcome[] = [];
  readonly heads: CallHead[] = [];
  readonly canceled: MuonError[] = [];
  readonly unobserved: MuonError[] = [];
  readonly client: RpcClient;
  dialled = 0;

  constructor(
    nodes: Readonly<Record<string, Behaviour | "refused">>,
    options: Partial<RpcClientOptions> & { readonly idempotent?: boolean } = {},
  ) {
    const record: ServiceRecord = {
      name: "greeter",
      version: "1",
      metadata: {},
      endpoints: [{
        name: "Say.Hi",
        request: null,
        response: null,
        metadata: { member: "hello", ...(options.idempotent ? { idempotent: "true" } : {}) },
      }],
      nodes: Object.keys(nodes).map((id): Node => ({ id, address: `${id}:1`, metadata: { muon: "fake" } })),
    };
    const candidates = record.nodes.map((node): Candidate => ({
      node,
      service: record,
      inflight: 0,
      latency: 0,
      ejectedUntil: 0,
    }));
    const selector: Selector = {
      name: "first",
      away: 0,
      ready: () => undefined,
      candidates: () => candidates,
      pick: (call: PickContext) => {
        const candidate = candidates.find(({ node }) => !call.tried.includes(node.id)) ?? candidates[0];
        if (candidate === undefined) {
          throw new MuonError("not_found", "nobody serves it", { notRun: true });
        }
        this.picks.push(candidate.node.id);
        return { candidate, done: (outcome) => void this.outcomes.push(outcome) };
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
    const transport: Transport = {
      name: "fake",
      speaks: () => true,
      dial: (node) => {
        this.dialled++;
        const behaviour = nodes[node.id] ?? (() => {});
        if (behaviour === "refused") {
          throw new MuonError("unavailable", "connection refused", { notRun: true });
        }
        return Promise.resolve(this.#link(node, behaviour));
      },
    };
    this.client = new RpcClient({
      system: {
        clock: this.clock,
        random: seeded(1),
        entropy: { fill: (bytes) => bytes },
        platform: { endOfTurn: (callback: () => void) => void setTimeout(callback, 0) } as Platform,
      },
      selector,
      transports: [transport],
      codecs: new Codecs([json()]),
      contentType: "application/json",
      policy: fixedPolicy(),
      onUnobservedError: (error) => void this.unobserved.push(error),
      ...options,
    });
  }

  #link(node: Node, behaviour: Behaviour): Link {
    return {
      peer: { address: node.address },
      inflight: 0,
      accepting: true,
      closed: new Promise(() => {}),
      unary: (head, _body, sink) => {
        this.heads.push(head);
        queueMicrotask(() => behaviour(head, sink));
        return {
          cancel: (error) => {
            this.canceled.push(error);
            sink.fail(error);
          },
        };
      },
      open: () => {
        throw new Error("not used here");
      },
      drain: () => Promise.resolve(),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }

  call(options?: Parameters<RpcClient["call"]>[2]["options"]) {
    return this.client.call<unknown>(new Target({ service: "greeter", member: "hello" }), { name: "John" }, {
      options,
    });
  }
}

const answers: Behaviour = (_head, sink) =>
  sink.reply(marshal.encode({ ok: true }).slice(), Metadata.EMPTY, undefined);
const fails = (error: MuonError): Behaviour => (_head, sink) => sink.fail(error);
const silent: Behaviour = () => {};
const lost = new MuonError("unavailable", "the connection was lost");
const draining = new MuonError("unavailable", "going away", { notRun: true });

describe("a call", () => {
  test("goes to the endpoint that the record names, straight once the link is open", async () => {
    const bench = new Bench({ a: answers });
    assert.deepEqual(await bench.call(), { ok: true });
    assert.deepEqual(await bench.call(), { ok: true });
    assert.equal(bench.dialled, 1);
    assert.deepEqual(bench.heads.map(({ endpoint, timeout }) => [endpoint, timeout]), [["Say.Hi", 5000], [
      "Say.Hi",
      5000,
    ]]);
    assert.equal(bench.outcomes.length, bench.picks.length);
  });

  test("that did not run is made again on another node, whatever its endpoint", async () => {
    const bench = new Bench({ a: fails(draining), b: answers });
    const call = bench.call();
    await bench.clock.advance(2_000);
    assert.deepEqual(await call, { ok: true });
    assert.deepEqual(bench.picks, ["a", "b"]);
  });

  test("that came to a process of another service is made again, unless its caller gave the address", async () => {
    const stranger = new MuonError("not_found", `This node does not serve "greeter"`, {
      id: "muon.server",
      notRun: true,
    });
    const bench = new Bench({ a: fails(stranger), b: answers });
    const call = bench.call();
    await bench.clock.advance(2_000);
    assert.deepEqual(await call, { ok: true });
    assert.deepEqual(bench.picks, ["a", "b"]);

    const given = new Bench({ "a:1": fails(stranger) });
    await assert.rejects(Promise.resolve(given.call({ address: "a:1" })), { status: "not_found" });
    assert.equal(given.heads.length, 1);

    const unknown = new MuonError("not_found", "no such endpoint", { id: "greeter", notRun: true });
    const other = new Bench({ a: fails(unknown), b: answers });
    await assert.rejects(Promise.resolve(other.call()), { status: "not_found" });
    assert.deepEqual(other.picks, ["a"]);
  });

  test("that may have run is not made again, unless its endpoint is idempotent", async () => {
    const once = new Bench({ a: fails(lost), b: answers });
    await assert.rejects(Promise.resolve(once.call()), (error: MuonError) => {
      assert.equal(error.status, "unavailable");
      assert.equal(error.where.node, "a");
      return true;
    });
    assert.deepEqual(once.picks, ["a"]);

    const answered = new MuonError("unavailable", "its own database is away", { answered: true });
    const said = new Bench({ a: fails(answered), b: answers }, { idempotent: true });
    await assert.rejects(Promise.resolve(said.call()), { status: "unavailable" });
    assert.deepEqual(said.picks, ["a"], "the node was in reach");

    const twice = new Bench({ a: fails(lost), b: answers }, { idempotent: true });
    const call = twice.call();
    await twice.clock.advance(2_000);
    assert.deepEqual(await call, { ok: true });
  });

  test("that fails on the open link is made again by the same rules", async () => {
    let first = true;
    const bench = new Bench({
      a: (head, sink) => first ? answers(head, sink) : fails(draining)(head, sink),
      b: answers,
    });
    await bench.call();
    first = false;
    const call = bench.call();
    await bench.clock.advance(2_000);
    assert.deepEqual(await call, { ok: true });
    assert.deepEqual(bench.picks, ["a", "a", "b"]);
  });

  test("says each attempt when all have failed", async () => {
    const bench = new Bench({ a: "refused", b: "refused", c: "refused" });
    const call = bench.call();
    const failed = assert.rejects(Promise.resolve(call), (error: MuonError) => {
      assert.equal(error.status, "unavailable");
      assert.deepEqual(error.where.attempts?.map(({ node }) => node), ["a", "b"]);
      assert.match(
        error.message,
        /connection refused \(calling greeter Greeter\.Hello; on node c at c:1; attempt 1 on a/,
      );
      return true;
    });
    await bench.clock.advance(4_000);
    await failed;
    assert.equal(bench.outcomes.length, 3);
  });

  test("whose answer cannot be read is the fault of its node, not of its input", async () => {
    const html = new TextEncoder().encode("<html>");
    const bench = new Bench({ a: (_head, sink) => sink.reply(html, Metadata.EMPTY, undefined) });
    await assert.rejects(bench.call(), (error: MuonError) => {
      assert.equal(error.status, "internal");
      assert.match(error.detail, /^the answer cannot be read: cannot read JSON: .* begin "<html>"$/s);
      assert.deepEqual([error.where.endpoint, error.where.node], ["Greeter.Hello", "a"]);
      return true;
    });

    const exchange = {
      messages: (async function* () {
        yield html;
      })(),
      trailer: Promise.resolve(Metadata.EMPTY),
      cancel: () => {},
    } as unknown as Exchange;
    const streaming = new Bench({ a: (_head, sink) => sink.reply(undefined, Metadata.EMPTY, exchange) });
    await assert.rejects(Array.fromAsync(streaming.call()), (error: MuonError) => {
      assert.equal(error.status, "internal");
      assert.equal(error.where.node, "a");
      return true;
    });
  });

  test("without a node fails at once", async () => {
    const bench = new Bench({});
    await assert.rejects(Promise.resolve(bench.call()), { status: "not_found", detail: "nobody serves it" });
  });

  test("ends at its deadline, retries and waiting included", async () => {
    const bench = new Bench({ a: silent });
    const call = bench.call({ timeout: 300 });
    const failed = assert.rejects(Promise.resolve(call), { status: "deadline_exceeded" });
    await bench.clock.advance(299);
    assert.equal(call.settled, false);
    await bench.clock.advance(1);
    await failed;
    assert.equal(bench.canceled.length, 1, "the node is told");
    assert.equal(bench.clock.pending, 0);
  });

  test("is canceled by its signal, also before it is sent", async () => {
    const bench = new Bench({ a: silent });
    const controller = new AbortController();
    const call = bench.call({ signal: controller.signal });
    const failed = assert.rejects(Promise.resolve(call), { status: "canceled" });
    await bench.clock.advance(1);
    controller.abort();
    await failed;
    assert.equal(bench.canceled.length, 1);
    await assert.rejects(Promise.resolve(bench.call({ signal: controller.signal })), { status: "canceled" });
    assert.equal(bench.heads.length, 1);
  });

  test("on the hot path is canceled at the node", async () => {
    let speak = true;
    const bench = new Bench({ a: (head, sink) => speak ? answers(head, sink) : undefined });
    await bench.call();
    speak = false;
    const call = bench.call();
    call.cancel(new Error("enough"));
    await assert.rejects(Promise.resolve(call), {
      status: "canceled",
      detail: "The caller canceled the call: enough",
    });
    assert.equal(bench.canceled.length, 1);
  });

  test("that nobody awaits says so when it fails", async () => {
    const bench = new Bench({ a: fails(new MuonError("internal", "broken")) });
    bench.call();
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.deepEqual(bench.unobserved.map(({ detail }) => detail), ["broken"]);

    const seen = bench.call();
    await new Promise<void>((resolve) => void seen.catch(() => resolve()));
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(bench.unobserved.length, 1);
  });

  test("to an address asks neither registry nor selector", async () => {
    const bench = new Bench({ "b:7": answers });
    assert.deepEqual(await bench.call({ address: "b:7" }), { ok: true });
    assert.deepEqual(bench.picks, []);
    assert.equal(bench.heads[0]!.endpoint, "Greeter.Hello", "computed from the names");
    await assert.rejects(Promise.resolve(bench.call({ address: "nonsense" })), {
      status: "invalid_argument",
    });
  });

  test("refuses options that are none", () => {
    const bench = new Bench({ a: answers });
    assert.throws(
      () => bench.call({ timeot: 5 } as never),
      /Unknown call option "timeot"; there are timeout,/,
    );
    assert.throws(() => bench.call({ timeout: -1 }), RangeError);
    assert.throws(() => bench.call({ retries: 0.5 }), RangeError);
    assert.throws(() => bench.call({ strategy: {} as never }), /"strategy" must be a name or a strategy/);
    assert.throws(() => bench.call({ ejection: { baseTime: 1 } as never }), /"ejection" must be false/);
    for (const metadata of ["a=1", 5, null, { "a b": "1" }, { a: 1 }, { a: "1\r\nb: 2" }]) {
      assert.throws(
        () => bench.call({ metadata: metadata as never }),
        (error) => error instanceof TypeError && error.message.startsWith("Metadata "),
      );
    }
  });
});

test("interceptors stand around the call and around each attempt, in order", async () => {
  const seen: string[] = [];
  const note = (name: string): Interceptor => (next) => async (invocation) => {
    seen.push(`${name} ${invocation.attempt} ${invocation.node?.id ?? "-"}`);
    invocation.metadata = invocation.metadata.with({ [name]: "1" });
    return await next(invocation);
  };
  const bench = new Bench({ a: fails(draining), b: answers }, {
    interceptors: [note("outer"), note("inner")],
    attemptInterceptors: [note("attempt")],
  });
  const call = bench.call();
  await bench.clock.advance(2_000);
  assert.deepEqual(await call, { ok: true });
  assert.deepEqual(seen, ["outer 0 -", "inner 0 -", "attempt 1 a", "attempt 2 b"]);
  assert.deepEqual(bench.heads[1]!.metadata.toJSON(), { outer: "1", inner: "1", attempt: "1" });
});

test("an answer that is a stream serves await and for await, and may be returned by an async function", async () => {
  const stream = (): Exchange => ({
    send: () => undefined,
    end() {},
    cancel() {},
    header: Promise.resolve(Metadata.EMPTY),
    streaming: Promise.resolve(true),
    trailer: Promise.resolve(Metadata.from({ count: "2" })),
    messages: (async function* () {
      yield marshal.encode({ n: 1 }).slice();
      yield marshal.encode({ n: 2 }).slice();
    })(),
  });
  const bench = new Bench({ a: (_head, sink) => sink.reply(undefined, Metadata.EMPTY, stream()) });
  const items: unknown[] = [];
  for await (const item of bench.call()) items.push(item);
  assert.deepEqual(items, [{ n: 1 }, { n: 2 }]);

  const returned = await (async () => await bench.call())() as AsyncIterable<unknown> & {
    trailer: Promise<Metadata>;
  };
  assert.equal("then" in returned, false);
  const again: unknown[] = [];
  for await (const item of returned) again.push(item);
  assert.deepEqual(again, [{ n: 1 }, { n: 2 }]);
  assert.equal((await returned.trailer).get("count"), "2");
});

describe("interceptors of calls", () => {
  test("do not hold a call beyond its deadline", async () => {
    const hang: Interceptor = () => () => new Promise(() => {});
    const bench = new Bench({ a: answers }, { interceptors: [hang] });
    const call = bench.call({ timeout: 100 });
    const failed = assert.rejects(Promise.resolve(call), { status: "deadline_exceeded" });
    await bench.clock.advance(100);
    await failed;
    const attempt = new Bench({ a: answers }, { attemptInterceptors: [hang] });
    const stuck = assert.rejects(Promise.resolve(attempt.call({ timeout: 100 })), {
      status: "deadline_exceeded",
    });
    await attempt.clock.advance(100);
    await stuck;
    assert.equal(attempt.outcomes.length, 1, "the node is not busy with it any more");
  });

  for (const around of ["interceptors", "attemptInterceptors"] as const) {
    test(`take their time from the call's (${around})`, async () => {
      let turn: PromiseWithResolvers<void> | undefined = undefined;
      const slow: Interceptor = (next) => async (invocation) => {
        await turn?.promise;
        return await next(invocation);
      };
      const bench = new Bench({ a: answers }, { [around]: [slow] });
      await bench.call();
      turn = Promise.withResolvers();
      const call = bench.call({ timeout: 100 });
      await bench.clock.advance(60);
      turn.resolve();
      assert.deepEqual(await call, { ok: true });
      assert.equal(bench.heads[1]!.timeout, 40, "the link is open: nothing else takes time");
    });

    test(`send nothing once the call is over (${around})`, async () => {
      const turn = Promise.withResolvers<void>();
      const told = Promise.withResolvers<unknown>();
      const slow: Interceptor = (next) => async (invocation) => {
        await turn.promise;
        try {
          return await next(invocation);
        } catch (error) {
          told.resolve(error);
          throw error;
        }
      };
      const bench = new Bench({ a: answers }, { [around]: [slow] });
      const controller = new AbortController();
      const call = bench.call({ signal: controller.signal });
      const failed = assert.rejects(Promise.resolve(call), { status: "canceled" });
      controller.abort();
      await failed;
      turn.resolve();
      assert.equal((await told.promise as MuonError).status, "canceled");
      assert.equal(bench.heads.length, 0);
      assert.equal(bench.outcomes.length, bench.picks.length, "each pick is told its outcome, once");
    });
  }

  test("may call next again once it is done, and not before", async () => {
    let fail = true;
    const node: Behaviour = (head, sink) => {
      const was = fail;
      fail = false;
      return was ? sink.fail(new MuonError("aborted", "changed meanwhile")) : answers(head, sink);
    };
    const twice: Interceptor = (next) => async (invocation) => {
      try {
        return await next(invocation);
      } catch {
        return await next(invocation);
      }
    };
    const bench = new Bench({ a: node }, { interceptors: [twice] });
    assert.deepEqual(await bench.call(), { ok: true });

    const atOnce: Interceptor = (next) => async (invocation) =>
      (await Promise.all([next(invocation), next(invocation)]))[0];
    const torn = new Bench({ a: answers }, { interceptors: [atOnce] });
    await assert.rejects(Promise.resolve(torn.call()), { status: "failed_precondition" });
  });

  test("may answer themselves, and change what is sent", async () => {
    const cached: Interceptor = () => () => ({ cached: true });
    assert.deepEqual(await new Bench({}, { interceptors: [cached] }).call(), { cached: true });
    const tenant: Interceptor = (next) => (invocation) => {
      invocation.metadata = invocation.metadata.with({ "x-tenant": "acme" });
      return next(invocation);
    };
    const bench = new Bench({ a: answers }, { attemptInterceptors: [tenant] });
    await bench.call({ metadata: { "x-a": "1" } });
    assert.deepEqual(bench.heads[0]!.metadata.toJSON(), { "x-a": "1", "x-tenant": "acme" });
  });
});

test("a call on an open link sets no timer, whatever its options are", async () => {
  let speak = true;
  const bench = new Bench({ a: (head, sink) => speak ? answers(head, sink) : undefined });
  await bench.call();
  speak = false;
  const before = bench.clock.pending;
  const controller = new AbortController();
  const call = bench.call({ timeout: 70, metadata: { a: "1" }, signal: controller.signal });
  assert.equal(bench.clock.pending, before);
  assert.equal(bench.heads.at(-1)!.timeout, 70, "the link keeps the time");
  controller.abort();
  await assert.rejects(Promise.resolve(call), { status: "canceled" });
});

test("a call that a handler makes ends with the call it handles, and no later than that one", async () => {
  let speak = true;
  const bench = new Bench({ a: (head, sink) => speak ? answers(head, sink) : undefined });
  const target = new Target({ service: "greeter", member: "hello" });
  const controller = new AbortController();
  const parent = {
    signal: controller.signal,
    deadline: bench.clock.now() + 50,
    forwarded: Metadata.from({ traceparent: "00-1" }),
  };
  await bench.client.call(target, {}, { parent });
  speak = false;
  const call = bench.client.call(target, {}, { parent, options: { metadata: { a: "1" } } });
  assert.equal(bench.heads.at(-1)!.timeout, 50);
  assert.deepEqual(bench.heads.at(-1)!.metadata.toJSON(), { traceparent: "00-1", a: "1" });
  controller.abort();
  await assert.rejects(Promise.resolve(call), { status: "canceled" });
  await assert.rejects(Promise.resolve(bench.client.call(target, {}, { parent })), { status: "canceled" });
});

test("a record that knows no members is looked up by the computed name", () => {
  const target = new Target({ service: "go.greeter", member: "count" });
  const record: ServiceRecord = {
    name: "go.greeter",
    version: "latest",
    metadata: {},
    endpoints: [{ name: "Greeter.Count", request: null, response: null, metadata: { stream: "true" } }],
    nodes: [],
  };
  assert.equal(target.route(record).kind, "bidi");
});
