/**
 * A test that a question still runs: once, with tiny counts, on the current runtime, without peers and unpinned. What it
 * measures is not looked at.
 *
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { currentRuntime, RUNTIMES } from "../tools/runtimes.ts";
import { isOn, type Question } from "./question.ts";
import { judge, plain, table } from "./report.ts";
import { run } from "./run.ts";

/**
 * Tests a question; for the `question_test.ts` beside it.
 *
 * @param question The question.
 */
export function smoke(question: Question): void {
  const ours = question.variants.filter((variant) =>
    (variant.kind === "limit" || variant.kind === "muon") && isOn(variant, currentRuntime())
  );
  test(`bench ${question.name}: every variant runs, and every answer is right`, async () => {
    const runtime = currentRuntime();
    const variants = await run(question, {
      runtime,
      rounds: 1,
      calls: question.quickCalls ?? 200,
      pinned: false,
      only: (variant) => ours.includes(variant),
    });
    assert.deepEqual(Object.keys(variants), ours.map(({ name }) => name));
    for (const [name, { rounds }] of Object.entries(variants)) assert.equal(rounds.length, 1, name);
    const result = {
      date: "",
      command: "",
      machine: "",
      load: 0,
      versions: {},
      commit: "",
      calls: 1,
      inflight: 1,
      rounds: 1,
      variants,
    };
    assert.equal(plain(table(question, result)).split("\n").length, 1 + ours.length);
    // A goal that compares muon with the limits is decided by them; what compares with peers waits for them.
    const names = ours.map(({ name }) => name);
    for (const { goal, met } of judge(question, runtime, result)) {
      const parts = [goal.divide, goal.by ?? []].flat();
      if (parts.every((part) => typeof part === "string" && names.includes(part))) {
        assert.notEqual(met, undefined, goal.says);
      }
    }
  });

  test(`bench ${question.name}: goals and baseline name variants and measures there are`, () => {
    const names = question.variants.map(({ name }) => name);
    assert.equal(new Set(names).size, names.length, "two variants have one name");
    const keys = question.measures.map(({ key }) => key);
    const whos = [
      question.baseline,
      ...question.goals.flatMap(({ divide, by }) => by === undefined ? divide : [divide, by]),
    ];
    for (const who of whos.flat()) {
      if (typeof who === "string") assert.ok(names.includes(who), `${who} is none of the variants`);
    }
    for (const { says, measure, atMost, atLeast } of question.goals) {
      assert.ok(keys.includes(measure), `${measure} is none of the measures`);
      assert.equal(
        (atMost === undefined) !== (atLeast === undefined),
        true,
        `${says}: one bound, and one alone`,
      );
      const bound = atMost ?? atLeast;
      const named = typeof bound === "object" ? Object.keys(bound) : [];
      for (const name of named) assert.ok((RUNTIMES as readonly string[]).includes(name), name);
    }
  });
}
