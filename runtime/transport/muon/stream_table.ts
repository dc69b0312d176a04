/**
 * The open streams of a connection by their ids.
 *
 * @module
 */

import { WheelTimer } from "../../timer_wheel.ts";
import { Spares } from "./spares.ts";

type Places = (Entry | undefined)[];

/** What a {@link StreamTable} holds: something with an id that may have a deadline. */
export abstract class Entry extends WheelTimer {
  /** Stream id. */
  readonly id: number;
  /** Next of those that share its place. The table's own. */
  next: Entry | undefined = undefined;

  constructor(id: number) {
    super();
    this.id = id;
  }
}

/** The place of a table that holds nothing: no table writes to it. */
const NONE: Places = new Array(1).fill(undefined);
/** How many places the first entries of a table take. */
const LEAST = 2;
/** So many, of tables that hold nothing any more. */
const spares = new Spares<Places>();

/**
 * A hash table chained through its entries: ids only grow, so that neighbours never meet, and to add and to remove
 * allocates nothing. A `Map` of the same costs a call two to three times as much and is rebuilt again and again as ids
 * pass through it.
 */
export class StreamTable<E extends Entry> {
  #places = NONE;
  #size = 0;

  /** How many streams are open. */
  get size(): number {
    return this.#size;
  }

  /** The stream of an id. */
  get(id: number): E | undefined {
    let entry = this.#places[this.#place(id)];
    while (entry !== undefined && entry.id !== id) entry = entry.next;
    return entry as E | undefined;
  }

  /** Adds a stream whose id is not there. */
  add(entry: E): void {
    if (this.#size >= this.#places.length - 1) this.#grow();
    const place = this.#place(entry.id);
    entry.next = this.#places[place];
    this.#places[place] = entry;
    this.#size++;
  }

  /** Removes a stream. Gives whether it was there. */
  remove(entry: E): boolean {
    const place = this.#place(entry.id);
    let before: Entry | undefined;
    for (let at = this.#places[place]; at !== undefined; at = at.next) {
      if (at === entry) {
        if (before === undefined) this.#places[place] = at.next;
        else before.next = at.next;
        at.next = undefined;
        if (--this.#size === 0) this.#empty();
        return true;
      }
      before = at;
    }
    return false;
  }

  /** The streams that are open now, in no order. */
  values(): E[] {
    const values: E[] = [];
    for (let entry of this.#places) {
      for (; entry !== undefined; entry = entry.next) values.push(entry as E);
    }
    return values;
  }

  /** A peer's ids are all odd or all even. */
  #place(id: number): number {
    return (id >>> 1) & (this.#places.length - 1);
  }

  #grow(): void {
    if (this.#places === NONE) {
      this.#places = spares.take() ?? new Array(LEAST).fill(undefined);
      return;
    }
    const entries = this.values();
    this.#places = new Array(this.#places.length * 2).fill(undefined);
    this.#size = 0;
    for (const entry of entries) this.add(entry);
  }

  /** Gives up the places of one that never held much. */
  #empty(): void {
    if (this.#places.length === LEAST && spares.give(this.#places)) this.#places = NONE;
  }
}
