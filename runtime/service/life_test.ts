/** A service's life on a machine in memory: start, stop, and what may go wrong on the way. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createService, MuonError, type ServiceDefinition, type ServiceOptions } from "../../mod.ts";
import { sleep } from "../clock.ts";
import { jsonLogger } from "../log.ts";
import { createMemoryRegistry, MemoryRegistryStore } from "../registry/memory.ts";
import type { Registry } from "../registry/registry.ts";
import { VirtualClock } from "../virtual_clock.ts";
import { createVirtualSystem, type VirtualSystem, type VirtualSystemOptions } from "../virtual_platform.ts";

const ADDRESS = "127.0.0.1:8080";

const definition: ServiceDefinition = {
  name: "greeter",
  version: "1.0.0",
  handler: "Greeter",
  metadata: {},
  forward: [],
  endpoints: [
    { name: "Greeter.Hello", member: "hello", idempotent: true, kind: "unary" },
    { name: "Greeter.Hang", member: "hang", idempotent: false, kind: "unary" },
  ],
  subscriptions: [],
};

interface World {
  readonly clock: VirtualClock;
  readonly system: VirtualSystem;
  readonly registry: Registry;
  readonly lines: Record<string, unknown>[];
  readonly options: ServiceOptions;
  /** Whether something listens. */
  listens(): Promise<boolean>;
  get(path: string): Promise<{ status: number; body: string }>;
}

function world(machine: VirtualSystemOptions = {}, options: ServiceOptions = {}): World {
  const clock = new VirtualClock();
  const system = createVirtualSystem({ clock, ...machine });
  const { network } = system.platform;
  const registry = createMemoryRegistry({ system, store: new MemoryRegistryStore(clock) });
  const lines: Record<string, unknown>[] = [];
  const get = async (path: string) => {
    const response = await network.fetch(`http://${ADDRESS}${path}`);
    return { status: response.status, body: await response.text() };
  };
  return {
    clock,
    system,
    registry,
    lines,
    listens: () => get("/healthz").then(() => true, () => false),
    get,
    options: {
      system,
      registry,
      broker: "memory",
      address: ADDRESS,
      log: jsonLogger((line) => lines.push(JSON.parse(line)), { level: "debug" }),
      ...options,
    },
  };
}

function service(made: World, options: ServiceOptions = {}) {
  const hanging = Promise.withResolvers<void>();
  const entered = Promise.withResolvers<void>();
  const one = createService({ ...made.options, ...options }).handle(definition, {
    hello: () => "hi",
    hang: () => {
      entered.resolve();
      return hanging.promise;
    },
  });
  return { service: one, release: () => hanging.resolve(), entered: entered.promise };
}

/** Waits for something, turning the clock on. */
async function within<T>(clock: VirtualClock, work: Promise<T>, ms = 60_000): Promise<T> {
  let over = false;
  const settled = work.finally(() => over = true);
  settled.catch(() => {});
  for (let at = 0; at < ms && !over; at += 100) await clock.advance(100);
  assert.ok(over, `it is done within ${ms} ms`);
  return settled;
}

function registryThat(real: Registry, over: Partial<Registry>): Registry {
  return {
    name: "odd",
    register: (record, options) => real.register(record, options),
    deregister: (record) => real.deregister(record),
    getService: (name, options) => real.getService(name, options),
    listServices: (options) => real.listServices(options),
    watch: (options) => real.watch(options),
    [Symbol.asyncDispose]: () => Promise.resolve(),
    ...over,
  };
}

