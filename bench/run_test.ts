import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { currentRuntime } from "../tools/runtimes.ts";
import { PER_CALL, perCall, type Question, type Raw, type Variant } from "./question.ts";
import { questions } from "./questions.ts";
import { run } from "./run.ts";

const runtime = currentRuntime();
const script = "fixtures/toy.ts";

function variant(name: string, kind: Variant["kind"], mode: string): Variant {
  return { name, kind, server: { script, args: ["server"] }, load: { script, args: ["load", mode] } };
}

function question(variants: Variant[], more: Partial<Question> = {}): Question {
  return {
    name: "toy",
    asks: "Which is it?",
    order: 1,
    calls: 20,
    inflight: 2,
    variants,
    measures: PER_CALL,
    baseline: { kind: "limit" },
    figures: perCall,
    goals: [],
    ...more,
  };
}

describe("running a question", () => {
  test("each variant in each round, the order reversed from one to the next, what the ends say going to figures", async () => {
    const order: string[] = [];
    const raws: Raw[] = [];
    const asked = question([variant("a", "limit", "well"), variant("b", "muon", "well")], {
      figures: (raw) => {
        raws.push(raw);
        return perCall(raw);
      },
    });
    const outcome = await run(asked, {
      runtime,
      rounds: 2,
      pinned: false,
      progress: (text) => order.push(text.split(": ")[1]!),
    });
    assert.deepEqual(order, ["a", "b", "b", "a"]);
    assert.deepEqual(Object.keys(outcome), ["a", "b"]);
    for (const { rounds } of Object.values(outcome)) assert.equal(rounds.length, 2);
    for (const { load, serverCpu, serverMemory } of raws) {
      assert.equal(load.calls, 20);
      assert.ok(load.cpu! > 0 && load.elapsed! > 0 && load.p50! <= load.p99!);
      assert.equal(serverCpu, 0);
      assert.deepEqual(serverMemory, { begin: 7, end: 7 });
    }
  });

  test("a wrong answer fails the run, and is told", async () => {
    await assert.rejects(
      run(question([variant("a", "muon", "wrong")]), { runtime, rounds: 1, pinned: false }),
      /toy\.ts ended before it said "begin"[\s\S]*wrong answer to 3/,
    );
  });

  test("a peer that cannot run says why, and the others are measured", async () => {
    const asked = question([variant("x", "peer", "ends"), variant("a", "muon", "well")]);
    const { x, a } = await run(asked, { runtime, rounds: 2, pinned: false });
    assert.match(x!.error!, /this package cannot run here/);
    assert.deepEqual(x!.rounds, []);
    assert.equal(a!.rounds.length, 2);
  });

  test("a measure without a number fails the run", async () => {
    const asked = question([variant("a", "muon", "well")], { figures: () => ({ cpu: NaN }) });
    await assert.rejects(
      run(asked, { runtime, rounds: 1, pinned: false }),
      /toy, a: "client" came to undefined/,
    );
  });
});

describe("finding questions", () => {
  test("by name, in the page's order", async () => {
    assert.deepEqual((await questions(["latency", "unary"])).map(({ name }) => name), ["unary", "latency"]);
  });

  test("one that there is not", async () => {
    await assert.rejects(
      questions(["unary", "no_such"]),
      /No question is called "no_such"\. There are: .*unary/,
    );
  });
});
