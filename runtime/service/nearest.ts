/**
 * What somebody may have meant: the nearest of the words that there are.
 *
 * @module
 */

/** So many letters may be wrong before a guess would be a riddle. */
const MOST_STEPS = 3;

/**
 * The word that takes the fewest letters changed, added or left out, if three do; `undefined` if none is that near.
 *
 * @param word What was written.
 * @param words What there is.
 *
 * @example
 * ```ts
 * nearest("--registy", ["--registry", "--broker"]); // "--registry"
 * ```
 */
export function nearest(word: string, words: readonly string[]): string | undefined {
  let best: string | undefined;
  // A short word would be "near" to any other: no more than half of it may be wrong.
  let least = Math.min(MOST_STEPS, word.length / 2) + 1;
  for (const candidate of words) {
    const steps = distance(word, candidate);
    if (steps < least) [best, least] = [candidate, steps];
  }
  return best;
}

/**
 * The nearest word as a question, or nothing: to be put behind an error.
 *
 * @example
 * ```ts
 * didYouMean("etdc", ["etcd", "memory"]); // '; did you mean "etcd"?'
 * ```
 */
export function didYouMean(word: string, words: readonly string[]): string {
  const found = nearest(word, words);
  return found === undefined ? "" : `; did you mean ${JSON.stringify(found)}?`;
}

/** Levenshtein's distance, row by row. Source: V. I. Levenshtein, 1966; Wagner and Fischer, 1974. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length]!;
}
