/**
 * What every strategy and every selector must do. Plugin authors run it against theirs.
 *
 * @module
 */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { MuonError, type MuonErrorOptions } from "../../runtime/errors.ts";
import { createMemoryRegistry } from "../../runtime/registry/memory.ts";
import { type Random, seeded } from "../../runtime/random.ts";
import type { ServiceRecord } from "../../runtime/record.ts";
import type { Registry } from "../../runtime/registry/registry.ts";
import type {
  Candidate,
  Decision,
  Filter,
  Outcome,
  PickContext,
  Selector,
  Strategy,
} from "../../runtime/selector/selector.ts";
import { VirtualClock } from "../../runtime/virtual_clock.ts";

/** What {@link testStrategy} tests. */
export interface StrategySuite {
  /** Name of the strategy. */
  readonly name: string;
  /** Makes one. */
  readonly create: (random: Random) => Strategy;
  /** Whether equal, idle nodes get about the same number of calls. @default {true} */
  readonly even?: boolean;
}

/** Runs the suite of a strategy. */
export function testStrategy({ name, create, even = true }: StrategySuite): void {
  const call = pickContext("greeter");

  describe(`strategy ${name}`, () => {
    test("it says its name", () => {
      assert.equal(create(seeded(1)).name, name);
    });

    test("it gives one of the candidates it is given, whatever their number", () => {
      const strategy = create(seeded(1));
      for (const count of [1, 5, 2, 100, 1, 3]) {
        const from = candidates(count);
        for (let i = 0; i < 50; i++) assert.ok(from.includes(strategy.pick(from, call)));
      }
    });

    test("it does not touch the list", () => {
      const from = Object.freeze(candidates(4));
      const before = [...from];
      const strategy = create(seeded(1));
      for (let i = 0; i < 20; i++) strategy.pick(from, call);
      assert.deepEqual(from, before);
    });

    test("it does the same under the same seed", () => {
      const run = () => {
        const strategy = create(seeded(7));
        const from = candidates(5);
        return Array.from({ length: 100 }, () => strategy.pick(from, call).node.id);
      };
      assert.deepEqual(run(), run());
    });

    test("services do not disturb each other", () => {
      const strategy = create(seeded(3));
      const from = candidates(4);
      const seen = new Set<string>();
      for (let i = 0; i < 400; i++) {
        seen.add(strategy.pick(from, call).node.id);
        strategy.pick(from, pickContext("other"));
      }
      assert.equal(seen.size, even ? 4 : seen.size);
    });

    if (!even) return;
    test("equal nodes get about as many calls", () => {
      const strategy = create(seeded(11));
      const from = candidates(4);
      const counts = new Map<string, number>();
      for (let i = 0; i < 4_000; i++) {
        const { id } = strategy.pick(from, call).node;
        counts.set(id, (counts.get(id) ?? 0) + 1);
      }
      for (const { node } of from) {
        const count = counts.get(node.id) ?? 0;
        assert.ok(count > 800 && count < 1_200, `${node.id} got ${count} of 4000`);
      }
    });
  });
}

/** What a selector is made of, in {@link testSelector}. */
export interface SelectorParts {
  /** Who tells of nodes. */
  readonly registry: Registry;
  /** Time and chance. */
  readonly system: { readonly clock: VirtualClock; readonly random: Random };
  /** Filters for every call. */
  readonly filters: readonly Filter[];
}

/** What {@link testSelector} tests. */
export interface SelectorSuite {
  /** Name of the implementation. */
  readonly name: string;
  /** Makes one. */
  readonly create: (parts: SelectorParts) => Selector;
}

