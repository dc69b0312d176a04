import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { pickContext, record, testSelector, use } from "../../tests/conformance/selector.ts";
import { ScriptedRegistry } from "../../tests/support/scripted_registry.ts";
import { MuonError } from "../errors.ts";
import { lineLogger } from "../log.ts";
import { seeded } from "../random.ts";
import { createMemoryRegistry } from "../registry/memory.ts";
import type { RegistryEvent } from "../registry/registry.ts";
import { VirtualClock } from "../virtual_clock.ts";
import { DECISION, formatDecision } from "./decision.ts";
import { createSelector, type SelectorOptions } from "./registry_selector.ts";
import type { Decision, Filter } from "./selector.ts";
import { byVersion } from "./filters.ts";
import { STRATEGY_NAMES } from "./strategies.ts";
import { byLabelWeight, byOwnWeight } from "./weights.ts";

for (const strategy of STRATEGY_NAMES) {
  testSelector({ name: `registry, ${strategy}`, create: (parts) => createSelector({ ...parts, strategy }) });
}

function scripted(options: Partial<SelectorOptions> = {}) {
  const clock = new VirtualClock();
  const registry = new ScriptedRegistry();
  const lines: string[] = [];
  const log = lineLogger((line) => lines.push(line));
  const selector = createSelector({ registry, system: { clock, random: seeded(2) }, log, ...options });
  const ids = () => selector.candidates("greeter").map(({ node }) => node.id);
  return { clock, registry, lines, selector, ids };
}

const sync = (...services: ReturnType<typeof record>[]): RegistryEvent => ({ type: "sync", services });

test("nodes stay while the registry is away, and it is asked again, ever more slowly", async () => {
  const { clock, registry, lines, selector, ids } = scripted();
  const ready = selector.ready("greeter");
  registry.last.push(sync(record("1", "a")));
  await ready;
  registry.down = new Error("connection lost");
  registry.last.end(registry.down);
  await clock.advance(600_000);
  assert.deepEqual(ids(), ["a"]);
  assert.equal(selector.ready("greeter"), undefined);
  assert.equal(use(selector), "a");
  assert.ok(
    registry.watches.length > 30 && registry.watches.length < 150,
    `${registry.watches.length} tries`,
  );
  assert.equal(lines.filter((line) => line.startsWith("warn")).length, 1);
  const nobody = { name: "nobody", keep: () => false };
  assert.throws(
    () => selector.pick(pickContext("greeter", { filters: [nobody] })),
    /fits the call of Greeter\.Hello: 1 known to the scripted registry \(away for 600000 ms\); filter "nobody" leaves/,
  );

  registry.down = undefined;
  await clock.advance(10_000);
  registry.last.push(sync(record("1", "b")));
  await clock.advance(0);
  assert.deepEqual(ids(), ["b"]);
  assert.equal(lines.filter((line) => line.includes("registry is back")).length, 1);
  await selector[Symbol.asyncDispose]();
  assert.equal(clock.pending, 0);
});

test("a registry that comes back empty is not believed at once", async () => {
  const { clock, registry, selector, ids } = scripted();
  const ready = selector.ready("greeter");
  registry.last.push(sync(record("1", "a"), record("1", "b")));
  await ready;
  registry.last.end();
  await clock.advance(200);
  registry.last.push(sync());
  await clock.advance(15_000);
  assert.equal(ids().length, 2);
  registry.last.push({ type: "create", service: record("1", "a") });
  await clock.advance(0);
  assert.deepEqual(ids(), ["a"]);

  registry.last.push(sync());
  await clock.advance(20_000);
  registry.last.push(sync());
  registry.last.push({ type: "delete", service: record("1", "b") });
  await clock.advance(9_999);
  assert.deepEqual(ids(), ["a"]);
  await clock.advance(1);
  assert.deepEqual(ids(), []);

  registry.last.push(sync(record("1", "a")));
  await clock.advance(0);
  registry.last.push({ type: "delete", service: record("1", "a") });
  await clock.advance(0);
  assert.deepEqual(ids(), [], "a node that is said to be gone is gone");
  await selector[Symbol.asyncDispose]();
});

