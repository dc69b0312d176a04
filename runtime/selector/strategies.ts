/**
 * The strategies by the names that `--selector` takes.
 *
 * @module
 */

import type { Random } from "../random.ts";
import { createLeastConn } from "./leastconn.ts";
import { createRandom } from "./random.ts";
import { createRoundRobin } from "./roundrobin.ts";
import type { Strategy } from "./selector.ts";

const STRATEGIES: Readonly<Record<string, (random: Random) => Strategy>> = {
  random: createRandom,
  roundrobin: createRoundRobin,
  leastconn: createLeastConn,
};

/** The names of the strategies that muon has. */
export const STRATEGY_NAMES: readonly string[] = Object.keys(STRATEGIES);

/** Selectors of Go Micro that are no strategies, as muon does what they do always; and what that is. */
export const ALWAYS_DONE: Readonly<Record<string, string>> = {
  blacklist: "muon leaves out nodes that fail always, whatever the strategy (the option ejection says when)",
  cache: "muon keeps the nodes of the services it calls always, whatever the strategy",
};

/**
 * A new strategy of that name.
 *
 * @param name `random`, `roundrobin` or `leastconn`.
 * @param random Where chance comes from.
 * @throws {TypeError} If there is none of that name; the message lists those there are.
 *
 * @example
 * ```ts
 * createStrategy("leastconn", system.random);
 * ```
 */
export function createStrategy(name: string, random: Random): Strategy {
  if (!Object.hasOwn(STRATEGIES, name)) {
    throw new TypeError(
      `Selector must be one of ${STRATEGY_NAMES.join(", ")}: current value is ${JSON.stringify(name)}`,
    );
  }
  return STRATEGIES[name]!(random);
}
