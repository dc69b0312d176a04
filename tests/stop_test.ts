/** How a process ends: what flags and signals do to a real one, on this runtime. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { connect, SILENT } from "../mod.ts";
import { currentRuntime } from "../tools/runtimes.ts";
import { spawnOn, type SpawnOptions } from "./processes.ts";

let directory: string;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "muon-stop-"));
});
after(() => rm(directory, { recursive: true, force: true }));

const start = (options: SpawnOptions = {}) =>
  spawnOn(currentRuntime(), "tests/fixtures/stubborn.ts", {
    env: { MICRO_REGISTRY_ADDRESS: directory },
    ...options,
  });

test("a second signal ends the process at once, while a call hangs", async () => {
  await using service = start();
  await service.ready(/muon: stubborn/);
  await using mesh = await connect({ registryAddress: directory, log: SILENT });
  const call = mesh.call("stubborn", "Stubborn.Hang", undefined, { timeout: 60_000, retries: 0 });
  const failed = assert.rejects(Promise.resolve(call), { status: "unavailable" });
  await service.ready(/hanging/);
  service.signal("SIGTERM");
  while ((await mesh.registry.getService("stubborn")).length > 0) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  // It is stopping: the record is gone, and the call still hangs.
  assert.equal(await service.stop("SIGTERM"), 130);
  await failed;
});

test("a process whose handler was given up ends all the same, with the code that the program set", async () => {
  for (const [CODE, code] of [["0", 0], ["3", 3]] as const) {
    await using service = start({
      args: ["--stop_timeout=100ms"],
      env: { MICRO_REGISTRY_ADDRESS: directory, CODE },
    });
    await service.ready(/muon: stubborn/);
    await using mesh = await connect({ registryAddress: directory, log: SILENT });
    const call = mesh.call("stubborn", "Stubborn.Hang", undefined, { timeout: 60_000, retries: 0 });
    const failed = assert.rejects(Promise.resolve(call), { status: "unavailable" });
    await service.ready(/hanging/);
    assert.equal(await service.stop("SIGTERM"), code);
    await failed;
    assert.match(service.stderr, /stopped before everything was finished/);
    assert.match(service.stderr, /something keeps the process alive; it is ended/);
  }
});

test("--help is on stdout and ends with 0, a wrong flag on stderr and with 2", async () => {
  await using help = start({ args: ["--help"] });
  assert.equal(await help.exited, 0);
  assert.match(help.stdout, /^Flags of muon[^]*--server_name TEXT[^]*--help, -h/);
  await using wrong = start({ args: ["--registy=memory"] });
  assert.equal(await wrong.exited, 2);
  assert.match(wrong.stderr, /^Unknown flag --registy; did you mean "--registry"\?/);
  assert.equal(wrong.stdout, "");
});

test("where stderr is no terminal all lines are JSON, and nobody is greeted", async () => {
  await using service = start({
    args: ["--log-level", "debug"],
    env: { MICRO_REGISTRY_ADDRESS: directory, MICRO_LOG_FORMAT: "" },
  });
  await service.ready(/"started"/);
  assert.equal(await service.stop("SIGTERM"), 0);
  const lines = service.stderr.trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(lines.find(({ message }) => message === "started").services, ["stubborn latest"]);
  assert.equal(lines.at(-1).message, "stopped");
  assert.ok(lines.every(({ time }) => /^\d{4}-.*Z$/.test(time)));
});
