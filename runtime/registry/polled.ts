/**
 * A registry over a backend that can be read and written, and tells of changes late or not at all: it looks again.
 *
 * @module
 */

import type { Clock, Timer } from "../clock.ts";
import { MuonError } from "../errors.ts";
import { untilAborted } from "../eventual.ts";
import { type Logger, SILENT } from "../log.ts";
import { usableRecords } from "../usable_records.ts";
import { mergeRecords } from "../record_set.ts";
import type { ServiceRecord } from "../record.ts";
import { RecordHub } from "./hub.ts";
import { checkDeregistration, checkRegistration } from "./registration.ts";
import type { Registry, RegistryEvent, WatchOptions } from "./registry.ts";

/** How long changes that the backend tells of are gathered before it is read, in ms. */
const GATHER = 25;
/** Longest wait for a look at the backend that is under way when the registry is closed, in ms. */
const CLOSING = 1_000;

/** Where records are kept. What its methods throw, whoever asked the registry is thrown. */
export interface PolledBackend {
  /** Name of the registry. */
  readonly name: string;
  /**
   * The nodes that are alive, one a record; what cannot be used of them is left out, and logged once. Never called while
   * an earlier call is under way.
   */
  look(): Promise<readonly ServiceRecord[]>;
  /**
   * Whether the last look found a place that was made anew since the one before: what is missing there is not said to be
   * gone, the watches get a `sync`. @default {false}
   */
  readonly anew?: boolean;
  /** Writes the record's nodes, which live for `ttl` ms from now. */
  put(record: ServiceRecord, ttl: number): Promise<void>;
  /** Takes the record's nodes out. */
  remove(record: ServiceRecord): Promise<void>;
  /** Called when the first watch begins; `changed` may be called at each change from then on. */
  watched?(changed: () => void): void;
  /** Called when the last watch is over. */
  unwatched?(): void;
  /** Lets go of everything. */
  close?(): Promise<void>;
}

/** Options of {@link createPolledRegistry}. */
export interface PolledRegistryOptions {
  /** Time. */
  readonly clock: Clock;
  /** Time between two looks at the backend while it is watched, in ms. @default {1000} */
  readonly poll?: number | undefined;
  /** Told when a backend that is watched cannot be read, and when it can be again. @default {nobody} */
  readonly log?: Logger;
}

/**
 * A registry over a backend: it is read when it is asked, and while it is watched every `poll` ms and at each change
 * it tells of. A backend that cannot be read leaves the watches with what they know; a question fails.
 *
 * Disposing it ends its watches, closes the backend, and leaves what was registered to expire: deregister first.
 *
 * @throws {RangeError} If `poll` is not above 0 and finite.
 *
 * @example
 * ```ts
 * const registry = createPolledRegistry(backend, { clock: (await system()).clock });
 * ```
 */
export function createPolledRegistry(backend: PolledBackend, options: PolledRegistryOptions): Registry {
  return new PolledRegistry(backend, options);
}

class PolledRegistry implements Registry {
  readonly name: string;
  readonly #backend: PolledBackend;
  readonly #clock: Clock;
  readonly #poll: number;
  readonly #log: Logger;
  readonly #hub: RecordHub;
  readonly #ending = new AbortController();
  #closed: Promise<void> | undefined;
  #looking: Promise<void> | undefined;
  #lookNext: Promise<void> | undefined;
  #polling: Timer | undefined;
  #gathering: Timer | undefined;
  #watched = false;
  #failing = false;
  #awaySince: number | undefined;

  constructor(backend: PolledBackend, { clock, poll = 1_000, log = SILENT }: PolledRegistryOptions) {
    if (!(poll > 0 && Number.isFinite(poll))) {
      throw new RangeError(`Poll interval must be above 0 ms and finite: current value is ${poll}`);
    }
    this.name = backend.name;
    this.#backend = backend;
    this.#clock = clock;
    this.#poll = poll;
    this.#log = log;
    this.#hub = new RecordHub({ watched: () => this.#begin(), unwatched: () => this.#end() });
  }

  get away(): number {
    return this.#awaySince === undefined ? 0 : this.#clock.now() - this.#awaySince;
  }

