/**
 * What a process holds: its heap, and the timers that are set.
 *
 * @module
 */
import process from "node:process";
import type { Clock } from "../../runtime/clock.ts";
import type { System } from "../../runtime/platform.ts";

/** What a process holds at one moment. */
export interface Held {
  /** Memory of what the program can still reach, buffers outside the heap included, in bytes. */
  readonly heap: number;
  /** Timers that are set. */
  readonly timers: number;
}

/** A system whose clock counts. */
export interface Watched {
  /** The system. */
  readonly system: System;
  /** Collects garbage, and tells what is left. */
  held(): Held;
}

/** Makes a system that counts the timers which are set on its clock. */
export function watched(system: System): Watched {
  let timers = 0;
  const { clock } = system;
  const counting: Clock = {
    now: () => clock.now(),
    wall: () => clock.wall(),
    after(ms, callback, options) {
      let set = true;
      timers++;
      const over = () => {
        if (set) timers--;
        set = false;
      };
      const timer = clock.after(ms, () => {
        over();
        callback();
      }, options);
      return {
        cancel() {
          over();
          timer.cancel();
        },
      };
    },
  };
  return {
    system: { ...system, clock: counting },
    held() {
      collect();
      const { heapUsed, external } = process.memoryUsage();
      return { heap: heapUsed + external, timers };
    },
  };
}

/** Node and Deno have to be started with `--expose-gc`. */
function collect(): void {
  const { Bun, gc } = globalThis as { Bun?: { gc(force: boolean): void }; gc?: () => void };
  const run = Bun !== undefined ? () => Bun.gc(true) : gc;
  if (run === undefined) throw new Error("garbage cannot be collected: start it with --expose-gc");
  // Once for what is garbage, once for what its finalizers leave.
  run();
  run();
}

/** How much a measure grows: the median of the slopes between all pairs of points, which no single point bends.
 * Source: P. K. Sen, Estimates of the Regression Coefficient Based on Kendall's Tau, 1968.
 *
 * @param points Where, and how much there: at least two.
 */
export function slope(points: readonly (readonly [at: number, value: number])[]): number {
  const slopes: number[] = [];
  for (const [n, [at, value]] of points.entries()) {
    for (const [later, then] of points.slice(n + 1)) slopes.push((then - value) / (later - at));
  }
  slopes.sort((a, b) => a - b);
  const middle = slopes.length >> 1;
  return slopes.length % 2 === 1 ? slopes[middle]! : (slopes[middle - 1]! + slopes[middle]!) / 2;
}
