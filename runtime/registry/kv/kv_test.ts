import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { describe, test } from "node:test";
import { openDenoKv } from "../../../adapters/deno/kv.ts";
import { machineClock } from "../../../adapters/node/clock.ts";
import { machineFiles } from "../../../adapters/node/files.ts";
import { openNpmKv } from "../../../adapters/node/kv.ts";
import { greeter, testRegistry, testStoredRegistry } from "../../../tests/conformance/registry.ts";
import { MemoryKv } from "../../../tests/support/memory_kv.ts";
import { utf8 } from "../../bytes.ts";
import { sleep } from "../../clock.ts";
import { MuonError } from "../../errors.ts";
import type { KvStore } from "../../kv_store.ts";
import { lineLogger } from "../../log.ts";
import type { Platform, System } from "../../platform.ts";
import { seeded } from "../../random.ts";
import { VirtualClock } from "../../virtual_clock.ts";
import { envelopeName, MAX_ENVELOPE } from "../envelope.ts";
import type { Registry } from "../registry.ts";
import { createKvRegistry, FORGET_AFTER, type KvRegistryOptions, PREFIX } from "./kv.ts";

function platform(files?: Platform["files"], runtimeDirectory = "/run"): Platform {
  const known = {
    runtime: "virtual",
    hostname: "here",
    pid: 7,
    uid: undefined,
    runtimeDirectory,
    files,
  } as const;
  return known as Partial<Platform> as Platform;
}

/** Several processes over one store, in memory and on a clock that is turned. */
function machine() {
  const clock = new VirtualClock({
    settle: async () => {
      for (let i = 0; i < 500; i++) await undefined;
    },
  });
  const kv = new MemoryKv(clock);
  const lines: string[] = [];
  const log = lineLogger((line) => lines.push(line), { level: "debug" });
  const system: Pick<System, "clock" | "random" | "platform"> = {
    clock,
    random: seeded(1),
    platform: platform(),
  };
  const open = (options: Partial<KvRegistryOptions> = {}) =>
    createKvRegistry({ system, log, kv, ...options });
  return { clock, kv, lines, system, open };
}

/** Registries over a file of their own, each with a handle of its own, as processes have. */
async function onDisk<T>(
  work: (place: { path: string; open: (options?: Partial<KvRegistryOptions>) => Registry }) => Promise<T>,
): Promise<T> {
  const home = await mkdtemp(join(tmpdir(), "muon-kv-"));
  const path = join(home, "registry.db");
  const system = { clock: machineClock, random: seeded(1), platform: platform(machineFiles, home) };
  try {
    return await work({
      path,
      open: (options) => createKvRegistry({ system, kv: openNpmKv, address: path, poll: 50, ...options }),
    });
  } finally {
    await rm(home, { recursive: true });
  }
}

function nodesOf(records: Awaited<ReturnType<Registry["getService"]>>): string[] {
  return records.flatMap(({ nodes }) => nodes.map(({ id }) => id));
}

function saying(status: string, pattern: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof MuonError, String(error));
    assert.equal(error.status, status);
    assert.match(error.detail, pattern);
    return true;
  };
}

testRegistry({
  name: "kv, over a store in memory",
  create() {
    const { clock, kv, open } = machine();
    const here = open();
    const there = open();
    return {
      here,
      there,
      advance: (ms) => clock.advance(ms),
      async [Symbol.asyncDispose]() {
        await here[Symbol.asyncDispose]();
        await there[Symbol.asyncDispose]();
        assert.equal(clock.pending, 0);
        assert.equal(kv.closed, false, "a store that was given stays open");
      },
    };
  },
});

testStoredRegistry({
  name: "kv",
  create() {
    const { clock, kv, lines, open } = machine();
    const here = open();
    const there = open();
    return {
      here,
      there,
      lines,
      advance: (ms) => clock.advance(ms),
      jump: (ms) => clock.jump(ms),
      fail: (error) => void (kv.broken = error),
      async [Symbol.asyncDispose]() {
        await here[Symbol.asyncDispose]();
        await there[Symbol.asyncDispose]();
      },
    };
  },
});

