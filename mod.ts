/**
 * muon: typed distributed services for Deno, Bun and Node.
 *
 * ```ts
 * import { type Context, Method, run, Service } from "@muon/muon";
 * import { z } from "zod";
 *
 * const HelloRequest = z.object({ name: z.string() });
 * const HelloReply = z.object({ greeting: z.string() });
 *
 * @Service("greeter", { version: "1.0.0" })
 * export class Greeter {
 *   @Method({ input: HelloRequest, output: HelloReply, idempotent: true })
 *   hello({ name }: z.infer<typeof HelloRequest>, _ctx: Context) {
 *     return { greeting: `Hello ${name}` };
 *   }
 * }
 *
 * if (import.meta.main) await run(Greeter);
 * ```
 *
 * @module
 */

import { Service as serviceDecorator } from "./decorators/service.ts";
import type { Runnable } from "./decorators/types.ts";
import { assembler } from "./preset.ts";
import type { System } from "./runtime/platform.ts";
import { connectMesh, type Mesh } from "./runtime/service/mesh.ts";
import type { MeshOptions, ServiceOptions } from "./runtime/service/options.ts";
import type { OwnFlags } from "./runtime/service/own_flags.ts";
import type { Service as ServiceInterface } from "./runtime/service/service.ts";
import { ServiceCore } from "./runtime/service/service_core.ts";

/**
 * Connects a process that only calls and publishes. It reads the environment (`MICRO_REGISTRY` …), not the command
 * line. Dispose the mesh to close its links.
 *
 * @param options What code chooses; the environment beats it.
 * @throws {TypeError} If an option or an implementation's name is unknown, the message lists those there are; or if a
 * part that is given lacks a method.
 *
 * @example
 * ```ts
 * await using mesh = await connect();
 * const greeter = mesh.client<Greeter>("greeter");
 * console.log((await greeter.hello({ name: "John" })).greeting);
 * ```
 */
export function connect(options: MeshOptions = {}): Promise<Mesh> {
  return connectMesh(assembler, options);
}

/**
 * Makes a service, to be given handlers and started.
 *
 * @param options What code chooses; the environment beats it, and with `run` the command line beats both.
 * @throws {TypeError} If an option is unknown, or a part that is given lacks a method.
 *
 * @example
 * ```ts
 * const service = createService({ registry: "memory" }).handle(Greeter);
 * await service.start();
 * await service.stop();
 * ```
 */
export function createService<const F extends OwnFlags = Record<never, never>>(
  options: ServiceOptions<F> = {},
): Service {
  return new ServiceCore(assembler, options);
}

/**
 * Runs services until SIGINT or SIGTERM: reads the command line, listens, registers, says so on stderr. On the first
 * signal it deregisters and lets what is under way finish; on the second it ends at once.
 *
 * @param services Decorated classes, or instances of them.
 *
 * @example
 * ```ts
 * if (import.meta.main) await run(Greeter);
 * ```
 */
export async function run<const T extends readonly unknown[]>(
  ...services: { [K in keyof T]: Runnable<T[K]> }
): Promise<void> {
  const service = new ServiceCore(assembler, {});
  for (const target of services) service.handle(target as object);
  await service.run();
}

/**
 * Time, chance and the machine as this runtime has them: what implementations of one's own are made with.
 *
 * @example
 * ```ts
 * const cache = createCachedRegistry({ registry, system: await system() });
 * ```
 */
export function system(): Promise<System> {
  return assembler.system();
}

/**
 * Makes a class a service.
 *
 * @example
 * ```ts
 * @Service("greeter", { version: "1.0.0" })
 * class Greeter {}
 * ```
 */
export const Service: typeof serviceDecorator = serviceDecorator;
/** A service that {@link createService} made. */
export type Service = ServiceInterface;

export { Method } from "./decorators/method.ts";
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
export type {
  EndpointDefinition,
  Kind,
  ServiceDefinition,
  SubscriptionDefinition,
} from "./runtime/definition.ts";
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
export type { Mesh } from "./runtime/service/mesh.ts";
export type { Hook, MeshOptions, MeshTls, ServiceOptions, ServiceTls } from "./runtime/service/options.ts";
export type { ActionContext, OwnFlag, OwnFlags, OwnFlagValues } from "./runtime/service/own_flags.ts";
export type { App, FetchApp, RouteEnv, Routes } from "./runtime/service/routes.ts";
export type { SubscribeToOptions } from "./runtime/service/service.ts";
export type { AnySchema, StandardSchemaV1 } from "./runtime/schema.ts";
export type { Description, EndpointDescription, Health, Stats } from "./runtime/server/debug.ts";
export {
  CALL_POLICY,
  type CallPolicy,
  fixedPolicy,
  LIMITS,
  type Limits,
  type PolicyProvider,
} from "./runtime/policy.ts";
export {
  jsonLogger,
  lineLogger,
  type LogFields,
  type LogFormat,
  type Logger,
  type LoggerOptions,
  type LogLevel,
  redactFields,
  SILENT,
} from "./runtime/log.ts";
export { type LogTapeLogger, logTapeLogger } from "./runtime/log_tape.ts";

