/**
 * The machine's time.
 *
 * @module
 */

import { performance } from "node:perf_hooks";
import { clearTimeout, setTimeout } from "node:timers";
import type { Clock, Timer } from "../../runtime/clock.ts";

const LONGEST = 2 ** 31 - 1;
// Kept: to ask for it takes as long on Deno as to ask for the time.
const ORIGIN = performance.timeOrigin;

/** The machine's clock, the same on Node, Deno and Bun. */
export const machineClock: Clock = {
  now: () => ORIGIN + performance.now(),
  wall: () => Date.now(),
  after(ms, callback, options): Timer {
    if (!(ms >= 0 && ms <= LONGEST)) {
      throw new RangeError(`Timer delay must be from 0 to ${LONGEST} ms: current value is ${ms}`);
    }
    const timeout = setTimeout(callback, ms);
    if (options?.background ?? true) timeout.unref();
    return { cancel: () => clearTimeout(timeout) };
  },
};
