/**
 * Every pair of runtimes, in separate processes: a service on Deno, Bun and Node in turn, called from the runtime that
 * runs this file. Run on all three, that is nine pairs. They find each other through the default registry, in a
 * directory of the test's own.
 */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type Client, connect, type Mesh, MuonError, SILENT } from "../mod.ts";
import { RUNTIMES } from "../tools/runtimes.ts";
import type { Pair } from "./fixtures/pair_service.ts";
import { type Spawned, spawnOn } from "./processes.ts";

const SERVICE = "tests/fixtures/pair_service.ts";

async function* numbers(...values: number[]) {
  for (const n of values) yield { n };
}

/** Chunks around the size that fits one frame, each full of its own number. */
async function* chunks(seed: number) {
  for (let n = 0; n < 60; n++) {
    yield { n, data: new Uint8Array(1_000 + (n * 37 + seed) % 60 * 1_500).fill(n + seed) };
  }
}

/** Streams chunks there and back, several streams at a time, and checks every byte of them. */
async function mirrored(pair: Client<Pair>): Promise<void> {
  await Promise.all([0, 64, 128, 192].map(async (seed) => {
    const sent = await collect(chunks(seed));
    assert.deepEqual(await collect(pair.mirror(chunks(seed))), sent);
  }));
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 500; i++) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.fail(`waited 5 s for ${what}`);
}

