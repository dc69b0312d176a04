/**
 * Options of a mesh and of a service: the flags without their prefix, and what only code can give.
 *
 * @module
 */

import type { Broker } from "../broker/broker.ts";
import type { Codec } from "../codec/codec.ts";
import type { MuonError } from "../errors.ts";
import type { Filter, Weight } from "../filter.ts";
import type { Interceptor } from "../interceptor.ts";
import type { LogFormat, Logger, LogLevel } from "../log.ts";
import type { System } from "../platform.ts";
import type { CallPolicy, Limits, PolicyProvider } from "../policy.ts";
import type { Registry } from "../registry/registry.ts";
import type { EjectionPolicy } from "../selector/ejection.ts";
import type { Strategy } from "../selector/selector.ts";
import type { Transport } from "../transport/transport.ts";
import type { ActionContext, OwnFlags, OwnFlagValues } from "./own_flags.ts";
import type { Service } from "./service.ts";

/** Keys and certificates of a process that calls, in PEM. */
export interface MeshTls {
  /** Authorities that the nodes which are called are checked against, instead of the system's. */
  readonly ca?: string;
  /** Certificate chain that this process shows. */
  readonly cert?: string;
  /** Private key of that certificate. */
  readonly key?: string;
}

/** Keys and certificates of a service, in PEM. With certificate and key it listens with TLS. */
export interface ServiceTls extends MeshTls {
  /** Authorities of those who call: they must show a certificate. */
  readonly clientCa?: string;
}

/** Something to do before or after a service starts or stops. What it throws fails the start, or the stop at its end. */
export type Hook = (service: Service) => unknown;

/** Options of `connect`. */
export interface MeshOptions {
  /** `file`, `kv`, `mdns`, `memory`, or an implementation. @default {"file"} */
  readonly registry?: string | Registry;
  /** Where the registry is: for `file` its directory, for `kv` the path of its file or the URL of a remote KV. */
  readonly registryAddress?: string;
  /** `memory`, `http`, or an implementation. @default {"http"} */
  readonly broker?: string | Broker;
  /** Where the broker is, if it has a place of its own: `http` and `memory` have none. */
  readonly brokerAddress?: string;
  /** `ws`, `http`, `mucp`: preferred, the other two beside it; `memory`, or an implementation: that alone. @default {"ws"} */
  readonly transport?: string | Transport;
  /** Where the transport is, if it has a place of its own: those of muon have none. */
  readonly transportAddress?: string;
  /** `random`, `roundrobin`, `leastconn`, or a strategy. @default {"random"} */
  readonly selector?: string | Strategy;
  /** Leave out nodes at every call. @default {[]} */
  readonly filters?: readonly Filter[];
  /** How much of the calls nodes get, at every call. @default {[]} */
  readonly weights?: readonly Weight[];
  /** When a node to which calls fail is left out for a while; `false`: never. @default {EJECTION} */
  readonly ejection?: Partial<EjectionPolicy> | false;
  /** Timeouts and retries. @default {CALL_POLICY} */
  readonly policy?: Partial<CallPolicy> | PolicyProvider;
  /** What is taken in. @default {LIMITS} */
  readonly limits?: Partial<Limits>;
  /** How inputs are written where a call does not say. @default {"application/cbor"; "application/json" to Go Micro} */
  readonly contentType?: string;
  /**
   * Ways of writing values beside cbor, json and bytes, for calls, streams and events: handlers read what comes under
   * their content types, and the option `contentType` may name them. Both sides must have them.
   *
   * @default {[]}
   */
  readonly codecs?: readonly Codec[];
  /** Stand around each call, stream and publication this process makes, retries included. @default {[]} */
  readonly callInterceptors?: readonly Interceptor[];
  /** Stand around each attempt of a call. @default {[]} */
  readonly attemptInterceptors?: readonly Interceptor[];
  /** Told of a failed call that nobody awaits. @default {it is logged} */
  readonly onUnobservedError?: (error: MuonError) => void;
  /** Takes muon's own lines and those of `ctx.log`. @default {lines on stderr} */
  readonly log?: Logger;
  /** Least that muon's own logger writes. @default {"info"} */
  readonly logLevel?: LogLevel;
  /** How muon's own logger writes: for people, or one JSON object a line. @default {"text" if stderr is a terminal, else "json"} */
  readonly logFormat?: LogFormat;
  /** Authorities that nodes are checked against, and what is shown to nodes that ask. @default {the system's authorities} */
  readonly tls?: MeshTls;
  /** Time, chance and the machine. @default {those of the runtime} */
  readonly system?: System;
}

