/**
 * Deno KV where the runtime has none of its own: npm `@deno/kv`, on Node, Bun and Deno.
 *
 * @module
 */

import { resolve } from "node:path";
import process from "node:process";
import { MuonError } from "../../runtime/errors.ts";
import type { KvStore } from "../../runtime/kv_store.ts";
import { checkDatabase } from "./kv_check.ts";
import { importOptional } from "./optional.ts";

// Not imported: in a program of one file an import is done at its start, wanted or not.
const { realpathSync } = process.getBuiltinModule("node:fs");
const { deserialize, serialize } = process.getBuiltinModule("node:v8");

/** The part of `@deno/kv` that is used. */
export interface KvPackage {
  /** Opens a store. */
  openKv(path: string, options: {
    encodeV8(value: unknown): Uint8Array;
    decodeV8(value: Uint8Array): unknown;
  }): Promise<KvStore>;
}

/**
 * Opens a KV file or a remote KV with npm `@deno/kv`.
 *
 * @param address Path of the file, or URL of a remote KV, whose token is in `DENO_KV_ACCESS_TOKEN`.
 * @param load Gets the package.
 * @throws {MuonError} `failed_precondition`, if the package is not there, with how to install it, or if the file is
 * damaged.
 *
 * @example
 * ```ts
 * const kv = await openNpmKv("/var/lib/app/registry.db");
 * ```
 */
export async function openNpmKv(
  address: string,
  load: () => Promise<KvPackage> = () => importOptional<KvPackage>("@deno/kv"),
): Promise<KvStore> {
  let openKv: KvPackage["openKv"];
  try {
    ({ openKv } = await load());
  } catch (cause) {
    const why = (cause instanceof Error ? cause.message : String(cause)).split("\n", 1)[0];
    throw new MuonError(
      "failed_precondition",
      `Deno KV needs the package @deno/kv, which cannot be loaded (${why}): install it with ` +
        `"npm install @deno/kv@0.14.0", or run on Deno with --unstable-kv`,
      { id: "muon.registry", cause },
    );
  }
  // Bun's serialisation is its own, and the package refuses it unless it is handed over. muon's values are bytes.
  return await openChecked(
    address,
    () => openKv(address, { encodeV8: serialize, decodeV8: (value) => deserialize(value) }),
  );
}

/** How often each file is open in this process. */
const inUse = new Map<string, number>();

/**
 * Opens a store after a look at its file: denokv aborts the whole process over a damaged one.
 *
 * A file that this process has open is not looked at again: closing a second handle would drop the locks of the first
 * ({@link https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_ | SQLite, how to corrupt}, §2.2).
 *
 * @param address Path of the file, or URL of a remote KV.
 * @param open Opens it.
 */
export async function openChecked(address: string, open: () => Promise<KvStore>): Promise<KvStore> {
  if (/^https?:\/\//.test(address) || address === ":memory:") return await open();
  const path = realPath(address);
  if (!inUse.has(path)) await checkDatabase(path, () => !inUse.has(path));
  inUse.set(path, (inUse.get(path) ?? 0) + 1);
  const release = () => {
    const left = inUse.get(path)! - 1;
    if (left === 0) inUse.delete(path);
    else inUse.set(path, left);
  };
  try {
    return new CountedKv(await open(), release);
  } catch (error) {
    release();
    throw error;
  }
}

class CountedKv implements KvStore {
  readonly #kv: KvStore;
  readonly #release: () => void;
  #open = true;

  constructor(kv: KvStore, release: () => void) {
    this.#kv = kv;
    this.#release = release;
  }

  set(...args: Parameters<KvStore["set"]>): ReturnType<KvStore["set"]> {
    return this.#kv.set(...args);
  }

  delete(...args: Parameters<KvStore["delete"]>): ReturnType<KvStore["delete"]> {
    return this.#kv.delete(...args);
  }

  list(...args: Parameters<KvStore["list"]>): ReturnType<KvStore["list"]> {
    return this.#kv.list(...args);
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#kv.close();
    this.#release();
  }
}

function realPath(address: string): string {
  try {
    return realpathSync(address);
  } catch {
    return resolve(address); // It is not there yet.
  }
}
