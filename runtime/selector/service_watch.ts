/**
 * Keeps the nodes of one service as a registry tells of them.
 *
 * @module
 */

import type { Clock } from "../clock.ts";
import { MuonError, textOf } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Random } from "../random.ts";
import { RecordWatch } from "../record_watch.ts";
import type { Registry } from "../registry/registry.ts";
import { CandidateGroup } from "./candidates.ts";
import type { EjectionPolicy } from "./ejection.ts";

/** What a {@link ServiceWatch} needs. */
export interface ServiceWatchOptions {
  /** Name of the service. */
  readonly service: string;
  /** Who tells of its nodes. */
  readonly registry: Registry;
  /** When a node is left out. */
  readonly ejection: EjectionPolicy;
  /** Time. */
  readonly clock: Clock;
  /** Spreads the restarts of many. */
  readonly random: Random;
  /** Told when the registry goes away and comes back. */
  readonly log: Logger;
}

/** Follows a registry's watch of one service, as {@link RecordWatch} does, and keeps what calls have shown of its nodes. */
export class ServiceWatch implements AsyncDisposable {
  /** The nodes. */
  readonly nodes: CandidateGroup;
  /** Resolves when the nodes are known; rejects if the registry is away before they are. */
  readonly first: Promise<void>;
  /** Whether a pick has been made since this was last set to `false`. */
  used = true;
  readonly #watch: RecordWatch;

  constructor(options: ServiceWatchOptions) {
    this.nodes = new CandidateGroup(options.clock, options.ejection);
    this.#watch = new RecordWatch({ ...options, changed: (_, records) => this.nodes.set(records) });
    this.first = this.#watch.first.catch((why) => {
      throw lost(options, why);
    });
    this.first.catch(() => {});
  }

  /** Whether the nodes are known. */
  get known(): boolean {
    return this.#watch.known;
  }

  /** For how long the registry has been away, in ms; 0: it is there. */
  get away(): number {
    return this.#watch.away;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#watch[Symbol.asyncDispose]();
  }
}

function lost({ service, registry }: ServiceWatchOptions, why: unknown): MuonError {
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
      (why === undefined ? "its watch ended" : why instanceof Error ? why.message : textOf(why)),
    { id: "muon.selector", where: { service }, notRun: true, cause: why },
  );
}
