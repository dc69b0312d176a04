/** Machines in memory: whole services on one virtual network and a turned clock, and nothing on the real one. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { z } from "zod";
import { connect, type Context, createService, Method, Service, SILENT, Subscribe, topic } from "../mod.ts";
import { createVirtualSystem, VirtualClock, VirtualFiles, VirtualNetwork } from "../testing.ts";

const Count = z.object({ to: z.number() });
const happened = topic("happened", z.object({ id: z.string() }));

@Service("counter")
class Counter {
  readonly seen: string[] = [];
  left = 0;

  @Method({ input: Count, output: z.string(), idempotent: true })
  hello({ to }: z.infer<typeof Count>) {
    return `Hello ${to}`;
  }

  @Method({ input: Count, output: z.number() })
  async *count({ to }: z.infer<typeof Count>, ctx: Context) {
    ctx.signal.addEventListener("abort", () => this.left++);
    for (let n = 1; n <= to; n++) yield n;
  }

  @Method({ input: z.number(), output: z.number(), kind: "client" })
  async sum(items: AsyncIterable<number>) {
    let sum = 0;
    for await (const n of items) sum += n;
    return sum;
  }

  @Method()
  async hang(_: void, ctx: Context): Promise<void> {
    await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve));
    this.left++;
  }

  @Subscribe(happened)
  happens({ id }: { id: string }) {
    this.seen.push(id);
  }
}

async function* numbers() {
  yield* [1, 2, 3];
}

/** Two machines on one network, which know each other by the files they share. */
function machines() {
  const clock = new VirtualClock();
  const shared = { clock, network: new VirtualNetwork(), files: new VirtualFiles(clock) };
  const of = (pid: number) => ({
    system: createVirtualSystem({ ...shared, pid, seed: pid }),
    registry: "file",
    log: SILENT,
  });
  return { clock, network: shared.network, here: of(1), there: of(2) };
}

/** Turns the clock in small steps until a promise is settled. */
async function turning<T>(clock: VirtualClock, promise: PromiseLike<T>): Promise<T> {
  let settled = false;
  const over = () => void (settled = true);
  promise.then(over, over);
  for (let i = 0; i < 10_000 && !settled; i++) await clock.advance(10);
  assert.ok(settled, "it is settled within 100 s of the clock");
  return await promise;
}

describe("machines in memory", () => {
  const { fetch, WebSocket } = globalThis;
  let real = 0;
  before(() => {
    globalThis.fetch = () => {
      real++;
      return Promise.reject(new Error("the real machine was asked"));
    };
    globalThis.WebSocket = class {
      constructor() {
        real++;
        throw new Error("the real machine was asked");
      }
    } as never;
  });
  after(() => {
    globalThis.fetch = fetch;
    globalThis.WebSocket = WebSocket;
    assert.equal(real, 0);
  });

  for (const transport of ["ws", "http", "mucp"]) {
    test(`call each other by ${transport}`, async () => {
      const { clock, here, there } = machines();
      const counter = new Counter();
      const service = createService({ ...there, transport }).handle(counter);
      await turning(clock, service.start());
      const mesh = await connect({ ...here, transport });
      const client = mesh.client<Counter>("counter");
      const started = clock.now();
      // The turn of an hour must not overtake an answer that needs no time.
      const hello = client.hello({ to: 7 }, { retries: 0 });
      await clock.advance(1_000);
      const late = hello.then(() => "in time", String);
      await clock.advance(3_600_000);
      assert.deepEqual([await late, await hello], ["in time", "Hello 7"]);
      assert.ok(clock.now() - started === 3_601_000);

      const left = client.hang(undefined, { timeout: 60_000, retries: 0 }).then(
        String,
        (error) => error.status,
      );
      await clock.advance(59_000);
      assert.equal(counter.left, 0);
      await clock.advance(2_000);
      assert.equal(await left, "deadline_exceeded");
      assert.equal(counter.left, 1);

      const abort = new AbortController();
      const canceled = client.hang(undefined, { signal: abort.signal }).then(String, (error) => error.status);
      await clock.advance(100);
      abort.abort();
      assert.equal(await turning(clock, canceled), "canceled");
      await clock.advance(10);
      assert.equal(counter.left, 2);

      if (transport !== "mucp") {
        const items = (async () => {
          const items = [];
          for await (const n of client.count({ to: 3 })) items.push(n);
          for await (const n of client.count({ to: 1_000_000 })) if (n === 10) break;
          return items;
        })();
        assert.deepEqual(await turning(clock, items), [1, 2, 3]);
        assert.equal(counter.left, 3);
        assert.equal(await turning(clock, client.sum(numbers())), 6);
      }
      await turning(clock, mesh[Symbol.asyncDispose]());
      await turning(clock, service.stop());
    });
  }

  test("exchange events by the http broker", async () => {
    const { clock, here, there } = machines();
    const counter = new Counter();
    const service = createService(there).handle(counter);
    await turning(clock, service.start());
    const mesh = await connect(here);
    const receipt = await turning(clock, mesh.publish(happened, { id: "1" }));
    await clock.advance(100);
    assert.deepEqual([receipt.accepted, counter.seen], [1, ["1"]]);
    await turning(clock, mesh[Symbol.asyncDispose]());
    await turning(clock, service.stop());
  });
});

