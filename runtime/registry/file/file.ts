/**
 * The `file` registry: a directory of records, by which the processes of one user on one host find each other.
 *
 * @module
 */

import type { Timer } from "../../clock.ts";
import { MuonError } from "../../errors.ts";
import { type Logger, SILENT } from "../../log.ts";
import type { System } from "../../platform.ts";
import { mergeRecords } from "../../record_set.ts";
import type { ServiceRecord } from "../../record.ts";
import { RecordHub } from "../hub.ts";
import { checkDeregistration, checkRegistration } from "../registration.ts";
import type { Registry, RegistryEvent, WatchOptions } from "../registry.ts";
import { RecordDirectory } from "./directory.ts";
import { encodeRecordFile, fileNameOf } from "./record_file.ts";

/** How long changes that the system tells of are gathered before the directory is read, in ms. */
const GATHER = 25;

/** Options of {@link createFileRegistry}. */
export interface FileRegistryOptions {
  /** Time and the machine. */
  readonly system: Pick<System, "clock" | "platform">;
  /**
   * The directory, which must be the user's own, mode 0700; it is made if it is not there.
   * @default {`${platform.runtimeDirectory}/muon/registry`}
   */
  readonly directory?: string;
  /** Time between two looks at the directory while it is watched, in ms, for where the system tells of no change. @default {1000} */
  readonly poll?: number;
  /** Told of what is skipped and swept, and of a directory that cannot be read. @default {nobody} */
  readonly log?: Logger;
}

/**
 * A registry in a directory: one file a node, written whole, renewed by whoever registered it and ignored when its
 * time to live is over. It is read when it is asked, and while it is watched at each change the system tells of and
 * every `poll` ms. Files that are not its own are skipped, said to the log once, and never touched; records that a
 * dead process left are removed an hour after they expired.
 *
 * Disposing it ends its watches and leaves what it registered to expire: deregister first.
 *
 * @throws {MuonError} `unimplemented`, where the runtime has no files.
 * @throws {RangeError} If `poll` is not above 0 and finite.
 *
 * @example
 * ```ts
 * await using registry = createFileRegistry({ system });
 * await registry.register(record, { ttl: 60_000 });
 * for await (const event of registry.watch({ service: "greeter" })) console.log(event.type);
 * ```
 */
export function createFileRegistry(options: FileRegistryOptions): Registry {
  return new FileRegistry(options);
}

class FileRegistry implements Registry {
  readonly name = "file";
  readonly #system: Pick<System, "clock" | "platform">;
  readonly #path: string;
  readonly #poll: number;
  readonly #log: Logger;
  readonly #directory: RecordDirectory;
  readonly #hub: RecordHub;
  #closed = false;
  #looking: Promise<void> | undefined;
  #lookNext: Promise<void> | undefined;
  #polling: Timer | undefined;
  #gathering: Timer | undefined;
  #watch: Disposable | undefined;
  #watched = false;
  #failing = false;

