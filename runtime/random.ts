/**
 * Chance, passed in: jitter and picks come from a generator that a test can seed.
 *
 * @module
 */

/** A source of numbers that need not be secret. For ids, nonces and keys there is `Entropy`. */
export interface Random {
  /** A number from 0 (included) to 1 (not included). */
  next(): number;
}

/**
 * A generator that gives the same numbers for the same seed: Chris Doty-Humphrey's sfc32
 * ({@link https://pracrand.sourceforge.net/RNG_engines.txt | PractRand}), 128 bits of state, fast in 32-bit integers.
 *
 * @param seed Any integer; only its low 32 bits count.
 *
 * @example
 * ```ts
 * const random = seeded(42);
 * random.next() === seeded(42).next(); // true
 * ```
 */
export function seeded(seed: number): Random {
  let a = seed | 0;
  let b = 0x9e3779b9 | 0;
  let c = 0x243f6a88 | 0;
  let counter = 1;
  const next = () => {
    const t = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + t) | 0;
    return (t >>> 0) / 4_294_967_296;
  };
  for (let i = 0; i < 15; i++) next();
  return { next };
}

/**
 * An integer from 0 (included) to `below` (not included).
 *
 * @example
 * ```ts
 * const nodes = ["a", "b", "c"];
 * nodes[below(random, nodes.length)];
 * ```
 */
export function below(random: Random, limit: number): number {
  return Math.floor(random.next() * limit);
}
