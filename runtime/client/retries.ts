/**
 * Which failures of a call may be followed by another attempt.
 *
 * @module
 */

import { isMisdirected, type MuonError } from "../errors.ts";

/**
 * Whether a call that failed so may be made again: it is known not to have run, or a second run does no harm and the
 * node was out of reach.
 *
 * @param idempotent Whether a second run of the endpoint does no harm.
 *
 * @example
 * ```ts
 * mayRetry(new MuonError("unavailable", "gone", { notRun: true }), false); // true
 * ```
 */
export function mayRetry(error: MuonError, idempotent: boolean): boolean {
  // A process that died is believed until its record expires, and its port may be another's by now.
  if (isMisdirected(error)) return true;
  if (error.status !== "unavailable" && error.status !== "resource_exhausted") return false;
  return error.notRun || (error.status === "unavailable" && !error.answered && idempotent);
}
