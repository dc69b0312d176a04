/**
 * What every registry must do. Plugin authors run it against theirs.
 *
 * @module
 */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { applyEvent } from "../../runtime/registry/hub.ts";
import type { Registry, RegistryEvent } from "../../runtime/registry/registry.ts";
import type { EndpointRecord, Node, ServiceRecord } from "../../runtime/record.ts";

/** Two registries over one backend, as two processes have them. Disposing it disposes both. */
export interface RegistryHarness extends AsyncDisposable {
  /** The one that registers. */
  readonly here: Registry;
  /** The one that looks. */
  readonly there: Registry;
  /** Lets `ms` milliseconds pass, on a clock that is turned or by waiting, and with it the I/O that they bring. */
  advance(ms: number): Promise<void>;
}

/** What {@link testRegistry} tests. */
export interface RegistrySuite {
  /** Name of the implementation. */
  readonly name: string;
  /** Makes a harness over an empty backend. */
  readonly create: () => Promise<RegistryHarness> | RegistryHarness;
  /** Shortest time to live that the implementation can tell from none, in ms. @default {1000} */
  readonly ttl?: number;
  /**
   * Which names of services the implementation can hold; it must refuse the others with a RangeError when they are
   * registered, and find nobody under them. @default {every name}
   */
  readonly holds?: (name: string) => boolean;
}

const MINUTE = 60_000;

/**
 * Runs the suite.
 *
 * @example
 * ```ts
 * testRegistry({ name: "memory", create: () => harness });
 * ```
 */
