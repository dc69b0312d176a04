/**
 * The machine's files.
 *
 * @module
 */

import { watch } from "node:fs";
import { lstat, mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import type { FileInfo, Files } from "../../runtime/platform.ts";

/** The machine's file system, the same on Node, Deno and Bun. */
export const machineFiles: Files = {
  async read(path) {
    const bytes = await unlessMissing(readFile(path));
    return bytes && new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  },

  async writeAtomic(path, data, options = {}) {
    const beside = `${path}.${crypto.randomUUID()}.tmp`;
    try {
      // "wx": a name that somebody planted, a link for example, is an error, not a target.
      const file = await open(beside, "wx", options.mode ?? 0o666);
      try {
        await file.writeFile(data);
        // The umask may have taken bits away that were asked for.
        if (options.mode !== undefined) await file.chmod(options.mode);
      } finally {
        await file.close();
      }
      await rename(beside, path);
    } catch (error) {
      await rm(beside, { force: true });
      throw error;
    }
  },

  async list(path) {
    return await unlessMissing(readdir(path)) ?? [];
  },

  async stat(path): Promise<FileInfo | undefined> {
    const found = await unlessMissing(lstat(path));
    return found && {
      size: found.size,
      modified: found.mtimeMs,
      mode: found.mode & 0o7777,
      owner: found.uid,
      kind: found.isFile() ? "file" : found.isDirectory() ? "directory" : "other",
    };
  },

  async makeDirectory(path, options = {}) {
    await mkdir(path, { recursive: true, mode: options.mode ?? 0o777 });
  },

  async remove(path) {
    await rm(path, { force: true });
  },

  watch(path, changed) {
    // Without inotify watches left, or on a file system that has none, watching fails: callers poll beside it.
    try {
      const watcher = watch(path, { persistent: false }, () => changed());
      watcher.on("error", () => watcher.close());
      return { [Symbol.dispose]: () => watcher.close() };
    } catch {
      return { [Symbol.dispose]: () => {} };
    }
  },
};

async function unlessMissing<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw error;
  }
}
