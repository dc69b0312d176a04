import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { testHost } from "../tests/conformance/host.ts";
import { utf8 } from "./bytes.ts";
import { VirtualClock } from "./virtual_clock.ts";
import { VirtualNetwork } from "./virtual_network.ts";
import { createVirtualSystem } from "./virtual_platform.ts";

const network = new VirtualNetwork();
testHost("virtual", {
  serve: (options) => network.serve(options),
  dial: (url, options) => network.dialWebSocket(url, options),
  fetch: (url, init) => network.fetch(url, init),
  raw: false,
});

describe("virtual platform", () => {
  test("has files with modes, that a watcher hears of", async () => {
    const clock = new VirtualClock({ start: 5_000 });
    const { files } = createVirtualSystem({ clock }).platform;
    await files.makeDirectory("/run/a/b", { mode: 0o700 });
    let changes = 0;
    const watching = files.watch("/run/a/b", () => changes++);
    await files.writeAtomic("/run/a/b/x.json", utf8("one"), { mode: 0o600 });
    await clock.advance(10);
    await files.writeAtomic("/run/a/b/x.json", utf8("three"));
    assert.deepEqual(await files.list("/run/a/b"), ["x.json"]);
    assert.deepEqual(await files.list("/run/a"), ["b"]);
    assert.deepEqual(await files.list("/none"), []);
    assert.deepEqual(await files.read("/run/a/b/x.json"), utf8("three"));
    assert.equal(await files.read("/run/a/b/y.json"), undefined);
    const found = await files.stat("/run/a/b/x.json");
    assert.equal(found?.size, 5);
    assert.equal(found?.modified, 5_010);
    assert.equal((await files.stat("/run/a/b"))?.mode, 0o700);
    assert.equal((await files.stat("/run/a/b"))?.kind, "directory");
    await files.remove("/run/a/b/x.json");
    await files.remove("/run/a/b/x.json");
    assert.equal(changes, 3);
    watching[Symbol.dispose]();
    await files.writeAtomic("/run/a/b/z.json", utf8("z"));
    assert.equal(changes, 3);
    await assert.rejects(files.writeAtomic("/nowhere/x", utf8("")), /ENOENT/);
  });

  test("raises signals, remembers its end and what it said", () => {
    const { platform } = createVirtualSystem({ env: { A: "1" }, args: ["--x"] });
    let heard = 0;
    const listening = platform.onSignal("SIGTERM", () => heard++);
    assert.equal(platform.raise("SIGTERM"), 1);
    assert.equal(platform.raise("SIGINT"), 0);
    listening[Symbol.dispose]();
    assert.equal(platform.raise("SIGTERM"), 0);
    assert.equal(heard, 1);
    platform.writeError("hello\n");
    platform.exit(3);
    platform.exit(0);
    assert.equal(platform.stderr, "hello\n");
    assert.equal(platform.exitCode, 3);
    assert.equal(platform.env("A"), "1");
    assert.equal(platform.env("toString"), undefined);
    assert.deepEqual(platform.args, ["--x"]);
  });

  test("ends a turn behind its microtasks, in the order asked", async () => {
    const { platform } = createVirtualSystem();
    const order: string[] = [];
    await new Promise<void>((resolve) => {
      platform.endOfTurn((what, which) => order.push(`${what} ${which}`), "end", 1);
      platform.endOfTurn(() => {
        order.push("end 2");
        resolve();
      });
      void Promise.resolve().then(() => order.push("microtask")).then(() => order.push("another"));
    });
    assert.deepEqual(order, ["microtask", "another", "end 1", "end 2"]);
  });

  test("gives the same numbers for the same seed", () => {
    const [a, b, c] = [1, 1, 2].map((seed) => createVirtualSystem({ seed }));
    const bytes = a!.entropy.fill(new Uint8Array(8));
    assert.deepEqual(b!.entropy.fill(new Uint8Array(8)), bytes);
    assert.notDeepEqual(c!.entropy.fill(new Uint8Array(8)), bytes);
    assert.equal(a!.random.next(), b!.random.next());
  });

  test("cuts the sockets to a host", async () => {
    const { platform } = createVirtualSystem();
    await using host = await platform.serve({});
    const closes: number[] = [];
    const events = { message: () => {}, drain: () => {}, close: (code: number) => void closes.push(code) };
    host.mount({
      name: "t",
      subprotocol: "t",
      matches: () => true,
      socket: (socket) => socket.listen(events),
    });
    (await platform.dialWebSocket(`ws://${host.addresses[0]}/`, { protocol: "t" })).listen(events);
    platform.network.cut(host.addresses[0]!);
    assert.deepEqual(closes, [1006, 1006]);
  });
});
