import assert from "node:assert/strict";
import { test } from "node:test";
import { greeter, testRegistry } from "../../tests/conformance/registry.ts";
import { ScriptedRegistry } from "../../tests/support/scripted_registry.ts";
import { MuonError } from "../errors.ts";
import { lineLogger } from "../log.ts";
import { seeded } from "../random.ts";
import { GRACE } from "../record_watch.ts";
import { VirtualClock } from "../virtual_clock.ts";
import { createCachedRegistry } from "./cache.ts";
import { createMemoryRegistry, MemoryRegistryStore } from "./memory.ts";
import { createPolledRegistry, type PolledBackend } from "./polled.ts";
import type { Registry, RegistryEvent } from "./registry.ts";

testRegistry({
  name: "cache over memory",
  create() {
    const clock = new VirtualClock();
    const system = { clock, random: seeded(1) };
    const store = new MemoryRegistryStore(clock);
    const below = [createMemoryRegistry({ system, store }), createMemoryRegistry({ system, store })] as const;
    const here = createCachedRegistry({ registry: below[0], system });
    const there = createCachedRegistry({ registry: below[1], system });
    return {
      here,
      there,
      advance: (ms) => clock.advance(ms),
      async [Symbol.asyncDispose]() {
        for (const registry of [here, there, ...below]) await registry[Symbol.asyncDispose]();
        assert.equal(clock.pending, 0);
      },
    };
  },
});

function cached() {
  const clock = new VirtualClock();
  const registry = new ScriptedRegistry();
  const lines: string[] = [];
  const cache = createCachedRegistry({
    registry,
    system: { clock, random: seeded(2) },
    log: lineLogger((line) => lines.push(line)),
  });
  const ids = async (name = "greeter") =>
    (await cache.getService(name)).flatMap(({ nodes }) => nodes.map(({ id }) => id));
  /** Lets the registry say how things are, and it sink in. */
  const say = async (event: RegistryEvent) => {
    registry.last.push(event);
    await clock.advance(0);
  };
  return { clock, registry, lines, cache, ids, say };
}

const sync = (...services: ReturnType<typeof greeter>[]): RegistryEvent => ({ type: "sync", services });
const other = (id: string) => ({ ...greeter("1", id), name: "other" });

async function known() {
  const all = cached();
  const first = all.ids();
  await all.say(sync(greeter("1", "a"), other("x")));
  assert.deepEqual(await first, ["a"]);
  return all;
}

test("one watch answers every question, and every watch", async () => {
  const { registry, cache, ids, say } = cached();
  assert.equal(registry.watches.length, 0, "nobody has asked");
  const asked = [ids(), ids("other"), cache.listServices()];
  const seen: string[] = [];
  const following = (async () => {
    for await (const event of cache.watch({ service: "greeter" })) seen.push(event.type);
  })();
  await say(sync(greeter("1", "a")));
  assert.deepEqual(await Promise.all(asked), [["a"], [], [{ name: "greeter", version: "1" }]]);
  await say({ type: "create", service: greeter("2", "b") });
  await say({ type: "create", service: other("x") });
  assert.deepEqual(await ids(), ["a", "b"]);
  await say({ type: "delete", service: greeter("1", "a") });
  assert.deepEqual(await ids(), ["b"]);
  assert.deepEqual(seen, ["sync", "create", "delete"]);
  assert.deepEqual(registry.watches.map(({ service }) => service), [undefined]);
  assert.equal(registry.lists, 0);
  await cache[Symbol.asyncDispose]();
  await following;
  assert.ok(registry.last.ended);
});

test("while the registry is away, what was known last is the answer, and it says for how long", async () => {
  const { clock, registry, lines, cache, ids, say } = await known();
  const seen: string[] = [];
  const following = (async () => {
    for await (const event of cache.watch({ service: "greeter" })) seen.push(event.type);
  })();
  assert.equal(cache.away, 0);
  registry.down = new Error("connection lost");
  registry.last.end(registry.down);
  await clock.advance(600_000);
  assert.deepEqual(await ids(), ["a"]);
  assert.equal((await cache.listServices()).length, 2);
  assert.equal(cache.away, 600_000);
  const tries = registry.watches.length;
  assert.ok(tries > 60 && tries < 150, `${tries} tries, ever more slowly`);
  assert.equal(lines.filter((line) => line.startsWith("warn")).length, 1, lines.join(""));
  assert.match(lines[0]!, /registry is away; known nodes are kept registry=scripted error=.*connection lost/);

  registry.down = undefined;
  await clock.advance(10_000);
  assert.ok(cache.away > 0, "it has not answered yet");
  await say(sync(greeter("1", "b"), other("x")));
  assert.equal(cache.away, 0);
  assert.deepEqual(await ids(), ["b"]);
  assert.match(lines[1]!, /registry is back registry=scripted away=6\d{5}/);
  assert.deepEqual(seen, ["sync", "delete", "create"], "what changed, and no more");
  await cache[Symbol.asyncDispose]();
  await following;
  assert.equal(clock.pending, 0);
});

