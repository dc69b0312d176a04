/**
 * The machine's chance: its CSPRNG, and a generator that it seeds.
 *
 * @module
 */

import type { Entropy } from "../../runtime/entropy.ts";
import { type Random, seeded } from "../../runtime/random.ts";

/** The system's CSPRNG. */
export const machineEntropy: Entropy = {
  fill(bytes) {
    // The global's: to load `node:crypto` costs 5 ms of CPU on Bun.
    return crypto.getRandomValues(bytes as Uint8Array<ArrayBuffer>);
  },
};

/** A generator with a seed of its own, from the CSPRNG. */
export function machineRandom(): Random {
  return seeded(new DataView(machineEntropy.fill(new Uint8Array(4)).buffer).getInt32(0));
}
