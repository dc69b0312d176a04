/**
 * The one file that picks defaults: which runtime this is, and which implementation a name stands for.
 *
 * @module
 */

import type { Broker } from "./runtime/broker/broker.ts";
import { createHttpBroker } from "./runtime/broker/http/http.ts";
import { createMemoryBroker, MemoryBus } from "./runtime/broker/memory.ts";
import { cbor } from "./runtime/codec/cbor.ts";
import { Codecs } from "./runtime/codec/codecs.ts";
import { json } from "./runtime/codec/json.ts";
import { raw } from "./runtime/codec/raw.ts";
import { scan } from "./decorators/scan.ts";
import type { Clock } from "./runtime/clock.ts";
import { fetchOf } from "./runtime/fetch.ts";
import type { Protocol } from "./runtime/host.ts";
import { type Logger, machineLogger } from "./runtime/log.ts";
import type { System } from "./runtime/platform.ts";
import { LIMITS, type Limits } from "./runtime/policy.ts";
import { createFileRegistry } from "./runtime/registry/file/file.ts";
import type { KvStore } from "./runtime/kv_store.ts";
import { createKvRegistry } from "./runtime/registry/kv/kv.ts";
import { createMdnsRegistry } from "./runtime/registry/mdns/mdns.ts";
import { createMemoryRegistry, MemoryRegistryStore } from "./runtime/registry/memory.ts";
import type { Registry } from "./runtime/registry/registry.ts";
import { createLeastConn } from "./runtime/selector/leastconn.ts";
import { createRandom } from "./runtime/selector/random.ts";
import { createSelector } from "./runtime/selector/registry_selector.ts";
import { createRoundRobin } from "./runtime/selector/roundrobin.ts";
import type { Strategy } from "./runtime/selector/selector.ts";
import { ALWAYS_DONE } from "./runtime/selector/strategies.ts";
import type { Advertised, Assembler, Components } from "./runtime/service/components.ts";
import { didYouMean } from "./runtime/service/nearest.ts";
import type { MeshOptions } from "./runtime/service/options.ts";
import { Origins } from "./runtime/service/origins.ts";
import { CONTENT_TYPES, createHttpTransport } from "./runtime/transport/http/http.ts";
import { createMemoryTransport, MemoryNetwork } from "./runtime/transport/memory/memory.ts";
import { createMucpTransport } from "./runtime/transport/mucp/mucp.ts";
import type { Transport } from "./runtime/transport/transport.ts";
import { createWsTransport } from "./runtime/transport/ws/ws.ts";

/**
 * Chooses for `connect`, `createService` and `run`. Whatever is made here is made when it is first wanted: importing
 * muon opens nothing, starts nothing and listens nowhere.
 */
export const assembler: Assembler = {
  system,
  assemble,
  scan,
  defaults: { registry: "file", broker: "http", transport: "ws", selector: "random" },
  get names() {
    return {
      registry: Object.keys(REGISTRIES),
      broker: Object.keys(BROKERS),
      transport: Object.keys(TRANSPORTS),
      selector: Object.keys(STRATEGIES),
    };
  },
};

/** What services and meshes in memory share, so that those of one process find each other: one set a clock. */
interface Shared {
  readonly store: MemoryRegistryStore;
  readonly bus: MemoryBus;
  readonly network: MemoryNetwork;
}
const shared = new WeakMap<Clock, Shared>();

function sharedBy({ clock }: System): Shared {
  let found = shared.get(clock);
  if (found === undefined) {
    found = { store: new MemoryRegistryStore(clock), bus: new MemoryBus(), network: new MemoryNetwork() };
    shared.set(clock, found);
  }
  return found;
}

let loaded: Promise<System> | undefined;

/** The system of the runtime this is. */
function system(): Promise<System> {
  return loaded ??= load();
}

async function load(): Promise<System> {
  const runtime = globalThis as { Deno?: unknown; Bun?: unknown };
  if (runtime.Bun !== undefined) return (await import("./adapters/bun/mod.ts")).createSystem();
  if (runtime.Deno !== undefined) return (await import("./adapters/deno/mod.ts")).createSystem();
  return (await import("./adapters/node/mod.ts")).createSystem();
}

/** Deno KV as this runtime has it. */
async function openKv(address: string): Promise<KvStore> {
  return "Deno" in globalThis
    ? (await import("./adapters/deno/kv.ts")).openDenoKv(address)
    : (await import("./adapters/node/kv.ts")).openNpmKv(address);
}

interface Making {
  readonly options: MeshOptions;
  readonly system: System;
  readonly advertised: Advertised;
  readonly log: Logger;
  readonly limits: Limits;
  readonly origins: Origins;
}

interface MadeBroker {
  readonly broker: Broker;
  readonly protocol?: Protocol;
}

const REGISTRIES: Readonly<Record<string, (making: Making) => Registry>> = {
  file: ({ system, options, log }) =>
    createFileRegistry({
      system,
      log,
      ...(options.registryAddress === undefined ? {} : { directory: options.registryAddress }),
    }),
  kv: ({ system, options, log }) =>
    createKvRegistry({
      system,
      log,
      kv: openKv,
      ...(options.registryAddress === undefined ? {} : { address: options.registryAddress }),
    }),
  mdns: ({ system, options, log, origins }) => {
    if (options.registryAddress !== undefined) {
      throw origins.wrong(
        ["registryAddress"],
        `The registry "mdns" has no address, it asks all on the link: current value of ` +
          `${origins.nameOf("registryAddress")} is ${JSON.stringify(options.registryAddress)}`,
      );
    }
    return createMdnsRegistry({ system, log });
  },
  memory: ({ system }) => createMemoryRegistry({ system, store: sharedBy(system).store }),
};

