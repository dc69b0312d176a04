/**
 * What the codecs' checks have in common.
 *
 * @module
 */

import { looseText } from "../bytes.ts";

/** A depth limit. @throws {RangeError} If it is no whole number from 1 to 1,000: the checks recurse that deep. */
export function checkMaxDepth(maxDepth: number): number {
  if (!Number.isInteger(maxDepth) || maxDepth < 1 || maxDepth > 1_000) {
    throw new RangeError(
      `Codec's maxDepth must be a whole number from 1 to 1000: current value is ${maxDepth}`,
    );
  }
  return maxDepth;
}

/** The beginning of a text that came in, quoted for an error message. */
export function excerpt(bytes: Uint8Array): string {
  const start = JSON.stringify(looseText(bytes.subarray(0, 40)));
  return bytes.length > 40 ? `${start}…` : start;
}
