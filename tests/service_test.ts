/**
 * The public face end to end, in one process: services and meshes that find each other in memory. What is said here
 * of calls holds for every transport: the same protocol runs over an in-process socket.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { z } from "zod";
import {
  connect,
  type Context,
  createService,
  type Description,
  type Interceptor,
  type Mesh,
  Metadata,
  Method,
  MuonError,
  Service,
  type Service as MuonService,
  type ServiceDefinition,
  type ServiceOptions,
  SILENT,
  Subscribe,
  topic,
  valueKey,
} from "../mod.ts";

const memory = { registry: "memory", broker: "memory", transport: "memory", log: SILENT } as const;

const Name = z.object({ name: z.string().min(1) });
const Greeting = z.object({ greeting: z.string() });
const shouted = topic("shouted", z.object({ text: z.string() }));
const who = valueKey("who", "nobody");

@Service("test.greeter", { version: "1.2.0", forward: ["x-tenant"] })
class Greeter {
  readonly heard: string[] = [];
  readonly aborted: string[] = [];

  @Method({ input: Name, output: Greeting, idempotent: true })
  hello({ name }: z.infer<typeof Name>) {
    return { greeting: `Hello ${name}` };
  }

  @Method({ input: Name, output: z.object({ greeting: z.string(), who: z.string(), tenant: z.string() }) })
  async about({ name }: z.infer<typeof Name>, ctx: Context) {
    ctx.trail({ "x-served": "yes" });
    await Promise.resolve();
    return { greeting: name, who: ctx.values.get(who), tenant: ctx.metadata.get("X-Tenant") ?? "none" };
  }

  @Method({ input: z.object({ to: z.number() }), output: z.object({ n: z.number() }) })
  async *count({ to }: { to: number }, ctx: Context) {
    try {
      for (let n = 1; n <= to; n++) yield { n };
      ctx.trail({ "x-counted": String(to) });
    } finally {
      this.aborted.push("count");
    }
  }

  @Method({ input: z.object({ n: z.number() }), output: z.object({ sum: z.number() }) })
  async sum(items: AsyncIterable<{ n: number }>) {
    let sum = 0;
    for await (const { n } of items) sum += n;
    return { sum };
  }

  @Method({ input: z.object({ n: z.number() }), output: z.object({ n: z.number() }) })
  async *double(items: AsyncIterable<{ n: number }>) {
    for await (const { n } of items) yield { n: n * 2 };
  }

  @Method({ name: "fail-hard", input: z.object({ how: z.string() }) })
  fail({ how }: { how: string }) {
    if (how === "muon") {
      throw new MuonError("failed_precondition", "not today", {
        details: [{ type: "test.Why", value: { day: 7 } }],
      });
    }
    if (how === "late") {
      return Promise.reject(new Error("secret cause", { cause: new Error("stays at home") }));
    }
    throw new Error("plain");
  }

  @Method()
  async hang(_: void, ctx: Context) {
    await new Promise((_resolve, reject) =>
      ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason))
    );
    this.aborted.push("hang");
  }

  @Method({ output: z.object({ tenant: z.string(), left: z.number(), auth: z.boolean() }) })
  async relay(_: void, ctx: Context): Promise<{ tenant: string; left: number; auth: boolean }> {
    return await ctx.client<Greeter>("test.greeter").tail(undefined, { timeout: 60_000 });
  }

  @Method({ output: z.object({ tenant: z.string(), left: z.number(), auth: z.boolean() }) })
  tail(_: void, ctx: Context) {
    return {
      tenant: ctx.metadata.get("x-tenant") ?? "none",
      left: ctx.remaining(),
      auth: ctx.metadata.has("authorization"),
    };
  }

  @Method({ output: z.object({ n: z.number() }) })
  wrong() {
    return { n: "not a number" } as unknown as { n: number };
  }

  undecorated() {
    return "no endpoint";
  }

  @Subscribe(shouted, { queue: "ears" })
  hear({ text }: { text: string }) {
    this.heard.push(text);
  }
}

async function running(
  target: object = Greeter,
  options: ServiceOptions = {},
): Promise<{ service: MuonService; mesh: Mesh; stop: () => Promise<void> }> {
  const service = createService({ ...memory, ...options }).handle(target);
  await service.start();
  const mesh = await connect(memory);
  return {
    service,
    mesh,
    stop: async () => {
      await mesh[Symbol.asyncDispose]();
      await service.stop();
    },
  };
}

async function* numbers(...values: number[]) {
  for (const n of values) yield { n };
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

describe("calls", () => {
  test("answer, typed and untyped, with metadata both ways", async () => {
    const { mesh, stop } = await running();
    const greeter = mesh.client<Greeter>("test.greeter");
    assert.deepEqual(await greeter.hello({ name: "John" }), { greeting: "Hello John" });
    assert.deepEqual(await mesh.call("test.greeter", "Greeter.Hello", { name: "Jo" }), {
      greeting: "Hello Jo",
    });
    const call = greeter.about({ name: "x" }, { metadata: { "X-Tenant": "acme" } });
    assert.deepEqual(await call, { greeting: "x", who: "nobody", tenant: "acme" });
    assert.equal((await call.trailer).get("x-served"), "yes");
    await stop();
  });

  test("stream in all four ways", async () => {
    const instance = new Greeter();
    const { mesh, stop } = await running(instance);
    const greeter = mesh.client<Greeter>("test.greeter");
    const counted = await greeter.count({ to: 3 });
    assert.deepEqual(await collect(counted), [{ n: 1 }, { n: 2 }, { n: 3 }]);
    assert.equal((await counted.trailer).get("x-counted"), "3");
    assert.deepEqual(await greeter.sum(numbers(1, 2, 3)), { sum: 6 });
    assert.deepEqual(await collect(greeter.double(numbers(1, 2))), [{ n: 2 }, { n: 4 }]);

    instance.aborted.length = 0;
    for await (const { n } of greeter.count({ to: 1_000_000 })) if (n === 2) break;
    while (!instance.aborted.includes("count")) await new Promise((resolve) => setTimeout(resolve, 1));
    await stop();
  });

  test("fail with what the handler said, and with nothing it kept for itself", async () => {
    const { mesh, stop } = await running();
    const greeter = mesh.client<Greeter>("test.greeter");
    await assert.rejects(Promise.resolve(greeter.fail({ how: "muon" })), (error: MuonError) => {
      assert.equal(error.status, "failed_precondition");
      assert.equal(error.code, 400);
      assert.equal(error.detail, "not today");
      assert.equal(error.id, "test.greeter");
      assert.deepEqual(error.details, [{ type: "test.Why", value: { day: 7 } }]);
      assert.equal(error.where.endpoint, "Greeter.FailHard", "found in the record under another name");
      return true;
    });
    for (const [how, detail] of [["late", "secret cause"], ["now", "plain"]]) {
      await assert.rejects(Promise.resolve(greeter.fail({ how: how! })), (error: MuonError) => {
        assert.deepEqual([error.status, error.code, error.detail], ["internal", 500, detail]);
        assert.equal(error.cause, undefined);
        return true;
      });
    }
    await assert.rejects(Promise.resolve(greeter.wrong()), { status: "internal" });
    await stop();
  });

  test("refuse what does not fit, and say where", async () => {
    const { mesh, stop } = await running();
    await assert.rejects(
      Promise.resolve(mesh.call("test.greeter", "Greeter.Hello", { name: 7 })),
      (error: MuonError) => {
        assert.equal(error.status, "invalid_argument");
        assert.match(error.detail, /input of Greeter\.Hello does not fit its schema: name: /);
        return true;
      },
    );
    const unknown = mesh.client<Greeter>("test.greeter");
    await assert.rejects(Promise.resolve(unknown.undecorated()), (error: MuonError) => {
      assert.equal(error.status, "not_found");
      assert.match(error.detail, /has no endpoint "Greeter\.Undecorated".*decorated with @Method/);
      return true;
    });
    await assert.rejects(Promise.resolve(mesh.call("test.nobody", "Nobody.Here")), (error: MuonError) => {
      assert.equal(error.status, "not_found");
      assert.match(error.detail, /test\.nobody/);
      return true;
    });
    await assert.rejects(
      Promise.resolve(
        mesh.call("test.greeter", "Greeter.Hello", { name: "x" }, { contentType: "text/plain" }),
      ),
      /text\/plain/,
    );
    assert.throws(() => mesh.call("test.greeter", "Hello"), /Endpoint must be Handler\.Method/);
    await stop();
  });

  test("end in time, and end the handler", async () => {
    const instance = new Greeter();
    const { mesh, stop } = await running(instance);
    const greeter = mesh.client<Greeter>("test.greeter");
    await assert.rejects(Promise.resolve(greeter.hang(undefined, { timeout: 30 })), {
      status: "deadline_exceeded",
    });
    const controller = new AbortController();
    const call = greeter.hang(undefined, { signal: controller.signal });
    setTimeout(() => controller.abort(), 10);
    await assert.rejects(Promise.resolve(call), { status: "canceled" });
    await stop();
  });

  test("that a handler makes carry the deadline and the declared metadata on, and nothing else", async () => {
    const { mesh, stop } = await running();
    const greeter = mesh.client<Greeter>("test.greeter");
    const { tenant, left, auth } = await greeter.relay(undefined, {
      timeout: 2_000,
      metadata: { "x-tenant": "acme", authorization: "Bearer secret" },
    });
    assert.equal(tenant, "acme");
    assert.equal(auth, false);
    assert.ok(left > 0 && left <= 2_000, `the deadline is the caller's: ${left}`);
    await stop();
  });
});

test("a definition serves and is called without decorators", async () => {
  interface Clock {
    now(): { time: number };
  }
  const definition: ServiceDefinition<Clock> = {
    name: "test.clock",
    version: "1",
    handler: "Clock",
    metadata: {},
    forward: [],
    endpoints: [{ name: "Clock.TellTime", member: "now", idempotent: true, kind: "unary" }],
    subscriptions: [],
  };
  const service = createService(memory).handle(definition, { now: () => ({ time: 7 }) });
  await service.start();
  const mesh = await connect(memory);
  assert.deepEqual(await mesh.client(definition).now(), { time: 7 });
  assert.deepEqual(
    await mesh.client<Clock>("test.clock").now(),
    { time: 7 },
    "by type alone: the record has the name",
  );
  await mesh[Symbol.asyncDispose]();
  await service.stop();
});

test("events reach their subscribers, checked on both sides", async () => {
  const instance = new Greeter();
  const { mesh, service, stop } = await running(instance);
  assert.equal((await mesh.publish(shouted, { text: "hey" })).accepted, 1);
  assert.equal((await service.publish("shouted", { text: "ho" })).accepted, 1);
  assert.equal((await mesh.publish("nobody.listens", 1)).accepted, 0);
  while (instance.heard.length < 2) await new Promise((resolve) => setTimeout(resolve, 1));
  assert.deepEqual(instance.heard.toSorted(), ["hey", "ho"]);
  await assert.rejects(mesh.publish(shouted, { text: 7 } as never), { status: "invalid_argument" });
  await assert.rejects(mesh.publish("", {}), TypeError);
  const aborted = mesh.publish(shouted, { text: "late" }, { signal: AbortSignal.abort() });
  await assert.rejects(aborted, { status: "canceled" });
  await stop();
});

test("a service without a class takes events under its own name", async () => {
  const heard: unknown[] = [];
  const service = createService({ ...memory, name: "test.listener" })
    .subscribe(
      shouted,
      ({ text }, ctx) => void heard.push([text, ctx.service, ctx.metadata.get("x-from"), ctx.eventId]),
    );
  await service.start();
  const { id } = await service.publish(shouted, { text: "hi" }, { metadata: { "x-from": "test" } });
  while (heard.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  assert.deepEqual(heard, [["hi", "test.listener", "test", id]]);
  await service.stop();
});

test("a subscription cannot be durable, and says so", () => {
  const durable = { durable: true } as object;
  assert.throws(
    () => createService({ ...memory, name: "test.durable" }).subscribe(shouted, () => {}, durable),
    { name: "TypeError", message: /^subscribe to "shouted": durable: true is not to be had/ },
  );
  @Service("test.durable")
  class Durable {
    @Subscribe(shouted, durable)
    take(_event: { text: string }) {}
  }
  assert.throws(() => createService(memory).handle(Durable), /@Subscribe: durable: true is not to be had/);
});

test("interceptors stand around handlers of calls and of events", async () => {
  const seen: string[] = [];
  const guard: Interceptor = (next) => (invocation) => {
    seen.push(`${invocation.side} ${invocation.kind ?? "call"} ${invocation.endpoint}`);
    invocation.values.set(who, "the guard");
    return next(invocation);
  };
  const { mesh, stop } = await running(Greeter, { interceptors: [guard] });
  const about = await mesh.client<Greeter>("test.greeter").about({ name: "x" });
  assert.equal(about.who, "the guard");
  await mesh.publish(shouted, { text: "hey" });
  while (seen.length < 2) await new Promise((resolve) => setTimeout(resolve, 1));
  assert.deepEqual(seen, ["server call Greeter.About", "server event shouted"]);
  await stop();
});

test("a call whose input is a stream is not sent twice", async () => {
  const twice: Interceptor = (next) => async (invocation) => {
    await next(invocation);
    return await next(invocation);
  };
  const { stop } = await running();
  const mesh = await connect({ ...memory, callInterceptors: [twice] });
  const call = mesh.client<Greeter>("test.greeter").sum(numbers(1, 2));
  await assert.rejects(Promise.resolve(call), { status: "failed_precondition" });
  await mesh[Symbol.asyncDispose]();
  await stop();
});

test("what fails to close keeps nothing else open", async () => {
  let closed = false;
  const transport = {
    name: "stuck",
    speaks: () => true,
    dial: () =>
      Promise.resolve({
        peer: { address: "x" },
        inflight: 0,
        accepting: true,
        closed: new Promise<undefined>(() => {}),
        unary: (_head: unknown, _body: unknown, sink: { fail(error: MuonError): void }) => {
          queueMicrotask(() => sink.fail(new MuonError("aborted", "enough")));
          return { cancel() {} };
        },
        open: () => assert.fail("not used"),
        drain: () => Promise.resolve(),
        [Symbol.asyncDispose]: () => Promise.reject(new Error("stuck")),
      }),
  };
  const mesh = await connect({ ...memory, transport });
  const call = mesh.call("a.b", "B.C", undefined, { address: "x:1", transport: "stuck" });
  await assert.rejects(Promise.resolve(call), { status: "aborted" });
  const watch = (async () => {
    for await (const _ of mesh.registry.watch()) closed = false;
    closed = true;
  })();
  await assert.rejects(Promise.resolve(mesh[Symbol.asyncDispose]()), /stuck/);
  await watch;
  assert.equal(closed, true, "the registry is closed all the same");
});

test("every service says how it is", async () => {
  const { mesh, stop } = await running();
  await mesh.client<Greeter>("test.greeter").hello({ name: "x" });
  assert.deepEqual(await mesh.call("test.greeter", "Debug.Health"), { status: "ok" });
  const stats = await mesh.call<{ requests: number; endpoints: Record<string, unknown> }>(
    "test.greeter",
    "Debug.Stats",
  );
  assert.equal(stats.requests, 1);
  assert.deepEqual(stats.endpoints["Greeter.Hello"], { requests: 1, errors: 0, canceled: 0, inflight: 0 });
  const description = await mesh.call<Description>("test.greeter", "Debug.Describe");
  const hello = description.endpoints.find(({ name }) => name === "Greeter.Hello")!;
  assert.equal(hello.member, "hello");
  assert.equal(hello.idempotent, true);
  assert.deepEqual((hello.input as { required: string[] }).required, ["name"]);
  assert.equal(description.subscriptions[0]!.topic, "shouted");
  await stop();
});

test("the record tells a type-only client what it must look up", async () => {
  const { mesh, stop } = await running();
  const [record] = await mesh.registry.getService("test.greeter");
  assert.equal(record!.version, "1.2.0");
  const byName = Object.fromEntries(record!.endpoints.map(({ name, metadata }) => [name, metadata]));
  assert.equal(byName["Greeter.Hello"]!.member, "hello");
  assert.equal(byName["Greeter.Hello"]!.idempotent, "true");
  assert.equal(byName["Greeter.FailHard"]!.member, "fail");
  assert.equal(byName["Greeter.Count"]!.stream, "true");
  assert.match(byName["Greeter.Hello"]!.schema!, /^[0-9a-f]+$/);
  assert.equal(byName["Greeter.Hear"]!.topic, "shouted");
  const [node] = record!.nodes;
  assert.match(node!.id, /^test\.greeter-/);
  assert.equal(node!.metadata.secure, "false");
  await stop();
});

test("a stopped service is gone, lets calls finish, and is not started again", async () => {
  let release = () => {};
  const entered = Promise.withResolvers<void>();
  @Service("test.slow")
  class Slow {
    @Method({ output: z.string() })
    async work() {
      entered.resolve();
      await new Promise<void>((resolve) => release = resolve);
      return "done";
    }
  }
  const { mesh, service } = await running(Slow);
  const slow = mesh.client<Slow>("test.slow");
  const call = slow.work();
  await entered.promise;
  const stopped = service.stop();
  setTimeout(() => release(), 20);
  assert.equal(await call, "done");
  await stopped;
  assert.deepEqual(await mesh.registry.getService("test.slow"), []);
  await assert.rejects(Promise.resolve(slow.work({} as never, { retries: 0 })), MuonError);
  assert.throws(() => service.start(), /is stopped; a service is started once/);
  await mesh[Symbol.asyncDispose]();
});

test("misuse says what to do instead", async () => {
  assert.throws(() => createService({ ...memory, name: "not a name" }), /Service name must be/);
  assert.throws(() => createService(memory).client("x"), /not started: await start\(\) first/);
  assert.throws(() => createService(memory).handle(Greeter).handle(Greeter), /twice/);
  await assert.rejects(
    async () => await createService({ ...memory, registry: "etcdd" }).handle(Greeter).start(),
    {
      name: "TypeError",
      message: /Unknown registry "etcdd" .*; there is file, .*memory/,
    },
  );
  for (const [what, option] of [["broker", "brokerAddress"], ["transport", "transportAddress"]]) {
    await assert.rejects(connect({ ...memory, [option!]: "10.0.0.1:1" }), {
      name: "TypeError",
      message: new RegExp(`The ${what} "memory" has no address to be set: .* is "10\\.0\\.0\\.1:1"`),
    });
  }
  await assert.rejects(async () => await createService(memory).start(), /nothing to serve/);
  await assert.rejects(
    async () =>
      await createService({ ...memory, transport: "ws", address: "0.0.0.0:0" }).handle(Greeter).start(),
    /without TLS.*--tls_cert_file/,
  );
});

test("metadata is read like a map, whatever its keys' case", () => {
  const metadata = Metadata.from({ "X-A": "1" });
  assert.deepEqual([...metadata], [["x-a", "1"]]);
  assert.equal(metadata.get("x-A"), "1");
});
