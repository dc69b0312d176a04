/**
 * Files that live in memory and take their times from a clock, for tests.
 *
 * @module
 */

import type { Clock } from "../../runtime/clock.ts";
import type { FileInfo, Files } from "../../runtime/platform.ts";

interface Item {
  data: Uint8Array | undefined;
  modified: number;
  mode: number;
  owner: number;
  readonly identity: string;
}

/** {@link Files} in memory. Tests change modes, owners and times, and make operations fail. */
export class MemoryFiles implements Files {
  readonly #clock: Clock;
  readonly #items = new Map<string, Item>();
  readonly #watches = new Map<string, Set<() => void>>();
  /** Owner of what is made from now on. */
  owner = 1000;
  /** Whether watches say nothing, as on some network file systems. */
  silent = false;
  /** What the operations named here throw. */
  readonly broken = new Map<keyof Files, Error>();
  /** How often each operation was asked for. */
  readonly counts: Partial<Record<keyof Files, number>> = {};
  #made = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How many watches are open. */
  get watches(): number {
    let open = 0;
    for (const watches of this.#watches.values()) open += watches.size;
    return open;
  }

  async read(path: string): Promise<Uint8Array | undefined> {
    await this.#enter("read");
    return this.#items.get(path)?.data?.slice();
  }

  async writeAtomic(path: string, data: Uint8Array, options: { readonly mode?: number } = {}): Promise<void> {
    await this.#enter("writeAtomic");
    this.put(path, data, options.mode ?? 0o644);
  }

  async list(path: string): Promise<readonly string[]> {
    await this.#enter("list");
    return [...this.#items.keys()]
      .filter((each) => each.startsWith(`${path}/`) && !each.slice(path.length + 1).includes("/"))
      .map((each) => each.slice(path.length + 1));
  }

  async stat(path: string): Promise<FileInfo | undefined> {
    await this.#enter("stat");
    const item = this.#items.get(path);
    if (item === undefined) return undefined;
    const { data, modified, mode, owner, identity } = item;
    return {
      identity,
      size: data?.length ?? 0,
      modified,
      mode,
      owner,
      kind: data === undefined ? "directory" : "file",
    };
  }

  async makeDirectory(path: string, options: { readonly mode?: number } = {}): Promise<void> {
    await this.#enter("makeDirectory");
    const parts = path.split("/");
    for (let i = 2; i <= parts.length; i++) {
      const each = parts.slice(0, i).join("/");
      if (!this.#items.has(each)) {
        const mode = options.mode ?? 0o755;
        this.#set(each, undefined, mode);
      }
    }
  }

  async remove(path: string): Promise<void> {
    await this.#enter("remove");
    this.#items.delete(path);
    this.#changed(path);
  }

  watch(path: string, changed: () => void): Disposable {
    this.counts.watch = (this.counts.watch ?? 0) + 1;
    const error = this.broken.get("watch");
    if (error !== undefined) throw error;
    let watches = this.#watches.get(path);
    if (watches === undefined) this.#watches.set(path, watches = new Set());
    const callback = () => changed();
    watches.add(callback);
    return { [Symbol.dispose]: () => void watches.delete(callback) };
  }

  /** Writes a file at once, as another program would. */
  put(path: string, data: Uint8Array, mode = 0o600): void {
    this.#set(path, data.slice(), mode);
    this.#changed(path);
  }

  #set(path: string, data: Uint8Array | undefined, mode: number): void {
    const { owner } = this;
    this.#items.set(path, { data, modified: this.#clock.wall(), mode, owner, identity: `${this.#made++}` });
  }

  /** Changes what is known of a path. */
  change(path: string, change: Partial<Pick<Item, "mode" | "owner" | "modified">>): void {
    Object.assign(this.#items.get(path)!, change);
  }

  /** Removes a path and all beneath it, at once. Watches of what is removed are deaf from then on. */
  wipe(path: string): void {
    for (const each of [...this.#items.keys()]) {
      if (each !== path && !each.startsWith(`${path}/`)) continue;
      this.#items.delete(each);
      this.#watches.delete(each);
    }
  }

  /** Every path there is. */
  paths(): string[] {
    return [...this.#items.keys()];
  }

  async #enter(operation: keyof Files): Promise<void> {
    this.counts[operation] = (this.counts[operation] ?? 0) + 1;
    await undefined;
    const error = this.broken.get(operation);
    if (error !== undefined) throw error;
  }

  #changed(path: string): void {
    if (this.silent) return;
    const directory = path.slice(0, path.lastIndexOf("/"));
    for (const callback of this.#watches.get(directory) ?? []) callback();
  }
}