/** Runs the suite of a selector. */
export function testSelector({ name, create }: SelectorSuite): void {
  const run = (title: string, body: (mesh: Mesh) => Promise<void>, filters: readonly Filter[] = []) =>
    test(title, async () => {
      const clock = new VirtualClock();
      const system = { clock, random: seeded(5) };
      const registry = createMemoryRegistry({ system });
      const selector = create({ registry, system, filters });
      try {
        await body({ clock, registry, selector });
      } finally {
        await selector[Symbol.asyncDispose]();
        await registry[Symbol.asyncDispose]();
      }
    });

  describe(`selector ${name}`, () => {
    run("a service that nobody serves is not found, and says so", async ({ registry, selector }) => {
      await registry.register(record("1", "a", { name: "other" }), { ttl: MINUTE });
      await selector.ready("greeter");
      const error = refused(() => selector.pick(pickContext("greeter")));
      assert.equal(error.status, "not_found");
      assert.equal(error.notRun, true);
      assert.match(error.detail, /"greeter"/);
    });

    run("a service is seen as soon as it is there", async ({ registry, selector }) => {
      await selector.ready("greeter");
      refused(() => selector.pick(pickContext("greeter")));
      await registry.register(record("1", "a"), { ttl: MINUTE });
      await selector.ready("greeter");
      assert.equal(use(selector), "a");
    });

    run("what is known is not awaited", async ({ registry, selector }) => {
      await registry.register(record("1", "a"), { ttl: MINUTE });
      const first = selector.ready("greeter");
      assert.ok(first instanceof Promise);
      await first;
      assert.equal(selector.ready("greeter"), undefined);
      assert.deepEqual(selector.candidates("greeter").map(({ node }) => node.id), ["a"]);
      assert.deepEqual(selector.candidates("other"), []);
    });

    run("nodes come, move and go while it runs", async ({ clock, registry, selector }) => {
      await registry.register(record("1", "a"), { ttl: MINUTE });
      await selector.ready("greeter");
      await registry.register(record("2", "b"), { ttl: MINUTE });
      await clock.advance(0);
      assert.deepEqual(all(selector), ["a", "b"]);
      await registry.register(record("2", "b", {}, "127.0.0.1:99"), { ttl: MINUTE });
      await clock.advance(0);
      assert.equal(selector.candidates("greeter")[1]?.node.address, "127.0.0.1:99");
      await registry.deregister(record("1", "a"));
      await clock.advance(0);
      assert.deepEqual(all(selector), ["b"]);
      await registry.deregister(record("2", "b"));
      await clock.advance(0);
      assert.equal(refused(() => selector.pick(pickContext("greeter"))).status, "not_found");
    });

    run(
      "filters of the call leave nodes out, and the error says which left out whom",
      async ({ registry, selector }) => {
        await registry.register(record("1", "a"), { ttl: MINUTE });
        await registry.register(record("2", "b"), { ttl: MINUTE });
        await selector.ready("greeter");
        const two: Filter = { name: "second", keep: ({ service }) => service.version === "2" };
        for (let i = 0; i < 20; i++) assert.equal(use(selector, { filters: [two] }), "b");
        const none: Filter = { name: "nobody-at-all", keep: () => false };
        const error = refused(() => selector.pick(pickContext("greeter", { filters: [two, none] })));
        assert.equal(error.status, "unavailable");
        assert.equal(error.notRun, true);
        assert.match(error.detail, /second.*a at.*nobody-at-all.*b at/s);
        assert.equal(error.details?.length, 1);
        assert.deepEqual(JSON.parse(JSON.stringify(error.details![0]!.value)).known, 2);
      },
    );

    run("its own filters count for every call", async ({ registry, selector }) => {
      await registry.register(record("1", "a"), { ttl: MINUTE });
      await registry.register(record("2", "b"), { ttl: MINUTE });
      await selector.ready("greeter");
      for (let i = 0; i < 20; i++) assert.equal(use(selector), "b");
    }, [{ name: "second", keep: ({ service }) => service.version === "2" }]);

    run("a node that was tried is taken again only if no other is left", async ({ registry, selector }) => {
      for (const id of ["a", "b", "c"]) await registry.register(record("1", id), { ttl: MINUTE });
      await selector.ready("greeter");
      for (let i = 0; i < 20; i++) assert.equal(use(selector, { tried: ["a", "c"] }), "b");
      assert.ok(["a", "b", "c"].includes(use(selector, { tried: ["a", "b", "c"] })));
    });

    run("nodes that list the endpoint are preferred, and none is needed", async ({ registry, selector }) => {
      const bye = { name: "Greeter.Bye", request: null, response: null, metadata: {} };
      await registry.register(record("1", "a"), { ttl: MINUTE });
      await registry.register(record("2", "b", { endpoints: [bye] }), { ttl: MINUTE });
      await selector.ready("greeter");
      for (let i = 0; i < 20; i++) {
        assert.equal(use(selector, { endpoint: "Greeter.Bye" }), "b");
        assert.equal(use(selector, { endpoint: "Greeter.Bye", tried: ["b"] }), "b");
      }
      const first: Filter = { name: "first", keep: ({ service }) => service.version === "1" };
      assert.equal(use(selector, { endpoint: "Greeter.Bye", filters: [first] }), "a");
      const seen = new Set(Array.from({ length: 100 }, () => use(selector, { endpoint: "Greeter.Nowhere" })));
      assert.equal(seen.size, 2);
    });

    run("calls in flight and their time are counted", async ({ clock, registry, selector }) => {
      await registry.register(record("1", "a"), { ttl: 100 * MINUTE });
      await selector.ready("greeter");
      const [candidate] = selector.candidates("greeter");
      const picks = [1, 2, 3].map(() => selector.pick(pickContext("greeter")));
      assert.equal(candidate!.inflight, 3);
      picks[0]!.done({ duration: 40 });
      picks[0]!.done({ duration: 40 });
      assert.equal(candidate!.inflight, 2);
      assert.equal(candidate!.latency, 40);
      await clock.advance(MINUTE);
      picks[1]!.done({ duration: 10 });
      assert.ok(candidate!.latency > 10 && candidate!.latency < 11);
      picks[2]!.done({ duration: 0, error: new MuonError("unavailable", "gone") });
      assert.equal(candidate!.inflight, 0);
    });

    run(
      "a call may bring a strategy, by name or its own, and that one is told as the one that picked",
      async (mesh) => {
        const { registry, selector } = mesh;
        for (const id of ["a", "b", "c"]) await registry.register(record("1", id), { ttl: MINUTE });
        await selector.ready("greeter");
        const last: Strategy = { name: "last", pick: (from) => from[from.length - 1]! };
        let strategy: string | undefined;
        const explain = (decision: Decision) => strategy = decision.strategy;
        for (let i = 0; i < 10; i++) assert.equal(use(selector, { strategy: last, explain }), "c");
        assert.equal(strategy, "last");
        const turns = Array.from({ length: 6 }, () => use(selector, { strategy: "roundrobin", explain }));
        assert.equal(new Set(turns.slice(0, 3)).size, 3);
        assert.deepEqual(turns.slice(3), turns.slice(0, 3), "it remembers whose turn it is");
        assert.equal(strategy, "roundrobin");
        const error = refused(() => selector.pick(pickContext("greeter", { strategy: "best" })));
        assert.equal(error.status, "invalid_argument");
        assert.match(error.detail, /one of random, roundrobin, leastconn: current value is "best"/);
      },
    );

    run(
      "a call may pass over that a node is left out, and shows it if that is back",
      async ({ registry, selector }) => {
        for (const id of ["bad", "good"]) await registry.register(record("1", id), { ttl: 100 * MINUTE });
        await selector.ready("greeter");
        await fail(selector, "bad", 3);
        for (let i = 0; i < 50; i++) assert.equal(use(selector), "good");
        const [bad] = selector.candidates("greeter");
        const seen = new Set(Array.from({ length: 50 }, () => use(selector, { ejection: false })));
        assert.equal(seen.size, 2);
        assert.ok(bad!.ejectedUntil > 0);
        for (let i = 0; i < 50; i++) {
          selector.pick(pickContext("greeter", { ejection: false })).done({ duration: 1 });
        }
        assert.equal(bad!.ejectedUntil, 0);
      },
    );

    run("a node that fails is left out, asked once when its time is over, and comes back", async (mesh) => {
      const { clock, registry, selector } = mesh;
      for (const id of ["bad", "good"]) await registry.register(record("1", id), { ttl: 100 * MINUTE });
      await selector.ready("greeter");
      await fail(selector, "bad", 3);
      const bad = selector.candidates("greeter").find(({ node }) => node.id === "bad")!;
      assert.ok(bad.ejectedUntil > clock.now());
      for (let i = 0; i < 50; i++) assert.equal(use(selector), "good");

      const first = bad.ejectedUntil - clock.now();
      await clock.advance(first);
      const probe = until(selector, "bad");
      for (let i = 0; i < 50; i++) assert.equal(use(selector), "good");
      probe.done({ duration: 1, error: new MuonError("unavailable", "still gone") });
      const second = bad.ejectedUntil - clock.now();
      assert.ok(second > first, `${second} must be longer than ${first}`);
      for (let i = 0; i < 50; i++) assert.equal(use(selector), "good");

      await clock.advance(second);
      until(selector, "bad").done({ duration: 1 });
      assert.equal(bad.ejectedUntil, 0);
      const seen = new Set(Array.from({ length: 100 }, () => use(selector)));
      assert.equal(seen.size, 2);
    });

    run("a node whose port is another service's now is left out, and comes back with it", async (mesh) => {
      const { clock, registry, selector } = mesh;
      for (const id of ["a", "b"]) await registry.register(record("1", id), { ttl: 100 * MINUTE });
      await selector.ready("greeter");
      const stranger = (id = "muon.server") =>
        new MuonError("not_found", "not served here", { id, notRun: true });
      for (let i = 0; i < 5; i++) until(selector, "a").done({ duration: 1, error: stranger("greeter") });
      const [candidate] = selector.candidates("greeter");
      assert.equal(candidate!.ejectedUntil, 0, "an endpoint that the service does not have");
      for (const id of ["muon.server", "muon.host", "muon.server"]) {
        until(selector, "a").done({ duration: 1, error: stranger(id) });
      }
      const first = candidate!.ejectedUntil - clock.now();
      assert.ok(first > 0);
      for (let i = 0; i < 50; i++) assert.equal(use(selector), "b");
      await clock.advance(first);
      until(selector, "a").done({ duration: 1, error: stranger() });
      const second = candidate!.ejectedUntil - clock.now();
      assert.ok(second > first, `${second} must be longer than ${first}`);
      await clock.advance(second);
      until(selector, "a").done({ duration: 1 });
      assert.equal(candidate!.ejectedUntil, 0);
    });

    run("where every node fails, every node counts", async ({ registry, selector }) => {
      for (const id of ["a", "b"]) await registry.register(record("1", id), { ttl: MINUTE });
      await selector.ready("greeter");
      await fail(selector, "a", 3);
      await fail(selector, "b", 3);
      const seen = new Set(Array.from({ length: 100 }, () => use(selector)));
      assert.equal(seen.size, 2);
    });

    run(
      "errors that a handler gave, and calls that were cancelled, leave no node out",
      async ({ registry, selector }) => {
        for (const id of ["a", "b"]) await registry.register(record("1", id), { ttl: MINUTE });
        await selector.ready("greeter");
        for (const status of ["not_found", "internal", "invalid_argument", "canceled"] as const) {
          await fail(selector, "a", 5, { status });
          assert.equal(selector.candidates("greeter")[0]!.ejectedUntil, 0, status);
        }
        for (const status of ["unavailable", "deadline_exceeded"] as const) {
          await fail(selector, "a", 5, { status, answered: true });
          assert.equal(selector.candidates("greeter")[0]!.ejectedUntil, 0, `${status}, which the node says`);
        }
        await fail(selector, "a", 2);
        until(selector, "a").done({ duration: 1 });
        await fail(selector, "a", 2);
        assert.equal(selector.candidates("greeter")[0]!.ejectedUntil, 0);
      },
    );

    run("a signal ends the wait of one, and of no other", async ({ registry, selector }) => {
      await registry.register(record("1", "a"), { ttl: MINUTE });
      const controller = new AbortController();
      const one = selector.ready("greeter", { signal: controller.signal });
      const other = selector.ready("greeter");
      controller.abort(new Error("enough"));
      await assert.rejects(one!, /enough/);
      await other;
      assert.equal(use(selector), "a");
    });

    run("disposal leaves no timer and no watch", async ({ clock, registry, selector }) => {
      await registry.register(record("1", "a"), { ttl: MINUTE });
      await selector.ready("greeter");
      await selector[Symbol.asyncDispose]();
      await registry[Symbol.asyncDispose]();
      assert.equal(clock.pending, 0);
      await assert.rejects(async () => await selector.ready("greeter"), { status: "failed_precondition" });
      const late = refused(() => selector.pick(pickContext("greeter")));
      assert.equal(late.status, "failed_precondition", "that nobody is known is not what is wrong");
    });
  });
}

