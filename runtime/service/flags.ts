/**
 * Flags and the environment: `--server_name` and `MICRO_SERVER_NAME` say the same. A flag beats the environment,
 * which beats code.
 *
 * @module
 */

import type { FlagSpec, Platform } from "../platform.ts";
import type { ServiceOptions } from "./options.ts";

interface Flag {
  /** The option it sets. */
  readonly option: keyof ServiceOptions | "tlsCert" | "tlsKey";
  /** For `--help`. */
  readonly help: string;
  /** What its value must be. */
  readonly kind: "text" | "boolean" | "milliseconds" | "pairs";
  /** Whether `connect` reads it too. */
  readonly mesh?: boolean;
}

const FLAGS: Readonly<Record<string, Flag>> = {
  server_name: { option: "name", kind: "text", help: "Name of the service" },
  server_version: { option: "version", kind: "text", help: "Version of what has none of its own" },
  server_id: { option: "id", kind: "text", help: "Id of this process. Made up if not given" },
  server_metadata: {
    option: "metadata",
    kind: "pairs",
    help: "key=value for the record; may be given again",
  },
  server_address: { option: "address", kind: "text", help: "host:port to listen on. 127.0.0.1:0" },
  server_advertise: { option: "advertise", kind: "text", help: "host:port to put in the record instead" },
  registry: { option: "registry", kind: "text", mesh: true, help: "Registry: file, memory" },
  registry_address: {
    option: "registryAddress",
    kind: "text",
    mesh: true,
    help: "Its address; a directory for file",
  },
  broker: { option: "broker", kind: "text", mesh: true, help: "Broker: http, memory" },
  broker_address: { option: "brokerAddress", kind: "text", mesh: true, help: "Its address" },
  transport: { option: "transport", kind: "text", mesh: true, help: "Transport: ws, memory" },
  transport_address: { option: "transportAddress", kind: "text", mesh: true, help: "Its address" },
  selector: { option: "selector", kind: "text", mesh: true, help: "Selector: random, roundrobin, leastconn" },
  register_ttl: { option: "registerTtl", kind: "milliseconds", help: "How long a record lives: 60s" },
  register_interval: {
    option: "registerInterval",
    kind: "milliseconds",
    help: "How often it is renewed: 20s",
  },
  tls_cert_file: { option: "tlsCert", kind: "text", help: "File with the certificate chain, PEM" },
  tls_key_file: { option: "tlsKey", kind: "text", help: "File with its key, PEM" },
  insecure: { option: "insecure", kind: "boolean", help: "Listen beyond loopback without TLS" },
};

/** What flags and environment said; files are named and not read yet. */
export interface Settings {
  /** Options they set. */
  readonly options: ServiceOptions;
  /** File with the certificate chain. */
  readonly tlsCert?: string;
  /** File with its key. */
  readonly tlsKey?: string;
  /** Whether `--help` was asked for. */
  readonly help: boolean;
}

/**
 * Reads the environment and, where asked, the command line.
 *
 * @param platform Has both.
 * @param options `args`: whether the command line counts. `scope`: `mesh` reads only what `connect` knows.
 * @throws {TypeError} That names the flag or variable and what it must be; an unknown flag is one, too.
 */
export function readSettings(
  platform: Platform,
  options: { readonly args: boolean; readonly scope: "mesh" | "service" },
): Settings {
  const found: Record<string, unknown> = {};
  for (const [name, flag] of Object.entries(FLAGS)) {
    if (options.scope === "mesh" && !flag.mesh) continue;
    const variable = `MICRO_${name.toUpperCase()}`;
    const value = platform.env(variable);
    if (value === undefined || value === "") continue;
    found[flag.option] = parse(flag, flag.kind === "pairs" ? value.split(",") : value, variable);
  }
  let help = false;
  if (options.args) {
    const values = flagsOf(platform);
    help = values.help === true;
    for (const [name, flag] of Object.entries(FLAGS)) {
      const value = values[name];
      if (value !== undefined) found[flag.option] = parse(flag, value, `--${name}`);
    }
  }
  const { tlsCert, tlsKey, ...rest } = found as { tlsCert?: string; tlsKey?: string };
  return {
    options: rest as ServiceOptions,
    help,
    ...(tlsCert === undefined ? {} : { tlsCert }),
    ...(tlsKey === undefined ? {} : { tlsKey }),
  };
}

/** The text of `--help`. */
export function helpText(): string {
  const lines = Object.entries(FLAGS).map(([name, flag]) =>
    `  --${name}`.padEnd(24) + `${flag.help} [$MICRO_${name.toUpperCase()}]`
  );
  return [
    "A flag beats its variable, which beats code. - and _ are alike. A bare number is seconds.",
    "",
    ...lines,
    "  --help, -h".padEnd(24) + "Show this",
    "",
  ].join("\n");
}

type FlagValue = string | boolean | readonly (string | boolean)[];

function flagsOf(platform: Platform): Readonly<Record<string, FlagValue | undefined>> {
  const specs: Record<string, FlagSpec> = { help: { type: "boolean", short: "h" } };
  for (const [name, flag] of Object.entries(FLAGS)) {
    specs[name] = { type: flag.kind === "boolean" ? "boolean" : "string", multiple: flag.kind === "pairs" };
  }
  const args = platform.args.map((arg) => {
    if (!arg.startsWith("--") || arg === "--") return arg;
    const end = arg.indexOf("=");
    const name = (end < 0 ? arg.slice(2) : arg.slice(2, end)).replaceAll("-", "_");
    if (!(name in specs)) throw new TypeError(unknownFlag(`--${name}`));
    return `--${name}${end < 0 ? "" : arg.slice(end)}`;
  });
  return platform.parseArgs(args, specs).values;
}

function unknownFlag(flag: string): string {
  const names = Object.keys(FLAGS).map((name) => `--${name}`);
  const nearest = names.map((name) => ({ name, steps: distance(flag, name) })).sort((a, b) =>
    a.steps - b.steps
  )[0]!;
  const hint = nearest.steps <= 3 ? ` Did you mean ${nearest.name}?` : "";
  return `Unknown flag ${flag}.${hint} There are ${names.join(", ")}, --help`;
}

function parse(flag: Flag, value: FlagValue, from: string): unknown {
  switch (flag.kind) {
    case "text":
      return String(value);
    case "boolean":
      if (value === true || value === "true" || value === "1") return true;
      if (value === false || value === "false" || value === "0") return false;
      throw new TypeError(`${from} must be true or false: current value is ${JSON.stringify(value)}`);
    case "milliseconds":
      return duration(String(value), from);
    case "pairs":
      return pairs((Array.isArray(value) ? value : [value]).map(String), from);
  }
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** Milliseconds of a duration as `500ms`, `5s`, `2m`; a bare number is seconds, as Go Micro's flags have it. */
function duration(value: string, from: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(value);
  if (match === null) {
    throw new TypeError(
      `${from} must be a duration as 500ms, 5s or 2m: current value is ${JSON.stringify(value)}`,
    );
  }
  return Number(match[1]) * UNITS[match[2] ?? "s"]!;
}

function pairs(values: readonly string[], from: string): Record<string, string> {
  const map: Record<string, string> = {};
  for (const value of values) {
    const at = value.indexOf("=");
    if (at < 1) throw new TypeError(`${from} must be key=value: current value is ${JSON.stringify(value)}`);
    map[value.slice(0, at)] = value.slice(at + 1);
  }
  return map;
}

/** Levenshtein's distance: how many letters must be changed, added or left out. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length]!;
}
