/**
 * Starts an app, asks it as soon as its port accepts connections, ends it: so often as the settings say.
 *
 *   start.ts <app> package|bundle|binary
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { binaryOf, currentRuntime } from "../../tools/runtimes.ts";
import { measure, percentiles, settings } from "../load.ts";
import { freePort } from "../peers/peer.ts";
import { type Form, makeApp } from "./app.ts";

/** How long to wait until the port is tried again, in ms. */
const AGAIN = 1;
/** How long a start may take: a guard, in ms. */
const PATIENCE = 30_000;

const [app = "", form] = process.argv.slice(2);
const { calls, directory } = settings();
const home = join(directory, "app");
await mkdir(home);
const runtime = currentRuntime();
const file = await makeApp(app, { form: form as Form, directory: home, runtime });
const path = app.startsWith("muon") ? "/greeter.Greeter/Hello" : "/hello";

// What a runtime keeps of what it has compiled is there from the first start on.
for (let n = 0; n < Math.min(2, calls - 1); n++) await start(-1 - n);
const starts = new Float64Array(calls);
await measure(async () => {
  for (let n = 0; n < calls; n++) starts[n] = await start(n);
  const best = Math.min(...starts);
  return { calls, best, ...percentiles(starts) };
});

/** One start: from just before the process is made to its answer, in ms. */
async function start(n: number): Promise<number> {
  const port = await freePort();
  const options = app.startsWith("muon") ? ["--server_address", `127.0.0.1:${port}`] : [String(port)];
  const run = form === "binary"
    ? []
    : runtime === "deno"
    ? [binaryOf(runtime), "run", "-A", "--quiet"]
    : [binaryOf(runtime)];
  // The load's core would be the child's, too.
  const pinned = isPinned() ? ["taskset", "-c", "0"] : [];
  const [command, ...args] = [...pinned, ...run, file, ...options];
  const { BENCH_DIRECTORY: _, ...env } = process.env;
  const started = performance.now();
  const child = spawn(command!, args, {
    env: { ...env, MICRO_REGISTRY_ADDRESS: join(directory, `registry${n}`) },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  let exited = false;
  child.stderr.setEncoding("utf8").on("data", (text: string) => said += text);
  const exit = once(child, "exit").then(() => exited = true);
  try {
    for (;;) {
      const answered = await ask(port);
      if (answered) return performance.now() - started;
      if (exited) throw new Error(`${app} ended: ${said}`);
      if (performance.now() - started > PATIENCE) throw new Error(`${app} does not answer: ${said}`);
      await new Promise((resolve) => setTimeout(resolve, AGAIN));
    }
  } finally {
    child.kill("SIGKILL");
    await exit;
  }
}

/** Asks once. `false`: nobody listens yet. */
function ask(port: number): Promise<boolean> {
  const body = `{"name":"John"}`;
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    let answer = "";
    socket.setEncoding("utf8");
    socket.once("error", (error: Error & { code?: string }) => {
      if (error.code === "ECONNREFUSED") resolve(false);
      else reject(error);
    });
    socket.once("connect", () =>
      socket.write(
        `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Type: application/json\r\n` +
          `Content-Length: ${body.length}\r\n\r\n${body}`,
      ));
    socket.on("data", (text: string) => {
      answer += text;
      if (!answer.includes("}")) return;
      socket.destroy();
      if (/^HTTP\/1\.1 200 /.test(answer) && answer.includes(`{"greeting":"Hello John"}`)) resolve(true);
      else reject(new Error(`wrong answer: ${answer}`));
    });
    socket.once("end", () => reject(new Error(`half an answer: ${answer}`)));
  });
}

/** Whether this process is kept on one core, as `taskset` does it. */
function isPinned(): boolean {
  const status = "/proc/self/status";
  return existsSync(status) && /^Cpus_allowed_list:\s*\d+$/m.test(readFileSync(status, "utf8"));
}
