/**
 * The seam to a key-value store as Deno KV is one: the few of its methods that muon uses.
 *
 * @module
 */

/** A key: parts, of which muon uses texts. */
export type KvKey = readonly (string | number | bigint | boolean | Uint8Array)[];

/** What a store holds under a key. */
export interface KvEntry {
  /** The key. */
  readonly key: KvKey;
  /** The value: what muon wrote is a `Uint8Array`, what others wrote may be anything. */
  readonly value: unknown;
  /** Changes with every write of the key. */
  readonly versionstamp: string | null;
}

/**
 * A store, as `Deno.openKv` and `openKv` of npm `@deno/kv` give one; any object that does the same will do.
 * Source: {@link https://docs.deno.com/api/deno/~/Deno.Kv | Deno.Kv}.
 */
export interface KvStore {
  /** Writes a value; `expireIn` is the time in ms after which the store may forget it. */
  set(key: KvKey, value: Uint8Array, options?: { readonly expireIn?: number }): Promise<unknown>;
  /** Removes a value; nothing happens if there is none. */
  delete(key: KvKey): Promise<void>;
  /** Everything whose key begins with `prefix`, in the order of the keys. */
  list(selector: { readonly prefix: KvKey }): AsyncIterable<KvEntry>;
  /** Lets go of the store. */
  close(): void;
}
