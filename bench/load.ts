/**
 * The two ends of a benchmark: a server that says what CPU time it used when asked, and a client that keeps a number
 * of calls in flight and measures them.
 *
 * @module
 */
import process from "node:process";
import { createInterface } from "node:readline";

/** What a client measured. Times in ms, CPU in µs. */
export interface Measured {
  /** Calls measured. */
  readonly calls: number;
  /** Time they took. */
  readonly elapsed: number;
  /** Median time of a call. */
  readonly p50: number;
  /** 99th percentile. */
  readonly p99: number;
  /** CPU time of the client's process. */
  readonly cpu: number;
}

/** CPU time of this process so far, in µs. */
export function cpu(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** Says where the server is, and from then on answers each line on stdin with the CPU time used so far. */
export function serveCpu(address: string): void {
  console.log(`ready ${address}`);
  createInterface({ input: process.stdin }).on("line", () => console.log(`cpu ${cpu()}`)).on(
    "close",
    () => process.exit(0),
  );
}

/**
 * Keeps calls in flight, first to warm up, then to measure, and prints what it measured. The lines `begin` and `end`
 * tell whoever watches when to ask the server for its CPU time; a line on stdin lets it go on.
 *
 * @param call Makes one call and checks its answer.
 * @param options How many calls, how many at a time.
 */
export async function load(
  call: (n: number) => Promise<void>,
  options: { readonly calls: number; readonly warmup: number; readonly inflight: number },
): Promise<void> {
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  await loop(call, options.warmup, { inflight: options.inflight });
  console.log("begin");
  await lines.next();
  const latencies = new Float64Array(options.calls);
  const before = cpu();
  const started = performance.now();
  await loop(call, options.calls, { inflight: options.inflight, latencies });
  const elapsed = performance.now() - started;
  const used = cpu() - before;
  latencies.sort();
  const measured: Measured = {
    calls: options.calls,
    elapsed,
    p50: latencies[Math.floor(options.calls * 0.5)]!,
    p99: latencies[Math.floor(options.calls * 0.99)]!,
    cpu: used,
  };
  console.log(`end ${JSON.stringify(measured)}`);
  await lines.next();
  process.exit(0);
}

async function loop(
  call: (n: number) => Promise<void>,
  calls: number,
  { inflight, latencies }: { readonly inflight: number; readonly latencies?: Float64Array },
): Promise<void> {
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