test("many caches do not ask a registry that is back all at once", async () => {
  const times = new Set<number>();
  for (let seed = 0; seed < 20; seed++) {
    const clock = new VirtualClock();
    const registry = new ScriptedRegistry();
    await using cache = createCachedRegistry({ registry, system: { clock, random: seeded(seed) } });
    const asked = cache.getService("greeter");
    registry.last.push(sync());
    await asked;
    registry.last.end();
    const began = clock.now();
    while (registry.watches.length < 2) await clock.advance(1);
    times.add(clock.now() - began);
  }
  assert.ok(times.size > 10, `${times.size} different waits of 20`);
});

test("a service that is missing when the registry comes back stays until its nodes could register anew", async () => {
  const { clock, registry, cache, ids, say } = await known();
  registry.last.end();
  await clock.advance(200);
  await say(sync());
  assert.deepEqual([await ids(), await ids("other")], [["a"], ["x"]]);
  await clock.advance(10_000);
  await say({ type: "create", service: other("x") });
  await say(sync(other("x")));
  await clock.advance(GRACE - 10_001);
  assert.deepEqual([await ids(), await ids("other")], [["a"], ["x"]]);
  await clock.advance(1);
  assert.deepEqual([await ids(), await ids("other")], [[], ["x"]], "only who did not come back is gone");
  await say({ type: "delete", service: other("x") });
  assert.deepEqual(await ids("other"), [], "a node that is said to be gone is gone");
  await cache[Symbol.asyncDispose]();
  assert.equal(clock.pending, 0);
});

test("a registry that answers late is waited for, as long as whoever asks likes", async () => {
  const { clock, registry, cache, ids, say } = cached();
  const patient = ids();
  const controller = new AbortController();
  const hasty = cache.getService("greeter", { signal: controller.signal });
  await clock.advance(60_000);
  controller.abort(new Error("enough"));
  await assert.rejects(hasty, /enough/);
  await say(sync(greeter("1", "a")));
  assert.deepEqual(await patient, ["a"]);
  assert.equal(registry.watches.length, 1);
  await cache[Symbol.asyncDispose]();
});

test("a registry that is away before anything is known fails the question, and is asked anew", async () => {
  const { registry, cache, ids, say } = cached();
  registry.down = new Error("no route");
  const failures = [ids(), ids("other"), cache.listServices()];
  for (const each of failures) {
    await assert.rejects(each, (error) => {
      assert.ok(error instanceof MuonError);
      assert.equal(error.status, "unavailable");
      assert.match(error.detail, /The scripted registry is away: no route/);
      return true;
    });
  }
  assert.equal(registry.watches.length, 1);
  registry.down = undefined;
  const asked = ids();
  await say(sync(greeter("1", "a")));
  assert.deepEqual(await asked, ["a"]);
  await cache[Symbol.asyncDispose]();
});

test("closing a cache ends the questions that wait, and leaves the registry alone", async () => {
  const { registry, cache, ids } = cached();
  let disposed = false;
  const below: Registry = registry;
  below[Symbol.asyncDispose] = () => {
    disposed = true;
    return Promise.resolve();
  };
  const waiting = assert.rejects(ids(), /cache of the scripted registry is closed/);
  await cache[Symbol.asyncDispose]();
  await waiting;
  assert.equal(disposed, false);
  await assert.rejects(ids(), /closed: getService cannot be done/);
});

test("a registry whose watches go on while it is away says so itself", async () => {
  const clock = new VirtualClock();
  let broken = false;
  const backend: PolledBackend = {
    name: "shelf",
    look: () => broken ? Promise.reject(new Error("connection lost")) : Promise.resolve([greeter("1", "a")]),
    put: () => Promise.resolve(),
    remove: () => Promise.resolve(),
  };
  await using registry = createPolledRegistry(backend, { clock, poll: 1_000 });
  await using cache = createCachedRegistry({ registry, system: { clock, random: seeded(2) } });
  assert.equal((await cache.listServices()).length, 1);
  broken = true;
  await clock.advance(5_000);
  assert.ok(cache.away >= 3_000 && cache.away <= 5_000, `${cache.away} ms`);
  assert.equal((await cache.listServices()).length, 1);
  broken = false;
  await clock.advance(1_000);
  assert.equal(cache.away, 0);
});
