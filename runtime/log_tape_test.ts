import { configure, getLogger, type LogLevel, type LogRecord, reset } from "@logtape/logtape";
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { service, within, world } from "../tests/support/service_world.ts";
import { logTapeLogger } from "./log_tape.ts";

/** What reached LogTape's sink, below the category `acme`. */
async function taped(lowestLevel: LogLevel): Promise<LogRecord[]> {
  const records: LogRecord[] = [];
  await configure({
    sinks: { list: (record) => void records.push(record) },
    loggers: [
      { category: "acme", sinks: ["list"], lowestLevel },
      { category: ["logtape", "meta"], lowestLevel: "fatal" },
    ],
  });
  return records;
}

afterEach(reset);

const log = () => logTapeLogger(getLogger(["acme", "greeter"]));

test("lines reach LogTape with level, message and fields", async () => {
  const records = await taped("debug");
  const { debug, info, warn, error } = log().with({ service: "greeter", n: 1 });
  debug("one");
  info("two", { n: 2 });
  warn("three");
  error("four", { error: new Error("lost") });
  const said = records.map(({ level, message, properties: { service, n } }) => [level, message, service, n]);
  assert.deepEqual(said, [
    ["debug", ["one"], "greeter", 1],
    ["info", ["two"], "greeter", 2],
    ["warning", ["three"], "greeter", 1],
    ["error", ["four"], "greeter", 1],
  ]);
  assert.deepEqual(records[0]!.category, ["acme", "greeter"]);
  assert.equal((records[3]!.properties.error as Error).message, "lost");
});

test("LogTape's configuration chooses, and what is not wanted costs nothing", async () => {
  const records = await taped("warning");
  log().info("two", {
    get n(): number {
      throw new Error("nobody wants to know");
    },
  });
  log().warn("three");
  assert.deepEqual(records.map(({ message }) => message), [["three"]]);
});

test("braces are braces, and secrets are left out", async () => {
  const records = await taped("info");
  const ring: Record<string, unknown> = { amount: 42n };
  ring.self = ring;
  log().with({ token: "abc" }).info("got {token} at nats://user:hunter2@10.0.0.1", {
    token: "def",
    nested: { password: "x", at: "nats://user:hunter2@10.0.0.1" },
    none: undefined,
    ring,
  });
  assert.deepEqual(records[0]!.message, ["got {token} at nats://user:[redacted]@10.0.0.1"]);
  assert.deepEqual(records[0]!.properties, {
    token: "[redacted]",
    nested: { password: "[redacted]", at: "nats://user:[redacted]@10.0.0.1" },
    ring: "[object Object]",
  });
});

test("a service says there what it has to say", async () => {
  const records = await taped("debug");
  const made = world();
  const { service: one } = service(made, { log: log(), logLevel: "error" });
  await one.start();
  await within(made.clock, one.stop());
  const said = records.map(({ level, message }) => `${level} ${message.join("")}`);
  assert.ok(said.includes("info started") && said.includes("debug listening"), said.join("\n"));
  assert.deepEqual(made.lines, []);
});