describe("a virtual machine's fetch", () => {
  test("says that nobody listens, as callers know it", async () => {
    const { neverConnected } = await import("../runtime/fetch.ts");
    const fetch = createVirtualSystem().platform.fetchWith();
    for (const url of ["http://127.0.0.1:1/", "https://127.0.0.1:1/"]) {
      await assert.rejects(fetch(url), (error) => {
        assert.ok(error instanceof TypeError && neverConnected(error));
        assert.match(error.message, /Cannot connect to https?:\/\/127\.0\.0\.1:1\/: connection refused/);
        return true;
      });
    }
  });

  test("reaches a host by any scheme, at the scheme's own port too", async () => {
    const { platform } = createVirtualSystem();
    const fetch = platform.fetchWith();
    for (const port of [80, 443, 8080]) {
      const host = await platform.serve({ port });
      host.mount({ name: "echo", matches: () => true, fetch: async (it) => new Response(await it.text()) });
    }
    for (const url of ["http://127.0.0.1", "https://127.0.0.1", "https://127.0.0.1:8080"]) {
      const answer = await fetch(new URL(url), { method: "POST", body: "hello" });
      assert.deepEqual([answer.status, await answer.text()], [200, "hello"]);
    }
  });

  test("ends when its signal is aborted or its host closed, before the answer and in the midst of it", async () => {
    const { platform } = createVirtualSystem();
    const fetch = platform.fetchWith();
    const host = await platform.serve({});
    const gone: unknown[] = [];
    let came!: () => void;
    const { promise: late, resolve: answer } = Promise.withResolvers<void>();
    host.mount({
      name: "slow",
      matches: () => true,
      async fetch(request) {
        request.signal.addEventListener("abort", () => gone.push(request.signal.reason));
        came();
        if (request.url.endsWith("/late")) await late;
        if (request.url.endsWith("/hangs")) await new Promise(() => {});
        return new Response(
          new ReadableStream({
            pull: (controller) => controller.enqueue(new Uint8Array(1)),
            cancel: (reason) => void gone.push(`no more: ${reason}`),
          }),
        );
      },
    });
    const url = `http://${host.addresses[0]}`;
    await assert.rejects(fetch(url, { signal: AbortSignal.abort("too early") }), (e) => e === "too early");

    const before = new AbortController();
    let asked = new Promise<void>((resolve) => came = resolve);
    const left = fetch(`${url}/late`, { signal: before.signal });
    await asked;
    before.abort("enough");
    await assert.rejects(left, (error) => error === "enough");
    assert.deepEqual(gone.splice(0), ["enough"]);
    answer();
    await new Promise((resolve) => setTimeout(resolve));
    assert.deepEqual(gone.splice(0), ["no more: enough"], "an answer that comes too late");

    const amid = new AbortController();
    asked = new Promise<void>((resolve) => came = resolve);
    const reader = (await fetch(url, { signal: amid.signal })).body!.getReader();
    assert.equal((await reader.read()).done, false);
    amid.abort("enough");
    await assert.rejects(async () => {
      for (;;) await reader.read();
    }, (error) => error === "enough");
    assert.deepEqual(gone.splice(0).sort(), ["enough", "no more: enough"]);

    const closed = fetch(`${url}/hangs`);
    const cut = (await fetch(url)).body!.getReader();
    const bored = (await fetch(url)).body!.getReader();
    await bored.read();
    await bored.cancel("bored");
    assert.deepEqual(gone.splice(0), ["no more: bored"]);

    await host[Symbol.asyncDispose]();
    await assert.rejects(closed, /closed by the other end/);
    await assert.rejects(async () => {
      for (;;) await cut.read();
    }, /closed by the other end/);
  });
});
