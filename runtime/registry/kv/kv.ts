/**
 * The `kv` registry: records in Deno KV, by which the processes that share one file, or one remote KV, find each other.
 *
 * @module
 */

import { type Logger, SILENT } from "../../log.ts";
import type { KvEntry, KvStore } from "../../kv_store.ts";
import type { System } from "../../platform.ts";
import type { ServiceRecord } from "../../record.ts";
import {
  deadlineOf,
  decodeEnvelope,
  encodeEnvelope,
  type Envelope,
  envelopeName,
  isAnothers,
  sameBeat,
} from "../envelope.ts";
import { createPolledRegistry, type PolledBackend } from "../polled.ts";
import { PrivateDirectory } from "../private_directory.ts";
import type { Registry } from "../registry.ts";
import { KvAccess } from "./access.ts";

/** Under which keys the records lie: `["muon", "registry", "<service>@<version>~<hash>"]`. */
export const PREFIX = ["muon", "registry"] as const;

/**
 * How long after its expiry the store may forget a record, in ms. The store goes by its own wall clock: a day, so that
 * one which is set forward by less loses no living node.
 */
export const FORGET_AFTER = 86_400_000;

/** Options of {@link createKvRegistry}. */
export interface KvRegistryOptions {
  /** Time, chance and the machine. */
  readonly system: Pick<System, "clock" | "random" | "platform">;
  /**
   * An open store, which stays the caller's, or what opens the one at an address, which is closed with the registry.
   * It is opened when it is first wanted.
   */
  readonly kv: KvStore | ((address: string) => Promise<KvStore>);
  /**
   * Path of the KV file, or URL of a remote KV.
   * @default {`${platform.runtimeDirectory}/muon/kv/registry.db`, in a directory that must be the user's own}
   */
  readonly address?: string;
  /** Time between two looks while the registry is watched, in ms: KV does not tell of what other processes write. @default {1000} */
  readonly poll?: number;
  /** How long one read or write may take, tries on a locked database included, in ms. @default {10000} */
  readonly timeout?: number;
  /** Told of what is skipped, and of a store that cannot be read. @default {nobody} */
  readonly log?: Logger;
}

/**
 * A registry over Deno KV: one value a node, renewed by whoever registered it and ignored when its time to live is
 * over. The values are bytes, so that Deno, Bun and Node read each other's. It is read when it is asked, and while it
 * is watched every `poll` ms. A database that another process has locked is tried again, with jitter.
 *
 * Disposing it ends its watches and leaves what it registered to expire: deregister first.
 *
 * @throws {RangeError} If `poll` or `timeout` is not above 0 and finite.
 * @throws {TypeError} If no address is given where the runtime has no files.
 *
 * @example
 * ```ts
 * await using registry = createKvRegistry({ system, kv: await Deno.openKv("/var/lib/app/registry.db") });
 * await registry.register(record, { ttl: 60_000 });
 * for await (const event of registry.watch({ service: "greeter" })) console.log(event.type);
 * ```
 */
export function createKvRegistry(options: KvRegistryOptions): Registry {
  const { system: { clock }, poll, log = SILENT } = options;
  return createPolledRegistry(new KvBackend(options), { clock, poll, log });
}

interface Seen {
  readonly versionstamp: string | null;
  /** What it said; `undefined`: it is none of the registry's. */
  readonly envelope: Envelope | undefined;
  /** Until when its node counts as living, on the steady clock. */
  readonly deadline: number;
}

class KvBackend implements PolledBackend {
  readonly name = "kv";
  readonly #system: Pick<System, "clock" | "platform">;
  readonly #log: Logger;
  readonly #access: KvAccess;
  #seen = new Map<string, Seen>();
  #lastLook = -Infinity;

