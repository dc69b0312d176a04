/**
 * Runs every `*_test.ts` on Deno, Bun and Node, each file in a process of its own, and ends with the sum over the
 * three: `N passed, N failed`, alone on the last line.
 *
 * ```
 * deno task test [--runtime=deno,bun,node] [--jobs=2] [--timeout=120] [--ci] [--root=folder] [part of a path]…
 * ```
 *
 * What does not run counts as failed: a file that ends without a test, that ends badly beside its tests, or that has
 * not ended in time; a runtime without any file; and with `--ci`, or `CI` in the environment, a test that is skipped.
 *
 * Of `MUON_*` and `MICRO_*`, which set services up, tests see only what is said to them: `MUON_REQUIRE_BACKENDS` (true:
 * what a test needs and is not there is a failure, as in CI), and where a remote KV is, `MUON_KV_URL`.
 *
 * @module
 */

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join, relative, sep } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { readReport } from "./junit.ts";
import { ROOT, type Runtime, RUNTIMES, testCommand } from "./runtimes.ts";

interface Outcome {
  readonly file: string;
  readonly passed: number;
  /** What failed, each in a line. */
  readonly failed: readonly string[];
  readonly skipped: readonly string[];
  readonly output: string;
  readonly seconds: number;
}

const { values: flags, positionals: parts } = parseArgs({
  allowPositionals: true,
  options: {
    runtime: { type: "string", default: RUNTIMES.join(",") },
    jobs: { type: "string", default: String(Math.min(availableParallelism(), 4)) },
    timeout: { type: "string", default: "120" },
    root: { type: "string", default: ROOT },
    ci: { type: "boolean", default: !["", "0", "false"].includes(process.env.CI ?? "") },
  },
});
const runtimes = flags.runtime.split(",").map(asRuntime);
const jobs = asCount("jobs", flags.jobs);
const timeout = asCount("timeout", flags.timeout) * 1000;

/** What of the environment is said to tests. */
const FOR_TESTS: ReadonlySet<string> = new Set(["MUON_REQUIRE_BACKENDS", "MUON_KV_URL"]);

const children = new Set<ChildProcess>();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    for (const child of children) killGroup(child);
    process.exit(130);
  });
}

const reports = await mkdtemp(join(tmpdir(), "muon-test-"));
try {
  const files = (await testFiles(flags.root)).filter((file) =>
    parts.length === 0 || parts.some((part) => file.includes(part))
  );
  if (files.length === 0) {
    console.log(`No *_test.ts has ${parts.map((part) => `"${part}"`).join(" or ")} in its path.`);
  }
  let passed = 0;
  let failed = files.length === 0 ? 1 : 0;
  for (const runtime of files.length === 0 ? [] : runtimes) {
    const suite = await runSuite(runtime, files);
    passed += suite.passed;
    failed += suite.failed;
  }
  console.log(`\n${passed} passed, ${failed} failed`);
  process.exitCode = failed > 0 ? 1 : 0;
} finally {
  await rm(reports, { recursive: true, force: true });
}

async function runSuite(
  runtime: Runtime,
  files: readonly string[],
): Promise<{ passed: number; failed: number }> {
  const start = performance.now();
  const queue = [...files];
  const outcomes: Outcome[] = [];
  const work = async () => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      const outcome = await runFile(runtime, file);
      outcomes.push(outcome);
      if (outcome.failed.length > 0) show(runtime, outcome);
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));

  const passed = outcomes.reduce((sum, outcome) => sum + outcome.passed, 0);
  const skipped = outcomes.flatMap(({ file, skipped }) => skipped.map((name) => `${file}: ${name}`));
  let failed = outcomes.reduce((sum, outcome) => sum + outcome.failed.length, 0);
  for (const name of skipped) {
    console.log(`${runtime}: skipped${flags.ci ? ", which counts as failed" : ""}: ${name}`);
  }
  if (flags.ci) failed += skipped.length;
  if (passed + failed === 0) {
    console.log(`${runtime}: not one test ran`);
    failed = 1;
  }
  const slowest = outcomes.reduce((a, b) => a.seconds > b.seconds ? a : b);
  console.log(
    `${
      runtime.padEnd(4)
    }  ${passed} passed, ${failed} failed, ${skipped.length} skipped in ${files.length} files, ` +
      `${((performance.now() - start) / 1000).toFixed(1)} s (longest: ${slowest.file}, ${
        slowest.seconds.toFixed(1)
      } s)`,
  );
  return { passed, failed };
}

