/**
 * The flags there are: name, what it sets, what its value must be, what `--help` says.
 *
 * @module
 */

import { EJECTION } from "../selector/ejection.ts";
import { ALWAYS_DONE } from "../selector/strategies.ts";
import { LOG_FORMATS, LOG_LEVELS } from "../log.ts";
import type { FlagKind } from "./flag_values.ts";
import { CALL_POLICY } from "../policy.ts";
import { SERVICE_DEFAULTS, type ServiceOptions } from "./options.ts";

/** What flags set that is no option: files that are read, and parts of the call policy. */
export type Extra =
  | "tlsEnabled"
  | "tlsCertFile"
  | "tlsKeyFile"
  | "tlsCaFile"
  | "tlsClientCaFile"
  | "timeout"
  | "retries"
  | "configFile"
  | "unused";

/** One flag of muon's own. */
export interface Flag {
  /** What it sets. */
  readonly sets: keyof ServiceOptions | Extra;
  /** What its value must be. */
  readonly kind: FlagKind;
  /** For `--help`. */
  readonly help: string;
  /** What it is where nobody says it, for `--help`. @default {not said} */
  readonly initial?: string;
  /** Group of implementations whose names `--help` lists behind it. */
  readonly names?: "registry" | "broker" | "transport" | "selector";
  /** Whether `connect` reads it too. @default {false} */
  readonly mesh?: boolean;
  /** Go Micro has it and muon has nothing that it could set: why, for the log. */
  readonly unused?: string;
  /** Values of Go Micro's that are taken, too, and have no effect: why, for the log. */
  readonly unusedValues?: Readonly<Record<string, string>>;
}

const ONE_LINK = "one link carries all calls to a node at a time, so there is no pool";
const ONE_SERVER = "what a node speaks is chosen by --transport";

const NO_PLACE = "Where it is; none of muon's takes one";

/** A duration as flags write it. */
export function seconds(ms: number): string {
  return ms % 1_000 === 0 ? `${ms / 1_000}s` : `${ms}ms`;
}

/** The flags of muon's core, by name. Names and variables are Go Micro's where it has them. */
export const FLAGS: Readonly<Record<string, Flag>> = {
  server_name: { sets: "name", kind: "name", help: "Name of the service" },
  server_version: {
    sets: "version",
    kind: "text",
    help: "Version of what has none of its own",
    initial: "latest",
  },
  server_id: { sets: "id", kind: "text", help: "Id of this process", initial: "a UUID" },
  server_address: {
    sets: "address",
    kind: "address",
    help: "host:port to listen on",
    initial: "127.0.0.1:0",
  },
  server_advertise: {
    sets: "advertise",
    kind: "place",
    help: "host:port to put in the record",
    initial: "where it listens",
  },
  server_metadata: { sets: "metadata", kind: "pairs", help: "key=value for the record; may be given again" },
  max_concurrent_calls: {
    sets: "maxConcurrentCalls",
    kind: "positive",
    help: "Calls at a time, more are refused",
    initial: "no limit",
  },
  register_ttl: {
    sets: "registerTtl",
    kind: "duration",
    help: "How long a record lives unless renewed",
    initial: seconds(SERVICE_DEFAULTS.registerTtl),
  },
  register_interval: {
    sets: "registerInterval",
    kind: "duration",
    help: "How often it is renewed",
    initial: seconds(SERVICE_DEFAULTS.registerInterval),
  },
  stop_timeout: {
    sets: "stopTimeout",
    kind: "duration",
    help: "How long a stop waits for calls",
    initial: seconds(SERVICE_DEFAULTS.stopTimeout),
  },
  registry: { sets: "registry", kind: "text", names: "registry", mesh: true, help: "Registry" },
  registry_address: {
    sets: "registryAddress",
    kind: "text",
    mesh: true,
    help: "Where it is: file's directory, kv's file or URL",
  },
  selector: {
    sets: "selector",
    kind: "text",
    names: "selector",
    mesh: true,
    help: "Strategy",
    unusedValues: ALWAYS_DONE,
  },
  selector_ejection: {
    sets: "ejection",
    kind: "ejection",
    mesh: true,
    help: "Leave out nodes that fail: FAILURES[:TIME[:LONGEST]], off",
    initial: `${EJECTION.consecutiveFailures}:${seconds(EJECTION.baseTime)}:${seconds(EJECTION.maxTime)}`,
  },
  selector_filter: {
    sets: "filters",
    kind: "filters",
    mesh: true,
    help: "Nodes to call: version=, label:KEY=, address=, endpoint; may be given again",
  },
  selector_weight: {
    sets: "weights",
    kind: "weights",
    mesh: true,
    help: "How much nodes get: label:KEY=VALUE:SHARE, own; may be given again",
  },
  broker: { sets: "broker", kind: "text", names: "broker", mesh: true, help: "Broker" },
  broker_address: { sets: "brokerAddress", kind: "text", mesh: true, help: NO_PLACE },
  transport: { sets: "transport", kind: "text", names: "transport", mesh: true, help: "Transport" },
  transport_address: { sets: "transportAddress", kind: "text", mesh: true, help: NO_PLACE },
  client_request_timeout: {
    sets: "timeout",
    kind: "duration",
    mesh: true,
    help: "Time for a call, retries included",
    initial: seconds(CALL_POLICY.timeout),
  },
  client_retries: {
    sets: "retries",
    kind: "count",
    mesh: true,
    help: "Tries after the first",
    initial: String(CALL_POLICY.retries),
  },
  client_pool_size: { sets: "unused", kind: "count", mesh: true, unused: ONE_LINK, help: "No effect" },
  client_pool_ttl: { sets: "unused", kind: "duration", mesh: true, unused: ONE_LINK, help: "No effect" },
  client: { sets: "unused", kind: "text", mesh: true, unused: ONE_SERVER, help: "No effect" },
  server: { sets: "unused", kind: "text", unused: ONE_SERVER, help: "No effect" },
  enable_tls: {
    sets: "tlsEnabled",
    kind: "boolean",
    help: "Listen with TLS",
    initial: "true once certificate and key are given",
  },
  tls_cert_file: { sets: "tlsCertFile", kind: "text", mesh: true, help: "File: certificate chain, PEM" },
  tls_key_file: { sets: "tlsKeyFile", kind: "text", mesh: true, help: "File: its key, PEM" },
  tls_ca_file: {
    sets: "tlsCaFile",
    kind: "text",
    mesh: true,
    help: "File: authorities for the nodes that are called, PEM",
    initial: "the system's",
  },
  tls_client_ca_file: {
    sets: "tlsClientCaFile",
    kind: "text",
    help: "File: authorities for those who call, PEM; callers must show a certificate",
  },
  insecure: {
    sets: "insecure",
    kind: "boolean",
    help: "Listen beyond loopback without TLS",
    initial: "false",
  },
  log_level: {
    sets: "logLevel",
    kind: LOG_LEVELS,
    mesh: true,
    help: "Least that is written",
    initial: "info",
  },
  log_format: {
    sets: "logFormat",
    kind: LOG_FORMATS,
    mesh: true,
    help: "How it is written",
    initial: "text on a terminal, else json",
  },
  config_file: { sets: "configFile", kind: "text", mesh: true, help: "JSON file of flags" },
};
