/**
 * muon on the edge: services as an object with `fetch`, without `node:*` and `ws`, for Cloudflare Workers, Deno Deploy
 * and whatever else takes one.
 *
 * ```ts
 * import { edge, Method, Service } from "@muon/muon/edge";
 * import { z } from "zod";
 *
 * @Service("greeter", { version: "1.0.0" })
 * class Greeter {
 *   @Method({ input: z.object({ name: z.string() }), output: z.object({ greeting: z.string() }) })
 *   hello({ name }: { name: string }) {
 *     return { greeting: `Hello ${name}` };
 *   }
 * }
 *
 * export default edge(Greeter);
 * ```
 *
 * @module
 */

import { createSystem } from "./adapters/workers/mod.ts";
import { environmentOf, headOf, peerOf, waitUntilOf } from "./adapters/workers/request.ts";
import { scan } from "./decorators/scan.ts";
import type { Runnable } from "./decorators/types.ts";
import { createHttpBroker } from "./runtime/broker/http/http.ts";
import { cbor } from "./runtime/codec/cbor.ts";
import { Codecs } from "./runtime/codec/codecs.ts";
import { json } from "./runtime/codec/json.ts";
import { raw } from "./runtime/codec/raw.ts";
import { MuonError } from "./runtime/errors.ts";
import { lineLogger } from "./runtime/log.ts";
import type { System } from "./runtime/platform.ts";
import { LIMITS } from "./runtime/policy.ts";
import { createMemoryRegistry, MemoryRegistryStore } from "./runtime/registry/memory.ts";
import { createSelector } from "./runtime/selector/registry_selector.ts";
import type { Selector } from "./runtime/selector/selector.ts";
import type { Components } from "./runtime/service/components.ts";
import { type EdgeAssembler, EdgeCore, type EdgeOptions, type EdgeParts } from "./runtime/service/edge.ts";
import { CONTENT_TYPES, createHttpTransport } from "./runtime/transport/http/http.ts";

export type { EdgeOptions } from "./runtime/service/edge.ts";
export { Method } from "./decorators/method.ts";
export { Service } from "./decorators/service.ts";
export { Subscribe } from "./decorators/subscribe.ts";
export { topic } from "./decorators/topic.ts";
export { definitionOf } from "./decorators/scan.ts";
export type {
  CallOptions,
  Client,
  PublishOptions,
  Receipt,
  Stream,
  StreamCall,
  UnaryCall,
  UntypedCall,
} from "./runtime/call.ts";
export { type Caller, type Context, type Topic, type ValueKey, valueKey, Values } from "./runtime/context.ts";
export type { ServiceDefinition } from "./runtime/definition.ts";
export {
  type Attempt,
  type ErrorDetail,
  MuonError,
  type MuonErrorOptions,
  type Status,
  type Where,
} from "./runtime/errors.ts";
export type { Handler, Interceptor, Invocation } from "./runtime/interceptor.ts";
export { Metadata, type MetadataInit } from "./runtime/metadata.ts";
export { byAddress, byEndpoint, byLabel, byVersion } from "./runtime/selector/filters.ts";
export { byLabelWeight, byOwnWeight } from "./runtime/selector/weights.ts";
export { formatDecision } from "./runtime/selector/decision.ts";
export type {
  Candidate,
  Decision,
  Filter,
  PickContext,
  Strategy,
  Weight,
} from "./runtime/selector/selector.ts";

// For those who bring an implementation of their own.
export type { Codec, Marshal, TypeInfo } from "./runtime/codec/codec.ts";
export type { Registry, RegistryEvent, WatchOptions } from "./runtime/registry/registry.ts";
export {
  createPolledRegistry,
  type PolledBackend,
  type PolledRegistryOptions,
} from "./runtime/registry/polled.ts";
export type { EndpointRecord, Node, ServiceRecord } from "./runtime/record.ts";
export type { Logger } from "./runtime/log.ts";
export { type Clock, sleep, type Timer } from "./runtime/clock.ts";
export type { System } from "./runtime/platform.ts";

/** Services on the edge: what a runtime expects of a module's default export. */
export interface Edge {
  /**
   * Answers a request. What the runtime hands over beside it may follow as it is: `Deno.serve(edge(Greeter).fetch)`,
   * `Bun.serve(edge(Greeter))`.
   *
   * @param beside Deno's `info`, Bun's `server`, workerd's `env`.
   * @param context workerd's `ctx`.
   */
  fetch(request: Request, beside?: unknown, context?: unknown): Promise<Response>;
  /** Registers anew: for a cron trigger, so that a service that nobody has called for long can still be found. */
  scheduled(event?: unknown, environment?: unknown, context?: unknown): Promise<void>;
}

