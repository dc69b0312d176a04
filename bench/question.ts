/**
 * What a benchmark asks: a question, the variants that answer it, and what the answers have to come to.
 *
 * @module
 */
import type { Runtime } from "../tools/runtimes.ts";

/** A program that the harness starts in a process of its own, on a core of its own. */
export interface Program {
  /** A script, by its path from `bench/`; it runs on the runtime that is measured. */
  readonly script?: string;
  /** Instead of a script: a Go module, by its path from `bench/`. It is built once, and runs with GOMAXPROCS=1. */
  readonly go?: string;
  /** What it finds on its command line. @default {[]} */
  readonly args?: readonly string[];
  /** Added to its environment. @default {{}} */
  readonly env?: Readonly<Record<string, string>>;
}

/** One way of doing what the question asks about. */
export interface Variant {
  /** Its name in the tables; unique within the question. */
  readonly name: string;
  /** `limit`: what the machine allows without a framework; `go`: a peer that is not compared with by "the best peer". */
  readonly kind: "limit" | "muon" | "peer" | "go";
  /** Starts first, on core 0. @default None: `load` is all there is. */
  readonly server?: Program;
  /** What measures, on core 1. */
  readonly load: Program;
  /** Where there is such a thing. @default Everywhere. */
  readonly runtimes?: readonly Runtime[];
  /** Its share of the question's calls, for what is so slow that the whole would take minutes. @default {1} */
  readonly share?: number;
}

/** Whether a runtime has a variant. */
export function isOn({ runtimes }: Variant, runtime: Runtime): boolean {
  return runtimes?.includes(runtime) ?? true;
}

/** What was measured in one run: what `load` printed, and of the server's process what it used meanwhile. */
export interface Raw {
  /** All numbers that the load reported, among them `calls`, `cpu` (µs of its process), `elapsed` (ms). */
  readonly load: Readonly<Record<string, number>>;
  /** CPU time of the server between `begin` and `end`, in µs; 0 without a server. */
  readonly serverCpu: number;
  /** Resident memory of the server at `begin` and at `end`, in bytes; 0 without a server. */
  readonly serverMemory: { readonly begin: number; readonly end: number };
}

/** One run's figures, by the key of a measure. */
export type Figures = Readonly<Record<string, number>>;

/** A column of the tables. */
export interface Measure {
  /** Its name in the figures. */
  readonly key: string;
  /** Its heading: `CPU a call`. */
  readonly title: string;
  /** What it is counted in: `µs`. */
  readonly unit: string;
  /** Digits behind the point. @default {2} */
  readonly digits?: number;
  /** Which end is the better one. @default {"low"} */
  readonly better?: "low" | "high";
  /** What stands for the rounds. Medians, but for what varies manyfold between identical runs. @default {"median"} */
  readonly of?: "median" | "best";
  /** Whether it is shown as a multiple of the baseline, too. @default {false} */
  readonly ratio?: boolean;
}

/** One or several variants: by name, or all of a kind. Of several the best one counts. */
export type Who = string | readonly string[] | { readonly kind: Variant["kind"] };

/** A number that is asked for everywhere, or only on the runtimes that are named. */
export type Threshold = number | Readonly<Partial<Record<Runtime, number>>>;

/** What the result has to come to: a quotient within one run, and its bound. */
export interface Goal {
  /** The goal in words: `CPU a call ≤ 1.25 × the better batched limit's`. */
  readonly says: string;
  /** The measure's key. */
  readonly measure: string;
  /** Above the line. */
  readonly divide: Who;
  /** Below the line. @default None: the figure itself is bounded. */
  readonly by?: Who;
  /** The quotient may be this, and no more. */
  readonly atMost?: Threshold;
  /** The quotient has to be this, or more. */
  readonly atLeast?: Threshold;
}

/** A question, the default export of `bench/<name>/question.ts`. */
export interface Question {
  /** The folder's name. */
  readonly name: string;
  /** What is asked, in a sentence or two that say how it is measured. */
  readonly asks: string;
  /** Where it stands among the questions on the page: ascending. */
  readonly order: number;
  /** Calls (items, deliveries, connections …) that one run measures. */
  readonly calls: number;
  /** Calls with `--quick`, where only whether it runs is asked. @default {200} */
  readonly quickCalls?: number;
  /** Calls at a time. @default {1} */
  readonly inflight?: number;
  /** What is compared, in the tables' order. */
  readonly variants: readonly Variant[];
  /** The tables' columns. */
  readonly measures: readonly Measure[];
  /** Whose best is the 1 of the ratios. */
  readonly baseline: Who;
  /** Makes one run's figures of what was measured. */
  readonly figures: (raw: Raw) => Figures;
  /** What the answers have to come to. */
  readonly goals: readonly Goal[];
  /** What a reader has to know beside the numbers. @default Nothing. */
  readonly notes?: string;
}

/** The figures of questions that make many calls: CPU µs a call on each side and together, ms, calls a second. */
export function perCall({ load, serverCpu }: Raw): Figures {
  const { calls, cpu, elapsed, p50, p99 } = load as Record<string, number>;
  return {
    client: cpu! / calls!,
    server: serverCpu / calls!,
    cpu: (cpu! + serverCpu) / calls!,
    p50: p50!,
    p99: p99!,
    rate: calls! / elapsed! * 1000,
  };
}

/** The columns that go with {@link perCall}. */
export const PER_CALL: readonly Measure[] = [
  { key: "client", title: "client", unit: "µs" },
  { key: "server", title: "server", unit: "µs" },
  { key: "cpu", title: "CPU a call", unit: "µs", ratio: true },
  { key: "p50", title: "p50", unit: "ms", digits: 3, ratio: true },
  { key: "p99", title: "p99", unit: "ms", digits: 3 },
  { key: "rate", title: "calls a second", unit: "/s", digits: 0, better: "high", of: "best" },
];
