/** Registries that somebody brought, which hang or give what is no record: nothing of muon hangs or fails with them. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { connect, createCachedRegistry, MuonError, type Registry, type RegistryEvent } from "../mod.ts";
import { registryThat, service, within, world } from "./support/service_world.ts";

const never = (): Promise<never> => new Promise(() => {});

/** A watch that gives these events and then nothing, whatever its signal says. */
async function* deaf(...events: unknown[]): AsyncGenerator<RegistryEvent> {
  for (const event of events) yield event as RegistryEvent;
  await never();
}

const node = { id: "greeter-1", address: "127.0.0.1:8080", metadata: { muon: "muon.v1" } };
const good = { name: "greeter", version: "1", metadata: {}, endpoints: [], nodes: [node] };

describe("a registry whose watch gives nothing and does not heed its signal", () => {
  test("holds up no stop, whoever has waited for it", async () => {
    const made = world();
    const registry = registryThat(made.registry, { watch: () => deaf() });
    const { service: one } = service(made, { registry, broker: "http", stopTimeout: 1_000 });
    await one.start();
    const published = assert.rejects(
      one.publish("user.created", {}),
      /odd registry has not said within 5000 ms/,
    );
    const called = assert.rejects(
      Promise.resolve(one.call("other", "Other.Do")),
      /\[deadline_exceeded\] No answer within 5000 ms: the registry has not said who serves "other"/,
    );
    await within(made.clock, Promise.all([published, called]));
    await within(made.clock, one.stop(), 1_000);
    await made.clock.advance(120_000);
    assert.equal(made.clock.pending, 0);
  });

  test("holds up the disposal of no mesh, and ends what is under way", async () => {
    const made = world();
    const registry = registryThat(made.registry, { watch: () => deaf() });
    const { system, log } = made.options;
    const mesh = await connect({ system: system!, log: log!, registry });
    const published = assert.rejects(mesh.publish("user.created", {}), /was closed/);
    const called = assert.rejects(Promise.resolve(mesh.call("other", "Other.Do")), MuonError);
    await within(made.clock, Promise.resolve(mesh[Symbol.asyncDispose]()), 1_000);
    await Promise.all([published, called]);
    await made.clock.advance(120_000);
    assert.equal(made.clock.pending, 0);
  });

  test("holds up no cache", async () => {
    const made = world();
    const registry = registryThat(made.registry, { watch: () => deaf() });
    const cache = createCachedRegistry({ registry, system: made.system });
    const asked = assert.rejects(cache.getService("greeter"), /cache of the odd registry is closed/);
    await made.clock.advance(1_000);
    await within(made.clock, Promise.resolve(cache[Symbol.asyncDispose]()), 100);
    await asked;
  });
});

describe("a registry that hangs in every method", () => {
  const hangs: Partial<Registry> = {
    deregister: never,
    getService: never,
    listServices: never,
    watch: () => deaf({ type: "sync", services: [] }),
  };

  test("holds up a stop until stopTimeout, and the log says what was given up", async () => {
    const made = world();
    const registry = registryThat(made.registry, hangs);
    const { service: one } = service(made, { registry, broker: "http", stopTimeout: 1_000 });
    one.subscribe("user.created", () => {});
    await one.start();
    await assert.rejects(within(made.clock, Promise.resolve(one.call("other", "Other.Do"))), /not_found/);
    await within(made.clock, one.stop(), 1_100);
    const said = made.lines.map(({ message }) => String(message));
    assert.ok(
      said.some((line) => /could not deregister in time; the record expires/.test(line)),
      said.join("\n"),
    );
    assert.ok(said.some((line) => /subscription not deregistered, it expires/.test(line)), said.join("\n"));
    await made.clock.advance(120_000);
    assert.equal(made.clock.pending, 0);
  });

  test("holds up no start that fails, and no stop of one", async () => {
    const made = world();
    const registry = registryThat(made.registry, { ...hangs, register: never });
    const { service: one } = service(made, { registry, broker: "http", stopTimeout: 1_000 });
    one.subscribe("user.created", () => {});
    await assert.rejects(
      within(made.clock, one.start(), 60_000),
      /odd registry has not answered within 30000 ms/,
    );

    const { service: two } = service(made, { registry, broker: "http", stopTimeout: 1_000 });
    two.subscribe("user.created", () => {});
    const starting = assert.rejects(two.start(), { status: "canceled" });
    await made.clock.advance(1_000);
    await within(made.clock, two.stop(), 1_100);
    await starting;
    await made.clock.advance(120_000);
    assert.equal(made.clock.pending, 0);
    const said = made.lines.filter(({ level }) => level === "warn").map(({ message }) => String(message));
    assert.ok(!said.some((line) => /deregister/.test(line)), said.join("\n"));
  });
});

