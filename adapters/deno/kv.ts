/**
 * Deno KV on Deno: its own where `--unstable-kv` has been said, npm `@deno/kv` where not.
 *
 * @module
 */

import type { KvStore } from "../../runtime/kv_store.ts";
import { openChecked, openNpmKv } from "../node/kv.ts";

/**
 * Opens a KV file or a remote KV.
 *
 * @param address Path of the file, or URL of a remote KV.
 * @throws {MuonError} `failed_precondition`, as {@link openNpmKv} does.
 */
export async function openDenoKv(address: string): Promise<KvStore> {
  // Not there without the flag, neither in Deno nor in its types.
  const own = (Deno as { openKv?(path: string): Promise<KvStore> }).openKv;
  if (own === undefined) return await openNpmKv(address);
  return await openChecked(address, () => own(address));
}
