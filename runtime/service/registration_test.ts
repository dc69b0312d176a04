import assert from "node:assert/strict";
import { test } from "node:test";
import { greeter } from "../../tests/conformance/registry.ts";
import { ScriptedRegistry } from "../../tests/support/scripted_registry.ts";
import { MuonError } from "../errors.ts";
import { lineLogger } from "../log.ts";
import { seeded } from "../random.ts";
import { createMemoryRegistry } from "../registry/memory.ts";
import type { Registry } from "../registry/registry.ts";
import { VirtualClock } from "../virtual_clock.ts";
import { Registration, type RegistrationOptions } from "./registration.ts";

const TTL = 60_000;
const INTERVAL = 20_000;

function registering<R extends Registry>(
  make: (clock: VirtualClock) => R,
  options: Partial<RegistrationOptions> = {},
) {
  const clock = new VirtualClock();
  const registry = make(clock);
  const lines: string[] = [];
  const registration = new Registration({
    registry,
    records: [greeter("1", "a")],
    ttl: TTL,
    interval: INTERVAL,
    clock,
    random: seeded(5),
    log: lineLogger((line) => lines.push(line)),
    ...options,
  });
  /** Does something that may wait for the clock, while it is turned on. */
  const during = async <T>(work: Promise<T>, ms: number): Promise<T> => {
    work.catch(() => {});
    await clock.advance(ms);
    return await work;
  };
  return { clock, registry, lines, registration, during };
}

const scripted = (options?: Partial<RegistrationOptions>) =>
  registering(() => new ScriptedRegistry(), options);

test("records are renewed within each interval, and taken out at the end", async () => {
  const { clock, registry, registration } = scripted();
  await registration.start();
  for (let i = 1; i <= 10; i++) {
    const before = registry.done.length;
    await clock.advance(INTERVAL);
    assert.ok(registry.done.length > before, `renewal ${i}`);
  }
  assert.ok(registry.done.length <= 13, `${registry.done.length} registrations in 10 intervals`);
  await registration.stop(new AbortController().signal);
  const count = registry.done.length;
  assert.equal(registry.done.at(-1), "deregister a");
  await clock.advance(10 * INTERVAL);
  assert.equal(registry.done.length, count);
  assert.equal(clock.pending, 0);
});

test("the processes of one moment do not renew at one moment", async () => {
  const times = new Set<number>();
  for (let seed = 0; seed < 20; seed++) {
    const { clock, registry, registration } = scripted({ random: seeded(seed) });
    await registration.start();
    const began = clock.now();
    while (registry.done.length < 2) await clock.advance(50);
    times.add(clock.now() - began);
    await registration.stop(AbortSignal.abort());
  }
  assert.ok(times.size > 10, `${times.size} different waits of 20`);
  assert.ok(Math.min(...times) >= INTERVAL * 0.9 && Math.max(...times) <= INTERVAL);
});

test("a node lives on for as long as it is renewed", async () => {
  const { clock, registry, registration } = registering((clock) =>
    createMemoryRegistry({ system: { clock } })
  );
  await registration.start();
  for (let i = 0; i < 20; i++) {
    await clock.advance(TTL / 2);
    assert.equal((await registry.getService("greeter")).length, 1);
  }
  await registration.stop(new AbortController().signal);
  assert.deepEqual(await registry.getService("greeter"), []);
  await registry[Symbol.asyncDispose]();
  assert.equal(clock.pending, 0);
});

test("a registry that comes back empty has the node again within an interval", async () => {
  const { clock, registry, registration } = registering((clock) =>
    createMemoryRegistry({ system: { clock } })
  );
  await registration.start();
  await clock.advance(3 * INTERVAL);
  await registry.deregister(greeter("1", "a")); // As if it had been restarted.
  assert.deepEqual(await registry.getService("greeter"), []);
  await clock.advance(INTERVAL);
  assert.equal((await registry.getService("greeter"))[0]?.nodes[0]?.id, "a");
  await registration.stop(new AbortController().signal);
  await registry[Symbol.asyncDispose]();
});