describe("a start", () => {
  test("goes through its phases, each with its time, and a stop back through them", async () => {
    const made = world();
    const order: string[] = [];
    const hook = (name: string) => async () => {
      order.push(`${name} ${(await made.registry.getService("greeter")).length} ${await made.listens()}`);
    };
    const { service: one } = service(made, {
      beforeStart: hook("beforeStart"),
      afterStart: [hook("afterStart"), (given) => void order.push(String(given === one))],
      beforeStop: hook("beforeStop"),
      afterStop: hook("afterStop"),
    });
    assert.equal(one.address, undefined);
    await one.start();
    assert.equal(one.address, ADDRESS);
    assert.equal(await one.call("greeter", "Greeter.Hello"), "hi");
    await within(made.clock, one.stop());
    assert.equal(one.address, undefined);
    assert.deepEqual(order, [
      "beforeStart 0 false",
      "afterStart 1 true",
      "true",
      "beforeStop 1 true",
      "afterStop 0 false",
    ]);
    const phases = made.lines.filter(({ ms }) => typeof ms === "number");
    assert.deepEqual(phases.map(({ level, message }) => `${level} ${message}`), [
      "debug beforeStart",
      "debug listening",
      "debug subscribed",
      "debug registered",
      "debug afterStart",
      "info started",
      "debug beforeStop",
      "debug deregistered",
      "debug events handled",
      "debug calls answered",
      "debug own calls done",
      "debug connections gone",
      "debug afterStop",
      "info stopped",
    ]);
    assert.deepEqual(phases[5]!.services, ["greeter 1.0.0"]);
    assert.throws(() => one.client("greeter"), /The service is stopped/);
    await made.clock.advance(120_000);
    assert.equal(made.clock.pending, 0, "no timer is set again");
  });

  test("on a port that is taken closes what it opened, and says who to look for", async () => {
    const made = world();
    await using _other = await made.system.platform.serve({ port: 8080 });
    const { service: one } = service(made);
    await assert.rejects(one.start(), /127\.0\.0\.1:8080.*in use.*--server_address/);
    assert.deepEqual(await made.registry.listServices(), []);
    await made.clock.advance(120_000);
    assert.equal(made.clock.pending, 0);
    assert.throws(() => one.start(), /is stopped; a service is started once/);
  });

  test("that the registry refuses closes the port, and takes back what was registered", async () => {
    const made = world();
    let asked = 0;
    const registry = registryThat(made.registry, {
      register: (record, options) => {
        asked++;
        return record.name === "greeter"
          ? made.registry.register(record, options)
          : Promise.reject(new Error("no room for it"));
      },
    });
    const { service: one } = service(made, { registry });
    one.handle({ ...definition, name: "other" }, { hello: () => 1, hang: () => 2 });
    await assert.rejects(within(made.clock, one.start()), (error: MuonError) => {
      assert.equal(error.status, "unavailable");
      assert.match(error.detail, /Cannot register in the registry "odd": no room for it/);
      return true;
    });
    assert.ok(asked > 2, "it was tried again");
    assert.deepEqual(await made.registry.listServices(), []);
    assert.equal(await made.listens(), false);
    await made.clock.advance(120_000);
    assert.equal(made.clock.pending, 0);
  });

  test("whose hook fails opens nothing, or closes all", async () => {
    const fail = () => {
      throw new Error("no database");
    };
    const before = world();
    await assert.rejects(service(before, { beforeStart: fail }).service.start(), /no database/);
    assert.equal(await before.listens(), false);

    const after = world();
    let stopped = 0;
    const { service: one } = service(after, { afterStart: fail, afterStop: () => stopped++ });
    await assert.rejects(within(after.clock, one.start()), /no database/);
    assert.equal(await after.listens(), false);
    assert.deepEqual(await after.registry.listServices(), []);
    assert.equal(stopped, 1, "what was begun is ended");
  });

  test("has something to serve, on an address, with what TLS needs", async () => {
    const made = world();
    const empty = createService({ ...made.options });
    await assert.rejects(empty.start(), /nothing to serve/);
    await assert.rejects(
      service(made, { address: "a:b:c" }).service.start(),
      /Address must be host:port.*"a:b:c"/,
    );
    await assert.rejects(service(made, { address: "0.0.0.0:1" }).service.start(), /without TLS/);
    await assert.rejects(service(made, { tls: { cert: "c" } }).service.start(), /the key is missing/);
    const short = service(made, { registerTtl: 10, registerInterval: 9 }).service;
    await assert.rejects(short.start(), /registerInterval must be at most half/);
    assert.equal(await made.listens(), false, "what cannot be is found before, or undone");
  });
});

