/**
 * What files by `node:fs` and by Deno's own functions share: paths where nothing is, and paths that are watched.
 *
 * @module
 */

import process from "node:process";

/** What `work` comes to; `undefined`, where it fails because nothing is at its path. */
export async function unlessMissing<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw error;
  }
}

/**
 * Calls `changed` when something at `path` may have changed, and keeps no process alive, as Deno's own watcher does.
 * Without inotify watches left, or on a file system that has none, it never calls: callers poll beside it.
 */
export function watchPath(path: string, changed: () => void): Disposable {
  const { watch } = process.getBuiltinModule("node:fs");
  try {
    const watcher = watch(path, { persistent: false }, () => changed());
    watcher.on("error", () => watcher.close());
    return { [Symbol.dispose]: () => watcher.close() };
  } catch {
    return { [Symbol.dispose]: () => {} };
  }
}
