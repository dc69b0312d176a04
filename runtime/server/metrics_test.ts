import assert from "node:assert/strict";
import { test } from "node:test";
import type { ServiceDefinition } from "../definition.ts";
import { Latency, LATENCY_BUCKETS } from "./latency.ts";
import { metricsText } from "./metrics.ts";
import { serviceEntry } from "./table.ts";

const debug = {
  node: "n1",
  started: 1_700_000_000_500,
  now: () => 0,
  health: () => "ok",
  registryAway: () => 0,
};

function scrape() {
  const definition: ServiceDefinition = {
    name: "acme.greeter",
    version: 'v"1\\',
    handler: "Greeter",
    metadata: {},
    forward: [],
    endpoints: [{ name: "Greeter.Hello", member: "hello", idempotent: true }],
    subscriptions: [],
  };
  const entry = serviceEntry(definition, { hello: () => 1 });
  const { stats } = entry.endpoints.get("Greeter.Hello")!;
  stats.requests = 3;
  stats.errors = 2;
  stats.canceled = 1;
  stats.inflight = 1;
  stats.latency.observe(1);
  stats.latency.observe(30_000);
  return metricsText({ services: [entry], debug, ready: false });
}

test("latencies fall into the bucket whose bound they do not exceed", () => {
  const latency = new Latency();
  for (const ms of [-1, 0, 0.5, 0.6, 1, 10_000, 10_001, NaN]) latency.observe(ms);
  assert.equal(latency.count, 8);
  assert.deepEqual([latency.counts[0], latency.counts[1], latency.counts.at(-2), latency.counts.at(-1)], [
    4,
    2,
    1,
    1,
  ]);
  assert.equal(latency.counts.length, LATENCY_BUCKETS.length + 1);
  assert.ok(Math.abs(latency.sum - 20.0031) < 1e-9);
});

test("a scrape is Prometheus' text format, line by line", () => {
  const text = scrape();
  const name = "[a-zA-Z_:][a-zA-Z0-9_:]*";
  const label = `[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\\\\n]|\\\\[\\\\"n])*"`;
  const line = new RegExp(
    `^(?:# HELP ${name} .+|# TYPE ${name} (?:counter|gauge|histogram)|${name}(?:\\{${label}(?:,${label})*\\})? (?:\\+Inf|[-+0-9.e]+))$`,
  );
  assert.ok(text.endsWith("\n"));
  for (const each of text.slice(0, -1).split("\n")) assert.match(each, line);

  const families = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, family, type]) =>
    `${family} ${type}`
  );
  assert.deepEqual(families, [
    "muon_service_info gauge",
    "muon_service_ready gauge",
    "process_start_time_seconds gauge",
    "muon_server_requests_total counter",
    "muon_server_errors_total counter",
    "muon_server_canceled_total counter",
    "muon_server_inflight_requests gauge",
    "muon_server_request_duration_seconds histogram",
  ]);
  const of = '{service="acme.greeter",endpoint="Greeter.Hello"';
  for (
    const sample of [
      'muon_service_info{service="acme.greeter",version="v\\"1\\\\",node="acme.greeter-n1"} 1',
      "muon_service_ready 0",
      "process_start_time_seconds 1700000000.5",
      `muon_server_requests_total${of}} 3`,
      `muon_server_errors_total${of}} 2`,
      `muon_server_canceled_total${of}} 1`,
      `muon_server_inflight_requests${of}} 1`,
      `muon_server_request_duration_seconds_bucket${of},le="0.0005"} 0`,
      `muon_server_request_duration_seconds_bucket${of},le="0.001"} 1`,
      `muon_server_request_duration_seconds_bucket${of},le="10"} 1`,
      `muon_server_request_duration_seconds_bucket${of},le="+Inf"} 2`,
      `muon_server_request_duration_seconds_sum${of}} 30.001`,
      `muon_server_request_duration_seconds_count${of}} 2`,
    ]
  ) assert.ok(text.split("\n").includes(sample), sample);
});

test("where nothing is served, there is nothing to count", () => {
  const text = metricsText({ services: [], debug, ready: true });
  assert.match(text, /^muon_service_ready 1$/m);
  assert.doesNotMatch(text, /requests_total|service_info/);
});