test("a registry that is away before anything is known fails the wait, and is asked anew", async () => {
  const { registry, selector } = scripted();
  registry.down = new Error("no route");
  await assert.rejects(async () => await selector.ready("greeter"), (error) => {
    assert.ok(error instanceof MuonError);
    assert.equal(error.status, "unavailable");
    assert.equal(error.notRun, true);
    assert.match(error.detail, /"greeter" cannot be looked up in the scripted registry: no route/);
    return true;
  });
  registry.down = new MuonError("failed_precondition", "directory is open to others");
  await assert.rejects(async () => await selector.ready("greeter"), /failed_precondition.*open to others/);
  registry.down = undefined;
  const ready = selector.ready("greeter");
  registry.last.push(sync(record("1", "a")));
  await ready;
  assert.equal(use(selector), "a");
  await selector[Symbol.asyncDispose]();
});

test("who is waited for by many is asked for once", async () => {
  const { registry, selector } = scripted();
  const waits = Array.from({ length: 10 }, () => selector.ready("greeter"));
  assert.equal(registry.watches.length, 1);
  registry.last.push(sync(record("1", "a")));
  await Promise.all(waits);
  assert.equal(registry.watches[0]!.service, "greeter");
  await selector[Symbol.asyncDispose]();
});

test("a service that is unknown leaves no watch, and its error says what there is", async () => {
  const { clock, registry, selector } = scripted();
  registry.services = ["b", "a", "a", ...Array.from({ length: 12 }, (_, i) => `x${i}`)]
    .map((name) => ({ name, version: "1" }));
  for (let i = 0; i < 3; i++) {
    const ready = selector.ready("greeter");
    registry.last.push(sync());
    await ready;
    assert.ok(registry.last.ended);
    assert.throws(() => selector.pick(pickContext("greeter")), (error) => {
      assert.ok(error instanceof MuonError);
      assert.match(
        error.detail,
        /is known to the scripted registry; it knows a, b, x0, .* and 6 more\. Start/,
      );
      const decision = error.details?.[0]?.value as Decision;
      assert.equal(error.details?.[0]?.type, DECISION);
      assert.equal(decision.services.length, 8);
      return true;
    });
  }
  assert.equal(registry.lists, 1);
  assert.equal(clock.pending, 0);
  await selector[Symbol.asyncDispose]();
});

test("a service that is not called for long is no longer watched", async () => {
  const { clock, registry, selector } = scripted({ idle: 1_000 });
  const ready = selector.ready("greeter");
  registry.last.push(sync(record("1", "a")));
  await ready;
  for (let i = 0; i < 5; i++) {
    await clock.advance(999);
    use(selector);
  }
  assert.ok(!registry.last.ended);
  const pick = selector.pick(pickContext("greeter"));
  await clock.advance(5_000);
  assert.ok(!registry.last.ended, "a call is under way");
  pick.done({ duration: 5_000 });
  await clock.advance(2_000);
  assert.ok(registry.last.ended);
  assert.ok(selector.ready("greeter") instanceof Promise);
  assert.equal(registry.watches.length, 2);
  await selector[Symbol.asyncDispose]();
  assert.equal(clock.pending, 0);
});

test("a node that moves is a new one, a node whose notes change is the same", async () => {
  const { clock, registry, selector } = scripted();
  const ready = selector.ready("greeter");
  registry.last.push(sync(record("1", "a")));
  await ready;
  selector.pick(pickContext("greeter")).done({ duration: 30 });
  registry.last.push({ type: "update", service: record("1", "a", { metadata: { zone: "b" } }) });
  await clock.advance(0);
  const [noted] = selector.candidates("greeter");
  assert.equal(noted?.latency, 30);
  assert.equal(noted?.service.metadata.zone, "b");
  registry.last.push({ type: "update", service: record("1", "a", {}, "127.0.0.1:5") });
  await clock.advance(0);
  assert.equal(selector.candidates("greeter")[0]?.latency, 0);
  await selector[Symbol.asyncDispose]();
});

