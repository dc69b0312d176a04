/**
 * The main job, to be looked at: a service on Deno, called by a client on Bun and by one on Node, each a process of its
 * own. A call, a stream and an event. They find each other through the default registry, in a directory that is
 * removed afterwards. Exit code 0 says that every client printed what it should and every process ended well.
 *
 * ```
 * deno task demo
 * ```
 *
 * @module
 */

import { rmSync } from "node:fs";
import { mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setImmediate } from "node:timers/promises";
import { type Spawned, spawnOn } from "../tests/processes.ts";
import { ROOT, type Runtime } from "./runtimes.ts";

const SERVICE = "examples/greeter/main.ts";
const CLIENT = "examples/greeter/client.ts";
/** What the client prints: a call's answer, the items of a stream, an event's receipt. */
const EXPECTED = ["Hello John", "1", "2", "3", "published, accepted by 1"];
/** How long a client may take, in milliseconds: a guard, not a measure. */
const PATIENCE = 30_000;

const { devDependencies: versions } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8")) as {
  devDependencies: Record<Runtime, string>;
};
const directory = await mkdtemp(join(tmpdir(), "muon-demo-"));
// Runs after tests/processes.ts has killed what is still there, so that nobody writes into it any more.
process.on("exit", () => rmSync(directory, { recursive: true, force: true }));
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(130));

try {
  await demonstrate();
  say("\nEvery line is as expected, and every process has ended.");
  process.exit(0);
} catch (error) {
  say(`\nThe demo failed: ${error instanceof Error ? error.message : error}`);
  process.exit(1);
}

async function demonstrate(): Promise<void> {
  say("A service, and two clients that call it, stream from it and publish an event. Nothing else runs.");
  await using service = start("deno", SERVICE, "service");
  const shown = show(service, { runtime: "deno", stream: "stderr" });
  await service.ready(/topic .*user\.created.*\n/);

  for (const [index, runtime] of (["bun", "node"] as const).entries()) {
    await setImmediate(); // Whatever is to be shown before it is shown.
    await call(runtime);
    // The receipt says that the service has taken the event on; it handles it a moment later.
    await service.ready(new RegExp(`(?:welcome .*id=42[^]*){${index + 1}}`));
  }

  say("\nThe service is asked to stop, by SIGTERM: it leaves the registry, finishes its calls, ends.");
  const code = await service.stop("SIGTERM");
  await shown;
  if (code !== 0) throw new Error(`the service ended with code ${code} instead of 0`);
}

async function call(runtime: Runtime): Promise<void> {
  await using client = start(runtime, CLIENT, "client");
  const errors = show(client, { runtime, stream: "stderr" });
  const guard = setTimeout(() => client.signal("SIGKILL"), PATIENCE);
  const lines = await show(client, { runtime, stream: "stdout" });
  const code = await client.exited;
  clearTimeout(guard);
  await errors;
  if (code === null) throw new Error(`the client on ${runtime} was ended: it may take ${PATIENCE / 1000} s`);
  if (code !== 0) throw new Error(`the client on ${runtime} ended with code ${code}`);
  if (lines.join("\n") !== EXPECTED.join("\n")) {
    throw new Error(
      `the client on ${runtime} should print ${EXPECTED.map((line) => `"${line}"`).join(", ")}`,
    );
  }
}

/** Starts a program and says what it is. */
function start(runtime: Runtime, script: string, what: string): Spawned {
  const env = { MICRO_REGISTRY_ADDRESS: directory };
  const spawned = spawnOn(runtime, script, { env });
  say(`\n${what} on ${runtime} ${versions[runtime]}, process ${spawned.pid}: ${script}`);
  return spawned;
}

/** Shows what a program writes as it comes, each line behind its runtime's name, and gives the lines. */
async function show(
  spawned: Spawned,
  { runtime, stream }: { readonly runtime: Runtime; readonly stream: "stdout" | "stderr" },
): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of spawned.lines(stream)) {
    lines.push(line);
    say(`  ${runtime.padEnd(4)} | ${line}`);
  }
  return lines;
}

function say(line: string): void {
  console.log(line);
}
