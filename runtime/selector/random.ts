/**
 * The `random` strategy.
 *
 * @module
 */

import { below, type Random } from "../random.ts";
import type { Strategy } from "./selector.ts";

/**
 * Any candidate, each as likely as the other: needs no memory, and many clients do not fall into step.
 *
 * @example
 * ```ts
 * createSelector({ registry, system, strategy: createRandom(system.random) });
 * ```
 */
export function createRandom(random: Random): Strategy {
  return { name: "random", pick: (from) => from[below(random, from.length)]! };
}