test("candidates are in the order of version and id, whatever order they came in", async () => {
  const { registry, selector } = scripted();
  const ready = selector.ready("greeter");
  const nodes = ["c", "a", "b"].map((id) => record("1", id).nodes[0]!);
  registry.last.push(sync(record("2", "z"), record("1", "c", { nodes })));
  await ready;
  assert.deepEqual(
    selector.candidates("greeter").map(({ node, service }) => `${service.version} ${node.id}`),
    ["1 a", "1 b", "1 c", "2 z"],
  );
  await selector[Symbol.asyncDispose]();
});

test("a wait that nobody observes takes nothing down", async () => {
  const { registry, selector } = scripted();
  registry.down = new Error("no route");
  const unobserved: unknown[] = [];
  const note = (reason: unknown) => void unobserved.push(reason);
  process.on("unhandledRejection", note);
  void selector.ready("greeter");
  await new Promise((resolve) => setTimeout(resolve, 0));
  await new Promise((resolve) => setTimeout(resolve, 0));
  process.off("unhandledRejection", note);
  assert.deepEqual(unobserved, []);
  await selector[Symbol.asyncDispose]();
});

test("a strategy that makes a candidate up is told", async () => {
  const { registry, selector } = scripted({
    strategy: { name: "odd", pick: (from) => ({ ...from[0]! }) },
  });
  const ready = selector.ready("greeter");
  registry.last.push(sync(record("1", "a"), record("2", "b")));
  await ready;
  assert.throws(() => selector.pick(pickContext("greeter")), /Strategy "odd" gave none of the 2 candidates/);
  await selector[Symbol.asyncDispose]();
});

test("options that make no sense are refused", () => {
  const system = { clock: new VirtualClock(), random: seeded(1) };
  const registry = createMemoryRegistry({ system });
  assert.throws(() => createSelector({ registry, system, strategy: "best" }), TypeError);
  assert.throws(() => createSelector({ registry, system, idle: 0 }), RangeError);
});

test("a pick says who was known, who was left out by what, and who won", async () => {
  const { registry, selector } = scripted({ filters: [byVersion("1")] });
  const ready = selector.ready("greeter");
  const both = [...record("1", "a").nodes, ...record("1", "b").nodes];
  registry.last.push(sync(record("1", "a", { nodes: both }), record("2", "c")));
  await ready;
  let decision: Decision | undefined;
  selector.pick({ ...pickContext("greeter"), tried: ["a"], explain: (made) => decision = made }).done({
    duration: 1,
  });
  assert.equal(decision!.picked, "b");
  assert.deepEqual(decision!.nodes.map(({ id, leftOutBy }) => [id, leftOutBy]), [
    ["a", "tried"],
    ["b", ""],
    ["c", "version=1"],
  ]);
  assert.match(
    formatDecision(decision!),
    /3 nodes known to the .* registry, picked by random\n {2}a .*: left out: tried\n {2}b .*: picked\n {2}c .*: left out: version=1/,
  );
  await selector[Symbol.asyncDispose]();
});

test("a pick says what the weights gave each node, and one that finds none says so as well", async () => {
  const { registry, selector } = scripted({ weights: [byLabelWeight("zone", { eu: 0, us: 3 })] });
  const ready = selector.ready("greeter");
  const nodes = [["a", "eu"], ["b", "us"], ["c", "asia"]].map(([id, zone]) => {
    const [node] = record("1", id!).nodes;
    return { ...node!, metadata: { ...node!.metadata, zone: zone! } };
  });
  registry.last.push(sync(record("1", "a", { nodes })));
  await ready;
  let decision: Decision | undefined;
  const explain = (made: Decision) => decision = made;
  const { candidate } = selector.pick({ ...pickContext("greeter"), explain });
  assert.deepEqual(decision!.nodes.map(({ id, leftOutBy, weight }) => [id, leftOutBy, weight]), [
    ["a", "weight", 0],
    ["b", "", 3],
    ["c", "", 1],
  ]);
  assert.match(formatDecision(decision!), / {2}a .*, weight 0: left out: weight\n {2}b .*, weight 3: /);
  assert.equal(decision!.picked, candidate.node.id);

  const nobody: Filter = { name: "nobody\nelse", keep: () => false };
  assert.throws(
    () => selector.pick({ ...pickContext("greeter"), filters: [nobody], explain }),
    /fits the call/,
  );
  assert.equal(decision!.picked, undefined);
  assert.deepEqual(decision!.nodes.map(({ leftOutBy }) => leftOutBy), Array(3).fill("nobody\nelse"));
  assert.equal(
    formatDecision(decision!).split("\n").length,
    4,
    "what a program says makes no lines of its own",
  );
  await selector[Symbol.asyncDispose]();
});

