/**
 * The `memory` registry: for one process, and for tests that play several in one.
 *
 * @module
 */

import type { Clock, Timer } from "../clock.ts";
import { MuonError } from "../errors.ts";
import type { System } from "../platform.ts";
import { mergeRecords } from "../record_set.ts";
import type { ServiceRecord } from "../record.ts";
import { RecordHub } from "./hub.ts";
import { checkDeregistration, checkRegistration } from "./registration.ts";
import type { Registry, RegistryEvent, WatchOptions } from "./registry.ts";

/** The longest delay a {@link Clock} takes. */
const MAX_DELAY = 2 ** 31 - 1;

interface Entry {
  readonly record: ServiceRecord;
  readonly expires: number;
}

/**
 * What one or more memory registries hold. Registries that share one see each other's records, as processes that
 * share a backend do.
 *
 * @example
 * ```ts
 * const store = new MemoryRegistryStore(system.clock);
 * const here = createMemoryRegistry({ system, store });
 * const there = createMemoryRegistry({ system, store });
 * ```
 */
export class MemoryRegistryStore {
  readonly #clock: Clock;
  readonly #entries = new Map<string, Map<string, Entry>>();
  readonly #hubs = new Set<RecordHub>();
  /** The store's own view; each registry's hub is kept alike, and ends its watches alone. */
  readonly #view = new RecordHub();
  #timer: Timer | undefined;
  #due = Infinity;

  /**
   * A store without records.
   *
   * @param clock Whose time ends what is not renewed.
   */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Adds a view that is told of every change, until the result is disposed. While there is none, no timer runs. */
  attach(hub: RecordHub): Disposable {
    this.#sweep();
    this.#hubs.add(hub);
    hub.replace(this.#view.all());
    this.#schedule();
    return {
      [Symbol.dispose]: () => {
        this.#hubs.delete(hub);
        this.#schedule();
      },
    };
  }

  /** Adds or renews the record's nodes for `ttl` ms. */
  put(record: ServiceRecord, ttl: number): void {
    const key = keyOf(record);
    let nodes = this.#entries.get(key);
    if (nodes === undefined) this.#entries.set(key, nodes = new Map());
    const expires = this.#clock.now() + ttl;
    for (const node of record.nodes) nodes.set(node.id, { record: { ...record, nodes: [node] }, expires });
    this.#publish(record.name, record.version);
    if (expires < this.#due) this.#schedule();
  }

  /** Takes the record's nodes out. */
  remove(record: ServiceRecord): void {
    const key = keyOf(record);
    const nodes = this.#entries.get(key);
    if (nodes === undefined) return;
    for (const node of record.nodes) nodes.delete(node.id);
    if (nodes.size === 0) this.#entries.delete(key);
    this.#publish(record.name, record.version);
  }

  #publish(name: string, version: string): void {
    const nodes = this.#entries.get(keyOf({ name, version }));
    const [merged] = nodes === undefined ? [] : mergeRecords([...nodes.values()].map(({ record }) => record));
    this.#view.set(name, version, merged);
    for (const hub of this.#hubs) hub.set(name, version, merged);
  }

  #sweep(): void {
    const now = this.#clock.now();
    for (const [key, nodes] of this.#entries) {
      const expired = [...nodes.values()].filter(({ expires }) => expires <= now);
      if (expired.length === 0) continue;
      for (const { record } of expired) nodes.delete(record.nodes[0]!.id);
      if (nodes.size === 0) this.#entries.delete(key);
      const { name, version } = expired[0]!.record;
      this.#publish(name, version);
    }
  }

  #schedule(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#due = Infinity;
    if (this.#hubs.size === 0) return;
    for (const nodes of this.#entries.values()) {
      for (const { expires } of nodes.values()) this.#due = Math.min(this.#due, expires);
    }
    if (this.#due === Infinity) return;
    const delay = Math.min(MAX_DELAY, Math.max(0, this.#due - this.#clock.now()));
    this.#timer = this.#clock.after(delay, () => {
      this.#sweep();
      this.#schedule();
    });
  }
}

/** Options of {@link createMemoryRegistry}. */
export interface MemoryRegistryOptions {
  /** Time. */
  readonly system: Pick<System, "clock">;
  /** What it holds, to share it with other registries. @default {a store of its own} */
  readonly store?: MemoryRegistryStore;
}

/**
 * A registry that lives in this process. Disposing it ends its watches; what it registered stays in the store until
 * its time to live is over, as it would for a process that died.
 *
 * @example
 * ```ts
 * await using registry = createMemoryRegistry({ system });
 * await registry.register(record, { ttl: 60_000 });
 * await registry.getService("greeter");
 * ```
 */
export function createMemoryRegistry(options: MemoryRegistryOptions): Registry {
  return new MemoryRegistry(options.store ?? new MemoryRegistryStore(options.system.clock));
}

class MemoryRegistry implements Registry {
  readonly name = "memory";
  readonly #store: MemoryRegistryStore;
  readonly #hub = new RecordHub();
  readonly #attachment: Disposable;
  #closed = false;

  constructor(store: MemoryRegistryStore) {
    this.#store = store;
    this.#attachment = store.attach(this.#hub);
  }

  async register(service: ServiceRecord, { ttl }: { readonly ttl: number }): Promise<void> {
    this.#open("register");
    await undefined;
    this.#store.put(checkRegistration(service, ttl), ttl);
  }

  async deregister(service: ServiceRecord): Promise<void> {
    this.#open("deregister");
    await undefined;
    this.#store.remove(checkDeregistration(service));
  }

  async getService(
    name: string,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<ServiceRecord[]> {
    this.#open("getService");
    options.signal?.throwIfAborted();
    await undefined;
    return this.#hub.get(name);
  }

  async listServices(
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<{ readonly name: string; readonly version: string }[]> {
    this.#open("listServices");
    options.signal?.throwIfAborted();
    await undefined;
    return this.#hub.list();
  }

  watch(options: WatchOptions = {}): AsyncIterable<RegistryEvent> {
    return this.#hub.watch(options);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#attachment[Symbol.dispose]();
    this.#hub.close();
    return Promise.resolve();
  }

  #open(doing: string): void {
    if (!this.#closed) return;
    throw new MuonError("failed_precondition", `The memory registry is closed: ${doing} cannot be done`, {
      id: "muon.registry",
    });
  }
}

function keyOf({ name, version }: Pick<ServiceRecord, "name" | "version">): string {
  return JSON.stringify([name, version]);
}
