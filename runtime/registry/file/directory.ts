/**
 * The directory of the `file` registry: whose it is, and which nodes its files say are alive.
 *
 * @module
 */

import type { Clock } from "../../clock.ts";
import { MuonError } from "../../errors.ts";
import type { Logger } from "../../log.ts";
import type { FileInfo, Files } from "../../platform.ts";
import type { ServiceRecord } from "../../record.ts";
import { decodeRecordFile, isRecordFileName, MAX_RECORD_FILE, type RecordFile } from "./record_file.ts";

/** How long after its expiry a record that nobody renewed is removed, in ms. */
export const SWEEP_AFTER = 3_600_000;

/** A file whose time of change is this near to now may change again unseen: file systems count in up to 2 s. */
const RACY = 2_000;
/** Files looked at side by side. */
const WIDTH = 16;

/** Options of {@link RecordDirectory}. */
export interface RecordDirectoryOptions {
  /** Where it is. */
  readonly path: string;
  /** Directories above it that muon makes and that must be the user's own, outermost first. */
  readonly above: readonly string[];
  /** The machine's files. */
  readonly files: Files;
  /** Id of the user; `undefined` where the system has none. */
  readonly uid: number | undefined;
  /** Time. */
  readonly clock: Clock;
  /** Told of what is skipped and swept. */
  readonly log: Logger;
}

interface Seen {
  /** The file's info when it was read. */
  readonly info: FileInfo;
  /** Whether the file could have changed since without its info showing it. */
  readonly racy: boolean;
  /** What it said; `undefined`: it is none of the registry's. */
  readonly file: RecordFile | undefined;
  /** Why it is none. */
  readonly problem: string | undefined;
  /** Until when its node counts as living, on the steady clock. */
  readonly deadline: number;
  /** Since when it has been seen as it is, on the steady clock. */
  readonly since: number;
}

/**
 * Reads the directory again and again, and remembers what it saw.
 *
 * Whether a node is alive is a matter of the wall clock only for a file that is seen for the first time: written at
 * `t`, it lives until `t + ttl`; a time in the future counts as now. A file that is seen to change has been renewed
 * since the last look, and lives for its `ttl` from that look on the steady clock, whatever the wall clock did.
 */
export class RecordDirectory {
  readonly #options: RecordDirectoryOptions;
  #seen = new Map<string, Seen>();
  #lastLook = -Infinity;
  #warnedAbove = false;

  constructor(options: RecordDirectoryOptions) {
    this.#options = options;
  }

  /**
   * Makes the directory if it is not there, and sees to it that it is the user's own.
   *
   * @returns Whether it had to be made.
   * @throws {MuonError} `failed_precondition`, if others own it or may look into it; `unavailable`, if it cannot be
   * made or looked at.
   */
  async prepare(): Promise<boolean> {
    const { path, above, files } = this.#options;
    try {
      let info = await files.stat(path);
      const made = info === undefined;
      if (made) {
        for (const each of [...above, path]) await files.makeDirectory(each, { mode: 0o700 });
        info = await files.stat(path);
      }
      for (const each of above) this.#checkAbove(each, await files.stat(each));
      this.#check(info);
      return made;
    } catch (error) {
      if (error instanceof MuonError) throw error;
      throw this.#away("use", error);
    }
  }