for (const strategy of STRATEGY_NAMES) {
  test(`weights divide the calls under ${strategy}`, async () => {
    const { registry, selector } = scripted({ strategy, weights: [byOwnWeight()] });
    const ready = selector.ready("greeter");
    const weighed = (id: string, weight: string) => {
      const one = record("1", id);
      return {
        ...one,
        nodes: one.nodes.map((node) => ({ ...node, metadata: { ...node.metadata, weight } })),
      };
    };
    const heavy = weighed("heavy", "3");
    registry.last.push(sync({
      ...heavy,
      nodes: [...heavy.nodes, ...record("1", "light").nodes, ...weighed("spare", "0").nodes],
    }));
    await ready;
    const counts: Record<string, number> = { heavy: 0, light: 0, spare: 0 };
    for (let i = 0; i < 2_000; i++) {
      const pick = selector.pick(pickContext("greeter"));
      counts[pick.candidate.node.id]!++;
      pick.done({ duration: 1 });
    }
    assert.ok(counts.heavy! > 1_400 && counts.heavy! < 1_600, `heavy got ${counts.heavy} of 2000`);
    assert.equal(counts.spare, 0);
    const only = selector.pick({ ...pickContext("greeter"), tried: ["heavy", "light"] });
    assert.equal(only.candidate.node.id, "spare", "what weighs nothing serves when nobody else does");
    only.done({ duration: 1 });
    const own = selector.pick({
      ...pickContext("greeter"),
      weights: [{ name: "light", of: ({ node }) => node.id === "light" ? 1 : 0 }],
    });
    assert.equal(own.candidate.node.id, "light", "a call has weights of its own");
    own.done({ duration: 1 });
    await selector[Symbol.asyncDispose]();
  });
}

test("a weight must be a number from 0", () => {
  assert.throws(
    () => byLabelWeight("zone", { "eu-1": -1 }),
    /Weight of zone=eu-1 must be a number from 0: current value is -1/,
  );
});

test("when a node is left out can be chosen, and that none is", async () => {
  const after = async (ejection: SelectorOptions["ejection"], failures: number) => {
    const { clock, registry, selector } = scripted(ejection === undefined ? {} : { ejection });
    const ready = selector.ready("greeter");
    registry.last.push(sync(record("1", "a")));
    await ready;
    const times: number[] = [];
    for (let i = 0; i < failures; i++) {
      const pick = selector.pick(pickContext("greeter"));
      pick.done({ duration: 1, error: new MuonError("unavailable", "down") });
      const { ejectedUntil } = pick.candidate;
      if (ejectedUntil === 0) continue;
      times.push(ejectedUntil - clock.now());
      await clock.advance(ejectedUntil - clock.now());
    }
    await selector[Symbol.asyncDispose]();
    return times;
  };
  assert.deepEqual(await after(undefined, 8), [5_000, 10_000, 20_000, 40_000, 60_000, 60_000]);
  assert.deepEqual(await after({ consecutiveFailures: 1, baseTime: 100, maxTime: 150 }, 3), [100, 150, 150]);
  assert.deepEqual(await after({ consecutiveFailures: 5 }, 5), [5_000]);
  assert.deepEqual(await after({ baseTime: 90_000 }, 4), [90_000, 90_000]);
  assert.deepEqual(await after(false, 1_000), []);
  for (
    const wrong of [{ consecutiveFailures: 0 }, { baseTime: 0 }, { baseTime: 2, maxTime: 1 }, {
      maxTime: NaN,
    }]
  ) {
    assert.throws(() => scripted({ ejection: wrong }), {
      name: "RangeError",
      message: /of ejection must be/,
    });
  }
});
