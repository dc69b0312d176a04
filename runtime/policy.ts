/**
 * Timeouts, retries and limits, read through one provider that configuration can swap while running.
 *
 * @module
 */

/** How a call is treated. */
export interface CallPolicy {
  /** Time for a unary call, retries included, and for a stream's first answer, in ms. @default {5000} */
  readonly timeout: number;
  /** Tries after the first. @default {2} */
  readonly retries: number;
  /** Wait before the first retry in ms; each further one waits twice as long. @default {20} */
  readonly backoff: number;
  /** Longest wait before a retry in ms. @default {1000} */
  readonly maxBackoff: number;
}

/** What a process takes in. Each limit is enforced before memory is set aside. */
export interface Limits {
  /** Largest message (input, output or item), in bytes. @default {4_194_304} */
  readonly maxMessage: number;
  /** Metadata of one call, in bytes, keys and values. @default {16_384} */
  readonly maxMetadata: number;
  /** Calls one peer may have open at a time, on one link. @default {4_096} */
  readonly maxStreams: number;
  /** Bytes that may be on their way in one direction of a stream before the reader takes some. @default {262_144} */
  readonly window: number;
  /** Nesting of a decoded value. @default {64} */
  readonly maxDepth: number;
}

/** The defaults of {@link CallPolicy}. */
export const CALL_POLICY: CallPolicy = { timeout: 5_000, retries: 2, backoff: 20, maxBackoff: 1_000 };

/** The defaults of {@link Limits}. */
export const LIMITS: Limits = {
  maxMessage: 4_194_304,
  maxMetadata: 16_384,
  maxStreams: 4_096,
  window: 262_144,
  maxDepth: 64,
};

/** Says how a call is treated; asked at every call, so that it may change while running. */
export interface PolicyProvider {
  /** The policy of an endpoint. */
  call(service: string, endpoint: string): CallPolicy;
}

/**
 * A provider that treats every call alike.
 *
 * @example
 * ```ts
 * fixedPolicy({ timeout: 200 }).call("greeter", "Greeter.Hello").timeout; // 200
 * ```
 */
export function fixedPolicy(overrides: Partial<CallPolicy> = {}): PolicyProvider {
  const policy = { ...CALL_POLICY, ...overrides };
  return { call: () => policy };
}

/**
 * Wait before a retry: full jitter over an exponential back-off, which spreads the retries of many clients.
 * Source: Marc Brooker, {@link https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/ | Exponential Backoff And Jitter}.
 *
 * @param policy Base and ceiling.
 * @param retry Number of the retry, from 1.
 * @param chance A number from 0 to 1.
 * @returns Milliseconds.
 *
 * @example
 * ```ts
 * backoff({ backoff: 20, maxBackoff: 1000 }, 3, 0.5); // 40
 * ```
 */
export function backoff(
  policy: Pick<CallPolicy, "backoff" | "maxBackoff">,
  retry: number,
  chance: number,
): number {
  return chance * Math.min(policy.maxBackoff, policy.backoff * 2 ** (retry - 1));
}