  constructor(options: KvRegistryOptions) {
    const { system, kv, timeout, log = SILENT } = options;
    const { address, prepare } = placeOf(options, log);
    this.#system = system;
    this.#log = log;
    this.#access = new KvAccess({
      system,
      address,
      timeout: timeout ?? 10_000,
      ...(typeof kv === "function"
        ? {
          open: async () => {
            await prepare?.();
            return await kv(address);
          },
        }
        : { store: kv }),
    });
  }

  async look(): Promise<ServiceRecord[]> {
    const { clock } = this.#system;
    const began = clock.now();
    const entries = await this.#entries();
    const seen = new Map<string, Seen>();
    for (const entry of entries) {
      const name = nameOf(entry);
      if (name !== undefined) seen.set(name, this.#see(name, entry));
    }
    this.#seen = seen;
    this.#lastLook = began;
    const now = clock.now();
    const alive: ServiceRecord[] = [];
    for (const { envelope, deadline } of seen.values()) {
      if (envelope !== undefined && deadline > now) alive.push(envelope.service);
    }
    return alive;
  }

  async put(record: ServiceRecord, ttl: number): Promise<void> {
    const { clock, platform } = this.#system;
    const written = clock.wall();
    const values = record.nodes.map((node) => ({
      key: keyOf(record, node.id),
      bytes: encodeEnvelope({ service: { ...record, nodes: [node] }, written, ttl }, platform),
    }));
    const expireIn = Math.ceil(ttl) + FORGET_AFTER;
    for (const { key, bytes } of values) {
      await this.#access.run("be written to", (kv) => kv.set(key, bytes, { expireIn }));
    }
  }

  async remove(record: ServiceRecord): Promise<void> {
    // Of one key alone the value cannot be asked for.
    const values = new Map((await this.#entries()).map((entry) => [nameOf(entry), entry.value]));
    for (const { id, address } of record.nodes) {
      const key = keyOf(record, id);
      const name = key.at(-1)!;
      const value = values.get(name);
      if (value instanceof Uint8Array && isAnothers(name, value, address)) {
        this.#log.warn("registry record stays: another process with the same node id has written it", {
          key: key.join("/"),
        });
      } else await this.#access.run("be written to", (kv) => kv.delete(key));
    }
  }

  async #entries(): Promise<KvEntry[]> {
    return await this.#access.run("be read", async (kv) => {
      const found: KvEntry[] = [];
      for await (const entry of kv.list({ prefix: PREFIX })) found.push(entry);
      return found;
    });
  }

  close(): Promise<void> {
    return this.#access.close();
  }

  #see(name: string, { value, versionstamp }: KvEntry): Seen {
    const before = this.#seen.get(name);
    if (before !== undefined && versionstamp !== null && before.versionstamp === versionstamp) return before;
    let envelope: Envelope | undefined;
    try {
      if (!(value instanceof Uint8Array)) throw new TypeError("it holds no bytes");
      envelope = decodeEnvelope(name, value);
    } catch (error) {
      this.#log.warn("registry record is skipped", {
        key: [...PREFIX, name].join("/"),
        why: error instanceof Error ? error.message : String(error),
      });
    }
    if (before !== undefined && sameBeat(before.envelope, envelope)) {
      return { ...before, versionstamp, envelope };
    }
    const { clock } = this.#system;
    const times = { now: clock.now(), wall: clock.wall(), lastLook: this.#lastLook };
    return { versionstamp, envelope, deadline: deadlineOf(envelope, times) };
  }
}

function keyOf(record: ServiceRecord, node: string): readonly string[] {
  return [...PREFIX, envelopeName(record.name, record.version, node)];
}

/** The last part of a key of the registry's; `undefined`: it is someone else's. */
function nameOf({ key }: KvEntry): string | undefined {
  const name = key[PREFIX.length];
  return key.length === PREFIX.length + 1 && typeof name === "string" ? name : undefined;
}

/** Where the store is, and what must be done before it is opened there. */
function placeOf(
  { system: { platform }, kv, address }: KvRegistryOptions,
  log: Logger,
): { readonly address: string; readonly prepare?: () => Promise<unknown> } {
  const { files, uid, runtimeDirectory } = platform;
  if (address !== undefined || typeof kv !== "function") return { address: address ?? "(given)" };
  if (files === undefined) {
    throw new TypeError(
      `The kv registry wants an address here: ${platform.runtime} has no files, so give the URL of a remote KV`,
    );
  }
  const path = `${runtimeDirectory}/muon/kv`;
  const above = [runtimeDirectory, `${runtimeDirectory}/muon`];
  const directory = new PrivateDirectory({ registry: "kv", path, above, files, uid, log });
  return { address: `${path}/registry.db`, prepare: () => directory.prepare() };
}
