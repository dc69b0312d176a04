/**
 * The machine's chance: its CSPRNG, and a generator that it seeds.
 *
 * @module
 */

import { webcrypto } from "node:crypto";
import type { Entropy } from "../../runtime/entropy.ts";
import { type Random, seeded } from "../../runtime/random.ts";

/** The system's CSPRNG. */
export const machineEntropy: Entropy = {
  fill(bytes) {
    webcrypto.getRandomValues(bytes as Uint8Array<ArrayBuffer>);
    return bytes;
  },
};

/** A generator with a seed of its own, from the CSPRNG. */
export function machineRandom(): Random {
  return seeded(new DataView(machineEntropy.fill(new Uint8Array(4)).buffer).getInt32(0));
}
