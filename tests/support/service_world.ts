/**
 * Services on a machine in memory, for the tests of their life.
 *
 * @module
 */

import assert from "node:assert/strict";
import { createService, type Service, type ServiceDefinition, type ServiceOptions } from "../../mod.ts";
import { jsonLogger } from "../../runtime/log.ts";
import { createMemoryRegistry, MemoryRegistryStore } from "../../runtime/registry/memory.ts";
import type { Registry } from "../../runtime/registry/registry.ts";
import { VirtualClock } from "../../runtime/virtual_clock.ts";
import {
  createVirtualSystem,
  type VirtualSystem,
  type VirtualSystemOptions,
} from "../../runtime/virtual_platform.ts";

/** Where its services listen. */
export const ADDRESS: string = "127.0.0.1:8080";

/** A service of two endpoints: one answers, one hangs until it is released. */
export const definition: ServiceDefinition = {
  name: "greeter",
  version: "1.0.0",
  handler: "Greeter",
  metadata: {},
  forward: [],
  endpoints: [
    { name: "Greeter.Hello", member: "hello", idempotent: true, kind: "unary" },
    { name: "Greeter.Hang", member: "hang", idempotent: false, kind: "unary" },
  ],
  subscriptions: [],
};

/** A machine in memory, and what a service there needs. */
export interface World {
  /** Its time. */
  readonly clock: VirtualClock;
  /** The machine. */
  readonly system: VirtualSystem;
  /** Where its services are registered. */
  readonly registry: Registry;
  /** What was logged. */
  readonly lines: Record<string, unknown>[];
  /** For a service. */
  readonly options: ServiceOptions;
  /** Whether something listens. */
  listens(): Promise<boolean>;
  /** Asks whatever listens. */
  get(path: string): Promise<{ status: number; body: string }>;
}

/** Makes a machine. */
export function world(machine: VirtualSystemOptions = {}, options: ServiceOptions = {}): World {
  const clock = new VirtualClock();
  const system = createVirtualSystem({ clock, ...machine });
  const { network } = system.platform;
  const registry = createMemoryRegistry({ system, store: new MemoryRegistryStore(clock) });
  const lines: Record<string, unknown>[] = [];
  const get = async (path: string) => {
    const response = await network.fetch(`http://${ADDRESS}${path}`);
    return { status: response.status, body: await response.text() };
  };
  return {
    clock,
    system,
    registry,
    lines,
    listens: () => get("/healthz").then(() => true, () => false),
    get,
    options: {
      system,
      registry,
      broker: "memory",
      address: ADDRESS,
      log: jsonLogger((line) => lines.push(JSON.parse(line)), { level: "debug" }),
      ...options,
    },
  };
}

/** Makes a service on it, which has not started. */
export function service(
  made: World,
  options: ServiceOptions = {},
): { readonly service: Service; release(): void; readonly entered: Promise<void> } {
  const hanging = Promise.withResolvers<void>();
  const entered = Promise.withResolvers<void>();
  const one = createService({ ...made.options, ...options }).handle(definition, {
    hello: () => "hi",
    hang: () => {
      entered.resolve();
      return hanging.promise;
    },
  });
  return { service: one, release: () => hanging.resolve(), entered: entered.promise };
}

/** Waits for something, turning the clock on. */
export async function within<T>(clock: VirtualClock, work: Promise<T>, ms = 60_000): Promise<T> {
  let over = false;
  const settled = work.finally(() => over = true);
  settled.catch(() => {});
  for (let at = 0; at < ms && !over; at += 100) await clock.advance(100);
  assert.ok(over, `it is done within ${ms} ms`);
  return settled;
}

/** A registry that does some things in another way. */
export function registryThat(real: Registry, over: Partial<Registry>): Registry {
  return {
    name: "odd",
    register: (record, options) => real.register(record, options),
    deregister: (record) => real.deregister(record),
    getService: (name, options) => real.getService(name, options),
    listServices: (options) => real.listServices(options),
    watch: (options) => real.watch(options),
    [Symbol.asyncDispose]: () => Promise.resolve(),
    ...over,
  };
}