interface Mesh {
  readonly clock: VirtualClock;
  readonly registry: Registry;
  readonly selector: Selector;
}

const MINUTE = 60_000;

/** A call to pick for. */
export function pickContext(service: string, context: Partial<PickContext> = {}): PickContext {
  return { service, endpoint: "Greeter.Hello", filters: [], tried: [], ...context };
}

/** A record with one node. */
export function record(
  version: string,
  id: string,
  service: Partial<ServiceRecord> = {},
  address = "127.0.0.1:4000",
): ServiceRecord {
  return {
    name: "greeter",
    version,
    metadata: {},
    endpoints: [{ name: "Greeter.Hello", request: null, response: null, metadata: {} }],
    nodes: [{ id, address, metadata: {} }],
    ...service,
  };
}

/** Idle candidates, `n0` and on. */
export function candidates(count: number): Candidate[] {
  return Array.from({ length: count }, (_, i) => {
    const service = record("1", `n${i}`);
    return { node: service.nodes[0]!, service, inflight: 0, latency: 0, ejectedUntil: 0 };
  });
}

/** Picks, is done at once, and gives the id of the node. */
export function use(
  selector: Selector,
  context: Partial<PickContext> = {},
  outcome: Outcome = { duration: 1 },
): string {
  const pick = selector.pick(pickContext("greeter", context));
  // Cancelled: a call that says nothing of the node, so that looking changes nothing.
  pick.done(
    outcome.error === undefined ? { duration: 0, error: new MuonError("canceled", "looked") } : outcome,
  );
  return pick.candidate.node.id;
}

function all(selector: Selector): string[] {
  return selector.candidates("greeter").map(({ node }) => node.id);
}

function until(selector: Selector, id: string): ReturnType<Selector["pick"]> {
  for (let i = 0; i < 1_000; i++) {
    const pick = selector.pick(pickContext("greeter"));
    if (pick.candidate.node.id === id) return pick;
    pick.done({ duration: 0, error: new MuonError("canceled", "looked") });
  }
  assert.fail(`${id} was never picked`);
}

async function fail(
  selector: Selector,
  id: string,
  times: number,
  { status = "unavailable", ...options }: MuonErrorOptions & { readonly status?: MuonError["status"] } = {},
): Promise<void> {
  const only: Filter = { name: `only ${id}`, keep: ({ node }) => node.id === id };
  for (let i = 0; i < times; i++) {
    const pick = selector.pick(pickContext("greeter", { filters: [only] }));
    pick.done({ duration: 1, error: new MuonError(status, "failed", options) });
    await undefined;
  }
}

function refused(pick: () => unknown): MuonError {
  try {
    pick();
  } catch (error) {
    assert.ok(error instanceof MuonError);
    return error;
  }
  assert.fail("a node was picked where none should be");
}