/** Options of `createService`. */
export interface ServiceOptions<F extends OwnFlags = OwnFlags> extends MeshOptions {
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
  /** Key and certificate: a service that is reachable from other hosts wants them. It shows them to nodes it calls, too. */
  readonly tls?: ServiceTls;
  /** Listen beyond loopback without TLS: everyone on that network can read and make calls. @default {false} */
  readonly insecure?: boolean;
  /** How long a record lives unless it is renewed, in ms. @default {60000} */
  readonly registerTtl?: number;
  /** How often it is renewed, in ms. @default {20000} */
  readonly registerInterval?: number;
  /** How long a stopping service lets what is under way finish, in ms. @default {10000} */
  readonly stopTimeout?: number;
  /**
   * Calls and streams that may be under way in this process at a time, whatever they come over. Those beyond are refused
   * with `resource_exhausted` before their handler runs, and a caller tries another node. @default {no limit}
   */
  readonly maxConcurrentCalls?: number;
  /** Stand around each handler, of calls, streams and events. @default {[]} */
  readonly interceptors?: readonly Interceptor[];
  /** Whether `/healthz`, `/readyz` and `/metrics` are answered on the shared port. @default {true} */
  readonly ops?: boolean;
  /**
   * What must be well for the service to be ready, by name: `/readyz` asks each. One that throws, gives `false` or takes
   * longer than a second makes it not ready. @default {{}}
   */
  readonly checks?: Readonly<Record<string, () => unknown>>;
  /** Done before anything is opened. @default {[]} */
  readonly beforeStart?: Hook | readonly Hook[];
  /** Done when others can find the service. @default {[]} */
  readonly afterStart?: Hook | readonly Hook[];
  /** Done when the service is to stop, while it still takes calls and is no longer ready. @default {[]} */
  readonly beforeStop?: Hook | readonly Hook[];
  /** Done when all is closed. @default {[]} */
  readonly afterStop?: Hook | readonly Hook[];
  /** Flags of your own, which `run` reads from the command line. @default {{}} */
  readonly flags?: F;
  /** What `run` does before it starts the service; giving `false`, it does not start it. */
  action?(flags: OwnFlagValues<F>, context: ActionContext): void | boolean | Promise<void | boolean>;
}

/** Defaults of a service's own times, in ms. */
export const SERVICE_DEFAULTS = {
  registerTtl: 60_000,
  registerInterval: 20_000,
  stopTimeout: 10_000,
} as const;

/** Every option of a mesh, so that one that is unknown is told. */
export const MESH_OPTIONS: Readonly<Record<keyof MeshOptions, true>> = {
  registry: true,
  registryAddress: true,
  broker: true,
  brokerAddress: true,
  transport: true,
  transportAddress: true,
  selector: true,
  filters: true,
  weights: true,
  ejection: true,
  policy: true,
  limits: true,
  contentType: true,
  codecs: true,
  callInterceptors: true,
  attemptInterceptors: true,
  onUnobservedError: true,
  log: true,
  logLevel: true,
  logFormat: true,
  tls: true,
  system: true,
};

/** Every option of a service, likewise. */
export const SERVICE_OPTIONS: Readonly<Record<keyof ServiceOptions, true>> = {
  ...MESH_OPTIONS,
  name: true,
  version: true,
  id: true,
  metadata: true,
  address: true,
  advertise: true,
  insecure: true,
  registerTtl: true,
  registerInterval: true,
  stopTimeout: true,
  maxConcurrentCalls: true,
  interceptors: true,
  ops: true,
  checks: true,
  beforeStart: true,
  afterStart: true,
  beforeStop: true,
  afterStop: true,
  flags: true,
  action: true,
};