export function testRegistry(suite: RegistrySuite): void {
  const run = (title: string, body: (harness: RegistryHarness) => Promise<void>) =>
    test(title, async () => {
      const harness = await suite.create();
      try {
        await body(harness);
      } finally {
        await harness[Symbol.asyncDispose]();
      }
    });

  describe(`registry ${suite.name}`, () => {
    run("a service that nobody serves has no record", async ({ there }) => {
      assert.deepEqual(await there.getService("nobody"), []);
      assert.deepEqual(await there.listServices(), []);
    });

    run("what one registers, the other finds, whole", async ({ here, there }) => {
      const record = greeter("1.0.0", "a");
      await here.register(record, { ttl: MINUTE });
      assert.deepEqual(plain(await there.getService("greeter")), [plain(record)]);
      assert.deepEqual(plain(await there.listServices()), [{ name: "greeter", version: "1.0.0" }]);
    });

    run("the key is service, version and node", async ({ here, there }) => {
      await here.register(greeter("1.0.0", "b"), { ttl: MINUTE });
      await here.register(greeter("1.0.0", "a"), { ttl: MINUTE });
      await here.register(greeter("2.0.0", "a"), { ttl: MINUTE });
      await here.register({ ...greeter("1.0.0", "a"), name: "other" }, { ttl: MINUTE });
      assert.deepEqual(shape(await there.getService("greeter")), ["1.0.0: a b", "2.0.0: a"]);
      assert.deepEqual(shape(await there.getService("other")), ["1.0.0: a"]);
      assert.deepEqual(
        (await there.listServices()).map(({ name, version }) => `${name} ${version}`).sort(),
        ["greeter 1.0.0", "greeter 2.0.0", "other 1.0.0"],
      );
      await here.deregister(greeter("1.0.0", "a"));
      assert.deepEqual(shape(await there.getService("greeter")), ["1.0.0: b", "2.0.0: a"]);
    });

    run("names of any kind do no harm", async ({ here, there }) => {
      const names = [
        "../../etc/passwd",
        "a/b",
        "A",
        "a",
        "ü".repeat(90),
        "x".repeat(300),
        ".",
        "con",
        "a\nb",
        "__proto__",
      ];
      const held = names.filter((name) => suite.holds?.(name) ?? true);
      for (const [index, name] of names.entries()) {
        const registered = here.register({ ...greeter("1", `n${index}`), name }, { ttl: MINUTE });
        if (held.includes(name)) await registered;
        else await assert.rejects(registered, RangeError, `service ${name}`);
      }
      for (const [index, name] of names.entries()) {
        const expected = held.includes(name) ? [`1: n${index}`] : [];
        assert.deepEqual(shape(await there.getService(name)), expected, `service ${name}`);
      }
      assert.equal((await there.listServices()).length, held.length);
    });

    run("registering again changes a node", async ({ here, there }) => {
      await here.register(greeter("1.0.0", "a"), { ttl: MINUTE });
      const moved = greeter("1.0.0", "a", { address: "127.0.0.1:9999" });
      await here.register(moved, { ttl: MINUTE });
      assert.deepEqual(plain(await there.getService("greeter")), [plain(moved)]);
    });

    run("deregistering what is not there does nothing", async ({ here, there }) => {
      await here.register(greeter("1.0.0", "a"), { ttl: MINUTE });
      await here.deregister(greeter("1.0.0", "z"));
      await here.deregister({ ...greeter("1.0.0", "a"), name: "nobody" });
      assert.deepEqual(shape(await there.getService("greeter")), ["1.0.0: a"]);
    });

    run("a node that is not renewed expires, one that is renewed lives", async ({ here, there, advance }) => {
      const ttl = suite.ttl ?? 1_000;
      await here.register(greeter("1.0.0", "dies"), { ttl });
      await here.register(greeter("1.0.0", "lives"), { ttl });
      assert.deepEqual(shape(await there.getService("greeter")), ["1.0.0: dies lives"]);
      for (let i = 0; i < 6; i++) {
        await advance(ttl / 3);
        await here.register(greeter("1.0.0", "lives"), { ttl });
      }
      assert.deepEqual(shape(await there.getService("greeter")), ["1.0.0: lives"]);
      await advance(2 * ttl);
      assert.deepEqual(shape(await there.getService("greeter")), []);
      assert.deepEqual(await there.listServices(), []);
    });

    run("nonsense is refused", async ({ here }) => {
      const record = greeter("1.0.0", "a");
      await assert.rejects(here.register(record, { ttl: 0 }), RangeError);
      await assert.rejects(here.register(record, { ttl: Number.NaN }), RangeError);
      await assert.rejects(here.register(record, { ttl: Infinity }), RangeError);
      await assert.rejects(here.register({ ...record, nodes: [] }, { ttl: 1 }), TypeError);
      await assert.rejects(here.register({ ...record, name: "" }, { ttl: 1 }), TypeError);
      assert.deepEqual(await here.listServices(), []);
    });

    run("what is returned and what was given can be changed without harm", async ({ here, there }) => {
      const metadata: Record<string, string> = { zone: "a" };
      await here.register({ ...greeter("1.0.0", "a"), metadata }, { ttl: MINUTE });
      metadata.zone = "changed";
      const found = await there.getService("greeter");
      assert.equal(found[0]!.metadata.zone, "a");
      found.length = 0;
      assert.equal((await there.getService("greeter")).length, 1);
    });

    run("an aborted signal ends a question", async ({ there }) => {
      const signal = AbortSignal.abort(new Error("enough"));
      await assert.rejects(there.getService("greeter", { signal }), /enough/);
      await assert.rejects(there.listServices({ signal }), /enough/);
    });

    run("a watch begins with what is there, then tells of changes", async (harness) => {
      const { here, there } = harness;
      await here.register(greeter("1.0.0", "a"), { ttl: MINUTE });
      await using watch = watching(harness, there, "greeter");
      await watch.until(() => watch.events.length > 0);
      assert.equal(watch.events[0]!.type, "sync");
      assert.deepEqual(shape(watch.records), ["1.0.0: a"]);

      await here.register(greeter("1.0.0", "b"), { ttl: MINUTE });
      await watch.until(() => shape(watch.records)[0] === "1.0.0: a b");
      await here.register(greeter("2.0.0", "c"), { ttl: MINUTE });
      await watch.until(() => watch.records.length === 2);
      const renamed = greeter("2.0.0", "c", { address: "127.0.0.1:9999" });
      await here.register(renamed, { ttl: MINUTE });
      await watch.until(() => watch.records[1]?.nodes[0]?.address === "127.0.0.1:9999");
      await here.deregister(greeter("1.0.0", "a"));
      await watch.until(() => shape(watch.records)[0] === "1.0.0: b");
      await here.deregister(renamed);
      await watch.until(() => watch.records.length === 1);
      assert.deepEqual(plain(watch.records), plain(await there.getService("greeter")));
    });

    run("a watch of an empty registry begins with an empty sync", async (harness) => {
      await using watch = watching(harness, harness.there, undefined);
      await watch.until(() => watch.events.length > 0);
      assert.deepEqual(watch.events[0], { type: "sync", services: [] });
    });

    run("a watch of one service hears of no other, a watch of all of every", async (harness) => {
      await using one = watching(harness, harness.there, "greeter");
      await using all = watching(harness, harness.there, undefined);
      await one.until(() => one.events.length > 0);
      await all.until(() => all.events.length > 0);
      await harness.here.register({ ...greeter("1", "x"), name: "other" }, { ttl: MINUTE });
      await harness.here.register(greeter("1", "a"), { ttl: MINUTE });
      await one.until(() => one.records.length === 1);
      await all.until(() => all.records.length === 2);
      assert.deepEqual(one.names(), ["greeter"]);
      assert.deepEqual(all.names(), ["greeter", "other"]);
    });

    run("renewing without a change makes no event", async (harness) => {
      const { here, there } = harness;
      await here.register(greeter("1.0.0", "a"), { ttl: MINUTE });
      await using watch = watching(harness, there, "greeter");
      await watch.until(() => watch.events.length > 0);
      for (let i = 0; i < 3; i++) {
        await here.register(greeter("1.0.0", "a"), { ttl: MINUTE });
        await harness.advance(suite.ttl ?? 1_000);
      }
      await here.register(greeter("1.0.0", "last"), { ttl: MINUTE });
      await watch.until(() => shape(watch.records)[0] === "1.0.0: a last");
      const changes = watch.events.filter(({ type }) => type !== "sync");
      assert.deepEqual(changes.map((event) => event.type), ["create"]);
    });

    run("a watch hears of a node that expired", async (harness) => {
      const ttl = suite.ttl ?? 1_000;
      await harness.here.register(greeter("1.0.0", "a"), { ttl });
      await using watch = watching(harness, harness.there, "greeter");
      await watch.until(() => watch.records.length === 1);
      await watch.until(() => watch.records.length === 0);
    });

    run("metadata and endpoints that change make an event", async (harness) => {
      const { here, there } = harness;
      await here.register(greeter("1.0.0", "a"), { ttl: MINUTE });
      await using watch = watching(harness, there, "greeter");
      await watch.until(() => watch.records.length === 1);
      const more = {
        ...greeter("1.0.0", "a"),
        endpoints: [endpoint("Greeter.Hello"), endpoint("Greeter.Bye")],
      };
      await here.register(more, { ttl: MINUTE });
      await watch.until(() => watch.records[0]?.endpoints.length === 2);
    });

    run("a signal ends a watch, and so does leaving its loop", async ({ there }) => {
      const controller = new AbortController();
      const waiting = (async () => {
        for await (const _ of there.watch({ signal: controller.signal }));
      })();
      controller.abort();
      await waiting;
      for await (const event of there.watch({ service: "greeter" })) {
        assert.equal(event.type, "sync");
        break;
      }
      for await (const _ of there.watch({ signal: AbortSignal.abort() })) {
        assert.fail("a watch with an aborted signal has no event");
      }
    });

    run("disposal ends the watches, and only its own registry's", async ({ here, there }) => {
      const watches = [here, there].map(async (registry) => {
        for await (const _ of registry.watch());
      });
      await there[Symbol.asyncDispose]();
      await watches[1];
      await here.register(greeter("1.0.0", "a"), { ttl: MINUTE });
      await here[Symbol.asyncDispose]();
      await watches[0];
      await assert.rejects(here.register(greeter("1.0.0", "a"), { ttl: MINUTE }));
      await there[Symbol.asyncDispose]();
    });
  });
}