  /**
   * The nodes that are alive, one a record.
   *
   * @throws {MuonError} `unavailable`, if the directory cannot be read.
   */
  async look(): Promise<ServiceRecord[]> {
    const { path, files, clock } = this.#options;
    const began = clock.now();
    const seen = new Map<string, Seen>();
    try {
      const names = (await files.list(path)).filter(isRecordFileName);
      for (let i = 0; i < names.length; i += WIDTH) {
        const batch = names.slice(i, i + WIDTH);
        const found = await Promise.all(batch.map((name) => this.#file(name)));
        for (const [index, each] of found.entries()) {
          if (each !== undefined) seen.set(batch[index]!, each);
        }
      }
    } catch (error) {
      throw this.#away("read", error);
    }
    this.#seen = seen;
    this.#lastLook = began;
    await this.#sweep();
    const alive: ServiceRecord[] = [];
    for (const { file, deadline } of seen.values()) {
      if (file !== undefined && deadline > clock.now()) alive.push(file.service);
    }
    return alive;
  }

  /** Writes a file, so that readers see the old or the new one, whole. */
  async write(name: string, bytes: Uint8Array): Promise<void> {
    const { path, files } = this.#options;
    try {
      await files.writeAtomic(`${path}/${name}`, bytes, { mode: 0o600 });
    } catch (error) {
      throw this.#away("write to", error);
    }
  }

  /** Removes a file; nothing happens if there is none. */
  async remove(name: string): Promise<void> {
    const { path, files } = this.#options;
    try {
      await files.remove(`${path}/${name}`);
    } catch (error) {
      throw this.#away("remove a record from", error);
    }
  }

  async #file(name: string): Promise<Seen | undefined> {
    const { path, files, clock, log } = this.#options;
    const before = this.#seen.get(name);
    const info = await files.stat(`${path}/${name}`);
    if (info === undefined) return undefined;
    if (before !== undefined && !before.racy && sameInfo(before.info, info)) return before;
    const racy = Math.abs(clock.wall() - info.modified) < RACY;
    let file: RecordFile | undefined;
    let problem = this.#unfit(info);
    if (problem === undefined) {
      let bytes: Uint8Array | undefined;
      try {
        bytes = await files.read(`${path}/${name}`);
        if (bytes === undefined) return undefined;
      } catch (error) {
        // Too many open files, say: no reason to lose a node that was alive.
        if (before?.file !== undefined) return { ...before, racy: true };
        problem = `it cannot be read: ${messageOf(error)}`;
      }
      try {
        if (bytes !== undefined) file = decodeRecordFile(name, bytes);
      } catch (error) {
        problem = messageOf(error);
      }
    }
    if (problem !== undefined && problem !== before?.problem) {
      log.warn("registry file is skipped", { file: `${path}/${name}`, why: problem });
    }
    const now = clock.now();
    if (before !== undefined && sameBeat(before.file, file)) return { ...before, info, racy, file, problem };
    return { info, racy, file, problem, since: now, deadline: this.#deadline(file, now) };
  }

  #deadline(file: RecordFile | undefined, now: number): number {
    if (file === undefined) return -Infinity;
    const age = Math.max(0, this.#options.clock.wall() - file.written);
    return Math.max(now + file.ttl - age, this.#lastLook + file.ttl);
  }

  #unfit(info: FileInfo): string | undefined {
    const { uid } = this.#options;
    if (info.kind !== "file") return "it is no file";
    if (info.size > MAX_RECORD_FILE) return `it has more than ${MAX_RECORD_FILE} bytes`;
    if (uid !== undefined && info.owner !== undefined && info.owner !== uid) {
      return "it belongs to another user";
    }
    return undefined;
  }

  /**
   * Removes what a dead process left behind. Three witnesses must agree that it is dead: what the file says, when
   * the file system says it was changed, and our own eyes, which have seen nobody renew it for its whole time to live
   * (so that a wall clock set forward deletes nothing).
   */
  async #sweep(): Promise<void> {
    const { path, files, clock, log } = this.#options;
    for (const [name, { file, info, since, deadline }] of this.#seen) {
      const now = clock.now();
      if (file === undefined || deadline > now || now - since < file.ttl) continue;
      const limit = clock.wall() - SWEEP_AFTER;
      if (file.written + file.ttl > limit || info.modified > limit) continue;
      try {
        const current = await files.stat(`${path}/${name}`);
        if (current === undefined || !sameInfo(current, info)) continue;
        await files.remove(`${path}/${name}`);
        this.#seen.delete(name);
        log.debug("registry record of a dead node is removed", { file: `${path}/${name}` });
      } catch (error) {
        log.debug("registry record of a dead node cannot be removed", { file: `${path}/${name}`, error });
      }
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

  #away(doing: string, cause: unknown): MuonError {
    return new MuonError(
      "unavailable",
      `The file registry cannot ${doing} its directory "${this.#options.path}": ${messageOf(cause)}`,
      { id: "muon.registry", cause },
    );
  }
}

function refusal(path: string, what: string, todo: string): MuonError {
  return new MuonError("failed_precondition", `Registry directory "${path}" ${what}: ${todo}`, {
    id: "muon.registry",
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function octal(mode: number): string {
  return (mode & 0o777).toString(8).padStart(3, "0");
}

function sameInfo(a: FileInfo, b: FileInfo): boolean {
  return a.modified === b.modified && a.size === b.size && a.kind === b.kind && a.owner === b.owner;
}

/** Whether two readings are the same beat of the same node's heart. */
function sameBeat(a: RecordFile | undefined, b: RecordFile | undefined): boolean {
  return a !== undefined && b !== undefined && a.written === b.written && a.ttl === b.ttl;
}
