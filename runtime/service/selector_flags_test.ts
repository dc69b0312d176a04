import assert from "node:assert/strict";
import { test } from "node:test";
import { pickContext, record } from "../../tests/conformance/selector.ts";
import type { Candidate } from "../selector/selector.ts";
import { parseFilters, parseWeights } from "./selector_flags.ts";

function candidate(address: string, metadata: Record<string, string> = {}): Candidate {
  const service = record("1.0.0", "a", {}, address);
  return { node: { ...service.nodes[0]!, metadata }, service, inflight: 0, latency: 0, ejectedUntil: 0 };
}

const call = pickContext("greeter");

function keeps(values: string[], of: Candidate): boolean {
  return parseFilters(values, "--selector_filter").every((filter) => filter.keep(of, call));
}

function weighs(values: string[], of: Candidate): number {
  return parseWeights(values, "--selector_weight").reduce((share, weight) => share * weight.of(of, call), 1);
}

test("filters are those of code, and a node must pass all", () => {
  const node = candidate("10.0.0.1:80", { zone: "eu-1", note: "a=b:c", empty: "" });
  for (
    const value of [
      "version=1.0.0",
      "label:zone=eu-1",
      "label:note=a=b:c",
      "label:empty=",
      "address=10.0.0.1",
      "address=10.0.0.1:80",
      "endpoint",
      "endpoint=Greeter.Hello",
      " version = 1.0.0 ",
    ]
  ) {
    assert.ok(keeps([value], node), value);
  }
  for (const value of ["version=1", "label:zone=eu-2", "label:zone=", "address=10.0.0.1:8", "endpoint=A.B"]) {
    assert.ok(!keeps([value], node), value);
  }
  assert.ok(!keeps(["version=1.0.0", "label:zone=eu-2"], node));
});

test("a node at any of several addresses is kept", () => {
  const values = ["address=10.0.0.1", "address=10.0.0.2:80"];
  assert.ok(keeps(values, candidate("10.0.0.1:99")));
  assert.ok(keeps(values, candidate("10.0.0.2:80")));
  assert.ok(!keeps(values, candidate("10.0.0.2:81")));
  assert.equal(parseFilters(values, "").length, 1);
});

test("weights are those of code; shares of one label are one weight", () => {
  const values = ["label:zone=eu-1:9", "label:zone=eu-2:0.5", "label:at=a:b:0"];
  assert.equal(weighs(values, candidate("a:1", { zone: "eu-1" })), 9);
  assert.equal(weighs(values, candidate("a:1", { zone: "eu-2" })), 0.5);
  assert.equal(weighs(values, candidate("a:1", { zone: "us-1" })), 1);
  assert.equal(weighs(values, candidate("a:1", { at: "a:b" })), 0);
  assert.deepEqual(parseWeights(values, "").map(({ name }) => name), ["label zone", "label at"]);
  assert.equal(weighs(["own", "label:zone=eu-1:9"], candidate("a:1", { zone: "eu-1", weight: "2" })), 18);
  assert.equal(weighs(["own=cores"], candidate("a:1", { cores: "8" })), 8);
});

test("what is neither is refused, by name", () => {
  const refused = (parse: typeof parseFilters | typeof parseWeights, value: string, message: RegExp) =>
    assert.throws(() => parse([value], "MICRO_X"), (error: Error) => {
      assert.ok(error instanceof TypeError, value);
      assert.match(error.message, message);
      assert.ok(error.message.endsWith(`current value is ${JSON.stringify(value)}`), error.message);
      return true;
    });
  for (
    const value of [
      "",
      "version",
      "version=",
      "zone=eu-1",
      "label=zone",
      "label:=x",
      "label:zone",
      "endpoint=",
    ]
  ) {
    refused(
      parseFilters,
      value,
      /^MICRO_X must be version=V, label:KEY=VALUE, address=HOST\[:PORT\], endpoint/,
    );
  }
  for (
    const value of ["", "9", "label:zone=eu-1", "label:zone=9", "label:zone=eu-1:many", "label:=x:1", "own="]
  ) {
    refused(parseWeights, value, /^MICRO_X must be label:KEY=VALUE:SHARE, own or own=KEY/);
  }
});