describe("a registry that gives what is no record", () => {
  /** What calling says, and what was logged, when the watch gives these events. */
  async function told(
    ...events: unknown[]
  ): Promise<{ readonly ids: readonly string[]; readonly why: string[] }> {
    const made = world();
    const registry = registryThat(made.registry, { watch: () => deaf(...events) });
    const { service: one } = service(made, { registry, stopTimeout: 1_000 });
    await one.start();
    const ids = new Set<string>();
    for (let i = 0; i < 3; i++) {
      const explain = ({ nodes }: { nodes: readonly { id: string }[] }) =>
        nodes.forEach(({ id }) => ids.add(id));
      const call = one.call("greeter", "Greeter.Hello", undefined, { explain });
      await within(made.clock, Promise.resolve(call)).catch((error) => ids.add(String(error.status)));
    }
    await within(made.clock, one.stop(), 1_000);
    const why = made.lines.filter(({ level }) => level === "warn")
      .map(({ service, version, node, why }) => `${service} ${version} ${node}: ${why}`);
    return { ids: [...ids], why };
  }

  test("null is an empty list and an empty map, as in Go", async () => {
    const record = {
      ...good,
      metadata: null,
      endpoints: null,
      nodes: [{ ...node, metadata: { muon: "muon.v1", zone: null } }],
    };
    assert.deepEqual(await told({ type: "sync", services: [record] }), { ids: ["greeter-1"], why: [] });
    assert.deepEqual(await told({ type: "sync", services: [{ name: "w", version: "1", nodes: null }] }), {
      ids: ["not_found"],
      why: [],
    });
    assert.deepEqual(await told({ type: "sync", services: null }), { ids: ["not_found"], why: [] });
  });

  test("what cannot be used is left out and said once; the others are used", async () => {
    const bad = { ...node, id: "greeter-2", address: 80 };
    assert.deepEqual(
      await told({
        type: "sync",
        services: [
          { ...good, nodes: [bad, node, { ...node, id: "" }], endpoints: [{ name: null }] },
          { ...good, version: "2", nodes: { a: 1 } },
          { ...good, version: 3n },
          null,
        ],
      }),
      {
        ids: ["greeter-1"],
        why: [
          "greeter 1 undefined: Registry record's endpoints[0].name must be a string: current value is null",
          "greeter 1 greeter-2: Registry record's nodes[0].address must be a string: current value is 80",
          "greeter 1 : Registry record's nodes[2].id must not be empty",
          'greeter 2 undefined: Registry record\'s nodes must be a list: current value is {"a":1}',
          "greeter undefined undefined: Registry record's version must be a string: current value is 3",
          "undefined undefined undefined: Registry record must be an object: current value is null",
        ],
      },
    );
  });

  test("a change of which nothing can be used changes nothing", async () => {
    const sync = { type: "sync", services: [good] };
    const nobody = { ...good, nodes: [{ address: "127.0.0.1:1" }] };
    const { ids, why } = await told(sync, { type: "delete", service: nobody }, {
      type: "update",
      service: 7,
    });
    assert.deepEqual(ids, ["greeter-1"]);
    assert.match(
      why.join("\n"),
      /nodes\[0\]\.id must be a string.*\n.*must be an object: current value is 7/,
    );
    const gone = { ...good, nodes: [{ id: "greeter-1" }] };
    assert.deepEqual((await told(sync, { type: "delete", service: gone })).ids.at(-1), "not_found");
  });

  test("what is no event fails calls at once, with the reason", async () => {
    for (const event of [null, 7, {}, { type: "sync", services: 7 }, { type: "add", service: good }]) {
      const made = world();
      const registry = registryThat(made.registry, { watch: () => deaf(event) });
      await using mesh = await connect({
        system: made.system,
        log: made.options.log!,
        registry,
        broker: "memory",
      });
      await assert.rejects(
        within(made.clock, Promise.resolve(mesh.call("greeter", "Greeter.Hello"))),
        /\[unavailable\] .*"greeter" cannot be looked up in the odd registry: .*current value/,
      );
    }
  });

  test("the http broker leaves out such subscriptions", async () => {
    const made = world();
    const record = { name: "micro.http.broker", version: "ff.http.broadcast", nodes: [{ id: "a" }, 7] };
    const registry = registryThat(made.registry, {
      watch: () => deaf({ type: "sync", services: [record, 7] }),
    });
    await using mesh = await connect({ system: made.system, log: made.options.log!, registry });
    assert.equal((await within(made.clock, mesh.publish("t", {}))).accepted, 0);
    assert.equal(made.lines.filter(({ level }) => level === "warn").length, 3);
  });
});