const opens: Record<string, (address: string) => Promise<KvStore>> = {
  "@deno/kv": openNpmKv,
  // Where --unstable-kv is said, as it is to Deno's tests.
  ...((globalThis as { Deno?: { openKv?: unknown } }).Deno?.openKv === undefined
    ? {}
    : { "Deno's own": openDenoKv }),
};
for (const [name, kv] of Object.entries(opens)) {
  testRegistry({
    name: `kv, over a file with ${name}`,
    ttl: 600,
    async create() {
      const home = await mkdtemp(join(tmpdir(), "muon-kv-"));
      const system = { clock: machineClock, random: seeded(1), platform: platform(machineFiles, home) };
      const here = createKvRegistry({ system, kv, poll: 50 });
      const there = createKvRegistry({ system, kv, poll: 50 });
      return {
        here,
        there,
        advance: (ms) => sleep(machineClock, ms),
        async [Symbol.asyncDispose]() {
          await here[Symbol.asyncDispose]();
          await there[Symbol.asyncDispose]();
          await rm(home, { recursive: true });
        },
      };
    },
  });
}

// A remote KV of Deno's protocol, as `denokv serve` is. Its token is in DENO_KV_ACCESS_TOKEN, where both look for it.
const remote = process.env.MUON_KV_URL || undefined;
for (const [name, kv] of remote === undefined ? [] : Object.entries(opens)) {
  testRegistry({
    name: `kv, over a remote KV with ${name}`,
    ttl: 900,
    async create() {
      const address = remote!;
      const store = await kv(address);
      for await (const { key } of store.list({ prefix: PREFIX })) await store.delete(key);
      store.close();
      const system = { clock: machineClock, random: seeded(1), platform: platform() };
      const here = createKvRegistry({ system, kv, address, poll: 50 });
      const there = createKvRegistry({ system, kv, address, poll: 50 });
      return {
        here,
        there,
        advance: (ms) => sleep(machineClock, ms),
        async [Symbol.asyncDispose]() {
          await here[Symbol.asyncDispose]();
          await there[Symbol.asyncDispose]();
        },
      };
    },
  });
}

