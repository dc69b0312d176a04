/**
 * What a server counted, in Prometheus' text format, version 0.0.4.
 * Source: {@link https://prometheus.io/docs/instrumenting/exposition_formats/ | Exposition formats}; names after
 * {@link https://prometheus.io/docs/practices/naming/ | Metric and label naming}.
 *
 * @module
 */

import { type DebugInfo, isDebug } from "./debug.ts";
import { LATENCY_BUCKETS } from "./latency.ts";
import type { ServiceEntry, TableEntry } from "./table.ts";

/** Content type of the format. */
export const METRICS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** One number, and what it belongs to. */
interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** What a scrape is told. */
export interface Scraped {
  /** The services of the process. */
  readonly services: readonly ServiceEntry[];
  /** What is known of the process. */
  readonly debug: DebugInfo;
  /** Whether the service is ready. */
  readonly ready: boolean;
}

/**
 * The answer to a scrape.
 *
 * @example
 * ```ts
 * new Response(metricsText({ services: server.services, debug, ready: true }), {
 *   headers: { "content-type": METRICS_CONTENT_TYPE },
 * });
 * ```
 */
export function metricsText({ services, debug, ready }: Scraped): string {
  const rows = services.flatMap(({ definition, endpoints }) =>
    [...endpoints]
      .filter(([endpoint]) => !isDebug(endpoint))
      .map(([endpoint, entry]) => ({ labels: { service: definition.name, endpoint }, entry }))
  );
  const each = (name: string, value: (entry: TableEntry) => number): Sample[] =>
    rows.map(({ labels, entry }) => ({ name, labels, value: value(entry) }));

  return [
    family("muon_service_info", "gauge", "What is served; always 1.", [
      ...services.map(({ definition: { name, version } }) => ({
        name: "muon_service_info",
        labels: { service: name, version, node: `${name}-${debug.node}` },
        value: 1,
      })),
    ]),
    family("muon_service_ready", "gauge", "1 while the process takes calls and its checks are well.", [
      { name: "muon_service_ready", labels: {}, value: ready ? 1 : 0 },
    ]),
    family("process_start_time_seconds", "gauge", "Start of the service, in seconds since the epoch.", [
      { name: "process_start_time_seconds", labels: {}, value: debug.started / 1_000 },
    ]),
    family(
      "muon_server_requests_total",
      "counter",
      "Calls that came.",
      each("muon_server_requests_total", ({ stats }) => stats.requests),
    ),
    family(
      "muon_server_errors_total",
      "counter",
      "Calls that ended with an error, those that were canceled included.",
      each("muon_server_errors_total", ({ stats }) => stats.errors),
    ),
    family(
      "muon_server_canceled_total",
      "counter",
      "Calls whose caller gave up before their end.",
      each("muon_server_canceled_total", ({ stats }) => stats.canceled),
    ),
    family(
      "muon_server_inflight_requests",
      "gauge",
      "Calls that are not over.",
      each("muon_server_inflight_requests", ({ stats }) => stats.inflight),
    ),
    family(
      "muon_server_request_duration_seconds",
      "histogram",
      "Time from a call's arrival to its end, streams included.",
      rows.flatMap(({ labels, entry }) => histogram("muon_server_request_duration_seconds", labels, entry)),
    ),
  ].join("");
}

function histogram(
  name: string,
  labels: Readonly<Record<string, string>>,
  { stats: { latency } }: TableEntry,
): Sample[] {
  const samples: Sample[] = [];
  let below = 0;
  for (const [index, bound] of [...LATENCY_BUCKETS, Infinity].entries()) {
    below += latency.counts[index]!;
    samples.push({ name: `${name}_bucket`, labels: { ...labels, le: number(bound) }, value: below });
  }
  samples.push({ name: `${name}_sum`, labels, value: latency.sum });
  samples.push({ name: `${name}_count`, labels, value: below });
  return samples;
}

function family(name: string, type: string, help: string, samples: readonly Sample[]): string {
  if (samples.length === 0) return "";
  const lines = samples.map((sample) => {
    const labels = Object.entries(sample.labels).map(([key, value]) => `${key}="${escape(value)}"`);
    return `${sample.name}${labels.length === 0 ? "" : `{${labels.join(",")}}`} ${number(sample.value)}\n`;
  });
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join("")}`;
}

function number(value: number): string {
  if (value === Infinity) return "+Inf";
  return String(value);
}

/** A label's value: backslash, quotation mark and line feed are escaped. */
function escape(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