test("a registry that is away is tried four times an interval, said once, until it is back", async () => {
  const { clock, registry, lines, registration } = scripted();
  await registration.start();
  registry.down = new Error("connection refused");
  await clock.advance(INTERVAL);
  const before = registry.done.length;
  await clock.advance(10 * INTERVAL);
  const tries = registry.done.length - before;
  assert.ok(tries >= 40 && tries <= 46, `${tries} tries in 10 intervals`);
  assert.equal(lines.length, 1);
  assert.match(lines[0]!, /^warn {2}cannot renew the registration; will try again registry=scripted/);
  registry.down = undefined;
  await clock.advance(INTERVAL / 4);
  assert.match(lines[1]!, /^info {2}registry is back registry=scripted/);
  const back = registry.done.length;
  await clock.advance(INTERVAL * 0.9 - INTERVAL / 4 - 1);
  assert.equal(registry.done.length, back, "and then as often as before");
  await registration.stop(new AbortController().signal);
  assert.equal(clock.pending, 0);
});

test("a renewal that is never answered does not end the renewals", async () => {
  const { clock, registry, lines, registration, during } = scripted();
  await registration.start();
  registry.late = new Promise(() => {});
  await clock.advance(INTERVAL);
  registry.late = undefined;
  assert.equal(registry.done.length, 2);
  await clock.advance(INTERVAL * 1.3);
  assert.ok(registry.done.length >= 3, registry.done.join());
  assert.match(lines[0]!, /cannot renew.*it has not answered within 20000 ms/);
  assert.match(lines[1]!, /registry is back/);
  await during(registration.stop(AbortSignal.abort()), 1_000);
});

test("a registry that answers late keeps the node alive: it is told before the time to live is over", async () => {
  const { clock, registry, registration, during } = scripted();
  await registration.start();
  const told: number[] = [];
  const began = clock.now();
  const { register } = registry;
  registry.register = (service) => {
    told.push(clock.now() - began);
    return register.call(registry, service);
  };
  registry.late = new Promise(() => {});
  await clock.advance(20 * INTERVAL);
  const gaps = told.map((at, i) => at - (told[i - 1] ?? 0));
  assert.ok(told.length > 10 && Math.max(...gaps) < TTL / 2, gaps.join());
  await during(registration.stop(AbortSignal.abort()), 1_000);
});

test("a registration that is under way is not overtaken by its own deregistration", async () => {
  const { clock, registry, registration, during } = scripted();
  await registration.start();
  const late = Promise.withResolvers<void>();
  registry.late = late.promise;
  await clock.advance(INTERVAL);
  assert.deepEqual(registry.done, ["register a", "register a"]);
  const stopping = registration.stop(new AbortController().signal);
  await clock.advance(1_000);
  assert.equal(registry.done.length, 2, "it waits");
  late.resolve();
  await during(stopping, 0);
  assert.deepEqual(registry.done.slice(2), ["deregister a"]);
  assert.equal(clock.pending, 0);
});

test("stopping waits for a registry that does not answer no longer than it is told", async () => {
  const { clock, registry, lines, registration } = scripted();
  await registration.start();
  registry.late = new Promise(() => {});
  const deadline = new AbortController();
  let stopped = false;
  const stopping = registration.stop(deadline.signal).then(() => stopped = true);
  await clock.advance(5_000);
  assert.equal(stopped, false);
  deadline.abort();
  await stopping;
  assert.match(lines[0]!, /could not deregister in time; the record expires by itself/);
});

test("a registry has a second to take the record out, however late it is, and may fail later still", async () => {
  const lines: string[] = [];
  const log = lineLogger((line) => lines.push(line), { level: "debug" });
  const { clock, registry, registration, during } = scripted({ log });
  await registration.start();
  const answer = Promise.withResolvers<void>();
  registry.late = answer.promise;
  registry.down = new Error("connection refused");
  let stopped = false;
  const stopping = registration.stop(AbortSignal.abort()).then(() => stopped = true);
  await clock.advance(900);
  assert.equal(registry.done.at(-1), "deregister a");
  assert.equal(stopped, false);
  await during(stopping, 100);
  answer.resolve();
  await clock.advance(0);
  assert.match(lines[0]!, /^warn {2}could not deregister in time; the record expires by itself/);
  assert.match(lines[1]!, /^debug the registry refused to deregister, late .*connection refused/);
  assert.equal(lines.length, 2);

  const quick = scripted();
  await quick.registration.start();
  await quick.registration.stop(AbortSignal.abort());
  assert.deepEqual([quick.registry.done.at(-1), quick.lines.length], ["deregister a", 0]);
});

