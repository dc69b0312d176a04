import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { perCall, type Question } from "./question.ts";
import { best, figureOf, judge, mark, markdown, median, page, plain, table } from "./report.ts";
import type { RuntimeResult } from "./results.ts";

const nothing = { script: "none.ts" };
const question: Question = {
  name: "toy",
  asks: "Which is it?",
  order: 1,
  calls: 10,
  variants: [
    { name: "limit a", kind: "limit", load: nothing },
    { name: "limit b", kind: "limit", load: nothing },
    { name: "muon", kind: "muon", load: nothing },
    { name: "peer x", kind: "peer", load: nothing },
    { name: "peer y", kind: "peer", load: nothing },
    { name: "peer z", kind: "peer", load: nothing },
  ],
  measures: [
    { key: "cpu", title: "CPU a call", unit: "µs", ratio: true },
    { key: "rate", title: "calls", unit: "/s", digits: 0, better: "high", of: "best" },
  ],
  baseline: { kind: "limit" },
  figures: perCall,
  goals: [
    { says: "near the limit", measure: "cpu", divide: "muon", by: ["limit a", "limit b"], atMost: 1.25 },
    {
      says: "far from peers",
      measure: "cpu",
      divide: { kind: "peer" },
      by: "muon",
      atLeast: { bun: 4, node: 5 },
    },
    { says: "faster", measure: "rate", divide: "muon", by: { kind: "peer" }, atLeast: 2 },
    { says: "cheap", measure: "cpu", divide: "muon", atMost: 2.4 },
    { says: "unlike Go", measure: "cpu", divide: "muon", by: { kind: "go" }, atMost: 1 },
  ],
};
const rounds = (...figures: [cpu: number, rate: number][]) => ({
  rounds: figures.map(([cpu, rate]) => ({ cpu, rate })),
});
const result: RuntimeResult = {
  date: "2026-01-02T03:04:05.678Z",
  command: "deno task bench toy",
  machine: "2 cores",
  load: 0.125,
  versions: { bun: "1.2.3" },
  commit: "abc",
  calls: 1000,
  inflight: 64,
  rounds: 3,
  variants: {
    "limit a": rounds([3, 100], [9, 300], [2.2, 200]),
    "limit b": rounds([2, 90], [2, 80], [2, 70]),
    "muon": rounds([2.5, 400], [2.5, 1_400], [2.5, 600]),
    "peer x": rounds([11, 10], [12, 10], [13, 10]),
    "peer y": rounds([20, 700], [20, 600], [20, 500]),
    "peer z": {
      rounds: [],
      error:
        'peers/z.ts ended before it said "ready": at /home/me/z.ts:1\nTypeError: no | z in /home/me/lib.js\n',
    },
  },
};

