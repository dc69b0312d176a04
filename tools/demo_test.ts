/** The demo shows what it should, and leaves nothing behind, whether it ends by itself or is interrupted. */
import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { spawnOn } from "../tests/processes.ts";

describe("the demo", () => {
  let directory: string;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "muon-demo-test-"));
  });
  after(() => rm(directory, { recursive: true, force: true }));

  const registries = async () => (await readdir(directory)).filter((name) => name.startsWith("muon-demo-"));

  test("shows a service and its clients on three runtimes", async () => {
    await using demo = spawnOn("deno", "tools/demo.ts", { env: { TMPDIR: directory } });
    assert.equal(await demo.exited, 0, demo.stdout + demo.stderr);
    const at = (text: string) => {
      const index = demo.stdout.indexOf(text);
      assert.notEqual(index, -1, `${text} is in\n${demo.stdout}`);
      return index;
    };
    const order = [
      "service on deno",
      "deno | muon: greeter 1.0.0",
      "client on bun",
      "bun  | Hello John\n  bun  | 1\n  bun  | 2\n  bun  | 3\n",
      "client on node",
      "node | Hello John\n  node | 1\n  node | 2\n  node | 3\n",
      "asked to stop",
      "Every line is as expected",
    ].map(at);
    assert.deepEqual(order, order.toSorted((a, b) => a - b));
    assert.equal([...demo.stdout.matchAll(/deno \| .*info +welcome .*id=42/g)].length, 2);
    for (const runtime of ["bun", "node"]) at(`${runtime.padEnd(4)} | published, accepted by 1`);
    assert.deepEqual(await registries(), []);
  });

  test("takes its processes along when it is interrupted", async () => {
    await using demo = spawnOn("deno", "tools/demo.ts", { env: { TMPDIR: directory } });
    const [, port] = await demo.ready(/deno \| +address +127\.0\.0\.1:(\d+)/);
    assert.equal((await registries()).length, 1);
    assert.equal(await demo.stop("SIGTERM"), 130);
    assert.deepEqual(await registries(), []);
    for (let tries = 0; await listens(Number(port)); tries++) {
      assert.ok(tries < 500, `the service still listens on port ${port}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  });
});

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ port, host: "127.0.0.1" });
    socket.on("error", () => resolve(false)).on("connect", () => {
      socket.destroy();
      resolve(true);
    });
  });
}
