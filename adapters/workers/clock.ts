/**
 * Time as the web has it.
 *
 * @module
 */

import type { Clock, Timer } from "../../runtime/clock.ts";

const LONGEST = 2 ** 31 - 1;

/**
 * The clock of a runtime that has the web's globals alone. On workerd it stands still while code runs and goes on with
 * each input or output, against timing attacks; a timer belongs to the request in which it was set, and is gone with
 * that request.
 */
export const webClock: Clock = {
  now: () => performance.timeOrigin + performance.now(),
  wall: () => Date.now(),
  after(ms, callback, options): Timer {
    if (!(ms >= 0 && ms <= LONGEST)) {
      throw new RangeError(`Timer delay must be from 0 to ${LONGEST} ms: current value is ${ms}`);
    }
    // A number on the web; on Bun and Node an object, which can be told not to keep the process.
    const timeout = setTimeout(callback, ms) as number | { unref?(): void };
    if ((options?.background ?? true) && typeof timeout === "object") timeout.unref?.();
    return { cancel: () => clearTimeout(timeout as number) };
  },
};