describe("what figures come to", () => {
  test("the median of an odd and of an even count", () => {
    assert.equal(median([9, 1, 3]), 3);
    assert.equal(median([9, 1, 3, 4]), 3.5);
  });

  test("medians, or the best round at the better end", () => {
    const [cpu, rate] = question.measures;
    const { rounds } = result.variants["limit a"]!;
    assert.equal(figureOf(rounds, cpu!), 3);
    assert.equal(figureOf(rounds, rate!), 300);
    assert.equal(figureOf(rounds, { ...cpu!, of: "best" }), 2.2);
    assert.equal(figureOf([], cpu!), undefined);
  });

  test("the best of several, of a kind, of those that were measured", () => {
    const [cpu, rate] = question.measures;
    const of = { question, result, measure: cpu! };
    assert.deepEqual(best(["limit a", "limit b"], of), { name: "limit b", value: 2 });
    assert.deepEqual(best({ kind: "peer" }, of), { name: "peer x", value: 12 });
    assert.deepEqual(best({ kind: "peer" }, { ...of, measure: rate! }), { name: "peer y", value: 700 });
    assert.equal(best({ kind: "go" }, of), undefined);
  });

  test("goals: met, missed, unknown, and not asked of a runtime", () => {
    const bun = judge(question, "bun", result);
    assert.deepEqual(bun.map(({ met }) => met), [true, true, true, false, undefined]);
    assert.deepEqual(bun.map(({ bound }) => bound), ["≤ 1.25", "≥ 4", "≥ 2", "≤ 2.4", "≤ 1"]);
    assert.deepEqual(bun.map(({ value }) => value), [1.25, 4.8, 2, 2.5, undefined]);
    assert.deepEqual(bun[1]!.between, ["peer x", "muon"]);
    assert.deepEqual(bun.map(mark), ["✓ 1.25", "✓ 4.80", "✓ 2.00", "✗ 2.50", "not measured"]);
    assert.equal(judge(question, "node", result)[1]!.met, false);
    assert.deepEqual(
      judge(question, "deno", result).map(({ goal }) => goal.says),
      ["near the limit", "faster", "cheap", "unlike Go"],
    );
  });

  test("a machine that is slower in one round is so for both", () => {
    const variants = {
      "limit a": rounds([2, 0], [8, 0], [4, 0]),
      "muon": rounds([2.25, 0], [9, 0], [6, 0]),
    };
    const goals = [question.goals[0]!];
    assert.equal(judge({ ...question, goals }, "bun", { ...result, variants })[0]!.value, 1.125);
    // One that was measured less often cannot be paired.
    const fewer = { ...variants, "muon": rounds([9, 0]) };
    assert.equal(judge({ ...question, goals }, "bun", { ...result, variants: fewer })[0]!.value, 2.25);
  });

  test("a goal about a measure that is none", () => {
    const goals = [{ says: "?", measure: "p50", divide: "muon", atMost: 1 }];
    assert.throws(() => judge({ ...question, goals }, "bun", result), /"p50", which is none of its measures/);
  });

  test("a table: ratios to the baseline, raw values, and why a peer does not run, without this machine's paths", () => {
    assert.deepEqual(table(question, result), [
      ["", "CPU a call, µs", "×", "calls, /s, best", "rounds (CPU a call)"],
      ["limit a", "3.00", "1.50", "300", "3.00 · 9.00 · 2.20"],
      ["limit b", "2.00", "1.00", "90", "2.00 · 2.00 · 2.00"],
      ["muon", "2.50", "1.25", "1,400", "2.50 · 2.50 · 2.50"],
      ["peer x", "12.00", "6.00", "10", "11.00 · 12.00 · 13.00"],
      ["peer y", "20.00", "10.00", "700", "20.00 · 20.00 · 20.00"],
      ["peer z", "–", "–", "–", "does not run: TypeError: no | z in lib.js"],
    ]);
  });

  test("tables for a terminal and for a page", () => {
    const rows = [["", "µs", "rounds"], ["limit a", "3.00", "1 | 2"], ["b", "12.00", "3"]];
    assert.equal(
      plain(rows),
      [
        "            µs  rounds",
        "limit a   3.00  1 | 2",
        "b        12.00  3",
      ].join("\n"),
    );
    assert.equal(
      markdown(rows),
      [
        "|  | µs | rounds |",
        "| --- | ---: | --- |",
        "| limit a | 3.00 | 1 \\| 2 |",
        "| b | 12.00 | 3 |",
      ].join("\n"),
    );
  });

  test("the page: goals first, then each table with how it was made; what was not measured says so", () => {
    const text = page([question, { ...question, name: "other" }], new Map([["toy", { bun: result }]]));
    for (
      const part of [
        "Deno meets 0 of 8 (8 not measured), Bun meets 3 of 10 (6 not measured), Node meets 0 of 10 (10 not measured).",
        "| [toy](#toy) | near the limit | not measured | ✓ 1.25 | not measured |",
        "| [toy](#toy) | far from peers | – | ✓ 4.80 | not measured |",
        "| [other](#other) | cheap | not measured | not measured | not measured |",
        "## toy\n\nWhich is it?\n\n### toy on Bun\n\n",
        "`deno task bench toy`, 2026-01-02 03:04 UTC, commit abc, 3 rounds of 1,000, 64 at a time. 2 cores, whose load was 0.13 before. bun 1.2.3.",
        "Not measured yet: `deno task bench other --write`.",
      ]
    ) assert.ok(text.includes(part), `${part}\nis not in\n${text}`);
  });

  test("figures a call, of what was measured", () => {
    const load = { calls: 1000, cpu: 2000, elapsed: 500, p50: 0.1, p99: 0.9 };
    const figures = perCall({ load, serverCpu: 1000, serverMemory: { begin: 0, end: 0 } });
    assert.deepEqual(figures, { client: 2, server: 1, cpu: 3, p50: 0.1, p99: 0.9, rate: 2000 });
  });
});
