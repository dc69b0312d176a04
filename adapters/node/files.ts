/**
 * The machine's files.
 *
 * @module
 */

import process from "node:process";
import type { FileInfo, Files } from "../../runtime/platform.ts";
import { unlessMissing, watchPath } from "./paths.ts";

// Not imported: in a program of one file an import is done at its start, on Deno, too, which has its own files.
const { lstat, mkdir, open, readdir, readFile, rename, rm } = process.getBuiltinModule("node:fs").promises;

/** The machine's file system on Node and Bun; on Deno by `adapters/deno/files.ts`. */
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
      // A number that is free again is soon given to another.
      identity: `${found.ino} ${found.birthtimeMs}`,
      kind: found.isFile() ? "file" : found.isDirectory() ? "directory" : "other",
    };
  },

  async makeDirectory(path, options = {}) {
    await mkdir(path, { recursive: true, mode: options.mode ?? 0o777 });
  },

  async remove(path) {
    await rm(path, { force: true });
  },

  watch: watchPath,
};
