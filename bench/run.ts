/**
 * Runs a question: every variant in fresh processes, in rounds, the order reversed from one to the next.
 *
 * @module
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Runtime } from "../tools/runtimes.ts";
import { Child } from "./child.ts";
import type { Usage } from "./load.ts";
import { setUpPeers } from "./peers/setup.ts";
import { type Figures, isOn, type Question, type Variant } from "./question.ts";

/** How a question is run. */
export interface RunOptions {
  /** What it runs on. */
  readonly runtime: Runtime;
  /** How often each variant is measured. */
  readonly rounds: number;
  /** Calls a run. @default The question's. */
  readonly calls?: number;
  /** Calls at a time. @default The question's. */
  readonly inflight?: number;
  /** Whether the server has core 0 and the load core 1. @default {true} */
  readonly pinned?: boolean;
  /** Which variants. @default All. */
  readonly only?: (variant: Variant) => boolean;
  /** Told before each run. @default Nobody. */
  readonly progress?: (text: string) => void;
}

/** What one variant came to. */
export interface Outcome {
  /** Its figures in each round. */
  readonly rounds: readonly Figures[];
  /** Why it could not run here; then there are no rounds. */
  readonly error?: string;
}

/** How long a process may take to become ready and warm, and how long to measure, in ms: guards, not measures. */
const PATIENCE = { ready: 120_000, measured: 1_800_000 } as const;

/**
 * Runs a question on one runtime.
 *
 * @returns What its variants came to, by name. A peer that cannot run here says why.
 * @throws {Error} When a variant other than a peer fails.
 */
export async function run(question: Question, options: RunOptions): Promise<Record<string, Outcome>> {
  const { only = () => true } = options;
  const variants = question.variants.filter((variant) => isOn(variant, options.runtime) && only(variant));
  const peers = variants.some(({ server, load }) =>
    [server, load].some((program) => program?.script?.startsWith("peers/"))
  );
  if (peers) await setUpPeers();
  const rounds = new Map<Variant, Figures[]>(variants.map((variant) => [variant, []]));
  const errors = new Map<Variant, string>();
  for (let round = 0; round < options.rounds; round++) {
    for (const variant of round % 2 === 0 ? variants : variants.toReversed()) {
      if (errors.has(variant)) continue;
      options.progress?.(`${question.name}, ${options.runtime}, round ${round + 1}: ${variant.name}`);
      try {
        rounds.get(variant)!.push(await measure(question, variant, options));
      } catch (error) {
        if (variant.kind !== "peer" && variant.kind !== "go") throw error;
        errors.set(variant, (error as Error).message);
      }
    }
  }
  return Object.fromEntries(variants.map((variant) => {
    const error = errors.get(variant);
    return [variant.name, error === undefined ? { rounds: rounds.get(variant)! } : { rounds: [], error }];
  }));
}

async function measure(question: Question, variant: Variant, options: RunOptions): Promise<Figures> {
  const { runtime, pinned = true } = options;
  const directory = await mkdtemp(join(tmpdir(), "muon-bench-"));
  const calls = Math.ceil((options.calls ?? question.calls) * (variant.share ?? 1));
  const env = {
    BENCH_DIRECTORY: directory,
    BENCH_CALLS: String(calls),
    BENCH_INFLIGHT: String(options.inflight ?? question.inflight ?? 1),
  };
  const start = (core: number, address: string, program: Variant["load"]) =>
    new Child(program, {
      runtime,
      core: pinned ? core : undefined,
      env: { ...env, BENCH_ADDRESS: address },
    });
  let server: Child | undefined = undefined;
  let load: Child | undefined = undefined;
  const usage = async (): Promise<Usage> => {
    if (server === undefined) return { cpu: 0, memory: 0 };
    server.say("usage");
    return JSON.parse(await server.expect("usage", PATIENCE.ready)) as Usage;
  };
  try {
    let address = "";
    if (variant.server !== undefined) {
      server = start(0, "", variant.server);
      address = await server.expect("ready", PATIENCE.ready);
    }
    load = start(1, address, variant.load);
    await load.expect("begin", PATIENCE.measured);
    const begin = await usage();
    load.say("go");
    const numbers = JSON.parse(await load.expect("end", PATIENCE.measured)) as Record<string, number>;
    const end = await usage();
    load.say("done");
    const figures = question.figures({
      load: numbers,
      serverCpu: end.cpu - begin.cpu,
      serverMemory: { begin: begin.memory, end: end.memory },
    });
    for (const { key } of question.measures) {
      if (!Number.isFinite(figures[key])) {
        throw new Error(`${question.name}, ${variant.name}: "${key}" came to ${figures[key]}`);
      }
    }
    return figures;
  } finally {
    await load?.stop();
    await server?.stop();
    await rm(directory, { recursive: true, force: true });
  }
}
