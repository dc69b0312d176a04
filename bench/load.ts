/**
 * The two ends of a benchmark: a server that says what it used when asked, and a load that measures. The harness
 * (run.ts) talks to both by lines:
 *
 * | | server | load |
 * | --- | --- | --- |
 * | says | `ready <address>` | `begin` once it is warm, `end <numbers as JSON>` |
 * | is told | any line: answers `usage <JSON>` | a line after `begin`: measure; one after `end`: end |
 *
 * Both end when their standard input does, so that nothing is left of a harness that is gone.
 *
 * @module
 */
import process from "node:process";
import { createInterface } from "node:readline";

/** What the harness tells both ends, through the environment. */
export interface Settings {
  /** Where the server is: what it said when it was ready. Empty in the server itself. */
  readonly address: string;
  /** Calls to measure. */
  readonly calls: number;
  /** Calls at a time. */
  readonly inflight: number;
  /** A directory that is this run's own, empty at its start: for a registry of files. */
  readonly directory: string;
}

/**
 * What the harness asks of this process.
 *
 * @throws {Error} When no harness started it.
 */
export function settings(): Settings {
  const { BENCH_ADDRESS = "", BENCH_CALLS, BENCH_INFLIGHT, BENCH_DIRECTORY } = process.env;
  if (BENCH_CALLS === undefined || BENCH_INFLIGHT === undefined || BENCH_DIRECTORY === undefined) {
    throw new Error(
      "BENCH_CALLS, BENCH_INFLIGHT and BENCH_DIRECTORY are not set: start it by `deno task bench`",
    );
  }
  return {
    address: BENCH_ADDRESS,
    calls: Number(BENCH_CALLS),
    inflight: Number(BENCH_INFLIGHT),
    directory: BENCH_DIRECTORY,
  };
}

/** What a process has used. */
export interface Usage {
  /** CPU time so far, in µs. */
  readonly cpu: number;
  /** Resident memory, in bytes. */
  readonly memory: number;
}

/** CPU time of this process so far, all threads, in µs. */
export function cpu(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** What this process has used. */
export function usage(): Usage {
  return { cpu: cpu(), memory: process.memoryUsage().rss };
}

/**
 * Says where the server is, and from then on answers each line on stdin with what was used so far.
 *
 * @param address What the load finds in its settings.
 * @param options `usage`: asked instead of this process alone. `close`: called before the process ends.
 */
export function serve(
  address: string,
  options: { readonly usage?: () => Usage | Promise<Usage>; readonly close?: () => void } = {},
): void {
  const used = options.usage ?? usage;
  createInterface({ input: process.stdin })
    .on("line", async () => console.log(`usage ${JSON.stringify(await used())}`))
    .on("close", () => {
      options.close?.();
      process.exit(0);
    });
  console.log(`ready ${address}`);
}

/**
 * Waits for the harness's word, then measures, and ends the process. Warm up before it.
 *
 * @param work What is measured. What it gives goes to the question's `figures`, with `cpu` (µs) and `elapsed` (ms) of
 * its run beside.
 */
export async function measure(work: () => Promise<Readonly<Record<string, number>>>): Promise<void> {
  const input = createInterface({ input: process.stdin });
  input.on("close", () => process.exit(0));
  const lines = input[Symbol.asyncIterator]();
  console.log("begin");
  await lines.next();
  const before = cpu();
  const started = performance.now();
  const numbers = await work();
  const elapsed = performance.now() - started;
  const used = cpu() - before;
  console.log(`end ${JSON.stringify({ cpu: used, elapsed, ...numbers })}`);
  await lines.next();
  process.exit(0);
}

/**
 * Keeps calls in flight, as many as the settings say, first to warm up, then to measure; then it ends the process.
 *
 * @param call Makes one call and checks its answer: it throws when that is wrong. `n` counts the calls.
 * @param options `calls`, `inflight`: instead of the settings'. `warmup`: calls before; a quarter of `calls` if not
 * given.
 */
export async function load(
  call: (n: number) => Promise<void>,
  options: { readonly calls?: number; readonly warmup?: number; readonly inflight?: number } = {},
): Promise<void> {
  const { calls = settings().calls, inflight = settings().inflight } = options;
  await loop(call, options.warmup ?? Math.ceil(calls / 4), { inflight });
  const latencies = new Float64Array(calls);
  await measure(async () => {
    const started = performance.now();
    const before = cpu();
    await loop(call, calls, { inflight, latencies });
    const used = cpu() - before;
    const elapsed = performance.now() - started;
    return { calls, cpu: used, elapsed, ...percentiles(latencies) };
  });
}

/** The median and the 99th percentile; it sorts what it is given. */
export function percentiles(latencies: Float64Array): { readonly p50: number; readonly p99: number } {
  latencies.sort();
  const at = (share: number) => latencies[Math.floor(latencies.length * share)] ?? NaN;
  return { p50: at(0.5), p99: at(0.99) };
}

/**
 * Makes calls, so many at a time.
 *
 * @param call Makes one.
 * @param calls How many.
 * @param options `inflight`: at a time. `latencies`: where each call's time goes, in ms.
 */
export async function loop(
  call: (n: number) => Promise<void>,
  calls: number,
  options: { readonly inflight: number; readonly latencies?: Float64Array },
): Promise<void> {
  const { inflight, latencies } = options;
  let next = 0;
  await Promise.all(Array.from({ length: inflight }, async () => {
    while (next < calls) {
      const n = next++;
      const started = performance.now();
      await call(n);
      if (latencies !== undefined) latencies[n] = performance.now() - started;
    }
  }));
}