describe("the kv registry's store", () => {
  test("holds bytes under a key of the registry's, to be forgotten long after they expired", async () => {
    const { clock, kv, open } = machine();
    await using registry = open();
    await registry.register(greeter("1.0.0", "a"), { ttl: 1_000.5 });
    const [entry] = kv.entries();
    assert.deepEqual(entry?.key, [...PREFIX, envelopeName("greeter", "1.0.0", "a")]);
    assert.ok(entry?.value instanceof Uint8Array);
    await clock.advance(FORGET_AFTER + 1_000);
    assert.equal(kv.entries().length, 1);
    await clock.advance(1);
    assert.equal(kv.entries().length, 0);
  });

  test("may hold what is none of the registry's: it is skipped, said once, and left", async () => {
    const { clock, kv, lines, open } = machine();
    await using registry = open();
    await registry.register(greeter("1", "a"), { ttl: 3_600_000 });
    const good = kv.entries()[0]!.value as Uint8Array;
    kv.put([...PREFIX, "an object"], { a: 1 });
    kv.put([...PREFIX, "text"], utf8("no json"));
    kv.put([...PREFIX, envelopeName("greeter", "1", "misplaced")], good);
    kv.put([...PREFIX, envelopeName("greeter", "1", "future")], utf8('{"muon.registry":2}'));
    kv.put([...PREFIX, "deeper", "x"], good);
    kv.put([...PREFIX, 7], good);
    kv.put(["app"], good);
    for (let i = 0; i < 3; i++) {
      assert.deepEqual(nodesOf(await registry.getService("greeter")), ["a"]);
      await clock.advance(1_000);
    }
    assert.equal(kv.entries().length, 8);
    assert.equal(lines.filter((line) => line.includes("skipped")).length, 4, lines.join(""));
  });

  test("takes records of up to 64 KiB, and more is an error with the size", async () => {
    await onDisk(async ({ open }) => {
      await using registry = open();
      const padded = (length: number) => ({ ...greeter("1", "a"), metadata: { note: "x".repeat(length) } });
      const why = /must fit into 65536 bytes: it has (\d+); shorten its metadata/;
      let fits = 0;
      await assert.rejects(registry.register(padded(MAX_ENVELOPE), { ttl: 60_000 }), (error: Error) => {
        assert.ok(error instanceof RangeError);
        fits = 2 * MAX_ENVELOPE - Number(why.exec(error.message)![1]);
        return true;
      });
      await registry.register(padded(fits), { ttl: 60_000 });
      assert.deepEqual(nodesOf(await registry.getService("greeter")), ["a"]);
      await assert.rejects(registry.register(padded(fits + 1), { ttl: 60_000 }), RangeError);
    });
  });

  test("is opened when it is first wanted, once, and closed with the registry", async () => {
    const { kv, open } = machine();
    const opened: string[] = [];
    const registry = open({
      address: "https://kv.example/db",
      kv: (address) => {
        opened.push(address);
        return Promise.resolve(kv);
      },
    });
    assert.deepEqual(opened, []);
    await Promise.all([registry.getService("a"), registry.register(greeter("1", "a"), { ttl: 1_000 })]);
    assert.deepEqual(opened, ["https://kv.example/db"]);
    await registry[Symbol.asyncDispose]();
    assert.equal(kv.closed, true);
  });

  test("that could not be opened is opened anew by the next question", async () => {
    const { kv, open } = machine();
    let there = false;
    await using registry = open({
      address: "registry.db",
      kv: () => there ? Promise.resolve(kv) : Promise.reject(new TypeError("connection refused")),
    });
    await assert.rejects(
      registry.getService("a"),
      saying("unavailable", /cannot be read: connection refused/),
    );
    there = true;
    assert.deepEqual(await registry.getService("a"), []);
  });

  test("lies in a directory of the user's own, unless an address is given", async () => {
    const home = await mkdtemp(join(tmpdir(), "muon-kv-"));
    const system = { clock: machineClock, random: seeded(1), platform: platform(machineFiles, home) };
    {
      await using registry = createKvRegistry({ system, kv: openNpmKv });
      await registry.register(greeter("1", "a"), { ttl: 1_000 });
      assert.equal((await stat(join(home, "muon/kv"))).mode & 0o777, 0o700);
      assert.ok((await stat(join(home, "muon/kv/registry.db"))).isFile());
    }
    await rm(home, { recursive: true });
  });
});

describe("a locked database", () => {
  for (
    const locked of [
      "database is locked",
      "database is locked\n\nCaused by:\n    Error code 517: database is locked",
      "database table is locked",
    ]
  ) {
    test(`is tried again, with jitter: ${JSON.stringify(locked)}`, async () => {
      const { clock, kv, open } = machine();
      await using registry = open();
      kv.failures.push(...Array.from({ length: 6 }, () => new Error(locked)));
      const registering = registry.register(greeter("1", "a"), { ttl: 60_000 });
      await clock.advance(2_000);
      await registering;
      assert.equal(kv.counts.set, 7);
      assert.deepEqual(nodesOf(await registry.getService("greeter")), ["a"]);
    });
  }

  test("that stays locked is an error in time", async () => {
    const { clock, kv, open } = machine();
    await using registry = open({ timeout: 3_000 });
    kv.broken = new Error("database is locked");
    const asking = assert.rejects(
      registry.getService("greeter"),
      saying("unavailable", /"\(given\)" cannot be read: another process has had it locked for 3000 ms/),
    );
    await clock.advance(3_000);
    await asking;
    assert.ok(kv.counts.list! > 5 && kv.counts.list! < 60, `${kv.counts.list} tries`);
  });
});

