/**
 * Time, passed in: nobody above the adapters asks the machine for it.
 *
 * @module
 */

/** A timer that was set and can be taken back. */
export interface Timer {
  /** Takes the timer back; does nothing once it has fired. */
  cancel(): void;
}

/**
 * Where time comes from. The adapters have the machine's; {@link VirtualClock} has one that a test turns.
 *
 * @example
 * ```ts
 * const timer = clock.after(5_000, () => console.log("five seconds later"));
 * timer.cancel();
 * ```
 */
export interface Clock {
  /** Milliseconds since the Unix epoch on a steady clock: it never goes back nor jumps. For deadlines and latencies. */
  now(): number;
  /** Milliseconds since the Unix epoch as the system says now: comparable between processes, but it may jump. */
  wall(): number;
  /**
   * Calls back once, after at least `ms` milliseconds.
   *
   * @param ms Delay in milliseconds, from 0 to 2^31 - 1.
   * @param callback What to call; it must not throw.
   * @param options `background`: the timer alone does not keep the process alive. @default {background: true}
   */
  after(ms: number, callback: () => void, options?: { readonly background?: boolean }): Timer;
}

/**
 * Waits.
 *
 * @param clock Whose time.
 * @param ms How long, in milliseconds.
 * @param options `signal` ends the wait early; `background` as in {@link Clock.after}. @default {background: false}
 * @throws The signal's reason, once it is aborted.
 *
 * @example
 * ```ts
 * await sleep(clock, 100, { signal });
 * ```
 */
export function sleep(
  clock: Clock,
  ms: number,
  options: { readonly signal?: AbortSignal | undefined; readonly background?: boolean } = {},
): Promise<void> {
  const { signal } = options;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const abort = () => {
      timer.cancel();
      reject(signal!.reason);
    };
    const timer = clock.after(ms, () => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, { background: options.background ?? false });
    signal?.addEventListener("abort", abort, { once: true });
  });
}
