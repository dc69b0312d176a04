/**
 * What registries have in common: the records they know now, and the watches that are told of changes.
 *
 * @module
 */

import { MuonError } from "../errors.ts";
import { PushIterator } from "../push_iterator.ts";
import { applyChange, compare, diffRecord } from "../record_set.ts";
import type { ServiceRecord } from "../record.ts";
import type { RegistryEvent, WatchOptions } from "./registry.ts";

interface Watcher {
  readonly service: string | undefined;
  readonly events: PushIterator<RegistryEvent>;
  ready: boolean;
}

/** Options of {@link RecordHub}. */
export interface RecordHubOptions {
  /** Events that may wait for one watch; one more, and a `sync` takes their place. @default {1024} */
  readonly limit?: number;
  /** Called when the first watch begins. */
  readonly watched?: () => void;
  /** Called when the last watch is over. */
  readonly unwatched?: () => void;
}

/**
 * The records a registry knows now, one a service and version, and the watches on them. It turns each new state into
 * the events that lead there, so an implementation only ever says how things are.
 *
 * A watch that is read too slowly loses no change: what waits for it is replaced by one `sync`.
 *
 * @example
 * ```ts
 * const hub = new RecordHub();
 * const events = hub.watch({ service: "greeter" });
 * hub.set("greeter", "1.0.0", record); // the watch gets `create`, after its first `sync`
 * ```
 */
export class RecordHub {
  readonly #services = new Map<string, Map<string, ServiceRecord>>();
  readonly #watchers = new Set<Watcher>();
  readonly #options: RecordHubOptions;
  #closed = false;

  constructor(options: RecordHubOptions = {}) {
    this.#options = options;
  }

  /** The records of a service, sorted by version; a new list. */
  get(name: string): ServiceRecord[] {
    const versions = this.#services.get(name);
    if (versions === undefined) return [];
    return [...versions.values()].sort((a, b) => compare(a.version, b.version));
  }

  /** Every record, sorted by name and version; a new list. */
  all(): ServiceRecord[] {
    return [...this.#services.keys()].sort(compare).flatMap((name) => this.get(name));
  }

  /** Every service in every version, sorted. */
  list(): { name: string; version: string }[] {
    return this.all().map(({ name, version }) => ({ name, version }));
  }

  /** What is watched now: names of services, and `undefined` if somebody watches all. */
  watched(): Set<string | undefined> {
    return new Set([...this.#watchers].map(({ service }) => service));
  }

  /**
   * Says how a service in a version is now.
   *
   * @param name Name of the service.
   * @param version Its version.
   * @param record The record with its nodes in order; `undefined`: nobody serves it.
   */
  set(name: string, version: string, record: ServiceRecord | undefined): void {
    const versions = this.#services.get(name);
    const after = record === undefined || record.nodes.length === 0 ? undefined : record;
    const changes = diffRecord(versions?.get(version), after);
    if (changes.length === 0) return;
    if (after !== undefined) {
      if (versions === undefined) this.#services.set(name, new Map([[version, after]]));
      else versions.set(version, after);
    } else if (versions !== undefined) {
      versions.delete(version);
      if (versions.size === 0) this.#services.delete(name);
    }
    for (const watcher of this.#watchers) {
      if (!watcher.ready || (watcher.service !== undefined && watcher.service !== name)) continue;
      for (const change of changes) watcher.events.push(change);
    }
  }

  /**
   * Says how everything is now: what is not in the records is gone.
   *
   * @param options `anew`: as after a reconnect, so that watches are told by one `sync`. @default {anew: false}
   */
  replace(records: readonly ServiceRecord[], options: { readonly anew?: boolean } = {}): void {
    const resynced = options.anew ? [...this.#watchers].filter(({ ready }) => ready) : [];
    for (const watcher of resynced) watcher.ready = false;
    const names = new Map<string, Set<string>>();
    for (const { name, version } of records) {
      const versions = names.get(name);
      if (versions === undefined) names.set(name, new Set([version]));
      else versions.add(version);
    }
    for (const { name, version } of this.list()) {
      if (names.get(name)?.has(version) !== true) this.set(name, version, undefined);
    }
    for (const record of records) this.set(record.name, record.version, record);
    for (const watcher of resynced) {
      watcher.ready = true;
      watcher.events.push(this.#sync(watcher.service));
    }
  }

  /**
   * A watch. It begins when its first event is asked for with `for await`; each loop is a watch of its own.
   *
   * @param options Which service, and until when. The signal ends the watch without an error.
   * @param ready Resolves when the hub knows how things are: the `sync` waits for it, and its failure is the watch's.
   * @throws {MuonError} `failed_precondition`, from the iteration, once the hub is closed.
   */
  watch(options: WatchOptions = {}, ready?: () => Promise<void>): AsyncIterable<RegistryEvent> {
    return { [Symbol.asyncIterator]: () => this.#open(options, ready) };
  }

  /** Ends every watch, without an error. */
  close(): void {
    this.#closed = true;
    for (const { events } of [...this.#watchers]) events.end();
  }

  #open(
    { service, signal }: WatchOptions,
    ready: (() => Promise<void>) | undefined,
  ): PushIterator<RegistryEvent> {
    if (this.#closed || signal?.aborted) {
      const over = new PushIterator<RegistryEvent>();
      over.end(
        this.#closed
          ? new MuonError("failed_precondition", "The registry is closed: it cannot be watched", {
            id: "muon.registry",
          })
          : undefined,
      );
      return over;
    }
    const watcher: Watcher = {
      service,
      ready: false,
      events: new PushIterator<RegistryEvent>({
        limit: this.#options.limit ?? 1024,
        overflow: () => [this.#sync(service)],
        signal,
        closed: () => {
          this.#watchers.delete(watcher);
          if (this.#watchers.size === 0) this.#options.unwatched?.();
        },
      }),
    };
    const { events } = watcher;
    this.#watchers.add(watcher);
    if (this.#watchers.size === 1) this.#options.watched?.();
    const begin = () => {
      if (events.ended) return;
      watcher.ready = true;
      events.push(this.#sync(service));
    };
    if (ready === undefined) begin();
    else ready().then(begin, (error) => events.end(error));
    return events;
  }

  #sync(service: string | undefined): RegistryEvent {
    return { type: "sync", services: service === undefined ? this.all() : this.get(service) };
  }
}

/**
 * The records that a watcher knows after an event: how a reader of {@link Registry.watch} keeps its own copy.
 *
 * @param records What it knew; after a `sync` of no account.
 * @param event What the watch said.
 */
export function applyEvent(records: readonly ServiceRecord[], event: RegistryEvent): ServiceRecord[] {
  return event.type === "sync" ? [...event.services] : applyChange(records, event);
}
