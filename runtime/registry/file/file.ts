/**
 * The `file` registry: a directory of records, by which the processes of one user on one host find each other.
 *
 * @module
 */

import { MuonError } from "../../errors.ts";
import { type Logger, SILENT } from "../../log.ts";
import type { System } from "../../platform.ts";
import type { ServiceRecord } from "../../record.ts";
import { encodeEnvelope } from "../envelope.ts";
import { createPolledRegistry, type PolledBackend } from "../polled.ts";
import type { Registry } from "../registry.ts";
import { RecordDirectory } from "./directory.ts";
import { fileNameOf } from "./record_file.ts";

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
  const { system: { clock }, poll, log = SILENT } = options;
  return createPolledRegistry(new FileBackend(options), { clock, poll, log });
}

class FileBackend implements PolledBackend {
  readonly name = "file";
  readonly #system: Pick<System, "clock" | "platform">;
  readonly #path: string;
  readonly #log: Logger;
  readonly #directory: RecordDirectory;
  #changed: (() => void) | undefined;
  #watch: Disposable | undefined;
  /** Whether the directory is another than at the last look. */
  #replaced = false;
  anew = false;

  constructor({ system, directory, log = SILENT }: FileRegistryOptions) {
    const { clock, platform } = system;
    const { files, uid, runtimeDirectory } = platform;
    if (files === undefined) {
      throw new MuonError(
        "unimplemented",
        `The file registry needs files, and ${platform.runtime} has none: choose another with --registry`,
        { id: "muon.registry" },
      );
    }
    this.#system = system;
    this.#path = directory ?? `${runtimeDirectory}/muon/registry`;
    this.#log = log;
    this.#directory = new RecordDirectory({
      path: this.#path,
      above: directory === undefined ? [runtimeDirectory, `${runtimeDirectory}/muon`] : [],
      files,
      uid,
      clock,
      log,
    });
  }

  async look(): Promise<ServiceRecord[]> {
    await this.#prepare();
    if (this.#changed !== undefined && (this.#replaced || this.#watch === undefined)) {
      this.#listen(this.#changed);
    }
    const records = await this.#directory.look();
    this.anew = this.#replaced;
    this.#replaced = false;
    return records;
  }

  async put(record: ServiceRecord, ttl: number): Promise<void> {
    const { clock, platform } = this.#system;
    const written = clock.wall();
    const files = record.nodes.map((node) => ({
      name: fileNameOf(record.name, record.version, node.id),
      bytes: encodeEnvelope({ service: { ...record, nodes: [node] }, written, ttl }, platform),
    }));
    await this.#prepare();
    for (const { name, bytes } of files) await this.#directory.write(name, bytes);
  }

  async remove(record: ServiceRecord): Promise<void> {
    for (const node of record.nodes) {
      await this.#directory.remove(fileNameOf(record.name, record.version, node.id), node.address);
    }
  }

  watched(changed: () => void): void {
    this.#changed = changed;
  }

  unwatched(): void {
    this.#changed = undefined;
    this.#watch?.[Symbol.dispose]();
    this.#watch = undefined;
  }

  async #prepare(): Promise<void> {
    if (await this.#directory.prepare()) this.#replaced = true;
  }

  #listen(changed: () => void): void {
    this.#watch?.[Symbol.dispose]();
    this.#watch = undefined;
    try {
      this.#watch = this.#system.platform.files!.watch(this.#path, changed);
    } catch (error) {
      this.#watch = { [Symbol.dispose]() {} };
      this.#log.debug("registry directory cannot be watched; it is polled", { directory: this.#path, error });
    }
  }
}