const BROKERS: Readonly<Record<string, (making: Making, registry: Registry) => MadeBroker>> = {
  http: ({ system, log, limits, advertised, options }, registry) => {
    const broker = createHttpBroker({
      fetch: fetchOf(system.platform, options.tls),
      system,
      registry,
      log,
      address: () => advertised.address(),
      secure: advertised.secure,
      maxMessage: limits.maxMessage,
    });
    return { broker, protocol: broker.protocol };
  },
  memory: ({ system, log }) => ({
    broker: createMemoryBroker({ system, log, bus: sharedBy(system).bus }),
  }),
};

/** The transports that share a service's port, in the order in which callers prefer them. */
const ON_THE_PORT: readonly string[] = ["ws", "http", "mucp"];

const TRANSPORTS: Readonly<Record<string, (making: Making) => Transport>> = {
  http: ({ system, limits, options: { tls, codecs = [] } }) =>
    createHttpTransport({
      system,
      limits,
      tls,
      contentTypes: [...CONTENT_TYPES, ...codecs.map(({ contentType }) => contentType)],
    }),
  mucp: ({ system, limits, options: { tls } }) =>
    createMucpTransport({ system, limits, fetch: fetchOf(system.platform, tls) }),
  ws: ({ system, limits, options }) => createWsTransport({ system, limits, tls: options.tls }),
  memory: ({ system, limits }) =>
    createMemoryTransport({ system, limits, network: sharedBy(system).network }),
};

const STRATEGIES: Readonly<Record<string, (making: Making) => Strategy>> = {
  random: ({ system }) => createRandom(system.random),
  roundrobin: ({ system }) => createRoundRobin(system.random),
  leastconn: ({ system }) => createLeastConn(system.random),
};

function assemble(
  options: MeshOptions,
  context: { readonly system: System; readonly advertised: Advertised; readonly origins?: Origins },
): Components {
  const { system, origins = new Origins() } = context;
  const { defaults } = assembler;
  const log = options.log ??
    machineLogger(system, { level: options.logLevel, format: options.logFormat });
  const limits = { ...LIMITS, ...options.limits };
  const making: Making = { ...context, options, log, limits, origins };
  refuseAddress("broker", options.broker ?? defaults.broker, making);
  refuseAddress("transport", options.transport ?? defaults.transport, making);
  const owned: AsyncDisposable[] = [];

  const registry = choose("registry", options.registry ?? defaults.registry, REGISTRIES, making);
  const strategy = choose("selector", options.selector ?? defaults.selector, STRATEGIES, making);
  const selector = createSelector({
    system,
    registry,
    strategy,
    log,
    filters: options.filters ?? [],
    weights: options.weights ?? [],
    ...(options.ejection === undefined ? {} : { ejection: options.ejection }),
  });
  const transports = transportsOf(options.transport ?? defaults.transport, making);

  const chosen = options.broker ?? defaults.broker;
  let broker: MadeBroker;
  if (typeof chosen === "string") {
    broker = named("broker", chosen, BROKERS)(making, registry);
    owned.push(broker.broker);
  } else {
    broker = { broker: chosen };
  }
  owned.push(selector);
  if (typeof (options.registry ?? defaults.registry) === "string") owned.push(registry);

  return {
    system,
    log,
    registry,
    selector,
    transports,
    broker: broker.broker,
    brokerProtocol: broker.protocol,
    codecs: new Codecs([
      cbor({ maxDepth: limits.maxDepth }),
      json({ maxDepth: limits.maxDepth }),
      raw(),
      // No schemas: whoever has them reads and writes the bytes.
      raw("application/protobuf"),
      ...options.codecs ?? [],
    ]),
    owned,
  };
}

/** None of muon's brokers and transports has a place of its own: an address that goes nowhere is a mistake. */
function refuseAddress(
  what: "broker" | "transport",
  choice: string | { readonly name: string },
  { options, origins }: Making,
): void {
  const setting = `${what}Address` as const;
  const address = options[setting];
  if (address === undefined) return;
  const name = typeof choice === "string" ? choice : choice.name;
  throw origins.wrong(
    [setting],
    `The ${what} "${name}" has no address to be set: current value of ${origins.nameOf(setting)} is ${
      JSON.stringify(address)
    }`,
  );
}

/** The transport that was chosen; if it shares the port, the others that do are served and spoken beside it. */
function transportsOf(choice: string | Transport, making: Making): readonly Transport[] {
  const chosen = choose("transport", choice, TRANSPORTS, making);
  if (typeof choice !== "string" || !ON_THE_PORT.includes(choice)) return [chosen];
  const others = ON_THE_PORT.filter((name) => name !== choice);
  return [chosen, ...others.map((name) => TRANSPORTS[name]!(making))];
}

function choose<T extends object>(
  what: string,
  choice: string | T,
  makers: Readonly<Record<string, (making: Making) => T>>,
  making: Making,
): T {
  return typeof choice === "string" ? named(what, choice, makers)(making) : choice;
}

function named<M>(what: string, name: string, makers: Readonly<Record<string, M>>): M {
  if (Object.hasOwn(makers, name)) return makers[name]!;
  const names = Object.keys(makers);
  const always = what === "selector" && Object.hasOwn(ALWAYS_DONE, name) ? `: ${ALWAYS_DONE[name]}` : "";
  throw new TypeError(
    `Unknown ${what} "${name}"${always} (--${what}, MICRO_${what.toUpperCase()} or the option ${what}); there is ${
      names.join(", ")
    }${didYouMean(name, names)}`,
  );
}