test("a store that does not answer is an error in time", async () => {
  const { clock, kv, open } = machine();
  await using registry = open();
  kv.silent = true;
  const asking = assert.rejects(
    registry.getService("greeter"),
    saying("unavailable", /has not answered within 10000 ms/),
  );
  await clock.advance(10_000);
  await asking;
  kv.silent = false;
  assert.deepEqual(await registry.getService("greeter"), []);
});

test("a record that did not change is not read again", async () => {
  const { kv, open } = machine();
  await using registry = open();
  await registry.register(greeter("1", "a"), { ttl: 60_000 });
  const [first] = await registry.getService("greeter");
  // With the same stamp nothing changed, so what stands there now is not looked at.
  kv.put(kv.entries()[0]!.key, utf8("unread"), kv.entries()[0]!.versionstamp);
  assert.deepEqual(await registry.getService("greeter"), [first]);
});

describe("a file that is no sound KV file says so, and what to do", () => {
  const remedy =
    /registry\.db" is damaged, or is no file of Deno KV \(.+\): stop the processes that use it, remove ".*registry\.db" and.*registry\.db-wal/;

  test("text", async () => {
    await onDisk(async ({ path, open }) => {
      await writeFile(path, "this is no database, it is text. ".repeat(200));
      await using registry = open();
      await assert.rejects(registry.getService("greeter"), saying("failed_precondition", remedy));
      await assert.rejects(registry.register(greeter("1", "a"), { ttl: 1_000 }), (error: Error) => {
        assert.doesNotMatch(error.message, /backtrace/i);
        return saying("failed_precondition", remedy)(error);
      });
    });
  });

  test("a database that was cut, or damaged inside, over which denokv would abort the process", async () => {
    for (
      const damage of [
        (bytes: Uint8Array) => bytes.subarray(0, 5_000),
        (bytes: Uint8Array) => bytes.fill(0x5a, 8_192),
      ]
    ) {
      await onDisk(async ({ path, open }) => {
        {
          await using registry = open();
          for (let i = 0; i < 50; i++) await registry.register(greeter("1", `n${i}`), { ttl: 60_000 });
        }
        await writeFile(path, damage(await readFile(path)));
        await using registry = open();
        await assert.rejects(registry.getService("greeter"), saying("failed_precondition", remedy));
      });
    }
  });

  test("a directory that is not there", async () => {
    await onDisk(async ({ path, open }) => {
      await using registry = open({ address: `${path}/not/there.db` });
      await assert.rejects(
        registry.getService("greeter"),
        saying("failed_precondition", /cannot be opened .*: its directory must exist.*--registry_address/),
      );
    });
  });
});

test("a package that is not there is an error that names it and how to install it", async () => {
  const { open } = machine();
  const load = () => Promise.reject(new Error("Cannot find package '@deno/kv'\n at somewhere"));
  await using registry = open({ address: "registry.db", kv: (address) => openNpmKv(address, load) });
  await assert.rejects(
    registry.getService("greeter"),
    saying(
      "failed_precondition",
      /needs the package @deno\/kv, which cannot be loaded \(Cannot find package '@deno\/kv'\): install it with "npm install @deno\/kv@0\.14\.0", or run on Deno with --unstable-kv/,
    ),
  );
});

test("options that make no sense are refused at once", () => {
  const { open } = machine();
  for (const value of [0, -1, Number.NaN, Infinity]) {
    assert.throws(() => open({ poll: value }), RangeError);
    assert.throws(() => open({ timeout: value }), RangeError);
  }
  assert.throws(() => open({ kv: openNpmKv }), /wants an address here: virtual has no files/);
});