/** Options, or what makes them of the environment, which workerd gives with the first request. */
export type EdgeSettings = EdgeOptions | ((environment: Readonly<Record<string, unknown>>) => EdgeOptions);

/**
 * Serves decorated classes, or instances of them, by Connect's form of HTTP: `POST /greeter.Greeter/Hello`.
 *
 * @param services One, or a list.
 * @param settings Options.
 * @throws {TypeError} If one is no service; what the options lack is told at the first request.
 *
 * @example
 * ```ts
 * export default edge(Greeter, (env) => ({ registry: myRegistry(env.REGISTRY_URL), advertise: "https://greet.example" }));
 * ```
 */
export function edge<const T extends readonly unknown[]>(
  services: { [K in keyof T]: Runnable<T[K]> },
  settings?: EdgeSettings,
): Edge;
/** As above, for one service. */
export function edge<T>(service: Runnable<T>, settings?: EdgeSettings): Edge;
export function edge(services: object | readonly object[], settings: EdgeSettings = {}): Edge {
  const scanned = (Array.isArray(services) ? services : [services]).map((service) => scan(service));
  // At the first request: before it workerd has neither environment nor random bytes.
  let core: EdgeCore | undefined;
  const at = (environment: Readonly<Record<string, unknown>>) =>
    core ??= new EdgeCore(assembler, {
      services: scanned,
      options: typeof settings === "function" ? settings(environment) : settings,
    });
  return {
    async fetch(request, beside, context) {
      return await at(environmentOf(beside, context)).answer({
        request,
        head: headOf(request),
        peer: peerOf(request, beside, context),
        waitUntil: waitUntilOf(context),
      });
    },
    async scheduled(_event, environment, context) {
      await at(environmentOf(environment, context)).register();
    },
  };
}

/**
 * Time and chance as the edge has them: what implementations of one's own are made with.
 *
 * @example
 * ```ts
 * export default edge(Greeter, (env) => ({ registry: myRegistry(env.REGISTRY_URL, system()) }));
 * ```
 */
export function system(): System {
  return createSystem();
}

const assembler: EdgeAssembler = { parts, assemble, scan };

function parts(options: EdgeOptions): EdgeParts {
  const system = options.system ?? createSystem();
  const limits = { ...LIMITS, ...options.limits };
  const { maxDepth } = limits;
  const { codecs = [], origins = [] } = options;
  const contentTypes = [...CONTENT_TYPES, ...codecs.map(({ contentType }) => contentType)];
  return {
    system,
    log: options.log ?? lineLogger((line) => system.platform.writeError(line)),
    transports: [createHttpTransport({ system, limits, origins, contentTypes })],
    codecs: new Codecs([cbor({ maxDepth }), json({ maxDepth }), raw(), ...codecs]),
  };
}

function assemble(options: EdgeOptions, { system, log, codecs, transports }: EdgeParts): Components {
  const limits = { ...LIMITS, ...options.limits };
  const owned: AsyncDisposable[] = [];
  const registry = options.registry ??
    createMemoryRegistry({ system, store: new MemoryRegistryStore(system.clock) });
  const broker = options.broker ??
    createHttpBroker({ system, registry, log, maxMessage: limits.maxMessage });
  const selector = options.registry === undefined ? NOBODY_KNOWN : createSelector({
    system,
    registry,
    log,
    strategy: options.selector ?? "random",
    filters: options.filters ?? [],
  });
  if (options.broker === undefined) owned.push(broker);
  owned.push(selector);
  if (options.registry === undefined) owned.push(registry);
  return {
    system,
    log,
    registry,
    selector,
    transports,
    broker,
    codecs,
    owned,
  };
}

/** Where no registry is given: nobody can be looked up. */
const NOBODY_KNOWN: Selector = {
  name: "none",
  away: 0,
  ready: () => undefined,
  pick({ service, endpoint }) {
    throw new MuonError(
      "failed_precondition",
      `Service "${service}" cannot be looked up: edge was given no registry. Give it the option "registry", or the ` +
        `call the option "address"`,
      { id: "muon.selector", where: { service, endpoint }, notRun: true },
    );
  },
  candidates: () => [],
  [Symbol.asyncDispose]: () => Promise.resolve(),
};
