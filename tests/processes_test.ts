import assert from "node:assert/strict";
import process from "node:process";
import { describe, test } from "node:test";
import { RUNTIMES } from "../tools/runtimes.ts";
import { spawnOn } from "./processes.ts";

const ECHO = "tests/fixtures/echo.ts";

for (const runtime of RUNTIMES) {
  describe(`a process on ${runtime}`, () => {
    test("is on that runtime, and has its arguments and its environment", async () => {
      process.env.MICRO_ECHO = "of this process";
      await using echo = spawnOn(runtime, ECHO, { args: ["--one", "two words"], env: { ECHO: "own" } });
      await echo.ready(/^ready$/m);
      await echo.ready(/^on /m);
      assert.match(echo.stderr, new RegExp(`^on ${runtime}$`, "m"));
      assert.match(echo.stdout, /^args \["--one","two words"\]$/m);
      assert.match(echo.stdout, /^env own undefined$/m, "MICRO_* is not inherited");
      delete process.env.MICRO_ECHO;
    });

    test("is heard line by line, and ends by itself when asked to", async () => {
      await using echo = spawnOn(runtime, ECHO);
      await echo.ready(/ready/);
      echo.write("a line\n");
      await echo.ready(/heard a line/);
      assert.equal(await echo.stop("SIGTERM"), 3);
      assert.equal(await echo.stop("SIGTERM"), 3, "a second time is no error");
      const lines = await Array.fromAsync(echo.lines());
      assert.deepEqual(lines.slice(-3), ["ready", "heard a line", "asked to end"]);
    });

    test("is killed at the end of its scope", async () => {
      let pid: number;
      {
        await using echo = spawnOn(runtime, ECHO);
        await echo.ready(/ready/);
        pid = echo.pid;
        process.kill(pid, 0);
      }
      assert.throws(() => process.kill(pid, 0), "no such process is left");
    });

    test("that ends too early is an error with what it said", async () => {
      await using lost = spawnOn(runtime, "tests/fixtures/no_such_file.ts");
      await assert.rejects(
        lost.ready(/ready/),
        /no_such_file\.ts on \w+ ended without saying[^]*no_such_file/,
      );
    });
  });
}