/** Two registries over one store, each with a watch of its own kept by looking at it. */
export interface StoredRegistryHarness extends RegistryHarness {
  /** Sets the wall clock forward by `ms` milliseconds, or, below 0, back. */
  jump(ms: number): void;
  /** Has every look at the store fail with an error, until it is `undefined`. */
  fail(error: Error | undefined): void;
  /** The lines of `there`'s log, each of which begins with its level. */
  readonly lines: readonly string[];
}

/**
 * Runs what is to hold beside {@link testRegistry} for a registry over a store that others write to, by clocks of their
 * own, and that may be out of reach.
 *
 * @param suite `create`: makes a harness over an empty store, on a clock that is turned.
 */
export function testStoredRegistry(suite: {
  readonly name: string;
  readonly create: () => Promise<StoredRegistryHarness> | StoredRegistryHarness;
}): void {
  const run = (title: string, body: (harness: StoredRegistryHarness) => Promise<void>) =>
    test(title, async () => {
      const harness = await suite.create();
      try {
        await body(harness);
      } finally {
        await harness[Symbol.asyncDispose]();
      }
    });
  const nodes = async ({ there }: RegistryHarness) =>
    (await there.getService("greeter")).flatMap((record) => record.nodes.map(({ id }) => id));
  const DAY = 86_400_000;

  describe(`registry ${suite.name}, as a store`, () => {
    run("out of reach, it leaves a watch with what it knows, and says for how long", async (harness) => {
      const { here, there, lines, advance, fail } = harness;
      await here.register(greeter("1", "a"), { ttl: 2 * MINUTE });
      await using watch = watching(harness, there, "greeter");
      await watch.until(() => watch.events.length > 0);
      fail(new Error("stale handle"));
      await advance(5_000);
      assert.deepEqual(watch.events.map(({ type }) => type), ["sync"]);
      assert.equal(lines.filter((line) => line.startsWith("warn")).length, 1, lines.join(""));
      assert.ok(there.away! > 3_000 && there.away! <= 5_000, `${there.away} ms`);
      await assert.rejects(there.getService("greeter"), /unavailable.*stale handle/);
      fail(undefined);
      await advance(1_000);
      assert.equal(there.away, 0);
      assert.equal(lines.filter((line) => line.startsWith("info")).length, 1, lines.join(""));
      await here.register(greeter("1", "b"), { ttl: MINUTE });
      await watch.until(() => watch.events.length > 1);
      assert.deepEqual(watch.events.map(({ type }) => type), ["sync", "create"]);
    });

    for (const ms of [-DAY, DAY]) {
      run(
        `a wall clock that jumps by ${ms} ms kills no node that is renewed, and keeps no dead one`,
        async (harness) => {
          const { here, there, advance, jump } = harness;
          await here.register(greeter("1", "a"), { ttl: MINUTE });
          await using watch = watching(harness, there, "greeter");
          await watch.until(() => watch.records.length === 1);
          jump(ms);
          for (let i = 0; i < 6; i++) {
            await advance(20_000);
            await here.register(greeter("1", "a"), { ttl: MINUTE });
            assert.deepEqual(await nodes(harness), ["a"]);
          }
          const lost = () => watch.events.filter(({ type }) => type === "delete").length;
          assert.equal(lost(), 0);
          await advance(61_000);
          assert.equal(lost(), 1);
        },
      );
    }

    run("whoever looks first after a jump forward sees a node at its next beat", async (harness) => {
      const { here, advance, jump } = harness;
      await here.register(greeter("1", "a"), { ttl: MINUTE });
      jump(DAY);
      assert.deepEqual(await nodes(harness), []);
      await advance(20_000);
      await here.register(greeter("1", "a"), { ttl: MINUTE });
      assert.deepEqual(await nodes(harness), ["a"]);
    });

    run("a node that another process has registered at its own address since stays", async (harness) => {
      const { here, there } = harness;
      await here.register(greeter("1", "a"), { ttl: MINUTE });
      const moved = greeter("1", "a", { address: "127.0.0.1:9999" });
      await there.register(moved, { ttl: MINUTE });
      await here.deregister(greeter("1", "a"));
      assert.deepEqual(plain(await here.getService("greeter")), [plain(moved)]);
      await there.deregister(moved);
      assert.deepEqual(await nodes(harness), []);
    });

    run("who has not looked for long takes no old record for a living node", async (harness) => {
      const { here, advance } = harness;
      await here.register(greeter("1", "a"), { ttl: 1_000 });
      assert.deepEqual(await nodes(harness), ["a"]);
      await advance(500);
      await here.register(greeter("1", "a"), { ttl: 1_000 });
      await advance(5_000);
      assert.deepEqual(await nodes(harness), []);
    });
  });
}

