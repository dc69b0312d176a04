/**
 * What a call may ask of the node that serves it.
 *
 * @module
 */

import type { Node, ServiceRecord } from "./record.ts";

/** A node that may be picked, with what this process knows of it. */
export interface Candidate {
  /** The node. */
  readonly node: Node;
  /** The record it stands in: one service in one version. */
  readonly service: ServiceRecord;
  /** Calls of this process that it has not answered yet. */
  readonly inflight: number;
  /** Moving average of its answers' time in ms; 0 while it has answered none. */
  readonly latency: number;
  /** Time on the steady clock, in ms, until which it is left out because calls to it failed; 0 if it is not. */
  readonly ejectedUntil: number;
}

/** The call for which a node is picked. */
export interface PickContext {
  /** Service that is called. */
  readonly service: string;
  /** Endpoint that is called. */
  readonly endpoint: string;
  /** Filters of this call, beside the selector's own. */
  readonly filters: readonly Filter[];
  /** Ids of the nodes that this call has tried: they are taken again only if no other is left. */
  readonly tried: readonly string[];
  /** Weights of this call, beside the selector's own. @default {[]} */
  readonly weights?: readonly Weight[] | undefined;
  /** How to choose for this call: a name, or a strategy. @default {the selector's} */
  readonly strategy?: string | Strategy | undefined;
  /** `false`: ejected nodes are as good as others. @default {others are preferred to ejected nodes} */
  readonly ejection?: false | undefined;
  /** Told how the node was picked. @default {nobody: no decision record is made} */
  readonly explain?: ((decision: Decision) => void) | undefined;
}

/**
 * Leaves out nodes.
 *
 * @example
 * ```ts
 * const local: Filter = { name: "local", keep: ({ node }) => node.address.startsWith("127.") };
 * ```
 */
export interface Filter {
  /** Name, for the decision record of a pick. */
  readonly name: string;
  /** Whether the candidate may serve the call. */
  keep(candidate: Candidate, call: PickContext): boolean;
}

/**
 * Chooses among candidates; never called with none.
 *
 * @example
 * ```ts
 * const first: Strategy = { name: "first", pick: (from) => from[0]! };
 * ```
 */
export interface Strategy {
  /** Name, as `--selector` takes it. */
  readonly name: string;
  /** The candidate that serves the call. */
  pick(from: readonly Candidate[], call: PickContext): Candidate;
}

/**
 * Says how much of the calls a node gets, beside the others: with weights 3 and 1, three calls of four.
 *
 * @example
 * ```ts
 * const near: Weight = { name: "near", of: ({ node }) => node.metadata.zone === "eu-1" ? 9 : 1 };
 * ```
 */
export interface Weight {
  /** Name, for the decision record of a pick. */
  readonly name: string;
  /** Its share; 0: only while no node with more is there. */
  of(candidate: Candidate, call: PickContext): number;
}

/** How a node was picked, or why none was: who was known, who was left out by what, who won. */
export interface Decision {
  /** Service that was called. */
  readonly service: string;
  /** Endpoint that was called. */
  readonly endpoint: string;
  /** Name of the registry that told of the nodes. */
  readonly registry: string;
  /** Name of the strategy that chose. */
  readonly strategy: string;
  /** Id of the node that was picked; `undefined`: none. */
  readonly picked: string | undefined;
  /** How many nodes of the service were known. */
  readonly known: number;
  /** The first 16 of them. */
  readonly nodes: readonly {
    readonly id: string;
    readonly address: string;
    readonly version: string;
    /**
     * Filter that left it out; or `endpoint`, `ejected`, `tried` or `weight`, where others were preferred to it; empty:
     * none did.
     */
    readonly leftOutBy: string;
    /** What the weights give it, beside the others that are not left out; absent where there are no weights. */
    readonly weight?: number;
  }[];
  /** Names of services that the registry knew, where nobody of this name was known; at most 8. */
  readonly services: readonly string[];
  /** For how long the registry has been away, in ms; 0: it is there. */
  readonly registryAway: number;
}
