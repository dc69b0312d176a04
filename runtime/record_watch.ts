/**
 * Keeps a copy of what a registry tells of, over a registry that goes away, comes back empty or answers late. What
 * selectors and the cache have in common.
 *
 * @module
 */

import { type Clock, sleep, type Timer } from "./clock.ts";
import { iterateUntil } from "./eventual.ts";
import type { Logger } from "./log.ts";
import { backoff } from "./policy.ts";
import type { Random } from "./random.ts";
import { applyChange } from "./record_set.ts";
import type { ServiceRecord } from "./record.ts";
import { type RecordEvent, usableEvent } from "./usable_records.ts";

/** For how long what is known of a service stays when a registry comes back without it, in ms: longer than nodes take to renew. */
export const GRACE = 30_000;

const RESTART = { backoff: 100, maxBackoff: 10_000 };

/** What is watched. */
export interface RecordSource {
  /** Name of the registry. */
  readonly name: string;
  /** For how long it has been out of reach while its watches go on, in ms. @default {0} */
  readonly away?: number;
  /** Changes as they come, after a `sync`. */
  watch(options: { readonly service?: string; readonly signal: AbortSignal }): AsyncIterable<RecordEvent>;
}

/** What a {@link RecordWatch} needs. */
export interface RecordWatchOptions {
  /** Who tells. */
  readonly registry: RecordSource;
  /** Name of the one service to watch. @default {all} */
  readonly service?: string;
  /** For how long what is known of a service stays when the registry comes back without it, in ms. @default {GRACE} */
  readonly grace?: number;
  /** An event as it shall count here. @default {as it is} */
  readonly told?: (event: RecordEvent) => readonly RecordEvent[];
  /** Told how a service is now, one record a version; none: nobody serves it. Must not throw. */
  readonly changed: (service: string, records: readonly ServiceRecord[]) => void;
  /** Time. */
  readonly clock: Clock;
  /** Spreads the restarts of many. */
  readonly random: Random;
  /** Told when the registry goes away and comes back. */
  readonly log: Logger;
}

/**
 * Follows a registry's watch and begins it anew when it ends, ever more slowly and with jitter. What is known stays
 * while the registry is away, and for {@link RecordWatchOptions.grace} when it comes back without a service, as one does that was
 * restarted. A service whose nodes the registry says are gone is gone at once. What cannot be used of its records is
 * left out, and a registry that hangs does not keep it: disposing waits for nothing of the registry's.
 */
export class RecordWatch implements AsyncDisposable {
  /**
   * Resolves when something is known; rejects, with what the watch ended with, if the registry is away before, and with
   * nothing if this is disposed before.
   */
  readonly first: Promise<void>;
  readonly #options: RecordWatchOptions;
  readonly #controller = new AbortController();
  readonly #following: Promise<void>;
  /** What the registry says, by service. */
  readonly #view = new Map<string, readonly ServiceRecord[]>();
  /** Services that are shown as they were, though the registry has come back without them, and what ends that. */
  readonly #doubted = new Map<string, Timer>();
  #known = false;
  #awaySince: number | undefined;

  constructor(options: RecordWatchOptions) {
    this.#options = options;
    const first = Promise.withResolvers<void>();
    this.first = first.promise;
    this.first.catch(() => {});
    this.#following = this.#follow(first);
  }

  /** Whether the registry has answered. */
  get known(): boolean {
    return this.#known;
  }

  /** For how long the registry has been away, in ms; 0: it is there. */
  get away(): number {
    const { clock, registry } = this.#options;
    return this.#awaySince === undefined ? registry.away ?? 0 : clock.now() - this.#awaySince;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const timer of this.#doubted.values()) timer.cancel();
    this.#doubted.clear();
    this.#controller.abort();
    await this.#following;
  }

  async #follow(first: PromiseWithResolvers<void>): Promise<void> {
    const { registry, service, clock, random } = this.#options;
    const { signal } = this.#controller;
    for (let failures = 0; !signal.aborted;) {
      const began = clock.now();
      let why: unknown;
      try {
        const events = registry.watch({ signal, ...(service === undefined ? {} : { service }) });
        for await (const event of iterateUntil(events, signal)) {
          this.#take(event);
          first.resolve();
        }
      } catch (error) {
        if (!signal.aborted) why = error;
      }
      if (signal.aborted || !this.#known) {
        first.reject(why);
        return;
      }
      if (clock.now() - began >= RESTART.maxBackoff) failures = 0;
      failures++;
      this.#gone(why);
      const wait = backoff(RESTART, failures, 0.5 + random.next() / 2);
      await sleep(clock, wait, { signal, background: true }).catch(() => {});
    }
  }

  #take(given: unknown): void {
    const { service, log, registry, told } = this.#options;
    const event = usableEvent(given, { from: registry, service, log });
    if (this.#awaySince !== undefined) {
      log.info("registry is back", { registry: registry.name, service, away: Math.round(this.away) });
      this.#awaySince = undefined;
    }
    const events = event === undefined ? [] : told?.(event) ?? [event];
    for (const each of events) this.#apply(each);
    this.#known = true;
  }

  #apply(event: RecordEvent): void {
    const { clock, grace = GRACE } = this.#options;
    if (event.type !== "sync") {
      const { name } = event.service;
      this.#say(name, applyChange(this.#view.get(name) ?? [], event));
      return;
    }
    const services = new Map<string, ServiceRecord[]>();
    for (const record of event.services) {
      if (record.nodes.length === 0) continue;
      const versions = services.get(record.name);
      if (versions === undefined) services.set(record.name, [record]);
      else versions.push(record);
    }
    for (const name of [...this.#view.keys()]) {
      if (services.has(name)) continue;
      this.#view.delete(name);
      const end = () => {
        this.#doubted.delete(name);
        this.#options.changed(name, []);
      };
      this.#doubted.set(name, clock.after(grace, end));
    }
    for (const [name, records] of services) this.#say(name, records);
  }

  /** Says how a service is. */
  #say(name: string, records: readonly ServiceRecord[]): void {
    const doubted = this.#doubted.get(name);
    if (records.length > 0) {
      this.#view.set(name, records);
      doubted?.cancel();
      this.#doubted.delete(name);
    } else {
      this.#view.delete(name);
      if (doubted !== undefined) return;
    }
    this.#options.changed(name, records);
  }

  #gone(why: unknown): void {
    if (this.#awaySince !== undefined) return;
    const { service, clock, log, registry } = this.#options;
    this.#awaySince = clock.now();
    log.warn("registry is away; known nodes are kept", { registry: registry.name, service, error: why });
  }
}