describe("a stop", () => {
  test("while it starts ends the start, and leaves nothing behind", async () => {
    const made = world();
    const asked = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<void>();
    const registry = registryThat(made.registry, {
      async register(record, options) {
        asked.resolve();
        await answer.promise;
        await made.registry.register(record, options);
      },
    });
    const { service: one } = service(made, { registry });
    const starting = one.start();
    starting.catch(() => {});
    await asked.promise;
    const stopping = one.stop();
    // The registry takes the record after all: too late, and it must not stay.
    answer.resolve();
    await assert.rejects(within(made.clock, starting), {
      status: "canceled",
      detail: /stopped while it started/,
    });
    await within(made.clock, stopping);
    assert.deepEqual(await made.registry.listServices(), []);
    assert.equal(await made.listens(), false);
    await made.clock.advance(120_000);
    assert.equal(made.clock.pending, 0);
  });

  test("waits for calls until stopTimeout, and no longer", async () => {
    const made = world();
    let closed = false;
    const { service: one, entered } = service(made, {
      stopTimeout: 3_000,
      afterStop: async () => {
        await sleep(made.clock, 500);
        closed = true;
      },
    });
    await one.start();
    const call = one.call("greeter", "Greeter.Hang", undefined, { timeout: 60_000 });
    const failed = assert.rejects(Promise.resolve(call), MuonError);
    await entered;
    let over = false;
    const stopping = one.stop().then(() => over = true);
    await made.clock.advance(2_900);
    assert.equal(over, false, "a call is under way");
    await made.clock.advance(200);
    await failed;
    assert.equal(over, false, "what closes the database has time of its own");
    await made.clock.advance(500);
    await stopping;
    assert.equal(closed, true);
    assert.ok(
      made.lines.some(({ message }) => /stopped before everything was finished/.test(String(message))),
    );
    assert.equal(await made.listens(), false);
  });

  test("is soon over when calls are", async () => {
    const made = world();
    const { service: one, entered, release } = service(made);
    await one.start();
    const call = one.call("greeter", "Greeter.Hang", undefined, { timeout: 60_000 });
    await entered;
    const stopping = one.stop();
    await made.clock.advance(100);
    release();
    assert.equal(await call, undefined);
    await within(made.clock, stopping, 2_000);
    assert.equal(one.stop(), one.stop(), "a second one is the first");
  });

  test("goes on past hooks that fail or hang, and says so at its end", async () => {
    const made = world();
    const { service: one } = service(made, {
      stopTimeout: 1_000,
      beforeStop: [() => Promise.reject(new Error("first")), () => new Promise(() => {})],
    });
    await one.start();
    await assert.rejects(within(made.clock, one.stop()), (error: AggregateError) => {
      assert.match(String(error.errors[0]), /first/);
      assert.match(String(error.errors[1]), /A hook of beforeStop was not done in time/);
      return true;
    });
    assert.equal(await made.listens(), false);
    assert.deepEqual(await made.registry.listServices(), []);
  });

  test("does not wait for a registry that is away", async () => {
    const made = world();
    const registry = registryThat(made.registry, { deregister: () => new Promise(() => {}) });
    const { service: one } = service(made, { registry, stopTimeout: 500 });
    await one.start();
    await within(made.clock, one.stop(), 1_000);
    assert.ok(made.lines.some(({ message }) => /could not deregister in time/.test(String(message))));
  });

  test("of one that never started is nothing, and final", async () => {
    const { service: one } = service(world());
    await one.stop();
    assert.throws(() => one.start(), /is stopped/);
  });
});

describe("health", () => {
  test("tells the truth in every state", async () => {
    const made = world();
    const seen: unknown[] = [];
    let well: unknown = true;
    const look = async (one: { call(service: string, endpoint: string): Promise<unknown> }) => {
      const ready = await made.get("/readyz");
      seen.push([
        (await made.get("/healthz")).status,
        ready.status,
        JSON.parse(ready.body),
        await one.call("greeter", "Debug.Health"),
      ]);
    };
    const { service: one } = service(made, {
      checks: {
        database: () => {
          if (well instanceof Error) throw well;
          return well;
        },
      },
      beforeStop: () => look(one),
    });
    await one.start();
    await look(one);
    well = false;
    await look(one);
    well = new Error("connection lost");
    await look(one);
    await within(made.clock, one.stop());
    assert.deepEqual(seen, [
      [200, 200, { status: "ready" }, { status: "ok" }],
      [200, 503, { status: "not ready", failing: { database: "not well" } }, { status: "ok" }],
      [200, 503, { status: "not ready", failing: { database: "connection lost" } }, { status: "ok" }],
      [200, 503, { status: "not ready", failing: { service: "stopping" } }, { status: "stopping" }],
    ]);
  });

  test("a check that hangs makes it unready, in a second", async () => {
    const made = world();
    const { service: one } = service(made, { checks: { disk: () => new Promise(() => {}) } });
    await one.start();
    const { status, body } = await within(made.clock, made.get("/readyz"), 2_000);
    assert.equal(status, 503);
    assert.match(body, /"disk":"not done after 1000 ms"/);
    await within(made.clock, one.stop());
  });

  test("is not told where nobody wants it", async () => {
    const made = world();
    const { service: one } = service(made, { ops: false });
    await one.start();
    assert.equal((await made.get("/healthz")).status, 404);
    await within(made.clock, one.stop());
  });
});

