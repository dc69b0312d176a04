import assert from "node:assert/strict";
import { test } from "node:test";
import { greeter, testRegistry } from "../../tests/conformance/registry.ts";
import { VirtualClock } from "../virtual_clock.ts";
import { createMemoryRegistry, MemoryRegistryStore } from "./memory.ts";

testRegistry({
  name: "memory",
  create() {
    const clock = new VirtualClock();
    const store = new MemoryRegistryStore(clock);
    const here = createMemoryRegistry({ system: { clock }, store });
    const there = createMemoryRegistry({ system: { clock }, store });
    return {
      here,
      there,
      advance: (ms) => clock.advance(ms),
      async [Symbol.asyncDispose]() {
        await here[Symbol.asyncDispose]();
        await there[Symbol.asyncDispose]();
      },
    };
  },
});

test("a memory registry without a store has one of its own", async () => {
  const clock = new VirtualClock();
  await using here = createMemoryRegistry({ system: { clock } });
  await using there = createMemoryRegistry({ system: { clock } });
  await here.register(greeter("1", "a"), { ttl: 1_000 });
  assert.deepEqual(await there.getService("greeter"), []);
});

test("a node lives to the last millisecond of its time", async () => {
  const clock = new VirtualClock();
  await using registry = createMemoryRegistry({ system: { clock } });
  await registry.register(greeter("1", "a"), { ttl: 1_000 });
  await clock.advance(999);
  assert.equal((await registry.getService("greeter")).length, 1);
  await clock.advance(1);
  assert.equal((await registry.getService("greeter")).length, 0);
});

test("a closed registry leaves its records to expire, and no timer behind", async () => {
  const clock = new VirtualClock();
  const store = new MemoryRegistryStore(clock);
  const here = createMemoryRegistry({ system: { clock }, store });
  await here.register(greeter("1", "a"), { ttl: 1_000 });
  await here.register(greeter("1", "b"), { ttl: 5_000 });
  await here[Symbol.asyncDispose]();
  assert.equal(clock.pending, 0);
  await clock.advance(2_000);
  await using there = createMemoryRegistry({ system: { clock }, store });
  assert.deepEqual((await there.getService("greeter"))[0]?.nodes.map(({ id }) => id), ["b"]);
});

test("a time to live beyond the longest timer is kept", async () => {
  const clock = new VirtualClock();
  await using registry = createMemoryRegistry({ system: { clock } });
  await registry.register(greeter("1", "a"), { ttl: 2 ** 32 });
  await clock.advance(2 ** 31 + 5);
  assert.equal((await registry.getService("greeter")).length, 1);
  await clock.advance(2 ** 31);
  assert.equal((await registry.getService("greeter")).length, 0);
});
