/** The edge by hand: requests handed in, on a turned clock, with a registry that fails when a test wants it to. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { z } from "zod";
import {
  byLabel,
  type Context,
  createPolledRegistry,
  edge,
  type EdgeOptions,
  Method,
  type MuonError,
  type PolledBackend,
  type Registry,
  type RegistryEvent,
  Service,
  type ServiceRecord,
  Subscribe,
  system,
} from "./edge.ts";
import { type Logger, SILENT } from "./runtime/log.ts";
import { VirtualClock } from "./runtime/virtual_clock.ts";
import { createVirtualSystem } from "./runtime/virtual_platform.ts";

const ONCE = { retries: 0 };

@Service("greeter", { version: "1.0.0" })
class Greeter {
  @Method({ input: z.object({ name: z.string() }), output: z.object({ greeting: z.string() }) })
  hello({ name }: { name: string }) {
    return { greeting: `Hello ${name}` };
  }

  @Method({ output: z.object({ peer: z.string() }) })
  who(_: void, ctx: Context) {
    return { peer: ctx.peer.address };
  }

  @Method({ output: z.string() })
  async asks(_: void, ctx: Context) {
    return await ctx.call<string>("nobody", "Nobody.There", {}, ONCE).catch((error: MuonError) =>
      error.status
    );
  }

  @Method()
  async asksInVain(_: void, ctx: Context): Promise<void> {
    await ctx.call("nobody", "Nobody.There", {}, ONCE);
  }

  @Method({ output: z.string() })
  async *keepsAsking(_: void, ctx: Context) {
    for (let i = 0; i < 2; i++) {
      yield await ctx.call<string>("nobody", "Nobody.There", {}, ONCE).catch((error: MuonError) =>
        error.status
      );
    }
  }

  @Subscribe("user.created")
  welcome() {}
}

const DAY = 86_400_000;

/** A registry that keeps what it is told, and fails while `away`. */
class Told {
  readonly records: { readonly record: ServiceRecord; readonly ttl: number }[] = [];
  /** Of each watch, whether it is going on. */
  readonly watches: { going: boolean }[] = [];
  away = false;
  readonly registry: Registry = {
    name: "told",
    register: (record, { ttl }) => {
      this.records.push({ record, ttl });
      return this.away ? Promise.reject(new Error("it is away")) : Promise.resolve();
    },
    deregister: () => Promise.resolve(),
    getService: () => Promise.resolve([]),
    listServices: () => Promise.resolve([]),
    watch: ({ signal } = {}) => this.#watch(signal!),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };

  async *#watch(signal: AbortSignal): AsyncGenerator<RegistryEvent, void> {
    const watch = { going: true };
    this.watches.push(watch);
    // A node that nobody can call, as it speaks nothing: it is known, and watched.
    const nodes = [{ id: "nobody-1", address: "127.0.0.1:1", metadata: {} }];
    yield {
      type: "sync",
      services: [{ name: "nobody", version: "1.0.0", metadata: {}, endpoints: [], nodes }],
    };
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    watch.going = false;
  }
}

function made(options: EdgeOptions = {}) {
  const clock = new VirtualClock();
  const lines: string[] = [];
  const say = (message: string, fields?: object) => void lines.push(`${message} ${JSON.stringify(fields)}`);
  const log: Logger = { debug: say, info: say, warn: say, error: say, with: () => log };
  const system = createVirtualSystem({ clock });
  const { fetch, scheduled } = edge(Greeter, { system, log, ...options });
  const call = (method: string, ...beside: unknown[]) =>
    fetch(
      new Request(`http://edge/greeter.Greeter/${method}`, {
        method: "POST",
        headers: { "content-type": "application/json", "cf-connecting-ip": "192.0.2.7" },
        body: JSON.stringify({ name: "John" }),
      }),
      ...beside,
    );
  return { clock, lines, fetch, scheduled, call };
}

/** A context as workerd gives it. */
function executionContext() {
  const waited: Promise<unknown>[] = [];
  return { waited, waitUntil: (promise: Promise<unknown>) => void waited.push(promise) };
}

