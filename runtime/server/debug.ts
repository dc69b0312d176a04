/**
 * What every service tells of itself: `Debug.Health`, `Debug.Stats`, `Debug.Describe`.
 *
 * @module
 */

import type { EndpointDefinition, ServiceDefinition } from "../definition.ts";
import { RESERVED_HANDLER } from "../definition.ts";
import { jsonSchema } from "../schema.ts";
import { newStats, type ServiceEntry, type TableEntry } from "./table.ts";

/** What `Debug` says of the process. */
export interface DebugInfo {
  /** Id of the node. */
  readonly node: string;
  /** When the process started, in ms since the epoch. */
  readonly started: number;
  /** The time now, in ms since the epoch. */
  now(): number;
  /** `ok` while it takes calls, else why not: `starting`, `stopping`. */
  health(): string;
  /** For how long the registry has been away, in ms; 0: it is there. */
  registryAway(): number;
}

/** Answer of `Debug.Health`. */
export interface Health {
  /** `ok`, `starting` or `stopping`. */
  readonly status: string;
}

/**
 * Answer of `Debug.Stats`. Times are in seconds, as Go Micro's are.
 *
 * A call counts by the status it ended with. One whose caller gave up (it canceled, left its stream, ran out of time, or
 * its connection broke) ended as `canceled`, whatever its handler did: that is an error, as in gRPC's channelz, and it
 * is told apart, as in OpenTelemetry, where it is nothing to worry about at a server.
 */
export interface Stats {
  /** Now, in s since the epoch. */
  readonly timestamp: number;
  /** Start of the process, in s since the epoch. */
  readonly started: number;
  /** Seconds since then. */
  readonly uptime: number;
  /** For how long the registry has been away, in s, a part of one being one; 0: it is there, for all the process knows. */
  readonly registryAway: number;
  /** Calls of the service. */
  readonly requests: number;
  /** Calls that ended with an error, those in `canceled` included. */
  readonly errors: number;
  /** Calls whose caller gave up before their end. */
  readonly canceled: number;
  /** Calls that are not over. */
  readonly inflight: number;
  /** The same by endpoint. */
  readonly endpoints: Readonly<Record<string, Counts>>;
}

/** What was counted of calls. */
type Counts = { requests: number; errors: number; canceled: number; inflight: number };

/** Answer of `Debug.Describe`. */
export interface Description {
  /** Name of the service. */
  readonly name: string;
  /** Its version. */
  readonly version: string;
  /** Id of the node that answers. */
  readonly node: string;
  /** What can be called. */
  readonly endpoints: readonly EndpointDescription[];
  /** What it listens for. */
  readonly subscriptions: readonly {
    readonly topic: string;
    readonly queue?: string;
    readonly event: Record<string, unknown>;
  }[];
}

/** One endpoint, as `Debug.Describe` tells it. */
export interface EndpointDescription {
  /** Its name. */
  readonly name: string;
  /** The member a typed client calls it by. */
  readonly member: string;
  /** Which side streams, where that is known. */
  readonly kind?: string;
  /** Whether it may be run twice. */
  readonly idempotent: boolean;
  /** For people. */
  readonly description?: string;
  /** JSON Schema (draft 2020-12) of the input; `{}` where there is none. */
  readonly input: Record<string, unknown>;
  /** JSON Schema of the output. */
  readonly output: Record<string, unknown>;
  /** Why a schema is `{}`. */
  readonly notes?: readonly string[];
}

/**
 * The `Debug` endpoints of a service. They are not in the record, and interceptors do not stand around them.
 */
export function* debugEntries(service: ServiceEntry, info: DebugInfo): Iterable<[string, TableEntry]> {
  const answers: Record<string, () => unknown> = {
    Health: (): Health => ({ status: info.health() }),
    Stats: () => stats(service, info),
    Describe: () => describe(service.definition, info.node),
  };
  for (const [member, answer] of Object.entries(answers)) {
    const name = `${RESERVED_HANDLER}.${member}`;
    yield [name, {
      definition: { name, member, kind: "unary", idempotent: true },
      service: service.definition,
      handle: answer,
      stats: newStats(),
    }];
  }
}

/** Whether an endpoint is one of those, which are neither counted nor refused when there are many calls. */
export function isDebug(endpoint: string): boolean {
  return endpoint.startsWith(`${RESERVED_HANDLER}.`);
}

function stats(service: ServiceEntry, info: DebugInfo): Stats {
  const endpoints: Record<string, Counts> = {};
  const total: Counts = { requests: 0, errors: 0, canceled: 0, inflight: 0 };
  for (const [name, entry] of service.endpoints) {
    if (isDebug(name)) continue;
    const { requests, errors, canceled, inflight } = entry.stats;
    endpoints[name] = { requests, errors, canceled, inflight };
    total.requests += requests;
    total.errors += errors;
    total.canceled += canceled;
    total.inflight += inflight;
  }
  const now = info.now();
  return {
    timestamp: Math.floor(now / 1000),
    started: Math.floor(info.started / 1000),
    uptime: Math.floor((now - info.started) / 1000),
    registryAway: Math.ceil(info.registryAway() / 1000),
    ...total,
    endpoints,
  };
}

function describe(definition: ServiceDefinition, node: string): Description {
  return {
    name: definition.name,
    version: definition.version,
    node,
    endpoints: definition.endpoints.map(describeEndpoint),
    subscriptions: definition.subscriptions.map((subscription) => ({
      topic: subscription.topic,
      ...(subscription.queue === undefined ? {} : { queue: subscription.queue }),
      event: jsonSchema(subscription.input, "input").schema,
    })),
  };
}

function describeEndpoint(endpoint: EndpointDefinition): EndpointDescription {
  const input = jsonSchema(endpoint.input, "input");
  const output = jsonSchema(endpoint.output, "output");
  const notes = [
    ...(input.note === undefined ? [] : [`input: ${input.note}`]),
    ...(output.note === undefined ? [] : [`output: ${output.note}`]),
  ];
  return {
    name: endpoint.name,
    member: endpoint.member,
    ...(endpoint.kind === undefined ? {} : { kind: endpoint.kind }),
    idempotent: endpoint.idempotent,
    ...(endpoint.description === undefined ? {} : { description: endpoint.description }),
    input: input.schema,
    output: output.schema,
    ...(notes.length === 0 ? {} : { notes }),
  };
}
