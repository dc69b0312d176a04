/**
 * The machine's files by Deno's own functions: to load `node:fs` costs 8 ms of CPU at start.
 *
 * @module
 */

import type { FileInfo, Files } from "../../runtime/platform.ts";
import { unlessMissing, watchPath } from "../node/paths.ts";

/** The machine's file system on Deno. */
export const denoFiles: Files = {
  async read(path) {
    return await unlessMissing(Deno.readFile(path));
  },

  async writeAtomic(path, data, options = {}) {
    const beside = `${path}.${crypto.randomUUID()}.tmp`;
    try {
      // A name that somebody planted, a link for example, is an error, not a target.
      await Deno.writeFile(beside, data, { createNew: true, mode: options.mode ?? 0o666 });
      // The umask may have taken bits away that were asked for.
      if (options.mode !== undefined) await Deno.chmod(beside, options.mode);
      await Deno.rename(beside, path);
    } catch (error) {
      await unlessMissing(Deno.remove(beside));
      throw error;
    }
  },

  async list(path) {
    const names: string[] = [];
    await unlessMissing((async () => {
      for await (const { name } of Deno.readDir(path)) names.push(name);
    })());
    return names;
  },

  async stat(path): Promise<FileInfo | undefined> {
    const found = await unlessMissing(Deno.lstat(path));
    return found && {
      size: found.size,
      modified: found.mtime?.getTime() ?? 0,
      mode: (found.mode ?? 0) & 0o7777,
      owner: found.uid ?? 0,
      // A number that is free again is soon given to another.
      identity: `${found.ino} ${found.birthtime?.getTime()}`,
      kind: found.isFile ? "file" : found.isDirectory ? "directory" : "other",
    };
  },

  async makeDirectory(path, options = {}) {
    await Deno.mkdir(path, { recursive: true, mode: options.mode ?? 0o777 });
  },

  async remove(path) {
    await unlessMissing(Deno.remove(path));
  },

  watch: watchPath,
};