describe("edge", () => {
  test("answers without this", async () => {
    const { call } = made();
    const reply = await call("Hello");
    assert.deepEqual([reply.status, await reply.json()], [200, { greeting: "Hello John" }]);
  });

  test("tells who called, as the runtime says it", async () => {
    const { call } = made();
    const who = async (...beside: unknown[]) =>
      (await (await call("Who", ...beside)).json() as { peer: string }).peer;
    assert.equal(await who({ remoteAddr: { transport: "tcp", hostname: "::1", port: 7 } }), "[::1]:7");
    assert.equal(
      await who({ requestIP: () => ({ address: "127.0.0.1", port: 8, family: "IPv4" }) }),
      "127.0.0.1:8",
    );
    assert.equal(await who({ requestIP: () => null }), "edge");
    assert.equal(await who({}, executionContext()), "192.0.2.7");
    // Only Cloudflare writes that header itself; anywhere else a caller could.
    assert.equal(await who(), "edge");
  });

  test("gives the environment to the options, once, at the first request", async () => {
    const seen: unknown[] = [];
    const { fetch } = edge(Greeter, (environment) => {
      seen.push(environment);
      return { system: createVirtualSystem() };
    });
    assert.deepEqual(seen, []);
    for (const name of ["one", "two"]) {
      await (await fetch(new Request(`http://edge/${name}`), { NAME: name }, executionContext())).body
        ?.cancel();
    }
    assert.deepEqual(seen, [{ NAME: "one" }]);
  });

  test("registers at the first request, and again after half of the record's time", async () => {
    const told = new Told();
    const { clock, call } = made({ registry: told.registry, advertise: "https://greeter.example" });
    const context = executionContext();
    await call("Hello", {}, context);
    await Promise.all(context.waited);
    assert.equal(context.waited.length, 1);
    await call("Hello", {}, context);
    await clock.advance(DAY / 2 - 1);
    await call("Hello", {}, context);
    assert.equal(told.records.length, 1);
    await clock.advance(1);
    await call("Hello", {}, context);
    assert.equal(told.records.length, 2);

    const [{ record, ttl }] = told.records as [{ record: ServiceRecord; ttl: number }];
    const [node] = record.nodes;
    assert.deepEqual([record.name, ttl, node!.id], ["greeter", DAY, "greeter-greeter.example:443"]);
    assert.deepEqual([node!.address, node!.metadata.secure], ["greeter.example:443", "true"]);
    // It is not told of events: they would be sent to where nobody takes them.
    assert.deepEqual(record.endpoints.map(({ name }) => name), [
      "Greeter.Hello",
      "Greeter.Who",
      "Greeter.Asks",
      "Greeter.AsksInVain",
      "Greeter.KeepsAsking",
    ]);
  });

  test("tries again at a later request when the registry is away, and says so", async () => {
    const told = new Told();
    told.away = true;
    const { clock, call, lines } = made({ registry: told.registry, advertise: "https://greeter.example" });
    assert.equal((await call("Hello")).status, 200);
    assert.ok(lines.some((line) => /cannot register; the next request will try again .*told/.test(line)));
    told.away = false;
    await call("Hello");
    assert.equal(told.records.length, 1);
    await clock.advance(1_000);
    await call("Hello");
    assert.equal(told.records.length, 2);
  });

  test("registers when it is scheduled", async () => {
    const told = new Told();
    const { scheduled } = made({ registry: told.registry, advertise: "http://127.0.0.1:8080" });
    await scheduled({ cron: "0 * * * *" }, {}, executionContext());
    await scheduled({ cron: "0 * * * *" }, {}, executionContext());
    assert.deepEqual(told.records.map(({ record }) => record.nodes[0]!.address), [
      "127.0.0.1:8080",
      "127.0.0.1:8080",
    ]);
    assert.equal(told.records[0]!.record.nodes[0]!.metadata.secure, "false");
  });

  test("registers nowhere unless it is told where it is reached", async () => {
    const told = new Told();
    const { call } = made({ registry: told.registry });
    await call("Hello");
    assert.deepEqual(told.records, []);
  });

  test("ends what a handler calls with when the handler ends, however it does", async () => {
    const told = new Told();
    const { call, fetch } = made({ registry: told.registry });
    // Promises of what is closed settle in this turn.
    const over = async () => {
      await new Promise((resolve) => setTimeout(resolve));
      assert.deepEqual(told.watches.filter(({ going }) => going), []);
    };

    assert.equal(await (await call("Asks")).json(), "unavailable");
    assert.equal(told.watches.length, 1);
    await over();
    assert.equal((await call("AsksInVain")).status, 503);
    assert.equal(told.watches.length, 2);
    await over();

    const stream = await fetch(
      new Request("http://edge/greeter.Greeter/KeepsAsking", {
        method: "POST",
        headers: { "content-type": "application/connect+json" },
        body: new Uint8Array([0, 0, 0, 0, 2, 123, 125]),
      }),
    );
    const items = stream.body!.getReader();
    assert.match(new TextDecoder().decode((await items.read()).value), /unavailable/);
    // A stream that goes on keeps what it calls with; one that its reader leaves does not.
    assert.equal(told.watches.at(-1)!.going, true);
    await items.cancel();
    await over();
  });

  test("says what is missing to call out, where it has no registry", async () => {
    const { call } = made();
    const reply = await call("AsksInVain");
    const { code, message } = await reply.json() as { code: string; message: string };
    assert.equal(code, "failed_precondition");
    assert.match(
      message,
      /"nobody" cannot be looked up: edge was given no registry.*option "registry".*option "address"/,
    );
  });

  test("calls by what a registry of one's own knows, through filters", async () => {
    const node = (id: string, zone: string) => ({ id, address: "127.0.0.1:1", metadata: { zone } });
    const record: ServiceRecord = {
      name: "nobody",
      version: "1.0.0",
      metadata: {},
      endpoints: [],
      nodes: [node("a", "eu"), node("b", "us")],
    };
    const backend: PolledBackend = {
      name: "shelf",
      look: () => Promise.resolve([record]),
      put: () => Promise.resolve(),
      remove: () => Promise.resolve(),
    };
    const registry = createPolledRegistry(backend, system());
    const { call } = made({ registry, filters: [byLabel("zone", "asia")] });
    const { message } = await (await call("AsksInVain")).json() as { message: string };
    assert.match(message, /2 known to the shelf registry; filter "label zone=asia" leaves out 2/);
  });

  test("says that a class has no member to call", async () => {
    @Service("idle")
    class Idle {}
    const lines: string[] = [];
    const log = {
      ...SILENT,
      warn: (message: string, fields?: object) => void lines.push(JSON.stringify([message, fields])),
    };
    await edge(Idle, { log }).fetch(new Request("http://edge/"));
    assert.equal(lines.length, 1);
    assert.match(lines[0]!, /none of its members has @Method or @Subscribe.*"service":"idle"/);
  });

  test("says that it takes no events", async () => {
    const { call, lines } = made();
    await call("Hello");
    assert.ok(lines.some((line) => /the edge takes no events.*"topic":"user.created"/.test(line)));
  });

  test("lets pages call whose origin is named, and no others", async () => {
    const { fetch } = made({ origins: ["https://app.example"] });
    const from = async (origin: string) => {
      const reply = await fetch(
        new Request("http://edge/greeter.Greeter/Hello", {
          method: "POST",
          headers: { "content-type": "application/json", origin },
          body: `{ "name": "John" }`,
        }),
      );
      return [reply.status, reply.headers.get("access-control-allow-origin")];
    };
    assert.deepEqual(await from("https://app.example"), [200, "https://app.example"]);
    assert.deepEqual(await from("https://other.example"), [403, null]);
  });

  test("refuses what is no service, at once", () => {
    class Needy {
      constructor(_: string) {}
    }
    // @ts-expect-error A constructor that takes arguments needs an instance.
    assert.throws(() => edge(Needy), /Needy is no service/);
    class Plain {}
    assert.throws(() => edge(Plain), /Plain is no service: write @Service/);
  });

  for (const advertise of ["greeter.example", "ftp://greeter.example", "https://greeter.example/path"]) {
    test(`refuses to be advertised as ${advertise}`, async () => {
      const { call } = made({ advertise });
      await assert.rejects(call("Hello"), (error) => {
        assert.ok(error instanceof TypeError);
        assert.match(error.message, /advertise must be the URL of a host.*current value is "/);
        return true;
      });
    });
  }

  test("has no port, no process and no command line, and says what to do instead", async () => {
    const { createSystem } = await import("./adapters/workers/mod.ts");
    const { platform, clock, random, entropy } = createSystem();
    await assert.rejects(platform.serve({}), /export what edge\(\) returns/);
    await assert.rejects(platform.dialWebSocket("ws://edge", { protocol: "muon.v1" }), /transport "http"/);
    assert.throws(() => platform.parseArgs([], {}), /give options to edge/);
    assert.throws(() => platform.exit(1), /process that could be ended/);
    assert.throws(() => clock.after(-1, () => {}), RangeError);
    assert.ok(clock.now() > 1.6e12 && clock.wall() > 1.6e12);
    const drawn = Array.from({ length: 100 }, () => random.next());
    assert.ok(new Set(drawn).size > 90 && drawn.every((x) => x >= 0 && x < 1));
    assert.notDeepEqual(entropy.fill(new Uint8Array(16)), entropy.fill(new Uint8Array(16)));
    const order: string[] = [];
    clock.after(0, () => order.push("never")).cancel();
    const turn = new Promise<void>((resolve) => platform.endOfTurn(resolve)).then(() =>
      order.push("end of turn")
    );
    const timer = new Promise<void>((resolve) => clock.after(1, resolve, { background: false }));
    order.push("now");
    await Promise.all([turn, timer]);
    assert.deepEqual(order, ["now", "end of turn"]);
  });
});