/** A record of the service that the suite registers. */
export function greeter(version: string, id: string, node: Partial<Node> = {}): ServiceRecord {
  return {
    name: "greeter",
    version,
    metadata: { type: "helloworld" },
    endpoints: [endpoint("Greeter.Hello")],
    nodes: [{ id, address: "127.0.0.1:4000", metadata: { protocol: "mucp", muon: "muon.v1" }, ...node }],
  };
}

function endpoint(name: string): EndpointRecord {
  return {
    name,
    request: {
      name: "HelloRequest",
      type: "HelloRequest",
      values: [{ name: "name", type: "string", values: null }],
    },
    response: null,
    metadata: { member: "hello", idempotent: "true" },
  };
}

function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

function shape(records: readonly ServiceRecord[]): string[] {
  return records
    .map(({ version, nodes }) => `${version}: ${nodes.map(({ id }) => id).sort().join(" ")}`)
    .sort();
}

interface Watching extends AsyncDisposable {
  readonly events: readonly RegistryEvent[];
  readonly records: readonly ServiceRecord[];
  names(): string[];
  until(is: () => boolean): Promise<void>;
}

/** Follows a watch, keeping the records that its events lead to. */
function watching(harness: RegistryHarness, registry: Registry, service: string | undefined): Watching {
  const controller = new AbortController();
  const events: RegistryEvent[] = [];
  let records: readonly ServiceRecord[] = [];
  const following = (async () => {
    for await (const event of registry.watch({ service, signal: controller.signal })) {
      events.push(event);
      records = applyEvent(records, event);
    }
  })();
  return {
    events,
    get records() {
      return records;
    },
    names: () => {
      const names = events.flatMap((event) =>
        event.type === "sync" ? event.services.map(({ name }) => name) : [event.service.name]
      );
      return [...new Set(names)].sort();
    },
    async until(is) {
      for (let i = 0; i < 200 && !is(); i++) await harness.advance(50);
      assert.ok(is(), `a watch of ${service ?? "all"} never saw ${is}; it knows ${shape(records)}`);
    },
    async [Symbol.asyncDispose]() {
      controller.abort();
      await following;
    },
  };
}
