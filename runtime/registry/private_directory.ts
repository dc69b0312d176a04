/**
 * A directory that must be the user's own: whoever may write to it could announce nodes of his.
 *
 * @module
 */

import { MuonError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { FileInfo, Files } from "../platform.ts";

/** Options of {@link PrivateDirectory}. */
export interface PrivateDirectoryOptions {
  /** Name of the registry whose it is, for messages. */
  readonly registry: string;
  /** Where it is. */
  readonly path: string;
  /** Directories above it that muon makes and that must be the user's own, outermost first. */
  readonly above: readonly string[];
  /** The machine's files. */
  readonly files: Files;
  /** Id of the user; `undefined` where the system has none. */
  readonly uid: number | undefined;
  /** Told of a directory above that others may write to. */
  readonly log: Logger;
}

/** Makes a directory, mode 0700, and sees to it that it is the user's own. */
export class PrivateDirectory {
  readonly #options: PrivateDirectoryOptions;
  #warnedAbove = false;
  #identity: string | undefined;

  constructor(options: PrivateDirectoryOptions) {
    this.#options = options;
  }

  /**
   * Makes the directory if it is not there, and checks it.
   *
   * @returns Whether it is another than the last time: it had to be made, or somebody else has made it.
   * @throws {MuonError} `failed_precondition`, if others own it or may look into it; `unavailable`, if it cannot be
   * made or looked at.
   */
  async prepare(): Promise<boolean> {
    const { registry, path, above, files } = this.#options;
    try {
      let info = await files.stat(path);
      const made = info === undefined;
      if (made) {
        for (const each of [...above, path]) await files.makeDirectory(each, { mode: 0o700 });
        info = await files.stat(path);
      }
      for (const each of above) this.#checkAbove(each, await files.stat(each));
      this.#check(info);
      const before = this.#identity;
      this.#identity = info?.identity;
      return made || (before !== undefined && before !== this.#identity);
    } catch (error) {
      if (error instanceof MuonError) throw error;
      const why = error instanceof Error ? error.message : String(error);
      throw new MuonError(
        "unavailable",
        `The ${registry} registry cannot use its directory "${path}": ${why}`,
        {
          id: "muon.registry",
          cause: error,
        },
      );
    }
  }

  #check(info: FileInfo | undefined): void {
    const { path, uid } = this.#options;
    if (info === undefined || info.kind !== "directory") {
      throw refusal(
        path,
        "is no directory of its own (a link is none)",
        "remove it, or give another directory",
      );
    }
    if (uid !== undefined && info.owner !== undefined && info.owner !== uid) {
      throw refusal(
        path,
        `belongs to user ${info.owner}, and this process runs as user ${uid}`,
        "give a directory of your own",
      );
    }
    if (info.mode !== undefined && (info.mode & 0o077) !== 0) {
      throw refusal(
        path,
        `is open to other users (mode ${octal(info.mode)})`,
        `close it with: chmod 700 "${path}"`,
      );
    }
  }

  /** Whoever may write to a directory above could put another in our place. */
  #checkAbove(path: string, info: FileInfo | undefined): void {
    const { uid, log } = this.#options;
    if (info === undefined || info.kind === "other") return;
    if (uid !== undefined && info.owner !== undefined && info.owner !== uid && info.owner !== 0) {
      throw refusal(
        path,
        `belongs to user ${info.owner}, and this process runs as user ${uid}`,
        "remove it, set XDG_RUNTIME_DIR, or give a directory of your own",
      );
    }
    const sticky = info.mode !== undefined && (info.mode & 0o1000) !== 0;
    if (info.mode !== undefined && (info.mode & 0o022) !== 0 && !sticky && !this.#warnedAbove) {
      this.#warnedAbove = true;
      log.warn("other users may write to a directory above the registry's", {
        directory: path,
        mode: octal(info.mode),
      });
    }
  }
}

function refusal(path: string, what: string, todo: string): MuonError {
  return new MuonError("failed_precondition", `Registry directory "${path}" ${what}: ${todo}`, {
    id: "muon.registry",
  });
}

function octal(mode: number): string {
  return (mode & 0o777).toString(8).padStart(3, "0");
}
