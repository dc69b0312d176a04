/**
 * When a node to which calls fail is left out, and for how long.
 *
 * @module
 */

/**
 * When a node is left out. A field that is not given is {@link EJECTION}'s.
 * Source: Envoy's {@link https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/outlier | outlier detection}.
 */
export interface EjectionPolicy {
  /** Failures in a row after which a node is ejected, from 1. @default {3} */
  readonly consecutiveFailures: number;
  /** For how long the first time, in ms; each further time twice as long. @default {5000} */
  readonly baseTime: number;
  /** For how long at most, in ms. @default {60000} */
  readonly maxTime: number;
}

/** The policy where nobody says another. */
export const EJECTION: EjectionPolicy = { consecutiveFailures: 3, baseTime: 5_000, maxTime: 60_000 };

/**
 * The whole of a policy that was given in part.
 *
 * @param given `false`: no node is ever ejected. A part: the rest is {@link EJECTION}'s; where `maxTime` is not given, it
 * is at least `baseTime`.
 * @throws {RangeError} If a number is out of range; it is named.
 *
 * @example
 * ```ts
 * ejectionOf({ consecutiveFailures: 10 }); // { consecutiveFailures: 10, baseTime: 5000, maxTime: 60000 }
 * ```
 */
export function ejectionOf(given: Partial<EjectionPolicy> | false | undefined): EjectionPolicy {
  if (given === false) return { ...EJECTION, consecutiveFailures: Infinity };
  const { consecutiveFailures = EJECTION.consecutiveFailures, baseTime = EJECTION.baseTime } = given ?? {};
  const { maxTime = Math.max(EJECTION.maxTime, baseTime) } = given ?? {};
  if (!(Number.isInteger(consecutiveFailures) && consecutiveFailures > 0)) {
    throw new RangeError(
      `consecutiveFailures of ejection must be a whole number from 1 (and ejection false, to eject nobody): ` +
        `current value is ${consecutiveFailures}`,
    );
  }
  if (!(baseTime > 0 && baseTime <= maxTime && Number.isFinite(maxTime))) {
    throw new RangeError(
      `baseTime of ejection must be above 0 ms, and maxTime finite and no less: current values are ${baseTime} ms and ` +
        `${maxTime} ms`,
    );
  }
  return { consecutiveFailures, baseTime, maxTime };
}
