/**
 * Registry: who serves what, and where.
 *
 * @module
 */

import type { ServiceRecord } from "../record.ts";

/** A change of what is registered, or (`sync`) all of it. */
export type RegistryEvent =
  | { readonly type: "sync"; readonly services: readonly ServiceRecord[] }
  | { readonly type: "create" | "update" | "delete"; readonly service: ServiceRecord };

/** Options of {@link Registry.watch}. */
export interface WatchOptions {
  /** Name of the one service to watch. @default {all} */
  readonly service?: string | undefined;
  /** Ends the watch. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Holds records under the key (service, version, node id).
 *
 * An event names one service in one version: `create` and `update` carry it with the nodes that are new or changed,
 * `delete` with the nodes that are gone.
 */
export interface Registry extends AsyncDisposable {
  /** Name of the implementation, as `--registry` takes it. */
  readonly name: string;
  /**
   * For how long what it reads has been out of reach while its watches go on, in ms; 0: it is there. A registry whose
   * watches end when it goes away need not say.
   */
  readonly away?: number;
  /** Adds or renews the record's nodes for `ttl` milliseconds. Unchanged content makes no event. */
  register(service: ServiceRecord, options: { readonly ttl: number }): Promise<void>;
  /**
   * Takes the record's nodes out; nothing happens where they are not. Where several processes write, a node that another
   * one has registered at its own address since stays.
   */
  deregister(service: ServiceRecord): Promise<void>;
  /** The records of a service, one a version, with their living nodes; empty if nobody serves it. */
  getService(name: string, options?: { readonly signal?: AbortSignal | undefined }): Promise<ServiceRecord[]>;
  /** Every service that has a living node, one entry a version. */
  listServices(
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<{ readonly name: string; readonly version: string }[]>;
  /** Changes as they come. The first event is `sync`, and so is the first after every reconnect. */
  watch(options?: WatchOptions): AsyncIterable<RegistryEvent>;
}
