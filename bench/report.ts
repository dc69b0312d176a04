/**
 * What is made of the figures: medians, ratios, goals, tables.
 *
 * @module
 */
import { type Runtime, RUNTIMES } from "../tools/runtimes.ts";
import type { Figures, Goal, Measure, Question, Threshold, Who } from "./question.ts";
import type { Result, RuntimeResult } from "./results.ts";

/** What a goal came to. */
export interface Verdict {
  /** The goal. */
  readonly goal: Goal;
  /** The bound on this runtime, as `≤ 1.25`. */
  readonly bound: string;
  /** The quotient; `undefined`: nothing was measured that would tell. */
  readonly value: number | undefined;
  /** Whether it was met; `undefined`: not known. */
  readonly met: boolean | undefined;
  /** The variants that were compared, the best ones of several. */
  readonly between: readonly string[];
}

/** The middle one; of an even count, what lies between the two in the middle. */
export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** What stands for a variant's rounds in a measure; `undefined`: it was not measured. */
export function figureOf(rounds: readonly Figures[], measure: Measure): number | undefined {
  const values = rounds.map((round) => round[measure.key]).filter((value) => value !== undefined);
  if (values.length === 0) return undefined;
  if (measure.of !== "best") return median(values);
  return measure.better === "high" ? Math.max(...values) : Math.min(...values);
}

/** The best of some variants in a measure; `undefined`: none of them was measured. */
export function best(
  who: Who,
  of: { readonly question: Question; readonly result: RuntimeResult; readonly measure: Measure },
): { readonly name: string; readonly value: number } | undefined {
  const { question, result, measure } = of;
  const names = typeof who === "string"
    ? [who]
    : "kind" in who
    ? question.variants.filter(({ kind }) => kind === who.kind).map(({ name }) => name)
    : who;
  let found: { name: string; value: number } | undefined = undefined;
  for (const name of names) {
    const value = figureOf(result.variants[name]?.rounds ?? [], measure);
    if (value === undefined) continue;
    const better = found === undefined ||
      (measure.better === "high" ? value > found.value : value < found.value);
    if (better) found = { name, value };
  }
  return found;
}

/**
 * By how much one variant's figure is another's: the median of the rounds' quotients, as a round's variants are measured
 * within a minute or two, in which a shared machine changes less than from one round to the next; or the best rounds'.
 */
function quotient(
  above: { readonly name: string; readonly value: number },
  below: { readonly name: string; readonly value: number },
  of: { readonly result: RuntimeResult; readonly measure: Measure },
): number {
  const { result, measure } = of;
  const over = result.variants[above.name]?.rounds ?? [];
  const under = result.variants[below.name]?.rounds ?? [];
  const quotients = over.map((round, at) => round[measure.key]! / (under[at]?.[measure.key] ?? NaN));
  const paired = measure.of !== "best" && over.length === under.length && !quotients.some(Number.isNaN);
  return paired ? median(quotients) : above.value / below.value;
}

/** What the goals of a question came to on one runtime; those that ask nothing of it are left out. */
export function judge(question: Question, runtime: Runtime, result: RuntimeResult): Verdict[] {
  return question.goals.flatMap((goal) => {
    const atMost = bound(goal.atMost, runtime);
    const atLeast = bound(goal.atLeast, runtime);
    if (atMost === undefined && atLeast === undefined) return [];
    const measure = question.measures.find(({ key }) => key === goal.measure);
    if (measure === undefined) {
      throw new TypeError(
        `${question.name}: a goal is about "${goal.measure}", which is none of its measures`,
      );
    }
    const of = { question, result, measure };
    const above = best(goal.divide, of);
    const below = goal.by === undefined ? { name: "", value: 1 } : best(goal.by, of);
    const value = above === undefined || below === undefined ? undefined : quotient(above, below, of);
    return [{
      goal,
      bound: atMost === undefined ? `≥ ${atLeast}` : `≤ ${atMost}`,
      value,
      met: value === undefined ? undefined : value <= (atMost ?? Infinity) && value >= (atLeast ?? -Infinity),
      between: [above, below].flatMap((one) => one === undefined || one.name === "" ? [] : [one.name]),
    }];
  });
}

function bound(threshold: Threshold | undefined, runtime: Runtime): number | undefined {
  return typeof threshold === "object" ? threshold[runtime] : threshold;
}

/** The rows of a table, its heading first. */
export function table(question: Question, result: RuntimeResult): string[][] {
  const { measures } = question;
  const shown = measures.flatMap((measure) => measure.ratio ? [`${title(measure)}`, "×"] : [title(measure)]);
  const first = measures.find(({ ratio }) => ratio) ?? measures[0]!;
  const rows = question.variants.filter(({ name }) => result.variants[name]).map(({ name }) => {
    const { rounds, error } = result.variants[name]!;
    if (error !== undefined) return [name, ...shown.map(() => "–"), `does not run: ${firstLine(error)}`];
    const cells = measures.flatMap((measure) => {
      const value = figureOf(rounds, measure)!;
      const cell = number(value, measure.digits);
      if (!measure.ratio) return [cell];
      const base = best(question.baseline, { question, result, measure });
      if (base === undefined) return [cell, "–"];
      return [cell, number(quotient({ name, value }, base, { result, measure }))];
    });
    return [name, ...cells, rounds.map((round) => number(round[first.key]!, first.digits)).join(" · ")];
  });
  return [["", ...shown, `rounds (${first.title})`], ...rows];
}

