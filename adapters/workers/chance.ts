/**
 * Chance as the web has it.
 *
 * @module
 */

import type { Entropy } from "../../runtime/entropy.ts";
import { type Random, seeded } from "../../runtime/random.ts";

/** The CSPRNG of Web Crypto. */
export const webEntropy: Entropy = {
  fill: (bytes) => crypto.getRandomValues(bytes as Uint8Array<ArrayBuffer>),
};

/**
 * A generator that the CSPRNG seeds when the first number is asked for: workerd gives no random bytes while a module
 * is loaded.
 */
export function webRandom(): Random {
  let random: Random | undefined;
  return {
    next() {
      random ??= seeded(new DataView(webEntropy.fill(new Uint8Array(4)).buffer).getInt32(0));
      return random.next();
    },
  };
}