function show(runtime: Runtime, { file, failed, output }: Outcome): void {
  console.log(`\n──── ${runtime}: ${file}`);
  for (const name of failed) console.log(`FAILED  ${name}`);
  console.log(`\n${output.trim()}\n────\n`);
}

async function runFile(runtime: Runtime, file: string): Promise<Outcome> {
  const start = performance.now();
  const report = join(reports, `${runtime}-${file.replaceAll("/", "-")}.xml`);
  // The runtime's own limit is the longer one, so that it is this one that ends what hangs.
  const command = testCommand(runtime, join(flags.root, file), { report, timeout: timeout * 2 });
  const { ended, output } = await run(command, { MUON_TEST_RUNTIME: runtime });
  const { passed, failed, skipped } = readReport(await readFile(report, "utf8").catch(() => ""));

  const uncaught = await readFile(`${report}.uncaught`, "utf8").catch(() => "");

  const problems = [...failed];
  if (uncaught !== "") problems.push(`an error that nobody caught: ${uncaught.trim()}`);
  if (ended === "late") problems.push(`it had not ended after ${timeout / 1000} s, and was killed`);
  else if (failed.length === 0 && ended !== "code 0") problems.push(`it ended with ${ended}`);
  else if (passed + problems.length + skipped.length === 0) problems.push("it ended without a test");
  return { file, passed, failed: problems, skipped, output, seconds: (performance.now() - start) / 1000 };
}

/** Runs a command in a process group of its own, of which nothing is left at the end. */
function run(
  command: { file: string; args: readonly string[]; env: Readonly<Record<string, string>> },
  env: Readonly<Record<string, string>>,
): Promise<{ ended: string; output: string }> {
  return new Promise((resolve, reject) => {
    const inherited = Object.entries(process.env).filter(([name]) =>
      FOR_TESTS.has(name) || !/^(MICRO|MUON)_/.test(name)
    );
    const child = spawn(command.file, command.args, {
      cwd: ROOT,
      env: { ...Object.fromEntries(inherited), NO_COLOR: "1", ...command.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    children.add(child);
    let output = "";
    let ended = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8");
      stream.on("data", (chunk: string) => output += chunk);
    }
    const timer = setTimeout(() => {
      ended = "late";
      killGroup(child);
    }, timeout);
    child.on("error", reject);
    // Whoever it left behind may hold its output open: `close` comes once they are gone too.
    child.on("exit", (code, signal) => {
      clearTimeout(timer);
      ended ||= signal === null ? `code ${code}` : `signal ${signal}`;
      killGroup(child);
    });
    child.on("close", () => {
      children.delete(child);
      resolve({ ended, output });
    });
  });
}

function killGroup(child: ChildProcess): void {
  try {
    process.kill(-child.pid!, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

async function testFiles(folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory() && !/^(\..*|node_modules|dist)$/.test(entry.name)) {
      found.push(...await testFiles(path));
    } else if (entry.name.endsWith("_test.ts")) found.push(relative(flags.root, path).split(sep).join("/"));
  }
  return found.sort();
}

function asRuntime(name: string): Runtime {
  const runtime = RUNTIMES.find((one) => one === name);
  if (runtime === undefined) throw new TypeError(`--runtime=${name}: there are ${RUNTIMES.join(", ")}`);
  return runtime;
}

function asCount(flag: string, text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1) {
    throw new RangeError(`--${flag}=${text}: a whole number above 0`);
  }
  return count;
}
