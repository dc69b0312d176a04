/**
 * Selector: which node serves a call.
 *
 * @module
 */

import type { Candidate, PickContext } from "../filter.ts";
import type { MuonError } from "../errors.ts";

export type { Candidate, Decision, Filter, PickContext, Strategy, Weight } from "../filter.ts";

/** How a call to a picked node ended. */
export interface Outcome {
  /** Why it failed; `undefined` if it did not. */
  readonly error?: MuonError | undefined;
  /** Milliseconds it took. */
  readonly duration: number;
  /** When it was over, in ms on the steady clock. @default {now} */
  readonly at?: number;
}

/** A node that was picked for a call. */
export interface Pick {
  /** The node. */
  readonly candidate: Candidate;
  /** To be called once, when the call is over. */
  done(outcome: Outcome): void;
}

/** Picks nodes for calls, from what a registry tells it. */
export interface Selector extends AsyncDisposable {
  /** Name of its strategy. */
  readonly name: string;
  /** For how long the registry has been away, in ms, and what is known of nodes has thus been as old; 0: it is there. */
  readonly away: number;
  /** Resolves when the service's nodes are known; `undefined` if they are, so that nothing is awaited on the hot path. */
  ready(service: string, options?: { readonly signal?: AbortSignal | undefined }): Promise<void> | undefined;
  /**
   * Picks a node, synchronously.
   *
   * @throws {MuonError} `unavailable` (`not_found` where no node of the service is known at all), whose detail and
   * details say which nodes were known and which filter left out each.
   */
  pick(call: PickContext): Pick;
  /** The nodes known of a service, for whoever wants to look. */
  candidates(service: string): readonly Candidate[];
}