test("metrics count calls and their time, and whether the service is ready", async () => {
  const made = world();
  const { service: one } = service(made, { id: "n1" });
  await one.start();
  await one.call("greeter", "Greeter.Hello");
  await one.call("greeter", "Debug.Health");
  const { status, body } = await made.get("/metrics?x=1");
  assert.equal(status, 200);
  assert.match(body, /^muon_service_info\{service="greeter",version="1\.0\.0",node="greeter-n1"\} 1$/m);
  assert.match(body, /^muon_service_ready 1$/m);
  assert.match(body, /^muon_server_requests_total\{service="greeter",endpoint="Greeter\.Hello"\} 1$/m);
  assert.match(body, /^muon_server_request_duration_seconds_count\{[^}]*Greeter\.Hello"\} 1$/m);
  assert.doesNotMatch(body, /Debug\./);
  await within(made.clock, one.stop());
});

describe("routes of one's own", () => {
  test("stand on the same port, behind muon's", async () => {
    const made = world();
    const { service: one } = service(made);
    one.app((app) => {
      app.get(
        "/hello/:name",
        (c) => c.text(`Hello ${c.req.param("name")} from ${c.env.peer.address.split(":")[0]}`),
      );
      app.get("/healthz", (c) => c.text("not mine to say"));
      app.get("/call", async (c) => c.json({ said: await one.call("greeter", "Greeter.Hello") }));
    }).app({ fetch: (request) => new Response(`last: ${new URL(request.url).pathname}`) });
    await one.start();
    assert.deepEqual(await made.get("/hello/John"), { status: 200, body: "Hello John from 127.0.0.1" });
    assert.match((await made.get("/healthz")).body, /"status":"ok"/);
    assert.deepEqual(await made.get("/call"), { status: 200, body: '{"said":"hi"}' });
    assert.deepEqual(await made.get("/else"), { status: 200, body: "last: /else" });
    assert.equal(await one.call("greeter", "Greeter.Hello"), "hi", "WebSockets are muon's");
    await within(made.clock, one.stop());
  });

  test("are given before the start, and are routes", async () => {
    const made = world();
    const { service: one } = service(made);
    assert.throws(() => one.app("x" as never), /app takes a function.*current value is x/);
    await one.start();
    assert.throws(() => one.app(() => {}), /Call app before the service is started/);
    await within(made.clock, one.stop());
  });
});

describe("run", () => {
  /** Runs until it says that it runs. */
  async function running(made: World, options: ServiceOptions = {}) {
    const started = Promise.withResolvers<void>();
    const given = service(made, { ...options, afterStart: () => started.resolve() });
    const run = given.service.run();
    run.catch(started.reject);
    await started.promise;
    await made.clock.advance(0);
    return { ...given, run };
  }

  test("greets people, and ends at the first signal", async () => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      const made = world();
      const { run } = await running(made);
      const { platform } = made.system;
      assert.match(platform.stderr, /^muon: greeter 1\.0\.0\n {2}address {3}127\.0\.0\.1:8080 \(muon\.v1/m);
      platform.raise(signal);
      await within(made.clock, run);
      assert.equal(platform.exitCode, undefined, "it ends by itself");
      assert.equal(platform.raise(signal), 0, "and listens to signals no more");
      assert.deepEqual(await made.registry.listServices(), []);
    }
  });

  test("ends at once at the second signal", async () => {
    const made = world();
    const { run, service: one, entered, release } = await running(made);
    const call = one.call("greeter", "Greeter.Hang", undefined, { timeout: 60_000 });
    await entered;
    made.system.platform.raise("SIGTERM");
    await made.clock.advance(50);
    assert.equal(made.system.platform.exitCode, undefined);
    made.system.platform.raise("SIGINT");
    assert.equal(made.system.platform.exitCode, 130);
    release();
    await call;
    await within(made.clock, run);
  });

  test("that is told to end while it starts ends without an error", async () => {
    const made = world();
    const asked = Promise.withResolvers<void>();
    const registry = registryThat(made.registry, {
      register: () => {
        asked.resolve();
        return new Promise(() => {});
      },
    });
    const run = service(made, { registry, stopTimeout: 1_000 }).service.run();
    await asked.promise;
    made.system.platform.raise("SIGTERM");
    await within(made.clock, run);
    assert.equal(await made.listens(), false);
    assert.equal(made.system.platform.exitCode, undefined);
  });

  test("ends when the service is stopped from within", async () => {
    const made = world();
    const { run, service: one } = await running(made);
    one.stop();
    await within(made.clock, run);
  });

  test("throws what a start or a stop throws", async () => {
    const made = world();
    await using _other = await made.system.platform.serve({ port: 8080 });
    await assert.rejects(service(made).service.run(), /in use/);

    const other = world();
    const { run } = await running(other, { beforeStop: () => Promise.reject(new Error("not saved")) });
    other.system.platform.raise("SIGTERM");
    await assert.rejects(within(other.clock, run), /not saved/);
  });

  test("reads flags, over the environment and code", async () => {
    const made = world({
      args: ["--server_name=hi", "--server-address", ":9090"],
      env: { MICRO_SERVER_ADDRESS: ":1" },
    });
    const { run, service: one } = await running(made);
    assert.equal(one.address, "127.0.0.1:9090");
    assert.deepEqual((await made.registry.listServices()).map(({ name }) => name), ["hi"]);
    made.system.platform.raise("SIGTERM");
    await within(made.clock, run);
  });

  test("ends with 2 at a wrong flag, and with help when asked", async () => {
    const wrong = world({ args: ["--registy=x"] });
    await service(wrong).service.run();
    assert.equal(wrong.system.platform.exitCode, 2);
    assert.match(wrong.system.platform.stderr, /^Unknown flag --registy; did you mean "--registry"/);

    const help = world({ args: ["--help"] });
    await service(help).service.run();
    assert.equal(help.system.platform.exitCode, 0);
    assert.match(help.system.platform.stdout, /--registry TEXT +Registry: file, /);
    assert.equal(help.system.platform.stderr, "");
  });

  test("says which flags have no effect", async () => {
    const made = world({ args: ["--client_pool_size=5"] });
    const { run } = await running(made);
    assert.ok(made.lines.some(({ message }) => /--client_pool_size has no effect/.test(String(message))));
    made.system.platform.raise("SIGTERM");
    await within(made.clock, run);
  });
});

