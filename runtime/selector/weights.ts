/**
 * Weights: some nodes get more of the calls than others.
 *
 * @module
 */

import type { Random } from "../random.ts";
import type { Candidate, PickContext, Weight } from "./selector.ts";

/**
 * Weighs nodes by what a label of theirs says.
 *
 * @param key Key of the node's metadata, or of its service's.
 * @param shares By value: its share of the calls. @default {1 for a value that is not named}
 *
 * @example
 * ```ts
 * const mesh = await connect({ weights: [byLabelWeight("zone", { "eu-1": 9 })] });
 * ```
 */
export function byLabelWeight(key: string, shares: Readonly<Record<string, number>>): Weight {
  for (const [value, share] of Object.entries(shares)) {
    if (!(share >= 0 && Number.isFinite(share))) {
      throw new RangeError(`Weight of ${key}=${value} must be a number from 0: current value is ${share}`);
    }
  }
  return {
    name: `label ${key}`,
    of: ({ node, service }) => {
      const value = node.metadata[key] ?? service.metadata[key];
      return value !== undefined && Object.hasOwn(shares, value) ? shares[value]! : 1;
    },
  };
}

/**
 * Weighs nodes by a number in their own metadata: a node that is started with `--server_metadata weight=3` gets three
 * times the calls of one without.
 *
 * @param key Key of the number. @default {"weight"}
 */
export function byOwnWeight(key = "weight"): Weight {
  return {
    name: `own ${key}`,
    of: ({ node }) => {
      const share = Number(node.metadata[key] ?? 1);
      return share >= 0 && Number.isFinite(share) ? share : 1;
    },
  };
}

/** What several weights give a candidate together; 0 where they come to no number. */
export function weightOf(weights: readonly Weight[], candidate: Candidate, call: PickContext): number {
  let product = 1;
  for (const weight of weights) product *= Math.max(0, weight.of(candidate, call));
  return Number.isFinite(product) ? product : 0;
}

/**
 * Draws a class of nodes of one weight by lot, in proportion to what its nodes weigh together; the strategy then chooses
 * within the class. So weights mean the same under every strategy. Classes that weigh nothing are drawn only if there
 * is no other.
 */
export function drawByWeight<C extends Candidate>(
  from: readonly C[],
  weights: readonly Weight[],
  { call, random }: { readonly call: PickContext; readonly random: Random },
): readonly C[] {
  const classes = new Map<number, C[]>();
  let total = 0;
  for (const candidate of from) {
    const share = weightOf(weights, candidate, call);
    total += share;
    const members = classes.get(share);
    if (members === undefined) classes.set(share, [candidate]);
    else members.push(candidate);
  }
  if (classes.size === 1) return from;
  let lot = random.next() * total;
  let drawn: readonly C[] = from;
  for (const [share, members] of classes) {
    if (share === 0) continue;
    drawn = members;
    lot -= share * members.length;
    if (lot < 0) break;
  }
  return drawn;
}
