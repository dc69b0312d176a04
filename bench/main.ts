/**
 * Benchmarks: `deno task bench`. Server and client are processes of their own, one on each of two cores, fresh for every
 * variant and round, the order reversed between rounds. What counts is CPU time a call and the median time of one, as a
 * ratio within one run: absolute times mean nothing on a shared machine.
 *
 *   deno task bench [--calls N] [--rounds N] [--inflight N] [--runtime deno|bun|node]
 */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { parseArgs } from "node:util";
import { fileURLToPath } from "node:url";
import { runCommand, type Runtime, RUNTIMES } from "../tools/runtimes.ts";
import type { Measured } from "./load.ts";

const { values } = parseArgs({
  args: process.argv.slice(2),
  options: {
    calls: { type: "string", default: "200000" },
    rounds: { type: "string", default: "3" },
    inflight: { type: "string", default: "64" },
    runtime: { type: "string" },
  },
});
const calls = Number(values.calls);
const rounds = Number(values.rounds);
const inflight = Number(values.inflight);

interface Variant {
  readonly name: string;
  readonly script: string;
  readonly cut: string;
}

const VARIANTS: readonly Variant[] = [
  { name: "bare loop, cut at 16 frames", script: "unary/bare.ts", cut: "16" },
  { name: "bare loop, a whole turn", script: "unary/bare.ts", cut: "0" },
  { name: "muon", script: "unary/muon.ts", cut: "plain" },
  { name: "muon, 3 interceptors a side", script: "unary/muon.ts", cut: "full" },
];

/** One run's figures: µs of CPU a call on each side, ms at the median, calls a second. */
interface Figures {
  readonly client: number;
  readonly server: number;
  readonly p50: number;
  readonly rate: number;
}

class Child {
  readonly #process: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterator<string>;
  readonly #exited: Promise<unknown>;

  constructor(
    runtime: Runtime,
    core: number,
    what: { script: string; args: string[]; env: Record<string, string> },
  ) {
    const { file, args, env } = runCommand(runtime, what.script, what.args);
    this.#process = spawn("taskset", ["-c", String(core), file, ...args], {
      env: { ...process.env, ...env, ...what.env },
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
    this.#exited = new Promise((resolve) => this.#process.once("exit", resolve));
  }

  /** The rest of the next line that begins with a word. */
  async expect(word: string): Promise<string> {
    for (;;) {
      const { done, value } = await this.#lines.next();
      if (done) throw new Error(`The process ended before it said "${word}"`);
      if (value.startsWith(word)) return value.slice(word.length + 1);
    }
  }

  say(line: string): void {
    this.#process.stdin.write(`${line}\n`);
  }

  async stop(): Promise<void> {
    this.#process.stdin.end();
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), 2_000);
    await this.#exited;
    clearTimeout(timer);
  }
}

async function measure(variant: Variant, runtime: Runtime): Promise<Figures> {
  const registry = await mkdtemp(join(tmpdir(), "muon-bench-"));
  const env = { BENCH_REGISTRY: registry };
  const script = fileURLToPath(new URL(variant.script, import.meta.url));
  const server = new Child(runtime, 0, { script, args: ["server", variant.cut], env });
  let client: Child | undefined;
  try {
    const address = await server.expect("ready");
    const args = ["client", variant.cut, address, String(calls), String(inflight)];
    client = new Child(runtime, 1, { script, args, env });
    await client.expect("begin");
    server.say("cpu");
    const before = Number(await server.expect("cpu"));
    client.say("go");
    const measured = JSON.parse(await client.expect("end")) as Measured;
    server.say("cpu");
    const after = Number(await server.expect("cpu"));
    client.say("done");
    return {
      client: measured.cpu / calls,
      server: (after - before) / calls,
      p50: measured.p50,
      rate: calls / measured.elapsed * 1000,
    };
  } finally {
    await client?.stop();
    await server.stop();
    await rm(registry, { recursive: true, force: true });
  }
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]!;
}

const runtimes = RUNTIMES.filter((name) => values.runtime === undefined || name === values.runtime);
console.log(
  `${calls} calls, ${inflight} in flight, ${rounds} rounds; CPU µs a call (client + server), p50 in ms\n`,
);
for (const runtime of runtimes) {
  const figures = new Map<Variant, Figures[]>(VARIANTS.map((variant) => [variant, []]));
  for (let round = 0; round < rounds; round++) {
    for (const variant of round % 2 === 0 ? VARIANTS : VARIANTS.toReversed()) {
      figures.get(variant)!.push(await measure(variant, runtime));
    }
  }
  const middle = (variant: Variant, of: (figures: Figures) => number) =>
    median(figures.get(variant)!.map(of));
  const both = ({ client, server }: Figures) => client + server;
  const limit = Math.min(...VARIANTS.slice(0, 2).map((variant) => middle(variant, both)));
  const cutP50 = middle(VARIANTS[0]!, ({ p50 }) => p50);
  console.log(`${runtime}`);
  for (const variant of VARIANTS) {
    const total = middle(variant, both);
    const p50 = middle(variant, (one) => one.p50);
    console.log(
      [
        `  ${variant.name.padEnd(28)}`,
        `${middle(variant, (one) => one.client).toFixed(2)} + ${
          middle(variant, (one) => one.server).toFixed(2)
        } µs`,
        `(${(total / limit).toFixed(2)} of the limit)`,
        `p50 ${p50.toFixed(3)} ms (${(p50 / cutP50).toFixed(2)} of the cut)`,
        `best ${Math.round(Math.max(...figures.get(variant)!.map(({ rate }) => rate)) / 1000)} k/s`,
        `raw ${figures.get(variant)!.map((one) => both(one).toFixed(2)).join(" ")}`,
      ].join("  "),
    );
  }
}
