/**
 * Latencies, counted in buckets.
 *
 * @module
 */

/** Upper bounds of the buckets, in seconds: Prometheus' defaults, with two finer ones for calls within a host. */
export const LATENCY_BUCKETS: readonly number[] = [
  0.0005,
  0.001,
  0.0025,
  0.005,
  0.01,
  0.025,
  0.05,
  0.1,
  0.25,
  0.5,
  1,
  2.5,
  5,
  10,
];

/**
 * Counts how long calls took.
 *
 * @example
 * ```ts
 * const latency = new Latency();
 * latency.observe(3);
 * latency.count; // 1
 * ```
 */
export class Latency {
  /** How many fell into each bucket of {@link LATENCY_BUCKETS}, and, behind them, into none. */
  readonly counts: Uint32Array = new Uint32Array(LATENCY_BUCKETS.length + 1);
  /** All of them together, in seconds. */
  sum = 0;

  /** How many there were. */
  get count(): number {
    let all = 0;
    for (const count of this.counts) all += count;
    return all;
  }

  /**
   * Counts one.
   *
   * @param ms How long it took, in milliseconds; less than nothing counts as nothing.
   */
  observe(ms: number): void {
    const seconds = ms > 0 ? ms / 1_000 : 0;
    let bucket = 0;
    while (bucket < LATENCY_BUCKETS.length && seconds > LATENCY_BUCKETS[bucket]!) bucket++;
    this.counts[bucket]!++;
    this.sum += seconds;
  }
}
