/**
 * Options of a mesh and of a service: the flags without their prefix, and what only code can give.
 *
 * @module
 */

import type { Broker } from "../broker/broker.ts";
import type { MuonError } from "../errors.ts";
import type { Filter } from "../filter.ts";
import type { TlsOptions } from "../host.ts";
import type { Interceptor } from "../interceptor.ts";
import type { Logger } from "../log.ts";
import type { System } from "../platform.ts";
import type { CallPolicy, Limits, PolicyProvider } from "../policy.ts";
import type { Registry } from "../registry/registry.ts";
import type { Strategy } from "../selector/selector.ts";
import type { Transport } from "../transport/transport.ts";

/** Options of `connect`. */
export interface MeshOptions {
  /** `memory`, `file`, `kv`, or an implementation. @default {"file"} */
  readonly registry?: string | Registry;
  /** Where the registry is: for `file` its directory, for `kv` the path of its file or the URL of a remote KV. */
  readonly registryAddress?: string;
  /** `memory`, `http`, or an implementation. @default {"http"} */
  readonly broker?: string | Broker;
  /** Where the broker is. */
  readonly brokerAddress?: string;
  /** `ws`, `memory`, or an implementation. @default {"ws"} */
  readonly transport?: string | Transport;
  /** Where the transport is, if it has a place of its own. */
  readonly transportAddress?: string;
  /** `random`, `roundrobin`, `leastconn`, or a strategy. @default {"random"} */
  readonly selector?: string | Strategy;
  /** Leave out nodes at every call. @default {[]} */
  readonly filters?: readonly Filter[];
  /** Timeouts and retries. @default {CALL_POLICY} */
  readonly policy?: Partial<CallPolicy> | PolicyProvider;
  /** What is taken in. @default {LIMITS} */
  readonly limits?: Partial<Limits>;
  /** How inputs are written where a call does not say. @default {"application/cbor"; "application/json" to Go Micro} */
  readonly contentType?: string;
  /** Stand around each call, stream and publication this process makes, retries included. @default {[]} */
  readonly callInterceptors?: readonly Interceptor[];
  /** Stand around each attempt of a call. @default {[]} */
  readonly attemptInterceptors?: readonly Interceptor[];
  /** Told of a failed call that nobody awaits. @default {it is logged} */
  readonly onUnobservedError?: (error: MuonError) => void;
  /** Takes muon's own lines and those of `ctx.log`. @default {lines on stderr, from `info` on} */
  readonly log?: Logger;
  /** Time, chance and the machine. @default {those of the runtime} */
  readonly system?: System;
}

/** Options of `createService`. */
export interface ServiceOptions extends MeshOptions {
  /** Name of what has none of its own: functions that `subscribe` takes, a service without a class. */
  readonly name?: string;
  /** Its version. @default {"latest"} */
  readonly version?: string;
  /** Id of this process; the id of each of its nodes is `<service>-<id>`. @default {a UUID} */
  readonly id?: string;
  /** Notes in the record of every node of this process. @default {{}} */
  readonly metadata?: Readonly<Record<string, string>>;
  /** `host:port` to listen on; `:port` is loopback. @default {"127.0.0.1:0"} */
  readonly address?: string;
  /** `host:port` to put in the record instead. */
  readonly advertise?: string;
  /** Key and certificate. A service that is reachable from other hosts wants them. */
  readonly tls?: TlsOptions;
  /** Listen beyond loopback without TLS: everyone on that network can read and make calls. @default {false} */
  readonly insecure?: boolean;
  /** How long a record lives unless it is renewed, in ms. @default {60000} */
  readonly registerTtl?: number;
  /** How often it is renewed, in ms. @default {20000} */
  readonly registerInterval?: number;
  /** How long a stopping service lets what is under way finish, in ms. @default {10000} */
  readonly stopTimeout?: number;
  /** Stand around each handler, of calls, streams and events. @default {[]} */
  readonly interceptors?: readonly Interceptor[];
}

/** Defaults of a service's own times, in ms. */
export const SERVICE_DEFAULTS = {
  registerTtl: 60_000,
  registerInterval: 20_000,
  stopTimeout: 10_000,
} as const;
