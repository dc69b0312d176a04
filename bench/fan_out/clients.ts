/**
 * Many clients of muon in one process: each a mesh with a selector, timers and a connection of its own, as if it were
 * alone. They share a registry: its directory is read once, and each mesh watches it.
 *
 * @module
 */
import { connect, type Mesh, type MeshOptions } from "../../mod.ts";
import { settings } from "../load.ts";

/**
 * Connects clients.
 *
 * @param count How many.
 * @param options What they have beside the registry.
 */
export async function clients(count: number, options: MeshOptions = {}): Promise<Mesh[]> {
  const first = await connect({ ...options, registryAddress: settings().directory });
  const { registry } = first;
  const others = Array.from({ length: count - 1 }, () => connect({ ...options, registry }));
  return [first, ...await Promise.all(others)];
}

/**
 * Does something for each number below `count`, at most so many at a time: a server's queue of connections that are not
 * accepted yet is short.
 *
 * @param atATime How many.
 */
export async function forEach(
  count: number,
  atATime: number,
  work: (n: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  await Promise.all(Array.from({ length: Math.min(atATime, count) }, async () => {
    while (next < count) await work(next++);
  }));
}
