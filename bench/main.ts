/**
 * Benchmarks: `deno task bench`. See bench/README.md.
 *
 *   deno task bench [question…] [--runtime deno,bun,node] [--rounds N] [--calls N] [--inflight N]
 *                   [--only part,part] [--no-peers] [--quick] [--write | --report]
 *
 * @module
 */
import { writeFile } from "node:fs/promises";
import { availableParallelism, loadavg } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { ROOT, type Runtime, RUNTIMES } from "../tools/runtimes.ts";
import type { Question, Variant } from "./question.ts";
import { questions } from "./questions.ts";
import { judge, mark, page, plain, table } from "./report.ts";
import {
  commit,
  format,
  keepResult,
  machine,
  readResult,
  type RuntimeResult,
  versionsOf,
} from "./results.ts";
import { run } from "./run.ts";

const { values: flags, positionals: names } = parseArgs({
  allowPositionals: true,
  allowNegative: true,
  options: {
    runtime: { type: "string", default: RUNTIMES.join(",") },
    rounds: { type: "string" },
    calls: { type: "string" },
    inflight: { type: "string" },
    only: { type: "string" },
    peers: { type: "boolean", default: true },
    quick: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
    report: { type: "boolean", default: false },
  },
});
// Before anything is measured, which is a load, too.
const [busy = 0] = loadavg();

try {
  await main();
} catch (error) {
  console.error(error instanceof RangeError ? error.message : error);
  process.exitCode = 1;
}

async function main(): Promise<void> {
  const asked = await questions(names);
  if (flags.report) return await writePage();
  const runtimes = flags.runtime.split(",").map(asRuntime);
  // What is wrong is said before minutes of measuring.
  for (const flag of ["rounds", "calls", "inflight"] as const) asCount(flag, flags[flag]);
  if (!flags.quick && (availableParallelism() < 2 || process.platform !== "linux")) {
    throw new RangeError(
      "Benchmarks need two cores and Linux's taskset; --quick measures nothing and needs neither",
    );
  }
  if (flags.write && (flags.quick || flags.only !== undefined || !flags.peers)) {
    throw new RangeError("--write keeps whole runs alone: leave out --quick, --only and --no-peers");
  }
  if (!flags.quick && busy > 0.3) {
    console.log(`The machine is not quiet: its load was ${busy.toFixed(2)} in the last minute.\n`);
  }
  for (const question of asked) {
    for (const runtime of runtimes) {
      try {
        await answer(question, runtime);
      } catch (error) {
        // The others are still answered, and what they come to is kept.
        console.error(`${question.name} on ${runtime} failed: ${(error as Error).message}\n`);
        process.exitCode = 1;
      }
    }
  }
  if (flags.write) await writePage();
}

async function answer(question: Question, runtime: Runtime): Promise<void> {
  const rounds = flags.quick ? 1 : asCount("rounds", flags.rounds) ?? 3;
  const calls = asCount("calls", flags.calls) ?? (flags.quick ? question.quickCalls ?? 200 : question.calls);
  const inflight = asCount("inflight", flags.inflight) ?? question.inflight ?? 1;
  const only = (variant: Variant) =>
    (flags.peers && !flags.quick || variant.kind === "limit" || variant.kind === "muon") &&
    (flags.only === undefined || flags.only.split(",").some((part) => variant.name.includes(part)));
  const date = new Date().toISOString();
  const progress = process.stderr.isTTY
    ? (text: string) => void process.stderr.write(`\r\x1b[K${text}`)
    : undefined;
  const variants = await run(question, {
    runtime,
    rounds,
    calls,
    inflight,
    only,
    pinned: !flags.quick,
    progress,
  });
  progress?.("");
  const result: RuntimeResult = {
    date,
    command: `deno task bench ${question.name} --runtime ${runtime} --rounds ${rounds} --calls ${calls}` +
      (inflight === 1 ? "" : ` --inflight ${inflight}`),
    machine: machine(),
    load: busy,
    versions: await versionsOf(runtime, question.variants.filter(only)),
    commit: commit(),
    calls,
    inflight,
    rounds,
    variants,
  };
  console.log(`${question.name} on ${runtime}: ${rounds} rounds of ${calls}, ${inflight} at a time`);
  console.log(plain(table(question, result)));
  // Of tiny counts nothing follows.
  for (const verdict of flags.quick ? [] : judge(question, runtime, result)) {
    const between = verdict.between.length === 0 ? "" : ` (${verdict.between.join(" / ")})`;
    console.log(`  ${mark(verdict)} of ${verdict.bound}  ${verdict.goal.says}${between}`);
  }
  console.log();
  if (flags.write) await keepResult(question.name, { [runtime]: result });
}

/** Writes docs/performance.md from all that is kept. */
async function writePage(): Promise<void> {
  const all = await questions();
  const results = new Map(
    await Promise.all(all.map(async ({ name }) => [name, await readResult(name)] as const)),
  );
  const path = join(ROOT, "docs", "performance.md");
  await writeFile(path, page(all, results));
  format(path);
  console.log("Wrote docs/performance.md");
}

function asRuntime(name: string): Runtime {
  const runtime = RUNTIMES.find((one) => one === name);
  if (runtime === undefined) throw new RangeError(`--runtime=${name}: there are ${RUNTIMES.join(", ")}`);
  return runtime;
}

function asCount(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1) {
    throw new RangeError(`--${flag}=${text}: a whole number above 0`);
  }
  return count;
}
