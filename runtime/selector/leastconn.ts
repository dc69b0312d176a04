/**
 * The `leastconn` strategy.
 *
 * @module
 */

import { below, type Random } from "../random.ts";
import type { Strategy } from "./selector.ts";

/**
 * The candidate with the fewest calls of this process in flight, any of them where several have as few. A slow node
 * keeps its calls for longer and so gets fewer.
 *
 * @example
 * ```ts
 * createSelector({ registry, system, strategy: createLeastConn(system.random) });
 * ```
 */
export function createLeastConn(random: Random): Strategy {
  return {
    name: "leastconn",
    pick(from) {
      let least = Infinity;
      let ties = 0;
      for (const { inflight } of from) {
        if (inflight < least) {
          least = inflight;
          ties = 1;
        } else if (inflight === least) {
          ties++;
        }
      }
      let skip = ties === 1 ? 0 : below(random, ties);
      for (const candidate of from) {
        if (candidate.inflight === least && skip-- === 0) return candidate;
      }
      return from[0]!;
    },
  };
}
