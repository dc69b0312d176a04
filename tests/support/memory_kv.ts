/**
 * A key-value store in memory that takes its times from a clock, for tests.
 *
 * @module
 */

import type { Clock } from "../../runtime/clock.ts";
import type { KvEntry, KvKey, KvStore } from "../../runtime/kv_store.ts";

interface Item extends KvEntry {
  readonly expires: number;
}

/** {@link KvStore} in memory. Tests put foreign values in, make operations fail, or never end. */
export class MemoryKv implements KvStore {
  readonly #clock: Clock;
  readonly #items = new Map<string, Item>();
  #stamp = 0;
  /** What every operation throws. */
  broken: Error | undefined;
  /** What the next operations throw, one each. */
  readonly failures: Error[] = [];
  /** Whether operations never end. */
  silent = false;
  /** Whether it was closed. */
  closed = false;
  /** How often each operation was asked for. */
  readonly counts: { set?: number; delete?: number; list?: number } = {};

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async set(key: KvKey, value: Uint8Array, options: { readonly expireIn?: number } = {}): Promise<void> {
    await this.#enter("set");
    if (options.expireIn !== undefined && !Number.isInteger(options.expireIn)) {
      throw new TypeError(`expireIn is no integer: ${options.expireIn}`);
    }
    const expires = this.#clock.wall() + (options.expireIn ?? Infinity);
    this.#items.set(JSON.stringify(key), { key, value: value.slice(), versionstamp: this.#next(), expires });
  }

  async delete(key: KvKey): Promise<void> {
    await this.#enter("delete");
    this.#items.delete(JSON.stringify(key));
  }

  async *list({ prefix }: { readonly prefix: KvKey }): AsyncGenerator<KvEntry> {
    await this.#enter("list");
    yield* this.entries().filter(({ key }) =>
      key.length > prefix.length && prefix.every((part, i) => part === key[i])
    );
  }

  close(): void {
    this.closed = true;
  }

  /** Writes anything, at once, as another program would. */
  put(key: KvKey, value: unknown, versionstamp: string | null = this.#next()): void {
    this.#items.set(JSON.stringify(key), { key, value, versionstamp, expires: Infinity });
  }

  /** All that it holds. */
  entries(): KvEntry[] {
    return [...this.#items.values()].filter(({ expires }) => expires > this.#clock.wall());
  }

  #next(): string {
    return String(++this.#stamp).padStart(20, "0");
  }

  async #enter(operation: keyof MemoryKv["counts"]): Promise<void> {
    this.counts[operation] = (this.counts[operation] ?? 0) + 1;
    await undefined;
    if (this.silent) await new Promise(() => {});
    const error = this.failures.shift() ?? this.broken;
    if (error !== undefined) throw error;
  }
}
