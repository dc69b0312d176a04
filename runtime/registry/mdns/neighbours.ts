/**
 * The nodes that a watch knows of, from what was heard on the link. It takes records and the time; it does no I/O.
 *
 * @module
 */

import { mergeRecords } from "../../record_set.ts";
import { sameRecord, type ServiceRecord } from "../../record.ts";
import { keyOf } from "./form.ts";

/** Polls in a row that a node may leave unanswered; with one more it is taken for dead (RFC 6762 §10.5). */
const MAX_MISSED = 2;
/** Part of a node's time to live after which it is asked for again (RFC 6762 §5.2). */
const REFRESH_AT = 0.8;
/** Longest time for which a node is believed, in ms, whatever it says. */
const MAX_LIFETIME = 3_600_000;

/** The most nodes that are kept. */
export const MAX_NEIGHBOURS = 4_096;

interface Neighbour {
  readonly record: ServiceRecord;
  readonly heard: number;
  readonly lifetime: number;
  readonly missed: number;
}

/** Called with how a service in a version is now; `undefined`: nobody serves it. */
export type Changed = (name: string, version: string, record: ServiceRecord | undefined) => void;

/**
 * Remembers nodes until they say goodbye, their time to live is over, or they leave three polls in a row unanswered.
 *
 * @example
 * ```ts
 * const neighbours = new Neighbours((name, version, record) => hub.set(name, version, record));
 * neighbours.hear(record, { ttl: 120_000, now });
 * ```
 */
export class Neighbours {
  readonly #changed: Changed;
  readonly #known = new Map<string, Neighbour>();
  #polled = -Infinity;

  /** @param changed Told of every change. */
  constructor(changed: Changed) {
    this.#changed = changed;
  }

  /** When the next node's time to live is over. */
  get due(): number {
    let due = Infinity;
    for (const { heard, lifetime } of this.#known.values()) due = Math.min(due, heard + lifetime);
    return due;
  }

  /** When the next node should be asked for again, so that it does not seem to be gone. */
  get stale(): number {
    let stale = Infinity;
    for (const { heard, lifetime } of this.#known.values()) {
      stale = Math.min(stale, heard + REFRESH_AT * lifetime);
    }
    return stale;
  }

  /** The names of all services known. */
  get services(): Set<string> {
    return new Set([...this.#known.values()].map(({ record }) => record.name));
  }

  /**
   * A node was heard of.
   *
   * @param record A service with one node.
   * @param options `ttl`: for how long it may be believed, in ms; 0: it is gone. `now`: the time.
   * @returns Whether it is kept; not, if there are {@link MAX_NEIGHBOURS} already.
   */
  hear(record: ServiceRecord, options: { readonly ttl: number; readonly now: number }): boolean {
    const { ttl, now } = options;
    const key = keyOf(record);
    if (ttl === 0) {
      if (this.#known.delete(key)) this.#publish([record]);
      return true;
    }
    const before = this.#known.get(key)?.record;
    if (before === undefined && this.#known.size >= MAX_NEIGHBOURS) return false;
    this.#known.set(key, { record, heard: now, lifetime: Math.min(ttl, MAX_LIFETIME), missed: 0 });
    if (before === undefined || !sameRecord(before, record)) this.#publish([record]);
    return true;
  }

  /** Forgets the nodes whose time to live is over. */
  expire(now: number): void {
    this.#drop(({ heard, lifetime }) => heard + lifetime <= now);
  }

  /** A poll begins: a node that has not been heard since the one before has left that one unanswered. */
  poll(now: number): void {
    for (const [key, each] of this.#known) {
      if (each.heard < this.#polled) this.#known.set(key, { ...each, missed: each.missed + 1 });
    }
    this.#polled = now;
    this.#drop(({ missed }) => missed > MAX_MISSED);
  }

  /** Forgets the services that nobody wants to know of any more. */
  retain(wanted: (service: string) => boolean): void {
    this.#drop(({ record }) => !wanted(record.name));
  }

  #drop(over: (neighbour: Neighbour) => boolean): void {
    const dropped: ServiceRecord[] = [];
    for (const [key, each] of this.#known) {
      if (!over(each)) continue;
      this.#known.delete(key);
      dropped.push(each.record);
    }
    if (dropped.length > 0) this.#publish(dropped);
  }

  #publish(touched: readonly ServiceRecord[]): void {
    const keys = new Map(
      touched.map(({ name, version }) => [JSON.stringify([name, version]), { name, version }]),
    );
    for (const { name, version } of keys.values()) {
      const records = [];
      for (const { record } of this.#known.values()) {
        if (record.name === name && record.version === version) records.push(record);
      }
      this.#changed(name, version, mergeRecords(records)[0]);
    }
  }
}
