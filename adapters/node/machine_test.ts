import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { chmod, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { ownSystem, runtime } from "../../tests/conformance/own_adapter.ts";
import { sleep } from "../../runtime/clock.ts";
import { utf8 } from "../../runtime/bytes.ts";
import { listenError } from "../web/address.ts";

const { clock, entropy, platform, random } = ownSystem();
const files = platform.files!;

async function directory(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), "muon-test-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}

describe("machine", () => {
  test("knows what it is", () => {
    assert.equal(platform.runtime, runtime);
    assert.match(platform.version, /^\d+\.\d+\.\d+/);
    assert.equal(platform.pid, process.pid);
    assert.equal(platform.uid, process.getuid?.());
    assert.notEqual(platform.hostname, "");
    assert.ok(platform.runtimeDirectory.startsWith("/"));
    process.env.MUON_TEST_VARIABLE = "set";
    assert.equal(platform.env("MUON_TEST_VARIABLE"), "set");
    delete process.env.MUON_TEST_VARIABLE;
    assert.equal(platform.env("MUON_TEST_VARIABLE"), undefined);
  });

  test("reads command lines strictly", () => {
    const flags = {
      server_name: { type: "string", multiple: true },
      help: { type: "boolean", short: "h" },
    } as const;
    const { values, positionals } = platform.parseArgs(
      ["--server_name", "a", "x", "--server_name=b", "-h"],
      flags,
    );
    assert.deepEqual(values.server_name, ["a", "b"]);
    assert.equal(values.help, true);
    assert.deepEqual(positionals, ["x"]);
    assert.throws(
      () => platform.parseArgs(["--nonsense"], flags),
      (error: unknown) => error instanceof TypeError && error.message.includes("--nonsense"),
    );
    assert.throws(
      () => platform.parseArgs(["--server_name"], flags),
      (error: unknown) => error instanceof TypeError && error.message.includes("--server_name"),
    );
  });

  test("has a steady clock beside the wall's, and timers that can be taken back", async () => {
    assert.ok(Math.abs(clock.now() - clock.wall()) < 86_400_000, "both count from the epoch");
    const before = clock.now();
    const taken = clock.after(1, () => assert.fail("was taken back"));
    taken.cancel();
    await sleep(clock, 5);
    assert.ok(clock.now() > before);
    taken.cancel();
    assert.throws(() => clock.after(-1, () => {}), /current value is -1/);
    assert.throws(() => clock.after(2 ** 31, () => {}), RangeError);
  });

  test("ends a turn behind its microtasks, in the order asked", async () => {
    const order: string[] = [];
    await new Promise<void>((resolve) => {
      platform.endOfTurn((what, which) => order.push(`${what} ${which}`), "end", 1);
      platform.endOfTurn(() => {
        order.push("end 2");
        resolve();
      });
      void (async () => {
        for (let i = 0; i < 50; i++) await undefined;
        order.push("microtasks");
      })();
    });
    assert.deepEqual(order, ["microtasks", "end 1", "end 2"]);
  });

  test("has entropy and chance", () => {
    const bytes = entropy.fill(new Uint8Array(32));
    assert.ok(bytes.some((byte) => byte !== 0));
    assert.notDeepEqual(entropy.fill(new Uint8Array(32)), bytes);
    const number = random.next();
    assert.ok(number >= 0 && number < 1);
  });

  test("hears signals in place of ending, until the second", async () => {
    const script = fileURLToPath(new URL("../../tests/fixtures/signals.ts", import.meta.url));
    const flags = { deno: ["run", "-A", "--no-check"], bun: [], node: ["--import", "tsx"] }[runtime];
    const child = spawn(process.execPath, [...flags, script, "--one", "two"], {
      stdio: ["ignore", "ignore", "pipe"],
      cwd: fileURLToPath(new URL("../..", import.meta.url)),
    });
    let said = "";
    // process.kill, as Deno's child.kill signals but once.
    child.stderr.on("data", (chunk) => {
      const before = said;
      said += chunk;
      const now = (text: string) => said.includes(text) && !before.includes(text);
      if (now("ready")) process.kill(child.pid!, "SIGTERM");
      if (now("heard SIGTERM")) process.kill(child.pid!, "SIGINT");
    });
    const code = await new Promise((resolve) => child.on("close", resolve));
    assert.equal(code, 7, said);
    assert.ok(said.includes(`ready ${runtime} --one two\nheard SIGTERM\nheard SIGINT\n`), said);
    assert.ok(!said.includes("disposed"), said);
  });
});

describe("files", () => {
  test("writes whole files with the mode that was asked for, leaving nothing beside them", async () => {
    await using temporary = await directory();
    const inner = join(temporary.path, "a", "b");
    await files.makeDirectory(inner, { mode: 0o700 });
    await files.makeDirectory(inner);
    assert.equal((await files.stat(inner))?.kind, "directory");
    assert.equal((await files.stat(inner))?.mode, 0o700);
    assert.equal((await files.stat(inner))?.owner, process.getuid?.());
    const path = join(inner, "x.json");
    await files.writeAtomic(path, utf8("one"), { mode: 0o666 });
    assert.equal((await files.stat(path))?.mode, 0o666);
    await files.writeAtomic(path, utf8("two, longer"));
    const read = await files.read(path);
    assert.deepEqual(read, utf8("two, longer"));
    assert.equal(Object.getPrototypeOf(read), Uint8Array.prototype);
    const found = await files.stat(path);
    assert.equal(found?.size, 11);
    assert.equal(found?.kind, "file");
    assert.ok(Math.abs(found.modified - clock.wall()) < 60_000);
    assert.deepEqual(await files.list(inner), ["x.json"]);
    await files.remove(path);
    await files.remove(path);
    assert.deepEqual(await files.list(inner), []);
  });

  test("nothing there is no error, and a link is neither file nor directory", async () => {
    await using temporary = await directory();
    const none = join(temporary.path, "none");
    assert.equal(await files.read(none), undefined);
    assert.equal(await files.stat(none), undefined);
    assert.equal(await files.stat(join(none, "deeper")), undefined);
    assert.deepEqual(await files.list(none), []);
    const link = join(temporary.path, "link");
    await symlink(temporary.path, link);
    assert.equal((await files.stat(link))?.kind, "other");
  });

  test("a write that fails leaves the old file and no other", async () => {
    await using temporary = await directory();
    await assert.rejects(files.writeAtomic(join(temporary.path, "none", "x"), utf8("x")), { code: "ENOENT" });
    // Not even the superuser can rename a file over a directory.
    await files.makeDirectory(join(temporary.path, "taken"));
    await assert.rejects(files.writeAtomic(join(temporary.path, "taken"), utf8("x")));
    assert.deepEqual(await files.list(temporary.path), ["taken"]);
    await chmod(temporary.path, 0o700);
  });

  test("watches a directory until disposed, and a missing one in silence", async () => {
    await using temporary = await directory();
    const changed = Promise.withResolvers<void>();
    const watching = files.watch(temporary.path, () => changed.resolve());
    await files.writeAtomic(join(temporary.path, "x"), utf8("x"));
    await changed.promise;
    watching[Symbol.dispose]();
    files.watch(join(temporary.path, "none"), () => {})[Symbol.dispose]();
  });
});

describe("errors of listening", () => {
  test("say what to do, whichever runtime threw", () => {
    const deno = Object.assign(new Error("Permission denied (os error 13)"), { name: "PermissionDenied" });
    const node = Object.assign(new Error("listen EACCES: permission denied 0.0.0.0:80"), { code: "EACCES" });
    for (const cause of [deno, node]) {
      const { message } = listenError("0.0.0.0:80", cause);
      assert.ok(message.startsWith("Cannot listen on 0.0.0.0:80: ports below 1024"), message);
      assert.ok(message.includes("--server_address"));
    }
    const absent = Object.assign(new Error("x"), { code: "EADDRNOTAVAIL" });
    assert.match(
      listenError("10.9.8.7:1", absent).message,
      /10\.9\.8\.7:1: this machine has no such address/,
    );
    const strange = new Error("the sky fell");
    assert.equal(listenError("h:1", strange).message, "Cannot listen on h:1: the sky fell");
    assert.equal(listenError("h:1", strange).cause, strange);
  });
});