describe("an action", () => {
  const flags = { run_client: { type: "boolean", help: "Launch the client" } } as const;

  test("may do something else than serve, as the flags say", async () => {
    const server = world();
    const { service: served } = service(server);
    await served.start();
    const { network } = server.system.platform;
    const said: unknown[] = [];
    const client = world({ args: ["--run_client", "John"], network, clock: server.clock });
    const one = createService({
      ...client.options,
      registry: server.registry,
      flags,
      action: async ({ run_client }, { args, connect }) => {
        if (!run_client) return;
        await using mesh = await connect();
        said.push(args, await mesh.call("greeter", "Greeter.Hello"));
        return false;
      },
    });
    await one.run();
    assert.deepEqual(said, [["John"], "hi"]);
    await within(server.clock, served.stop());
  });

  test("has its flags typed", () => {
    createService({
      flags: {
        loud: { type: "boolean", help: "x" },
        wait: { type: "duration", help: "x", default: 5 },
        word: { type: "string", help: "x" },
      },
      action: ({ loud, wait, word, ...rest }) => {
        const known: [boolean, number, string | undefined] = [loud, wait, word];
        // @ts-expect-error: it may be undefined, since it has no default
        const text: string = word;
        // @ts-expect-error: there is no such flag
        return [known, text, rest.quiet].length > 3;
      },
    });
  });

  test("goes before the service, and what it throws is thrown", async () => {
    const made = world();
    const started = Promise.withResolvers<void>();
    const order: unknown[] = [];
    const one = createService({
      ...made.options,
      name: "quiet",
      flags,
      action: async ({ run_client }, context) => {
        order.push(run_client, await made.listens(), context.service === one);
      },
      afterStart: () => started.resolve(),
    });
    const run = one.run();
    await started.promise;
    assert.deepEqual(order, [false, false, true]);
    await made.clock.advance(0);
    made.system.platform.raise("SIGTERM");
    await within(made.clock, run);

    const failing = createService({ ...world().options, action: () => Promise.reject(new Error("no")) });
    await assert.rejects(failing.run(), /no/);
  });
});