  constructor(options: FileRegistryOptions) {
    const { clock, platform } = options.system;
    const { files, uid, runtimeDirectory } = platform;
    if (files === undefined) {
      throw new MuonError(
        "unimplemented",
        `The file registry needs files, and ${platform.runtime} has none: choose another with --registry`,
        { id: "muon.registry" },
      );
    }
    this.#poll = options.poll ?? 1_000;
    if (!(this.#poll > 0 && Number.isFinite(this.#poll))) {
      throw new RangeError(`Poll interval must be above 0 ms and finite: current value is ${this.#poll}`);
    }
    this.#system = options.system;
    this.#path = options.directory ?? `${runtimeDirectory}/muon/registry`;
    this.#log = options.log ?? SILENT;
    this.#directory = new RecordDirectory({
      path: this.#path,
      above: options.directory === undefined ? [runtimeDirectory, `${runtimeDirectory}/muon`] : [],
      files,
      uid,
      clock,
      log: this.#log,
    });
    this.#hub = new RecordHub({ watched: () => this.#begin(), unwatched: () => this.#end() });
  }

  async register(service: ServiceRecord, { ttl }: { readonly ttl: number }): Promise<void> {
    this.#open("register");
    const record = checkRegistration(service, ttl);
    const { clock, platform } = this.#system;
    const written = clock.wall();
    const files = record.nodes.map((node) => ({
      name: fileNameOf(record.name, record.version, node.id),
      bytes: encodeRecordFile({ service: { ...record, nodes: [node] }, written, ttl }, platform),
    }));
    await this.#directory.prepare();
    for (const { name, bytes } of files) await this.#directory.write(name, bytes);
    if (this.#watched) await this.#tick();
  }

  async deregister(service: ServiceRecord): Promise<void> {
    this.#open("deregister");
    const record = checkDeregistration(service);
    for (const node of record.nodes) {
      await this.#directory.remove(fileNameOf(record.name, record.version, node.id));
    }
    if (this.#watched) await this.#tick();
  }

  async getService(
    name: string,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<ServiceRecord[]> {
    await this.#read("getService", options.signal);
    return this.#hub.get(name);
  }

  async listServices(
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<{ readonly name: string; readonly version: string }[]> {
    await this.#read("listServices", options.signal);
    return this.#hub.list();
  }

  watch(options: WatchOptions = {}): AsyncIterable<RegistryEvent> {
    return this.#hub.watch(options, () => this.#refresh());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#hub.close();
    this.#end();
    await Promise.allSettled([this.#looking, this.#lookNext]);
  }

  #open(doing: string): void {
    if (!this.#closed) return;
    throw new MuonError("failed_precondition", `The file registry is closed: ${doing} cannot be done`, {
      id: "muon.registry",
    });
  }

  async #read(doing: string, signal: AbortSignal | undefined): Promise<void> {
    this.#open(doing);
    signal?.throwIfAborted();
    await this.#refresh();
    signal?.throwIfAborted();
  }

  /** Reads the directory. A look that is under way may have passed what has changed since, so it is not enough. */
  #refresh(): Promise<void> {
    if (this.#looking === undefined) {
      return this.#looking = this.#look().finally(() => this.#looking = undefined);
    }
    return this.#lookNext ??= this.#looking.catch(() => {}).then(() => {
      this.#lookNext = undefined;
      return this.#refresh();
    });
  }

  async #look(): Promise<void> {
    const made = await this.#directory.prepare();
    if (this.#watched && (made || this.#watch === undefined)) this.#listen();
    this.#hub.replace(mergeRecords(await this.#directory.look()));
  }

  #begin(): void {
    this.#watched = true;
    this.#failing = false;
    this.#schedule();
  }

  #end(): void {
    this.#watched = false;
    this.#polling?.cancel();
    this.#gathering?.cancel();
    this.#watch?.[Symbol.dispose]();
    this.#polling = this.#gathering = this.#watch = undefined;
  }

  #schedule(): void {
    this.#polling?.cancel();
    this.#polling = this.#system.clock.after(this.#poll, () => {
      void this.#tick().then(() => {
        if (this.#watched) this.#schedule();
      });
    });
  }

  /** A look for the sake of the watches. A directory that cannot be read leaves what is known as it is. */
  async #tick(): Promise<void> {
    try {
      await this.#refresh();
      if (this.#failing) this.#log.info("registry directory can be read again", { directory: this.#path });
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) {
        this.#log.warn("registry directory cannot be read; known nodes are kept", { error });
      }
      this.#failing = true;
    }
  }

  #listen(): void {
    this.#watch?.[Symbol.dispose]();
    this.#watch = undefined;
    try {
      this.#watch = this.#system.platform.files!.watch(this.#path, () => this.#gather());
    } catch (error) {
      this.#watch = { [Symbol.dispose]() {} };
      this.#log.debug("registry directory cannot be watched; it is polled", { every: this.#poll, error });
    }
  }

  #gather(): void {
    if (!this.#watched || this.#gathering !== undefined) return;
    this.#gathering = this.#system.clock.after(GATHER, () => {
      this.#gathering = undefined;
      void this.#tick();
    });
  }
}