// Which node serves a call.
export { byAddress, byEndpoint, byLabel, byVersion } from "./runtime/selector/filters.ts";
export { byLabelWeight, byOwnWeight } from "./runtime/selector/weights.ts";
export { formatDecision } from "./runtime/selector/decision.ts";
export type { Decision } from "./runtime/selector/selector.ts";

// For those who bring an implementation of their own, or test one.
export type {
  Broker,
  BrokerAbilities,
  DeadLetter,
  DeadLetters,
  Delivery,
  Message,
  SubscribeOptions,
  Subscription,
  Verdict,
} from "./runtime/broker/broker.ts";
export type { Codec, Marshal, TypeInfo } from "./runtime/codec/codec.ts";
export type {
  Candidate,
  Filter,
  Outcome,
  Pick,
  PickContext,
  Selector,
  Strategy,
  Weight,
} from "./runtime/selector/selector.ts";
export type { Registry, RegistryEvent, WatchOptions } from "./runtime/registry/registry.ts";
export {
  type CachedRegistry,
  type CachedRegistryOptions,
  createCachedRegistry,
} from "./runtime/registry/cache.ts";
export { createFileRegistry, type FileRegistryOptions } from "./runtime/registry/file/file.ts";
export { createKvRegistry, type KvRegistryOptions } from "./runtime/registry/kv/kv.ts";
export { createMdnsRegistry, type MdnsRegistryOptions } from "./runtime/registry/mdns/mdns.ts";
export {
  createMemoryRegistry,
  type MemoryRegistryOptions,
  MemoryRegistryStore,
} from "./runtime/registry/memory.ts";
export type { KvEntry, KvKey, KvStore } from "./runtime/kv_store.ts";
export {
  createPolledRegistry,
  type PolledBackend,
  type PolledRegistryOptions,
} from "./runtime/registry/polled.ts";
export { EJECTION, type EjectionPolicy } from "./runtime/selector/ejection.ts";
export { createSelector, type SelectorOptions } from "./runtime/selector/registry_selector.ts";
export { createLeastConn } from "./runtime/selector/leastconn.ts";
export { createRandom } from "./runtime/selector/random.ts";
export { createRoundRobin } from "./runtime/selector/roundrobin.ts";
export {
  createHttpTransport,
  type HttpOptions as HttpTransportOptions,
} from "./runtime/transport/http/http.ts";
export {
  createMemoryTransport,
  MemoryNetwork,
  type MemoryOptions as MemoryTransportOptions,
} from "./runtime/transport/memory/memory.ts";
export {
  createMucpTransport,
  type MucpOptions as MucpTransportOptions,
} from "./runtime/transport/mucp/mucp.ts";
export { createWsTransport, type WsOptions as WsTransportOptions } from "./runtime/transport/ws/ws.ts";
export { createHttpBroker, type HttpBroker, type HttpBrokerOptions } from "./runtime/broker/http/http.ts";
export {
  createMemoryBroker,
  type MemoryBroker,
  type MemoryBrokerOptions,
  MemoryBus,
} from "./runtime/broker/memory.ts";
export {
  type EndpointRecord,
  type Node,
  parseRecord,
  type ServiceRecord,
  type ValueRecord,
} from "./runtime/record.ts";
export { mergeRecords } from "./runtime/record_set.ts";
export { checkDeregistration, checkRegistration } from "./runtime/registry/registration.ts";
export type {
  Accept,
  CallHandle,
  CallHead,
  DialOptions,
  Exchange,
  Incoming,
  Link,
  Listener,
  ListenOptions,
  ReplySink,
  ServedProtocol,
  Transport,
} from "./runtime/transport/transport.ts";
export type {
  ByteStream,
  Host,
  HostOptions,
  MessageSocket,
  MessageSocketEvents,
  Peer,
  Protocol,
  RequestHead,
  TlsOptions,
} from "./runtime/host.ts";
export { type Clock, sleep, type Timer } from "./runtime/clock.ts";
export type { Platform, System } from "./runtime/platform.ts";
