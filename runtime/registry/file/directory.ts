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
import { deadlineOf, type Envelope, MAX_ENVELOPE, sameBeat, SWEEP_AFTER } from "../envelope.ts";
import { PrivateDirectory } from "../private_directory.ts";
import { decodeRecordFile, isAnothersFile, isRecordFileName } from "./record_file.ts";

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
  readonly file: Envelope | undefined;
  /** Why it is none. */
  readonly problem: string | undefined;
  /** Until when its node counts as living, on the steady clock. */
  readonly deadline: number;
  /** Since when it has been seen as it is, on the steady clock. */
  readonly since: number;
}

/**
 * Reads the directory again and again, and remembers what it saw. Until when a node lives, {@link deadlineOf} says.
 */
export class RecordDirectory {
  readonly #options: RecordDirectoryOptions;
  #seen = new Map<string, Seen>();
  readonly #directory: PrivateDirectory;
  #lastLook = -Infinity;

  constructor(options: RecordDirectoryOptions) {
    this.#options = options;
    this.#directory = new PrivateDirectory({ ...options, registry: "file" });
  }

  /**
   * Makes the directory if it is not there, and sees to it that it is the user's own.
   *
   * @returns Whether it is another than the last time: it had to be made, or somebody else has made it.
   * @throws {MuonError} `failed_precondition`, if others own it or may look into it; `unavailable`, if it cannot be
   * made or looked at.
   */
  prepare(): Promise<boolean> {
    return this.#directory.prepare();
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

  /** Removes a node's file; nothing happens if there is none, or by now that of a node at another address. */
  async remove(name: string, address: string): Promise<void> {
    const { path, files, log } = this.#options;
    const file = `${path}/${name}`;
    try {
      const bytes = await files.read(file);
      if (bytes === undefined) return;
      if (isAnothersFile(name, bytes, address)) {
        log.warn("registry record stays: another process with the same node id has written it", { file });
        return;
      }
      await files.remove(file);
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
    let file: Envelope | undefined;
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
    const deadline = deadlineOf(file, { now, wall: clock.wall(), lastLook: this.#lastLook });
    return { info, racy, file, problem, since: now, deadline };
  }

  #unfit(info: FileInfo): string | undefined {
    const { uid } = this.#options;
    if (info.kind !== "file") return "it is no file";
    if (info.size > MAX_ENVELOPE) return `it has more than ${MAX_ENVELOPE} bytes`;
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

  #away(doing: string, cause: unknown): MuonError {
    return new MuonError(
      "unavailable",
      `The file registry cannot ${doing} its directory "${this.#options.path}": ${messageOf(cause)}`,
      { id: "muon.registry", cause },
    );
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function sameInfo(a: FileInfo, b: FileInfo): boolean {
  return a.modified === b.modified && a.size === b.size && a.kind === b.kind && a.owner === b.owner;
}
