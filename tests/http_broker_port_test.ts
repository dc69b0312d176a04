// The http broker over this runtime's own servers and its own fetch; its logic alone is tested beside it, on a turned clock.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createHttpBroker, type HttpBroker, type HttpBrokerOptions } from "../runtime/broker/http/http.ts";
import { sleep } from "../runtime/clock.ts";
import type { Host } from "../runtime/host.ts";
import { createMemoryRegistry, MemoryRegistryStore } from "../runtime/registry/memory.ts";
import type { Registry } from "../runtime/registry/registry.ts";
import { messageOf, testBroker } from "./conformance/broker.ts";
import { ownSystem, runtime } from "./conformance/own_adapter.ts";

const system = ownSystem();

interface Process extends AsyncDisposable {
  readonly broker: HttpBroker;
  readonly host: Host;
  readonly registry: Registry;
}

async function start(store: MemoryRegistryStore, options: Partial<HttpBrokerOptions> = {}): Promise<Process> {
  const registry = createMemoryRegistry({ system, store });
  const host = await system.platform.serve({});
  const broker = createHttpBroker({ system, registry, address: () => host.addresses[0], ...options });
  host.mount(broker.protocol);
  return {
    broker,
    host,
    registry,
    async [Symbol.asyncDispose]() {
      await broker[Symbol.asyncDispose]();
      await host[Symbol.asyncDispose]();
      await registry[Symbol.asyncDispose]();
    },
  };
}

testBroker({
  name: `http on the ports of ${runtime}`,
  async create({ attempts, capacity }) {
    const store = new MemoryRegistryStore(system.clock);
    const policy = { attempts, backoff: 10, ...(capacity === undefined ? {} : { capacity }) };
    const processes = [
      await start(store, { policy }),
      await start(store, { policy }),
      await start(store, { policy }),
    ];
    return {
      here: processes[0]!.broker,
      there: processes[1]!.broker,
      other: processes[2]!.broker,
      advance: (ms) => sleep(system.clock, Math.min(ms, 50)),
      deadLetters: () => processes.flatMap(({ broker }) => [...broker.deadLetters]),
      async [Symbol.asyncDispose]() {
        for (const process of processes) await process[Symbol.asyncDispose]();
      },
    };
  },
});

describe(`http broker on the ports of ${runtime}`, () => {
  test("a subscriber whose port is closed is passed over", async () => {
    const store = new MemoryRegistryStore(system.clock);
    await using here = await start(store);
    await using dead = await start(store);
    await using there = await start(store);
    const got = { dead: 0, there: 0 };
    const arrived = Promise.withResolvers<void>();
    await dead.broker.subscribe("t", () => {
      got.dead++;
    }, { queue: "q" });
    await there.broker.subscribe("t", () => {
      if (++got.there + got.dead === 60) arrived.resolve();
    }, { queue: "q" });
    const publish = async () => assert.equal((await here.broker.publish("t", messageOf("m"))).accepted, 1);
    // Both have connections that are kept, so that those break too.
    for (let i = 0; i < 30; i++) await publish();
    await dead.host[Symbol.asyncDispose]();
    for (let i = 0; i < 30; i++) await publish();
    await arrived.promise;
    assert.ok(got.dead > 0, "the one that died had no connection");
  });

  test("a body that is too large is refused, and the next delivery is taken", async () => {
    const store = new MemoryRegistryStore(system.clock);
    await using here = await start(store);
    await using there = await start(store, { maxMessage: 1_000 });
    const arrived = Promise.withResolvers<string>();
    await there.broker.subscribe("t", ({ message }) => arrived.resolve(message.id));
    await assert.rejects(
      here.broker.publish("t", { ...messageOf("1"), body: new Uint8Array(1_000_000) }),
      /HTTP 413: the delivery has 1\d+ bytes: at most \d+ are taken/,
    );
    assert.equal((await here.broker.publish("t", messageOf("2"))).accepted, 1);
    assert.equal(await arrived.promise, "2");
  });
});
