/** A service's life on a machine in memory: start, stop, and what may go wrong on the way. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  ADDRESS,
  definition,
  registryThat,
  service,
  within,
  world,
} from "../../tests/support/service_world.ts";
import { ScriptedRegistry } from "../../tests/support/scripted_registry.ts";
import { createService, MuonError, type ServiceRecord, type Stats } from "../../mod.ts";
import { sleep } from "../clock.ts";

describe("a start", () => {
  test("says of a service with nothing to call that its members lack decorators", async () => {
    const made = world();
    const idle = (name: string) => ({ ...definition, name, endpoints: [] });
    const subscriptions = [{ topic: "said", member: "on", input: undefined, queue: undefined }];
    const one = createService({ ...made.options, name: "routes" })
      .handle(definition, { hello: () => "hi", hang: () => {} })
      .handle(idle("idle"), {})
      .handle({ ...idle("listener"), subscriptions }, { on: () => {} });
    await one.start();
    const said = made.lines.filter(({ message }) => /none of its members has @Method/.test(String(message)));
    assert.deepEqual(said.map(({ level, service }) => [level, service]), [["warn", "idle"]]);
    await within(made.clock, one.stop());

    const silent = world();
    const routes = createService({ ...silent.options, name: "routes" }).app((app) => void app);
    await routes.start();
    assert.deepEqual(silent.lines.filter(({ level }) => level === "warn"), []);
    await within(silent.clock, routes.stop());
  });

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

  test("says what it waits for when that takes long", async () => {
    const made = world();
    const registry = registryThat(made.registry, { register: () => new Promise(() => {}) });
    const { service: one } = service(made, { registry });
    const starting = one.start();
    starting.catch(() => {});
    await made.clock.advance(4_000);
    const warnings = () => made.lines.filter(({ level }) => level === "warn").map(({ message }) => message);
    assert.deepEqual(warnings(), ['still waiting for the registry "odd" to take the record']);
    await assert.rejects(within(made.clock, starting, 70_000), /it has not answered within 20000 ms/);
    assert.deepEqual(warnings().slice(1), [
      "cannot register yet; will try again",
      "cannot register yet; will try again",
    ]);
    await made.clock.advance(120_000);
    assert.equal(made.clock.pending, 0);
  });

  test("whose options make no sense is refused when it is made", () => {
    const wrong: readonly [object, RegExp][] = [
      [{ stopTimeout: -1 }, /^stopTimeout must be from 0 to 2147483647 ms: current value is -1/],
      [{ stopTimeout: NaN }, /^stopTimeout must be/],
      [{ stopTimeout: Infinity }, /^stopTimeout must be/],
      [{ afterStop: "x" }, /^afterStop must be a function, or an array of them: current value is x/],
      [{ beforeStart: [() => {}, null] }, /^beforeStart must be a function.*null/],
      [{ flags: { times: { type: "int", help: "x" } } }, /^The type of the flag --times must be one of/],
    ];
    for (const [options, message] of wrong) {
      assert.throws(() => createService(options), ({ message: said }: Error) => message.test(said));
    }
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

  test("tells callers to go elsewhere though the registry does not answer", async () => {
    const made = world();
    const registry = registryThat(made.registry, { deregister: () => new Promise(() => {}) });
    const { service: one, entered, release } = service(made, { registry, stopTimeout: 3_000 });
    await one.start();
    const call = one.call("greeter", "Greeter.Hang", undefined, { timeout: 60_000 });
    await entered;
    const stopping = one.stop();
    await made.clock.advance(1_000);
    const away = one.call("greeter", "Greeter.Hello", undefined, { address: ADDRESS });
    await assert.rejects(within(made.clock, Promise.resolve(away), 1_000), { status: "unavailable" });
    release();
    assert.equal(await within(made.clock, Promise.resolve(call), 500), undefined, "it is not cut");
    await within(made.clock, stopping, 3_000);
    assert.equal(await made.listens(), false);
  });

  test("takes the record out, whatever beforeStop used up, and whatever the registry throws later", async () => {
    const made = world();
    let gone = 0;
    const registry = registryThat(made.registry, {
      async deregister(record) {
        await sleep(made.clock, 50);
        await made.registry.deregister(record);
        gone++;
        throw new Error("it is asleep");
      },
    });
    for (
      const options of [{ stopTimeout: 0 }, {
        stopTimeout: 500,
        beforeStop: () => sleep(made.clock, 900),
      }]
    ) {
      const closed = Promise.withResolvers<void>();
      const { service: one } = service(made, {
        ...options,
        registry,
        afterStop: () => closed.resolve(),
      });
      await one.start();
      await within(made.clock, one.stop(), 3_000).catch(() => {});
      await closed.promise;
      assert.deepEqual(await made.registry.listServices(), []);
    }
    assert.equal(gone, 2);
    assert.ok(
      !made.lines.some(({ message }) => /without it/.test(String(message))),
      "it is waited for first",
    );
  });

  test("during afterStart waits for the hook that runs, begins no other, and ends the start", async () => {
    const made = world();
    const order: string[] = [];
    const begun = Promise.withResolvers<void>();
    const { service: one } = service(made, {
      afterStart: [async () => {
        begun.resolve();
        await sleep(made.clock, 2_000);
        order.push("afterStart");
      }, () => order.push("never")],
      beforeStop: () => order.push("beforeStop"),
    });
    const starting = one.start();
    starting.catch(() => {});
    await begun.promise;
    await within(made.clock, one.stop());
    await assert.rejects(starting, { status: "canceled", detail: /stopped while it started/ });
    assert.deepEqual(order, ["afterStart", "beforeStop"]);
    assert.ok(!made.lines.some(({ message }) => message === "started"));
    assert.deepEqual(await made.registry.listServices(), []);
    assert.equal(await made.listens(), false);
  });

  test("during an afterStart that hangs leaves half of the time for calls, and says so", async () => {
    const made = world();
    const begun = Promise.withResolvers<void>();
    const { service: one, release } = service(made, {
      stopTimeout: 4_000,
      afterStart: (self) => {
        begun.resolve();
        return self.stop();
      },
    });
    const starting = one.start();
    starting.catch(() => {});
    await begun.promise;
    const call = one.call("greeter", "Greeter.Hang", undefined, { timeout: 60_000 });
    call.then(() => {}, () => {});
    await made.clock.advance(2_500);
    release();
    assert.equal(await within(made.clock, Promise.resolve(call), 500), undefined);
    await within(made.clock, one.stop());
    await assert.rejects(starting, { status: "canceled" });
    assert.ok(
      made.lines.some(({ message }) => message === "stopping while a hook of afterStart is not done"),
    );
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
    well = new Error("no db: postgres://u:secretpw@h/db");
    await look(one);
    await within(made.clock, one.stop());
    assert.deepEqual(seen, [
      [200, 200, { status: "ready" }, { status: "ok" }],
      [200, 503, { status: "not ready", failing: { database: "not well" } }, { status: "ok" }],
      [200, 503, { status: "not ready", failing: { database: "no db: postgres://u:[redacted]@h/db" } }, {
        status: "ok",
      }],
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

describe("Debug.Stats of a service says for how long the registry has been away", () => {
  const away = async (
    one: ReturnType<typeof service>["service"],
    clock: ReturnType<typeof world>["clock"],
  ) => {
    const asking = one.call<Stats>("greeter", "Debug.Stats", undefined, { address: ADDRESS });
    return (await within(clock, Promise.resolve(asking))).registryAway;
  };

  test("where its record cannot be renewed", async () => {
    const made = world();
    const registry = new ScriptedRegistry();
    const { service: one } = service(made, { registry });
    await one.start();
    await made.clock.advance(30_000);
    assert.equal(await away(one, made.clock), 0);
    registry.down = new Error("connection lost");
    await made.clock.advance(20_000);
    const waited = 60;
    const earlier = await away(one, made.clock);
    assert.ok(earlier > 0 && earlier <= 20, `${earlier} s`);
    await made.clock.advance(waited * 1_000);
    const later = await away(one, made.clock);
    assert.ok(Math.abs(later - earlier - waited) <= 1, `${earlier} s, ${later} s`);
    registry.down = undefined;
    await made.clock.advance(6_000);
    assert.equal(await away(one, made.clock), 0);
    await within(made.clock, one.stop());
  });

  test("where a watch of one that it calls has ended", async () => {
    const made = world();
    const scripted = new ScriptedRegistry();
    let record: ServiceRecord;
    const registry = registryThat(scripted, {
      register: (registered) => scripted.register(record = registered),
    });
    const { service: one } = service(made, { registry });
    await one.start();
    const calling = one.call("greeter", "Greeter.Hello");
    calling.then(() => {}, () => {});
    await made.clock.advance(0);
    scripted.last.push({ type: "sync", services: [record!] });
    assert.equal(await calling, "hi");
    scripted.down = new Error("connection lost");
    scripted.last.end(scripted.down);
    await made.clock.advance(2_500);
    assert.equal(await away(one, made.clock), 3);
    await within(made.clock, one.stop());
  });
});
