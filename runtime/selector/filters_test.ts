import assert from "node:assert/strict";
import { test } from "node:test";
import { pickContext, record } from "../../tests/conformance/selector.ts";
import { byAddress, byEndpoint, byLabel, byVersion } from "./filters.ts";
import type { Candidate, Filter } from "./selector.ts";

function candidate(version: string, address: string, metadata: Record<string, string> = {}): Candidate {
  const service = record(version, "a", { metadata: { region: "eu" } }, address);
  return { node: { ...service.nodes[0]!, metadata }, service, inflight: 0, latency: 0, ejectedUntil: 0 };
}

function keeps(filter: Filter, of: Candidate, endpoint = "Greeter.Hello"): boolean {
  return filter.keep(of, pickContext("greeter", { endpoint }));
}

test("byVersion keeps exactly that version", () => {
  assert.ok(keeps(byVersion("1.0"), candidate("1.0", "a:1")));
  assert.ok(!keeps(byVersion("1.0"), candidate("1.0.0", "a:1")));
  assert.equal(byVersion("1.0").name, "version=1.0");
});

test("byLabel looks at the node, then at its service, and at nothing inherited", () => {
  assert.ok(keeps(byLabel("zone", "a"), candidate("1", "a:1", { zone: "a" })));
  assert.ok(!keeps(byLabel("zone", "a"), candidate("1", "a:1")));
  assert.ok(keeps(byLabel("region", "eu"), candidate("1", "a:1")));
  assert.ok(!keeps(byLabel("region", "eu"), candidate("1", "a:1", { region: "us" })));
  assert.ok(!keeps(byLabel("constructor", "x"), candidate("1", "a:1")));
});

test("byAddress keeps addresses and hosts", () => {
  const filter = byAddress("127.0.0.1", "10.0.0.1:80", "[::1]");
  assert.ok(keeps(filter, candidate("1", "127.0.0.1:9")));
  assert.ok(keeps(filter, candidate("1", "10.0.0.1:80")));
  assert.ok(!keeps(filter, candidate("1", "10.0.0.1:81")));
  assert.ok(keeps(filter, candidate("1", "[::1]:4")));
});

test("byEndpoint keeps who lists an endpoint: a given one, or the called one", () => {
  const of = candidate("1", "a:1");
  assert.ok(keeps(byEndpoint(), of));
  assert.ok(!keeps(byEndpoint(), of, "Greeter.Bye"));
  assert.ok(keeps(byEndpoint("Greeter.Hello"), of, "Greeter.Bye"));
  assert.ok(!keeps(byEndpoint("Greeter.Bye"), of));
});
