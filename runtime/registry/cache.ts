/**
 * A cache over any registry: one watch answers every question, while the registry is away too.
 *
 * @module
 */

import { MuonError, textOf } from "../errors.ts";
import { untilAborted } from "../eventual.ts";
import { type Logger, SILENT } from "../log.ts";
import type { System } from "../platform.ts";
import { RecordWatch } from "../record_watch.ts";
import type { ServiceRecord } from "../record.ts";
import { RecordHub } from "./hub.ts";
import type { Registry, RegistryEvent, WatchOptions } from "./registry.ts";

/** Options of {@link createCachedRegistry}. */
export interface CachedRegistryOptions {
  /** Who knows. It stays the caller's: the cache does not dispose it. */
  readonly registry: Registry;
  /** Time and chance. */
  readonly system: Pick<System, "clock" | "random">;
  /** Told when the registry goes away and comes back. @default {nobody} */
  readonly log?: Logger;
}

/** A registry that answers from memory. */
export interface CachedRegistry extends Registry {
  /** For how long the registry beneath has been away, in ms, and answers have thus been as old; 0: it is there. */
  readonly away: number;
}

/**
 * A registry that watches another one once, from the first question on, and answers all questions and watches from
 * what that watch said. While the registry is away, answers are what was known last, and the watch is begun anew ever
 * more slowly, with jitter; a service that is missing when the registry comes back stays for 30 s, as long as its nodes
 * need to register anew. Until the registry has answered once, questions wait for it, and fail if it is away.
 *
 * Registering and deregistering go to the registry itself. A cache holds the whole mesh: where a process calls a few
 * services, its selector, which keeps those alone in the same way, is enough.
 *
 * @example
 * ```ts
 * await using cache = createCachedRegistry({ registry, system });
 * await cache.getService("greeter"); // asks the registry
 * await cache.getService("users"); // does not
 * ```
 */
export function createCachedRegistry(options: CachedRegistryOptions): CachedRegistry {
  return new Cache(options);
}

class Cache implements CachedRegistry {
  readonly name: string;
  readonly #options: CachedRegistryOptions;
  readonly #hub = new RecordHub();
  #watch: RecordWatch | undefined;
  /** Resolves when the registry has answered; `undefined`: it has not been asked, or was away. */
  #first: Promise<void> | undefined;
  #closed = false;

  constructor(options: CachedRegistryOptions) {
    this.name = options.registry.name;
    this.#options = options;
  }

  get away(): number {
    return this.#watch?.away ?? 0;
  }

  async register(service: ServiceRecord, options: { readonly ttl: number }): Promise<void> {
    this.#open("register");
    await this.#options.registry.register(service, options);
  }

  async deregister(service: ServiceRecord): Promise<void> {
    this.#open("deregister");
    await this.#options.registry.deregister(service);
  }

  async getService(
    name: string,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<ServiceRecord[]> {
    await this.#ready("getService", options.signal);
    return this.#hub.get(name);
  }

  async listServices(
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<{ readonly name: string; readonly version: string }[]> {
    await this.#ready("listServices", options.signal);
    return this.#hub.list();
  }

  watch(options: WatchOptions = {}): AsyncIterable<RegistryEvent> {
    return this.#hub.watch(options, () => this.#begin());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#hub.close();
    await this.#watch?.[Symbol.asyncDispose]();
  }

  async #ready(doing: string, signal: AbortSignal | undefined): Promise<void> {
    this.#open(doing);
    signal?.throwIfAborted();
    const begun = this.#begin();
    await untilAborted(begun, signal);
  }

  /** Begins the watch, unless there is one; resolves when it has said how things are. */
  #begin(): Promise<void> {
    if (this.#first !== undefined) return this.#first;
    const { registry, system: { clock, random }, log = SILENT } = this.#options;
    this.#watch = new RecordWatch({
      registry,
      clock,
      random,
      log,
      changed: (name, records) => this.#changed(name, records),
    });
    return this.#first = this.#watch.first.catch((why) => {
      // Whoever asks next may find the registry there.
      this.#first = undefined;
      throw this.#lost(why);
    });
  }

  #changed(name: string, records: readonly ServiceRecord[]): void {
    const versions = new Set(records.map(({ version }) => version));
    for (const { version } of this.#hub.get(name)) {
      if (!versions.has(version)) this.#hub.set(name, version, undefined);
    }
    for (const record of records) this.#hub.set(name, record.version, record);
  }

  #open(doing: string): void {
    if (this.#closed) throw closed(this.name, doing);
  }

  #lost(why: unknown): MuonError {
    if (this.#closed) return closed(this.name, "a question");
    if (why instanceof MuonError) return why;
    const message = why === undefined ? "its watch ended" : why instanceof Error ? why.message : textOf(why);
    return new MuonError("unavailable", `The ${this.name} registry is away: ${message}`, {
      id: "muon.registry",
      cause: why,
    });
  }
}

function closed(name: string, doing: string): MuonError {
  return new MuonError(
    "failed_precondition",
    `The cache of the ${name} registry is closed: ${doing} cannot be done`,
    {
      id: "muon.registry",
    },
  );
}