  async register(service: ServiceRecord, { ttl }: { readonly ttl: number }): Promise<void> {
    this.#open("register");
    await this.#backend.put(checkRegistration(service, ttl), ttl);
    if (this.#watched) await this.#tick();
  }

  async deregister(service: ServiceRecord): Promise<void> {
    this.#open("deregister");
    await this.#backend.remove(checkDeregistration(service));
    if (this.#watched) await this.#tick();
  }

  async getService(
    name: string,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<ServiceRecord[]> {
    await this.#read("getService", options.signal);
    return this.#hub.get(name);
  }

  async listServices(
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<{ readonly name: string; readonly version: string }[]> {
    await this.#read("listServices", options.signal);
    return this.#hub.list();
  }

  watch(options: WatchOptions = {}): AsyncIterable<RegistryEvent> {
    return this.#hub.watch(options, () => this.#refresh());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#closed ??= this.#close();
  }

  async #close(): Promise<void> {
    this.#hub.close();
    this.#end();
    this.#ending.abort(this.#isClosed("a question"));
    // A backend that hangs is closed under its look, so that it can end it.
    const late = new AbortController();
    const timer = this.#clock.after(CLOSING, () => late.abort(), { background: false });
    await untilAborted(Promise.allSettled([this.#looking, this.#lookNext]), late.signal).catch(() => {
      this.#log.warn("registry is closed while it is read: no answer", {
        registry: this.name,
        within: `${CLOSING} ms`,
      });
    });
    timer.cancel();
    await this.#backend.close?.();
  }

  #open(doing: string): void {
    if (this.#closed !== undefined) throw this.#isClosed(doing);
  }

  #isClosed(doing: string): MuonError {
    return new MuonError(
      "failed_precondition",
      `The ${this.name} registry is closed: ${doing} cannot be done`,
      { id: "muon.registry" },
    );
  }

  async #read(doing: string, signal: AbortSignal | undefined): Promise<void> {
    this.#open(doing);
    signal?.throwIfAborted();
    const over = this.#ending.signal;
    await untilAborted(this.#refresh(), signal === undefined ? over : AbortSignal.any([signal, over]));
  }

  /** Reads the backend. A look that is under way may have passed what has changed since, so it is not enough. */
  #refresh(): Promise<void> {
    if (this.#looking === undefined) {
      return this.#looking = this.#look().finally(() => this.#looking = undefined);
    }
    return this.#lookNext ??= this.#looking.catch(() => {}).then(() => {
      this.#lookNext = undefined;
      return this.#refresh();
    });
  }

  async #look(): Promise<void> {
    try {
      const records = usableRecords(await this.#backend.look(), { from: this.#backend, log: this.#log });
      this.#hub.replace(mergeRecords(records), { anew: this.#backend.anew ?? false });
      this.#awaySince = undefined;
    } catch (error) {
      // Without a watch nobody looks again, and what is said here would never change.
      if (this.#watched) this.#awaySince ??= this.#clock.now();
      throw error;
    }
  }

  #begin(): void {
    this.#watched = true;
    this.#failing = false;
    this.#backend.watched?.(() => this.#gather());
    this.#schedule();
  }

  #end(): void {
    this.#watched = false;
    this.#awaySince = undefined;
    this.#polling?.cancel();
    this.#gathering?.cancel();
    this.#polling = this.#gathering = undefined;
    this.#backend.unwatched?.();
  }

  #schedule(): void {
    this.#polling?.cancel();
    this.#polling = this.#clock.after(this.#poll, () => {
      void this.#tick().then(() => {
        if (this.#watched) this.#schedule();
      });
    });
  }

  /** A look for the sake of the watches. */
  async #tick(): Promise<void> {
    try {
      await this.#refresh();
      if (this.#failing) this.#log.info("registry can be read again", { registry: this.name });
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) {
        this.#log.warn("registry cannot be read; known nodes are kept", { registry: this.name, error });
      }
      this.#failing = true;
    }
  }

  #gather(): void {
    if (!this.#watched || this.#gathering !== undefined) return;
    this.#gathering = this.#clock.after(GATHER, () => {
      this.#gathering = undefined;
      void this.#tick();
    });
  }
}
