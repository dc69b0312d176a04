import assert from "node:assert/strict";
import { test } from "node:test";
import { lineLogger, type LogFields, SILENT } from "./log.ts";

function line(message: string, fields?: LogFields): string {
  const lines: string[] = [];
  lineLogger((each) => lines.push(each)).info(message, fields);
  assert.equal(lines.length, 1);
  return lines[0]!;
}

test("a line has level, message and fields", () => {
  assert.equal(
    line("started", { port: 80, name: "greeter", note: "two words" }),
    'info  started port=80 name=greeter note="two words"\n',
  );
  assert.equal(
    line("x", { empty: "", none: undefined, nothing: null, list: [1, "a"] }),
    'info  x empty="" nothing=null list=[1,"a"]\n',
  );
});

test("only what matters enough is written", () => {
  const lines: string[] = [];
  const log = lineLogger((each) => lines.push(each), { level: "warn" });
  log.debug("d");
  log.info("i");
  log.warn("w");
  log.error("e");
  assert.deepEqual(lines, ["warn  w\n", "error e\n"]);
});

test("fields of a logger go with each of its lines", () => {
  const lines: string[] = [];
  const log = lineLogger((each) => lines.push(each)).with({ service: "greeter" }).with({
    endpoint: "Greeter.Hello",
  });
  log.info("x", { service: "other" });
  assert.deepEqual(lines, ["info  x service=other endpoint=Greeter.Hello\n"]);
});

test("secrets are not written, inside of values neither", () => {
  const written = line("login", {
    password: "p1",
    Authorization: "p2",
    apiKey: "p3",
    "x-api-key": "p4",
    deep: { list: [{ refresh_token: "p5" }] },
  });
  assert.ok(!/p\d/.test(written), written);
  assert.equal(written.match(/\[redacted\]/g)?.length, 5);
});

test("nothing forges a line or steers a terminal", () => {
  const written = line("a\r\nerror b\x1b[31m\u2028", {
    x: "c\nd",
    y: "\x1b[2J",
    z: "\x9b1m",
    w: { k: "\x1b" },
  });
  // deno-lint-ignore no-control-regex
  assert.ok(!/[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028]/.test(written), JSON.stringify(written));
  assert.equal(written.split("\n").length, 2);
});

test("errors are written with their stack, what JSON cannot say somehow", () => {
  assert.match(line("x", { error: new Error("no disk") }), /error=".*no disk/);
  assert.match(line("x", { big: 10n }), /big=10\n/);
  const loop: Record<string, unknown> = {};
  loop.self = loop;
  assert.match(line("x", { loop }), /loop=\[object Object\]\n/);
});

test("the silent logger says nothing and stays silent", () => {
  assert.equal(SILENT.with({ a: 1 }), SILENT);
  assert.equal(SILENT.error("x"), undefined);
});
