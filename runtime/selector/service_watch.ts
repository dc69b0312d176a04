/**
 * Keeps the nodes of one service as a registry tells of them.
 *
 * @module
 */

import { type Clock, sleep, type Timer } from "../clock.ts";
import { MuonError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { backoff } from "../policy.ts";
import type { Random } from "../random.ts";
import { applyChange } from "../record_set.ts";
import type { ServiceRecord } from "../record.ts";
import type { Registry, RegistryEvent } from "../registry/registry.ts";
import { CandidateGroup } from "./candidates.ts";

/** For how long the known nodes stay when a registry comes back with none, in ms: longer than nodes take to renew. */
export const GRACE = 30_000;

const RESTART = { backoff: 100, maxBackoff: 10_000 };

/** What a {@link ServiceWatch} needs. */
export interface ServiceWatchOptions {
  /** Name of the service. */
  readonly service: string;
  /** Who tells of its nodes. */
  readonly registry: Registry;
  /** Time. */
  readonly clock: Clock;
  /** Spreads the restarts of many. */
  readonly random: Random;
  /** Told when the registry goes away and comes back. */
  readonly log: Logger;
}

/**
 * Follows a registry's watch of one service and begins it anew when it ends. Nodes that are known stay while the
 * registry is away, and for {@link GRACE} when it comes back empty, as one does that was restarted.
 */
export class ServiceWatch implements AsyncDisposable {
  /** The nodes. */
  readonly nodes: CandidateGroup;
  /** Resolves when the nodes are known; rejects if the registry is away before they are. */
  readonly first: Promise<void>;
  /** Whether a pick has been made since this was last set to `false`. */
  used = true;
  readonly #options: ServiceWatchOptions;
  readonly #controller = new AbortController();
  readonly #following: Promise<void>;
  #known = false;
  #view: readonly ServiceRecord[] = [];
  #grace: Timer | undefined;
  #awaySince: number | undefined;

  constructor(options: ServiceWatchOptions) {
    this.#options = options;
    this.nodes = new CandidateGroup(options.clock);
    const first = Promise.withResolvers<void>();
    this.first = first.promise;
    this.first.catch(() => {});
    this.#following = this.#follow(first);
  }

  /** Whether the nodes are known. */
  get known(): boolean {
    return this.#known;
  }

  /** For how long the registry has been away, in ms; 0: it is there. */
  get away(): number {
    return this.#awaySince === undefined ? 0 : this.#options.clock.now() - this.#awaySince;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#grace?.cancel();
    this.#controller.abort();
    await this.#following;
  }

  async #follow(first: PromiseWithResolvers<void>): Promise<void> {
    const { service, registry, clock, random } = this.#options;
    const { signal } = this.#controller;
    for (let failures = 0; !signal.aborted;) {
      const began = clock.now();
      let why: unknown;
      try {
        for await (const event of registry.watch({ service, signal })) {
          this.#take(event);
          first.resolve();
        }
      } catch (error) {
        why = error;
      }
      if (signal.aborted || !this.#known) {
        first.reject(this.#lost(why));
        return;
      }
      if (clock.now() - began >= RESTART.maxBackoff) failures = 0;
      failures++;
      this.#gone(why);
      const wait = backoff(RESTART, failures, 0.5 + random.next() / 2);
      await sleep(clock, wait, { signal, background: true }).catch(() => {});
    }
  }

  #take(event: RegistryEvent): void {
    const { service, clock, log, registry } = this.#options;
    if (this.#awaySince !== undefined) {
      log.info("registry is back", { registry: registry.name, service, away: Math.round(this.away) });
      this.#awaySince = undefined;
    }
    if (event.type === "sync") this.#view = event.services.filter(({ name }) => name === service);
    else if (event.service.name === service) this.#view = applyChange(this.#view, event);
    const empty = this.#view.every(({ nodes }) => nodes.length === 0);
    if (empty && this.#grace !== undefined) return;
    this.#grace?.cancel();
    this.#grace = undefined;
    if (empty && event.type === "sync" && this.nodes.all.length > 0) {
      this.#grace = clock.after(GRACE, () => {
        this.#grace = undefined;
        this.nodes.set(this.#view);
      });
      return;
    }
    this.nodes.set(this.#view);
    this.#known = true;
  }

  #gone(why: unknown): void {
    if (this.#awaySince !== undefined) return;
    const { service, clock, log, registry } = this.#options;
    this.#awaySince = clock.now();
    log.warn("registry is away; known nodes are kept", {
      registry: registry.name,
      service,
      nodes: this.nodes.all.length,
      error: why,
    });
  }

  #lost(why: unknown): MuonError {
    const { service, registry } = this.#options;
    if (why instanceof MuonError && why.status !== "canceled") {
      return new MuonError(
        why.status,
        `The nodes of service "${service}" cannot be looked up: ${why.detail}`,
        {
          id: "muon.selector",
          where: { service },
          notRun: true,
          cause: why,
        },
      );
    }
    return new MuonError(
      "unavailable",
      `The nodes of service "${service}" cannot be looked up in the ${registry.name} registry: ` +
        (why === undefined ? "its watch ended" : why instanceof Error ? why.message : String(why)),
      { id: "muon.selector", where: { service }, notRun: true, cause: why },
    );
  }
}
