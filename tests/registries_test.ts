import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { createSystem } from "../adapters/node/mod.ts";
import { openNpmKv } from "../adapters/node/kv.ts";
import { createKvRegistry } from "../runtime/registry/kv/kv.ts";
import { binaryOf, ROOT, RUNTIMES } from "../tools/runtimes.ts";
import { greeter } from "./conformance/registry.ts";
import { type Spawned, spawnOn, spawnProgram } from "./processes.ts";

const PROGRAM = "tests/fixtures/registrant.ts";

/** How each kind of process is started. */
const KINDS: Record<string, (args: readonly string[]) => Spawned> = {
  ...Object.fromEntries(RUNTIMES.map((runtime) => [
    runtime,
    (args: readonly string[]) => spawnOn(runtime, PROGRAM, { args }),
  ])),
  // Deno's own KV, where the others have npm @deno/kv.
  denokv: (args) =>
    spawnProgram(binaryOf("deno"), {
      args: ["run", "-A", "--no-check", "--quiet", "--unstable-kv", join(ROOT, PROGRAM), ...args],
    }),
};

for (const [registry, kinds] of [["file", RUNTIMES], ["kv", [...RUNTIMES, "denokv"]]] as const) {
  describe(`processes of all runtimes, over one ${registry} registry`, () => {
    test("each find those before, hear of those after, write at a time, and hear of who left", async () => {
      const home = await mkdtemp(join(tmpdir(), "muon-registries-"));
      const address = registry === "file" ? join(home, "nodes") : join(home, "registry.db");
      const processes: Spawned[] = [];
      try {
        for (const [index, kind] of kinds.entries()) {
          const one = KINDS[kind]!([registry, address, kind]);
          processes.push(one);
          const [, ids] = await one.ready(/^found (.*)\.$/m);
          assert.deepEqual(ids!.split(" "), kinds.slice(0, index + 1).toSorted(), `what ${kind} finds`);
        }
        const all = kinds.toSorted().join(" ");
        for (const one of processes) await one.ready(new RegExp(`^sees ${all}\\.$`, "m"));

        for (const one of processes) one.write("many\n");
        for (const one of processes) await one.ready(/^wrote 40\.$/m);
        for (const one of processes) await one.ready(new RegExp(`^counts ${41 * kinds.length}\\.$`, "m"));

        const [first, ...others] = processes;
        first!.write("leave\n");
        await first!.ready(/^left\.$/m);
        assert.equal(await first!.exited, 0);
        for (const one of others) await one.ready(new RegExp(`^counts ${41 * kinds.length - 1}\\.$`, "m"));
        for (const one of processes) assert.equal(one.stderr, "", "what a process complains of");
      } finally {
        for (const one of processes) await one[Symbol.asyncDispose]();
        await rm(home, { recursive: true, force: true });
      }
    });
  });
}

test("a KV file that another process holds locked is waited for, and not without end", async () => {
  const home = await mkdtemp(join(tmpdir(), "muon-registries-"));
  const address = join(home, "registry.db");
  const system = createSystem();
  const open = (timeout: number) => createKvRegistry({ system, kv: openNpmKv, address, timeout });
  {
    await using patient = open(20_000);
    await using hasty = open(300);
    await using reader = open(20_000);
    const nodes = async () =>
      (await reader.getService("greeter")).flatMap(({ nodes }) => nodes.map(({ id }) => id));
    await patient.register(greeter("1", "a"), { ttl: 60_000 });
    assert.deepEqual(await nodes(), ["a"]);
    await using locker = spawnOn("node", "tests/fixtures/locker.ts", { args: [address] });
    locker.write("lock\n");
    await locker.ready(/^lock done$/m);
    const late = patient.register(greeter("1", "b"), { ttl: 60_000 });
    await assert.rejects(hasty.register(greeter("1", "c"), { ttl: 60_000 }), /\[unavailable\].*registry\.db/);
    assert.deepEqual(await nodes(), ["a"], "it can be read meanwhile");
    locker.write("let go\n");
    await late;
    assert.ok((await nodes()).includes("b"));
  }
  await rm(home, { recursive: true });
});