function title({ title, unit, of }: Measure): string {
  return `${title}, ${unit}${of === "best" ? ", best" : ""}`;
}

function firstLine(text: string): string {
  const line = text.split("\n").find((one) => /error/i.test(one)) ?? text.split("\n")[0]!;
  const plain = line.replaceAll(/\(?(file:\/\/)?\/[^\s)]*\/([^\s)]*)\)?/g, "$2").trim();
  return plain.length > 160 ? `${plain.slice(0, 160)}…` : plain;
}

function number(value: number, digits = 2): string {
  return value.toLocaleString("en-GB", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** A table for a terminal. */
export function plain(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row.map((cell, column) =>
      column === 0 || column === row.length - 1
        ? cell.padEnd(widths[column]!)
        : cell.padStart(widths[column]!)
    ).join("  ").trimEnd()
  ).join("\n");
}

/** A table for a page; columns of numbers are flush right. */
export function markdown(rows: readonly (readonly string[])[]): string {
  const line = (row: readonly string[]) =>
    `| ${row.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  const [head, ...body] = rows;
  const rule = head!.map((_, column) =>
    body.length > 0 && body.every((row) => /^(–|[\d.,]+)$/.test(row[column]!)) ? "---:" : "---"
  );
  return [line(head!), line(rule), ...body.map(line)].join("\n");
}

/** A goal's result: `✓ 1.08`. */
export function mark({ met, value }: Verdict): string {
  return met === undefined ? "not measured" : `${met ? "✓" : "✗"} ${number(value!)}`;
}

/** The page of all results. */
export function page(questions: readonly Question[], results: ReadonlyMap<string, Result>): string {
  const parts = [INTRODUCTION, goalsTable(questions, results)];
  for (const question of questions) {
    parts.push(`## ${question.name}`, question.asks);
    if (question.notes !== undefined) parts.push(question.notes);
    const result = results.get(question.name) ?? {};
    const measured = RUNTIMES.filter((runtime) => result[runtime] !== undefined);
    if (measured.length === 0) parts.push(`Not measured yet: \`deno task bench ${question.name} --write\`.`);
    for (const runtime of measured) {
      const one = result[runtime]!;
      const versions = Object.entries(one.versions).map(([name, version]) => `${name} ${version}`).join(", ");
      parts.push(
        `### ${question.name} on ${capital(runtime)}`,
        markdown(table(question, one)),
        `\`${one.command}\`, ${one.date.slice(0, 16).replace("T", " ")} UTC, commit ${
          one.commit || "unknown"
        }, ` +
          `${one.rounds} rounds of ${one.calls.toLocaleString("en-GB")}, ${one.inflight} at a time. ` +
          `${one.machine}, whose load was ${number(one.load)} before. ${versions}.`,
      );
    }
  }
  return `${parts.join("\n\n")}\n`;
}

const INTRODUCTION = `# Performance

This page is written by \`deno task bench --write\` from what is kept in [\`bench/results\`](../bench/results); do not
edit it. How to run one question, and how to add one: [\`bench/README.md\`](../bench/README.md).

Server and load are processes of their own, the server pinned to core 0, the load to core 1, fresh for every variant
and every round, the order of the variants reversed from one round to the next. Every answer is checked. Figures are
medians of the rounds, whose raw values stand in the last column for the first ratio and in the JSON for all. What
counts is CPU time a call, both processes together, and the median time of a call, as ratios within one run (the
columns headed ×, as multiples of the baseline's best; the median of the rounds' ratios, since a shared machine may be
half as fast a minute later): absolute times mean little on another machine, and calls a second vary two- to fourfold
between identical runs on a shared one, for which the best round is shown.`;

function goalsTable(questions: readonly Question[], results: ReadonlyMap<string, Result>): string {
  const rows = [["question", "goal", ...RUNTIMES.map(capital)]];
  const sums = new Map(RUNTIMES.map((runtime) => [runtime, { met: 0, known: 0, asked: 0 }]));
  for (const question of questions) {
    for (const goal of question.goals) {
      const cells = RUNTIMES.map((runtime) => {
        if ((bound(goal.atMost, runtime) ?? bound(goal.atLeast, runtime)) === undefined) return "–";
        const sum = sums.get(runtime)!;
        sum.asked++;
        const result = results.get(question.name)?.[runtime];
        if (result === undefined) return "not measured";
        const verdict = judge(question, runtime, result).find((one) => one.goal === goal)!;
        if (verdict.met !== undefined) sum.known++;
        if (verdict.met) sum.met++;
        return mark(verdict);
      });
      rows.push([`[${question.name}](#${question.name})`, goal.says, ...cells]);
    }
  }
  const sum = RUNTIMES.map((runtime) => {
    const { met, known, asked } = sums.get(runtime)!;
    return `${capital(runtime)} meets ${met} of ${asked}${
      known < asked ? ` (${asked - known} not measured)` : ""
    }`;
  }).join(", ");
  return `## Goals\n\nBeside each goal is what it came to. ${sum}.\n\n${markdown(rows)}`;
}

function capital(text: string): string {
  return `${text[0]!.toUpperCase()}${text.slice(1)}`;
}
