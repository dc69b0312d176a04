import assert from "node:assert/strict";
import { mkdtemp, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { machineClock } from "../../../adapters/node/clock.ts";
import { machineFiles } from "../../../adapters/node/files.ts";
import { greeter, testRegistry, testStoredRegistry } from "../../../tests/conformance/registry.ts";
import { MemoryFiles } from "../../../tests/support/memory_files.ts";
import { text, utf8 } from "../../bytes.ts";
import { sleep } from "../../clock.ts";
import { MuonError } from "../../errors.ts";
import { lineLogger } from "../../log.ts";
import type { Platform, System } from "../../platform.ts";
import { VirtualClock } from "../../virtual_clock.ts";
import type { Registry } from "../registry.ts";
import { SWEEP_AFTER } from "../envelope.ts";
import { createFileRegistry } from "./file.ts";
import { fileNameOf } from "./record_file.ts";

const HOME = "/run/user/1000";
const DIRECTORY = `${HOME}/muon/registry`;

function platform(
  files: Platform["files"],
  runtimeDirectory = HOME,
  uid: number | undefined = 1000,
): Platform {
  return {
    runtime: "virtual",
    hostname: "here",
    pid: 7,
    uid,
    runtimeDirectory,
    files,
  } as Partial<Platform> as Platform;
}

/** A machine whose time is turned, and whose files are in memory. */
function machine() {
  const clock = new VirtualClock({
    settle: async () => {
      for (let i = 0; i < 2_000; i++) await undefined;
    },
  });
  const files = new MemoryFiles(clock);
  const lines: string[] = [];
  const log = lineLogger((line) => lines.push(line), { level: "debug" });
  const system: Pick<System, "clock" | "platform"> = { clock, platform: platform(files) };
  const open = (options: { poll?: number } = {}) => createFileRegistry({ system, log, ...options });
  return { clock, files, lines, open, system };
}

function nodesOf(records: Awaited<ReturnType<Registry["getService"]>>): string[] {
  return records.flatMap(({ nodes }) => nodes.map(({ id }) => id));
}

for (const silent of [false, true]) {
  testRegistry({
    name: silent ? "file, where the system tells of no change" : "file",
    create() {
      const { clock, files, open } = machine();
      files.silent = silent;
      const here = open();
      const there = open();
      return {
        here,
        there,
        advance: (ms) => clock.advance(ms),
        async [Symbol.asyncDispose]() {
          await here[Symbol.asyncDispose]();
          await there[Symbol.asyncDispose]();
          assert.equal(files.watches, 0);
          assert.equal(clock.pending, 0);
        },
      };
    },
  });
}

testStoredRegistry({
  name: "file",
  create() {
    const { clock, files, lines, open } = machine();
    const here = open();
    const there = open();
    return {
      here,
      there,
      lines,
      advance: (ms) => clock.advance(ms),
      jump: (ms) => clock.jump(ms),
      fail: (error) => error === undefined ? files.broken.clear() : void files.broken.set("list", error),
      async [Symbol.asyncDispose]() {
        await here[Symbol.asyncDispose]();
        await there[Symbol.asyncDispose]();
      },
    };
  },
});

testRegistry({
  name: "file, on the machine's own",
  ttl: 600,
  async create() {
    const home = await mkdtemp(join(tmpdir(), "muon-registry-"));
    const uid = (await machineFiles.stat(home))!.owner;
    const system = { clock: machineClock, platform: platform(machineFiles, home, uid) };
    const here = createFileRegistry({ system, poll: 50 });
    const there = createFileRegistry({ system, poll: 50 });
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

test("the directory is made for the user alone, and so are its files", async () => {
  const { files, open } = machine();
  await using registry = open();
  await registry.register(greeter("1.0.0", "a"), { ttl: 1_000 });
  assert.equal((await files.stat(DIRECTORY))?.mode, 0o700);
  assert.equal((await files.stat(`${HOME}/muon`))?.mode, 0o700);
  const name = fileNameOf("greeter", "1.0.0", "a");
  assert.equal((await files.stat(`${DIRECTORY}/${name}`))?.mode, 0o600);
  const written = JSON.parse(text((await files.read(`${DIRECTORY}/${name}`))!));
  assert.deepEqual(Object.keys(written), ["muon.registry", "written", "ttl", "pid", "host", "service"]);
  assert.equal(written.service.nodes[0].id, "a");
});

test("a directory that others own or see is refused, with what to do", async () => {
  const { files, open } = machine();
  await using registry = open();
  await registry.getService("greeter");
  const refused = async (pattern: RegExp) => {
    const is = (error: unknown) => {
      assert.ok(error instanceof MuonError);
      assert.equal(error.status, "failed_precondition");
      assert.match(error.detail, pattern);
      return true;
    };
    await assert.rejects(registry.register(greeter("1", "a"), { ttl: 1_000 }), is);
    await assert.rejects(registry.getService("greeter"), is);
    await assert.rejects(async () => {
      for await (const _ of registry.watch()) assert.fail("no event was expected");
    }, is);
  };
  files.change(DIRECTORY, { mode: 0o755 });
  await refused(
    /open to other users \(mode 755\): close it with: chmod 700 "\/run\/user\/1000\/muon\/registry"/,
  );
  files.change(DIRECTORY, { mode: 0o700, owner: 0 });
  await refused(/belongs to user 0, and this process runs as user 1000: give a directory of your own/);
  files.change(DIRECTORY, { owner: 1000 });
  files.change(`${HOME}/muon`, { owner: 4 });
  await refused(/"\/run\/user\/1000\/muon" belongs to user 4/);
  files.change(`${HOME}/muon`, { owner: 1000 });
  files.wipe(DIRECTORY);
  files.put(DIRECTORY, utf8("a file"));
  await refused(/is no directory/);
  assert.equal(await registry[Symbol.asyncDispose](), undefined);
});

test("foreign, broken, half-written and misplaced files are skipped, said once, and left alone", async () => {
  const { files, lines, open, clock } = machine();
  await using registry = open();
  await registry.register(greeter("1", "a"), { ttl: 10 * SWEEP_AFTER });
  const good = (await files.read(`${DIRECTORY}/${fileNameOf("greeter", "1", "a")}`))!;
  const put = (name: string, content: string | Uint8Array) =>
    files.put(`${DIRECTORY}/${name}`, typeof content === "string" ? utf8(content) : content);
  put("README", "not ours");
  put("greeter@1~0123456789abcdef.json.8f00.tmp", "half");
  put(fileNameOf("greeter", "1", "half"), good.subarray(0, 40));
  put(fileNameOf("greeter", "1", "misplaced"), good);
  put(fileNameOf("greeter", "1", "big"), new Uint8Array(70_000));
  put(fileNameOf("greeter", "1", "binary"), new Uint8Array([0xff, 0xfe, 0]));
  put(fileNameOf("greeter", "1", "null"), "null");
  put(fileNameOf("greeter", "1", "future"), '{"muon.registry":2}');
  put(fileNameOf("greeter", "1", "times"), '{"muon.registry":1,"written":-1,"ttl":"1"}');
  put(fileNameOf("greeter", "1", "other"), utf8(text(good)));
  files.change(`${DIRECTORY}/${fileNameOf("greeter", "1", "other")}`, { owner: 1 });
  const before = files.paths();
  for (let i = 0; i < 3; i++) {
    assert.deepEqual(nodesOf(await registry.getService("greeter")), ["a"]);
    await clock.advance(2 * SWEEP_AFTER);
  }
  assert.deepEqual(files.paths(), before);
  assert.equal(lines.filter((line) => line.includes("skipped")).length, 8, lines.join(""));
});

test("one file that cannot be read harms no other node, and not even its own", async () => {
  const { files, open, clock } = machine();
  await using registry = open();
  await registry.register(greeter("1", "a"), { ttl: 60_000 });
  assert.deepEqual(nodesOf(await registry.getService("greeter")), ["a"]);
  await clock.advance(10);
  await registry.register(greeter("1", "a"), { ttl: 60_000 });
  files.broken.set("read", new Error("too many open files"));
  assert.deepEqual(nodesOf(await registry.getService("greeter")), ["a"]);
  await clock.advance(60_000);
  assert.deepEqual(nodesOf(await registry.getService("greeter")), []);
});

test("a directory that is removed is made again, and watched again", async () => {
  const { files, open, clock } = machine();
  await using registry = open({ poll: 1_000 });
  const seen: string[] = [];
  const following = (async () => {
    for await (const event of registry.watch({ service: "greeter" })) seen.push(event.type);
  })();
  await registry.register(greeter("1", "a"), { ttl: 60_000 });
  files.wipe(HOME);
  await clock.advance(1_000);
  assert.deepEqual(seen, ["sync", "create", "sync"], "nobody has said that the node is gone");
  await registry.register(greeter("1", "a"), { ttl: 60_000 });
  assert.deepEqual(seen, ["sync", "create", "sync", "create"]);
  assert.equal(files.watches, 1);
  await registry[Symbol.asyncDispose]();
  await following;
});

test("a directory that another process has made again is known to be another, and watched again", async () => {
  const { files, open, clock } = machine();
  await using here = open({ poll: 3_600_000 });
  await using there = open({ poll: 1_000 });
  const seen: string[] = [];
  const following = (async () => {
    for await (const event of there.watch({ service: "greeter" })) {
      seen.push(`${event.type} ${nodesOf(event.type === "sync" ? [...event.services] : [event.service])}`);
    }
  })();
  await clock.advance(0);
  await here.register(greeter("1", "a"), { ttl: 60_000 });
  await here.register(greeter("1", "b"), { ttl: 60_000 });
  await clock.advance(1_000);
  files.wipe(HOME);
  await here.register(greeter("1", "b"), { ttl: 60_000 });
  await clock.advance(1_000);
  assert.deepEqual(seen.slice(-1), ["sync b"]);
  await here.deregister(greeter("1", "b"));
  await clock.advance(50);
  assert.deepEqual(seen.slice(-1), ["delete b"]);
  await there[Symbol.asyncDispose]();
  await following;
});

test("so is a real directory", async () => {
  const home = await mkdtemp(join(tmpdir(), "muon-file-"));
  const uid = (await machineFiles.stat(home))!.owner;
  const system = { clock: machineClock, platform: platform(machineFiles, home, uid) };
  const open = () => createFileRegistry({ system, poll: 20, directory: join(home, "nodes") });
  const here = open();
  const there = open();
  const seen: string[] = [];
  for await (const event of there.watch({ service: "greeter" })) {
    seen.push(event.type);
    if (seen.length === 1) await here.register(greeter("1", "a"), { ttl: 60_000 });
    else if (seen.length === 2) {
      await rename(join(home, "nodes"), join(home, "gone"));
      await here.register(greeter("2", "b"), { ttl: 60_000 });
    } else break;
  }
  assert.deepEqual(seen, ["sync", "create", "sync"]);
  await here[Symbol.asyncDispose]();
  await there[Symbol.asyncDispose]();
  await rm(home, { recursive: true });
});

test("where nothing can be watched, the directory is polled", async () => {
  const { files, open, clock } = machine();
  files.broken.set("watch", new Error("no inotify watches left"));
  await using here = open();
  await using there = open();
  const seen: string[] = [];
  const following = (async () => {
    for await (const event of there.watch()) seen.push(event.type);
  })();
  await clock.advance(0);
  await here.register(greeter("1", "a"), { ttl: 60_000 });
  await clock.advance(1_000);
  assert.deepEqual(seen, ["sync", "create"]);
  await there[Symbol.asyncDispose]();
  await following;
});

test("a change that the system tells of is seen before the next poll", async () => {
  const { open, clock } = machine();
  await using here = open({ poll: 3_600_000 });
  await using there = open({ poll: 3_600_000 });
  const seen: string[] = [];
  const following = (async () => {
    for await (const event of there.watch()) seen.push(event.type);
  })();
  await clock.advance(0);
  await here.register(greeter("1", "a"), { ttl: 60_000 });
  await clock.advance(50);
  assert.deepEqual(seen, ["sync", "create"]);
  await there[Symbol.asyncDispose]();
  await following;
});

test("a beat that was seen to come just before a jump forward counts", async () => {
  const { files, open, clock } = machine();
  files.silent = true;
  await using here = open();
  await using there = open();
  await here.register(greeter("1", "a"), { ttl: 60_000 });
  assert.deepEqual(nodesOf(await there.getService("greeter")), ["a"]);
  await clock.advance(20_000);
  await there.getService("greeter");
  await here.register(greeter("1", "a"), { ttl: 60_000 });
  await here.register(greeter("1", "new"), { ttl: 60_000 });
  clock.jump(86_400_000);
  assert.deepEqual(nodesOf(await there.getService("greeter")), ["a", "new"]);
  await clock.advance(59_999);
  assert.deepEqual(nodesOf(await there.getService("greeter")), ["a", "new"]);
  await clock.advance(1);
  assert.deepEqual(nodesOf(await there.getService("greeter")), []);
});

test("a change that leaves time and size of a file as they were is seen", async () => {
  const { open } = machine();
  await using here = open();
  await using there = open();
  for (const address of ["127.0.0.1:4001", "127.0.0.1:4002"]) {
    await here.register(greeter("1", "a", { address }), { ttl: 60_000 });
    assert.equal((await there.getService("greeter"))[0]?.nodes[0]?.address, address);
  }
});

test("a record long dead is removed, once it was seen to be so for its time to live", async () => {
  const { files, open, clock } = machine();
  await using here = open();
  await here.register(greeter("1", "a"), { ttl: 60_000 });
  const path = `${DIRECTORY}/${fileNameOf("greeter", "1", "a")}`;
  await clock.advance(SWEEP_AFTER + 120_000);
  await using there = open();
  await there.getService("greeter");
  assert.ok(files.paths().includes(path));
  await clock.advance(59_000);
  await there.getService("greeter");
  assert.ok(files.paths().includes(path));
  await clock.advance(1_000);
  await there.getService("greeter");
  assert.ok(!files.paths().includes(path));
});

test("a wall clock set forward by a day removes no record of a living node", async () => {
  const { files, open, clock } = machine();
  await using here = open();
  await using there = open();
  await here.register(greeter("1", "a"), { ttl: 60_000 });
  await there.getService("greeter");
  clock.jump(86_400_000);
  for (let i = 0; i < 5; i++) {
    await there.getService("greeter");
    await clock.advance(20_000);
    await there.getService("greeter");
    await here.register(greeter("1", "a"), { ttl: 60_000 });
  }
  assert.equal(files.counts.remove, undefined);
});

test("a file is read again only when it may have changed", async () => {
  const { files, open, clock } = machine();
  await using registry = open();
  await registry.register(greeter("1", "a"), { ttl: 60_000 });
  await clock.advance(5_000);
  await registry.getService("greeter");
  const reads = files.counts.read;
  for (let i = 0; i < 5; i++) await registry.getService("greeter");
  assert.equal(files.counts.read, reads);
  await registry.register(greeter("1", "a", { address: "127.0.0.1:9" }), { ttl: 60_000 });
  assert.equal((await registry.getService("greeter"))[0]?.nodes[0]?.address, "127.0.0.1:9");
});

test("questions asked at a time share their looks", async () => {
  const { files, open } = machine();
  await using registry = open();
  await registry.getService("greeter");
  const lists = files.counts.list!;
  await Promise.all(Array.from({ length: 50 }, () => registry.getService("greeter")));
  assert.equal(files.counts.list! - lists, 2);
});

test("a record that fits no file is refused with its size", async () => {
  const { open } = machine();
  await using registry = open();
  const record = { ...greeter("1", "a"), metadata: { note: "x".repeat(70_000) } };
  await assert.rejects(registry.register(record, { ttl: 1_000 }), /must fit into 65536 bytes: it has 7\d{4}/);
});

test("a runtime without files, or a senseless interval, is refused at once", () => {
  const { system } = machine();
  assert.throws(
    () => createFileRegistry({ system: { ...system, platform: platform(undefined) } }),
    /virtual has none: choose another with --registry/,
  );
  assert.throws(() => createFileRegistry({ system, poll: 0 }), RangeError);
});
