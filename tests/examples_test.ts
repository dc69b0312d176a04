/**
 * The examples and README's tour, run as a reader runs them: each program a process of its own on the runtime that runs
 * this file, the greeter's client on another one, too. They find each other through the default registry, in a
 * directory of the test's own.
 */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, before, describe, test } from "node:test";
import { currentRuntime, ROOT, type Runtime, RUNTIMES } from "../tools/runtimes.ts";
import { type Spawned, spawnOn } from "./processes.ts";
import { snippetsOf } from "./support/snippets.ts";

const here = currentRuntime();
const next = RUNTIMES[(RUNTIMES.indexOf(here) + 1) % RUNTIMES.length]!;

/** Runs services and a client, each in its process, and gives what the client printed. */
async function play(
  folder: string,
  { services = ["main.ts"], runtime = here }: { services?: readonly string[]; runtime?: Runtime } = {},
): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "muon-examples-"));
  const env = { MICRO_REGISTRY_ADDRESS: directory };
  const started: Spawned[] = [];
  try {
    for (const service of services) {
      const spawned = spawnOn(here, join(folder, service), { env });
      started.push(spawned);
      await spawned.ready(/^muon: \S+ 1\.0\.0/m);
    }
    await using client = spawnOn(runtime, join(folder, "client.ts"), { env });
    const code = await client.exited;
    assert.equal(client.stderr, "");
    assert.equal(code, 0);
    for (const service of started) {
      assert.equal(await service.stop("SIGTERM"), 0, service.stderr);
      assert.equal(service.stdout, "", "what a service says of itself goes to stderr");
    }
    return client.stdout;
  } finally {
    for (const service of started) await service[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  }
}

describe("the example", () => {
  const GREETER = "Hello John\n1\n2\n3\npublished, accepted by 1\n";

  test("greeter", async () => {
    assert.equal(await play("examples/greeter"), GREETER);
  });

  test(`greeter, with its client on ${next}`, async () => {
    assert.equal(await play("examples/greeter", { runtime: next }), GREETER);
  });

  test("streams", async () => {
    assert.equal(
      await play("examples/streams"),
      "double 42\nwatch 0 1 2\nsum 6 of 3\nrunning 1 of 1\nrunning 3 of 2\nrunning 6 of 3\n",
    );
  });

  test("pubsub", async () => {
    assert.equal(
      await play("examples/pubsub"),
      "order a accepted by 2\norder b accepted by 2\norder c accepted by 2\nmailed a b c\naudited 30\n",
    );
  });

  test("two_services", async () => {
    assert.equal(
      await play("examples/two_services", { services: ["orders.ts", "users.ts"] }),
      "User 7 has 2 orders\n",
    );
  });

  test("legacy", async () => {
    assert.equal(await play("examples/legacy"), "Hello John, from the legacy dialect\n");
  });
});

describe("README's tour", () => {
  // Inside the tree, so that `@muon/muon` is found as it is by a reader's files.
  const folder = join(ROOT, "tests", `.scratch-tour-${process.pid}`);
  let output: string | undefined;

  before(async () => {
    const snippets = snippetsOf(await readFile(join(ROOT, "README.md"), "utf8"));
    await mkdir(folder);
    for (const name of ["main.ts", "client.ts"]) {
      const found = snippets.filter(({ file }) => file === name);
      assert.equal(found.length, 1, `README has one block that begins with "// ${name}"`);
      await writeFile(join(folder, name), found[0]!.code);
    }
    output = /The client prints:\n\n```text\n([\s\S]*?)```/
      .exec(await readFile(join(ROOT, "README.md"), "utf8"))?.[1];
  });
  after(() => rm(folder, { recursive: true, force: true }));

  test("prints what it says", async () => {
    assert.ok(output, "README says what the client prints");
    assert.equal(await play(folder), output);
  });

  test(`prints it with the client on ${next}`, async () => {
    assert.equal(await play(folder, { runtime: next }), output);
  });
});
