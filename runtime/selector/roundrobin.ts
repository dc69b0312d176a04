/**
 * The `roundrobin` strategy.
 *
 * @module
 */

import { below, type Random } from "../random.ts";
import type { Strategy } from "./selector.ts";

/** Services whose turn is remembered; when there are more, all begin anew at a random node. */
const REMEMBERED = 4_096;

/**
 * One candidate after the other, for each service by itself. It begins at a random one, so that many clients that
 * start together do not all call the same node.
 *
 * @example
 * ```ts
 * createSelector({ registry, system, strategy: createRoundRobin(system.random) });
 * ```
 */
export function createRoundRobin(random: Random): Strategy {
  const turns = new Map<string, number>();
  return {
    name: "roundrobin",
    pick(from, { service }) {
      let turn = turns.get(service);
      if (turn === undefined) {
        if (turns.size >= REMEMBERED) turns.clear();
        turn = below(random, from.length);
      }
      const index = turn < from.length ? turn : turn % from.length;
      turns.set(service, index + 1);
      return from[index]!;
    },
  };
}