for (const runtime of RUNTIMES) {
  describe(`a service on ${runtime}`, () => {
    let directory: string;
    let env: Record<string, string>;
    let server: Spawned;
    let mesh: Mesh;

    const start = async () => {
      const process = spawnOn(runtime, SERVICE, { env });
      await process.ready(/muon: pair/);
      return process;
    };

    before(async () => {
      directory = await mkdtemp(join(tmpdir(), "muon-pairs-"));
      env = { MICRO_REGISTRY_ADDRESS: directory };
      server = await start();
      mesh = await connect({ registryAddress: directory, log: SILENT });
    });

    after(async () => {
      await mesh[Symbol.asyncDispose]();
      await server.stop();
      await rm(directory, { recursive: true, force: true });
    });

    test("says what it serves", () => {
      const said = server.stderr;
      assert.match(said, /pair 1\.0\.0/);
      assert.match(said, /address +127\.0\.0\.1:\d+ \(muon\.v1, connect, mucp\)/);
      assert.match(said, /registry +file/);
      assert.match(said, /broker +http/);
      assert.match(said, /endpoint +pair Pair\.Hello +idempotent/);
      assert.match(said, /topic +pair pair\.event \(queue pair\)/);
    });

    test("answers calls, one and many, small and large", async () => {
      const pair = mesh.client<Pair>("pair");
      const call = pair.hello({ name: "John" }, { metadata: { "X-Tenant": "acme" } });
      assert.equal((await call).greeting, "Hello John");
      assert.notEqual((await call).pid, globalThis.process.pid, "it is another process");
      assert.equal((await call.trailer).get("x-tenant"), "acme");
      const many = await Promise.all(Array.from({ length: 500 }, (_, n) => pair.work({ n })));
      assert.deepEqual(many.map(({ n }) => n), Array.from({ length: 500 }, (_, n) => n + 1));
      const { bytes } = await pair.bytes({ size: 1_000_000 });
      assert.equal(bytes.length, 1_000_000);
      assert.ok(bytes.every((byte) => byte === 7));
    });

    test("streams in all four ways, and stops when its caller does", async () => {
      const pair = mesh.client<Pair>("pair");
      assert.equal((await collect(pair.count({ to: 1_000 }))).length, 1_000);
      assert.deepEqual(await pair.sum(numbers(1, 2, 3)), { n: 6 });
      assert.deepEqual(await collect(pair.double(numbers(1, 2))), [{ n: 2 }, { n: 4 }]);
      await mirrored(pair);
      for await (const { n } of pair.count({ to: 10_000_000 })) if (n === 3) break;
      await until("the stream's end", async () => (await pair.seen()).aborted.includes("count"));
    });

    test("passes errors on whole", async () => {
      await assert.rejects(Promise.resolve(mesh.client<Pair>("pair").fail()), (error: MuonError) => {
        assert.deepEqual([error.status, error.code, error.detail], [
          "failed_precondition",
          400,
          "not on a Sunday",
        ]);
        assert.deepEqual(error.details, [{ type: "test.Day", value: { day: "Sunday" } }]);
        return true;
      });
      await assert.rejects(Promise.resolve(mesh.call("pair", "Pair.Hello", {})), {
        status: "invalid_argument",
      });
    });

    test("is canceled, and told when time is over", async () => {
      const pair = mesh.client<Pair>("pair");
      await assert.rejects(Promise.resolve(pair.hang(undefined, { timeout: 50 })), {
        status: "deadline_exceeded",
      });
      const controller = new AbortController();
      const call = pair.hang(undefined, { signal: controller.signal });
      setTimeout(() => controller.abort(), 20);
      await assert.rejects(Promise.resolve(call), { status: "canceled" });
      await until(
        "both handlers' end",
        async () => (await pair.seen()).aborted.filter((what) => what === "hang").length === 2,
      );
    });

    test("hears events", async () => {
      await until(
        "the subscription",
        async () => (await mesh.publish("pair.event", { id: "0" })).accepted === 1,
      );
      const { accepted } = await mesh.publish("pair.event", { id: "1" });
      assert.equal(accepted, 1);
      const pair = mesh.client<Pair>("pair");
      await until("the event", async () => (await pair.seen()).heard.includes("1"));
    });

    /** Calls both nodes all the time while something is done to one of them; every call must be answered. */
    const underLoad = async (call: (n: number) => Promise<unknown>, act: () => Promise<void>) => {
      let running = true;
      let calls = 0;
      const failures: unknown[] = [];
      const callers = Array.from({ length: 32 }, async () => {
        for (let n = 0; running; n++) {
          try {
            await call(n);
            calls++;
          } catch (error) {
            failures.push(error);
          }
        }
      });
      await until("load", () => Promise.resolve(calls > 200));
      await act();
      const after = calls;
      await until("load afterwards", () => Promise.resolve(calls > after + 200));
      running = false;
      await Promise.all(callers);
      assert.deepEqual(failures, []);
    };

    /** Only once both nodes are known does losing one leave somewhere to go. */
    const bothAnswer = async () => {
      const pids = new Set<number>();
      const pair = mesh.client<Pair>("pair");
      await until("both nodes", async () => pids.add((await pair.hello({ name: "x" })).pid).size === 2);
    };

    test("stops under load with not one failed call", async () => {
      const other = await start();
      await bothAnswer();
      const pair = mesh.client<Pair>("pair");
      await underLoad(async (n) => assert.deepEqual(await pair.work({ n }), { n: n + 1 }), async () => {
        assert.equal(await other.stop("SIGTERM"), 0, "it ends by itself, without an error");
      });
    });

    test("does the same over http", async () => {
      await using http = await connect({ registryAddress: directory, transport: "http", log: SILENT });
      const pair = http.client<Pair>("pair");
      const call = pair.hello({ name: "John" }, { metadata: { "X-Tenant": "ünder" } });
      assert.equal((await call).greeting, "Hello John");
      assert.equal((await call.trailer).get("x-tenant"), "ünder");
      const many = await Promise.all(Array.from({ length: 200 }, (_, n) => pair.work({ n })));
      assert.deepEqual(many.map(({ n }) => n), Array.from({ length: 200 }, (_, n) => n + 1));
      assert.equal((await pair.bytes({ size: 1_000_000 })).bytes.length, 1_000_000);
      assert.equal((await collect(pair.count({ to: 1_000 }))).length, 1_000);
      assert.deepEqual(await pair.sum(numbers(1, 2, 3)), { n: 6 });
      assert.deepEqual(await collect(pair.double(numbers(1, 2))), [{ n: 2 }, { n: 4 }]);
      await mirrored(pair);
      await assert.rejects(Promise.resolve(pair.fail()), { status: "failed_precondition" });
      await assert.rejects(Promise.resolve(pair.hang(undefined, { timeout: 50 })), {
        status: "deadline_exceeded",
      });

      const ended = async () => (await pair.seen()).aborted.length;
      const before = await ended();
      for await (const { n } of pair.count({ to: 10_000_000 })) if (n === 3) break;
      await until("the stream's end", async () => await ended() > before);

      const other = await start();
      const pids = new Set<number>();
      await until("both nodes", async () => pids.add((await pair.hello({ name: "x" })).pid).size === 2);
      await underLoad(async (n) => assert.deepEqual(await pair.work({ n }), { n: n + 1 }), async () => {
        assert.equal(await other.stop("SIGTERM"), 0, "it ends by itself, without an error");
      });
    });

    test("is killed under load with not one failed call to an idempotent endpoint", async () => {
      const other = await start();
      await bothAnswer();
      const pair = mesh.client<Pair>("pair");
      await underLoad(
        async () => assert.equal((await pair.hello({ name: "x" })).greeting, "Hello x"),
        async () => {
          await other.stop("SIGKILL");
        },
      );
    });
  });
}
