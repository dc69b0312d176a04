/** The runner of tests, run over tests that go wrong in every way it has to notice. */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { spawnOn } from "../tests/processes.ts";
import { currentRuntime, RUNTIMES } from "./runtimes.ts";

const GOOD = `import { describe, test } from "node:test";
import assert from "node:assert/strict";
import process from "node:process";
test("is told its runtime", () => assert.ok(process.env.MUON_TEST_RUNTIME in { deno: 1, bun: 1, node: 1 }));
describe("group", () => { test("one", () => {}); test("two", () => {}); });
`;

const FILES: Record<string, string> = {
  "good_test.ts": GOOD,
  "deeper/good_test.ts": GOOD,
  "package.json": `{ "type": "module" }`,
  "node_modules/p/never_test.ts": `throw new Error("not a test of ours");`,
  "fails/assert_test.ts": `import { test } from "node:test";
test("passes", () => {});
test("fails", () => { throw new Error("boom"); });
`,
  "fails/empty_test.ts": `export {};`,
  "fails/timer_test.ts": `import { test } from "node:test";
test("passes", () => new Promise((resolve) => {
  setTimeout(() => { throw new Error("thrown by a timer"); });
  setTimeout(resolve, 100);
}));
`,
  "fails/throws_test.ts": `import { test } from "node:test";
test("passes", () => {});
throw new Error("thrown beside the tests");
`,
  "skips/skip_test.ts": `import { test } from "node:test";
test("passes", () => {});
test.skip("is skipped", () => {});
`,
  "environment/said_test.ts": `import { test } from "node:test";
import assert from "node:assert/strict";
import process from "node:process";
test("sees what is said to tests, and no service's settings", () => {
  const { MUON_REQUIRE_BACKENDS, MUON_KV_URL, MUON_OTHER, MICRO_REGISTRY } = process.env;
  assert.deepEqual([MUON_REQUIRE_BACKENDS, MUON_KV_URL, MUON_OTHER, MICRO_REGISTRY], ["1", "u", undefined, undefined]);
});
`,
  "hangs/hang_test.ts": `import { test } from "node:test";
test("never ends", () => new Promise((resolve) => setTimeout(resolve, 1_000_000)));
`,
};

describe("the test runner", () => {
  let root: string;

  before(async () => {
    root = await mkdtemp(join(tmpdir(), "muon-runner-"));
    for (const [file, text] of Object.entries(FILES)) {
      await mkdir(join(root, file, ".."), { recursive: true });
      await writeFile(join(root, file), text);
    }
  });
  after(() => rm(root, { recursive: true, force: true }));

  const run = (...args: string[]) => runIn({}, ...args);
  const runIn = async (env: Readonly<Record<string, string>>, ...args: string[]) => {
    await using runner = spawnOn("deno", "tools/test.ts", {
      args: [`--root=${root}`, ...args],
      env: { CI: "", ...env },
    });
    const code = await runner.exited;
    assert.equal(runner.stderr, "");
    return { code, stdout: runner.stdout, last: runner.stdout.trimEnd().split("\n").at(-1) };
  };

  test("sums up over the three runtimes", async () => {
    const { code, stdout, last } = await run("good");
    assert.equal(last, "18 passed, 0 failed");
    assert.equal(code, 0);
    for (const runtime of RUNTIMES) {
      assert.match(stdout, new RegExp(`^${runtime} +6 passed, 0 failed, 0 skipped in 2 files`, "m"));
    }
  });

  test("names what fails, and counts as failed what did not run", async () => {
    const { code, stdout, last } = await run("fails/");
    assert.equal(code, 1);
    assert.match(last!, /^\d+ passed, 12 failed$/, "one in each file, on each runtime");
    for (const runtime of RUNTIMES) {
      const said = (file: string, what: RegExp) =>
        assert.match(stdout, new RegExp(`${runtime}: fails/${file}_test\\.ts\\n${what.source}`));
      said("assert", /FAILED {2}fails\n[^]*boom/);
      said("empty", /FAILED {2}it ended with/);
      said("throws", /FAILED {2}[^]*thrown beside the tests/);
      said("timer", /FAILED {2}[^]*thrown by a timer/);
    }
    assert.match(stdout, /^deno +3 passed, 4 failed/m);
  });

  test("says what was skipped, and counts it as failed with --ci", async () => {
    const runtime = `--runtime=${currentRuntime()}`;
    const lax = await run(runtime, "skips/");
    assert.deepEqual([lax.code, lax.last], [0, "1 passed, 0 failed"]);
    assert.match(lax.stdout, /skipped: skips\/skip_test\.ts: is skipped/);
    const strict = await run(runtime, "--ci", "skips/");
    assert.deepEqual([strict.code, strict.last], [1, "1 passed, 1 failed"]);
  });

  test("ends what hangs, and names it", async () => {
    const { code, stdout, last } = await run(`--runtime=${currentRuntime()}`, "--timeout=3", "hangs/");
    assert.deepEqual([code, last], [1, "0 passed, 1 failed"]);
    assert.match(stdout, /hangs\/hang_test\.ts\nFAILED {2}it had not ended after 3 s, and was killed/);
  });

  test("passes on what is said to tests, and no settings of services", async () => {
    const env = { MUON_REQUIRE_BACKENDS: "1", MUON_KV_URL: "u", MUON_OTHER: "x", MICRO_REGISTRY: "kv" };
    const { last } = await runIn(env, `--runtime=${currentRuntime()}`, "environment/");
    assert.equal(last, "1 passed, 0 failed");
  });

  test("finding nothing to run is a failure", async () => {
    const { code, last } = await run("no such file");
    assert.deepEqual([code, last], [1, "0 passed, 1 failed"]);
  });
});
