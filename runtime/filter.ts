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