test("a start that is stopped tries no more, and says nothing of a record that never was", async () => {
  const { clock, registry, lines, registration, during } = scripted();
  registry.late = new Promise(() => {});
  const starting = registration.start();
  starting.catch(() => {});
  await clock.advance(1_000);
  await during(registration.stop(AbortSignal.abort()), 1_000);
  await assert.rejects(starting, { name: "AbortError" });
  await clock.advance(10 * INTERVAL);
  assert.deepEqual(registry.done, ["register a"]);
  assert.deepEqual(lines.filter((line) => !line.startsWith("debug")), []);
  assert.equal(clock.pending, 0);
});

test("a registry that is away when the service stops is said, and no error", async () => {
  const { registry, lines, registration } = scripted();
  await registration.start();
  registry.down = new Error("connection refused");
  await registration.stop(new AbortController().signal);
  assert.match(lines[0]!, /could not deregister; the record expires by itself.*connection refused/);
});

test("starting tries three times, then says which registry and why", async () => {
  const { registry, lines, registration, during } = scripted();
  registry.down = new Error("connection refused");
  await assert.rejects(during(registration.start(), 5_000), (error) => {
    assert.ok(error instanceof MuonError);
    assert.equal(error.status, "unavailable");
    assert.match(error.detail, /Cannot register in the registry "scripted": connection refused/);
    return true;
  });
  assert.deepEqual(registry.done, ["register a", "register a", "register a", "deregister a"]);
  const warnings = lines.filter((line) => line.startsWith("warn"));
  assert.equal(warnings.length, 2, lines.join("\n"));
  for (const line of warnings) {
    assert.match(line, /cannot register yet; will try again registry=scripted .*connection refused/);
  }
});

test("starting goes on when the registry is there at the second try", async () => {
  const { clock, registry, registration, during } = scripted();
  registry.down = new Error("connection refused");
  const starting = registration.start();
  await Promise.resolve();
  registry.down = undefined;
  await during(starting, 1_000);
  assert.deepEqual(registry.done, ["register a", "register a"]);
  await registration.stop(new AbortController().signal);
  assert.equal(clock.pending, 0);
});

test("starting keeps the status that the registry gave, and waits for no answer without end", async () => {
  const refusing = scripted();
  refusing.registry.down = new MuonError("failed_precondition", "the file is damaged");
  await assert.rejects(
    refusing.during(refusing.registration.start(), 5_000),
    /\[failed_precondition\] Cannot register in the registry "scripted": the file is damaged/,
  );
  const silent = scripted();
  silent.registry.late = new Promise(() => {});
  await assert.rejects(
    silent.during(silent.registration.start(), 4 * INTERVAL),
    /\[unavailable\] Cannot register in the registry "scripted": it has not answered within 20000 ms/,
  );
  assert.equal(silent.clock.pending, 0);
});

test("a record that is refused for what it is ends the start at once, and takes the others back", async () => {
  const { registry, registration } = scripted({ records: [greeter("1", "a"), greeter("2", "b")] });
  const { register } = registry;
  registry.register = (service) =>
    service.version === "2"
      ? Promise.reject(new RangeError("it has 70000 bytes"))
      : register.call(registry, service);
  await assert.rejects(registration.start(), RangeError);
  assert.deepEqual(registry.done, ["register a", "deregister a", "deregister b"]);
});

test("an interval that leaves no room for a lost renewal is refused", () => {
  for (const interval of [TTL / 2 + 1, 0, -1, Number.NaN]) {
    assert.throws(() => scripted({ interval }), RangeError);
  }
  assert.throws(() => scripted({ ttl: Infinity }), RangeError);
});
