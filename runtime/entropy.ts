/**
 * What must not be guessed: ids, nonces and keys, always from the system's CSPRNG outside of tests.
 *
 * @module
 */

/** A source of bytes nobody can guess. */
export interface Entropy {
  /** Fills the array and returns it. At most 65,536 bytes at once. */
  fill(bytes: Uint8Array): Uint8Array;
}

/** Two digits for each byte: to write them anew takes Bun nine times as long. */
const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) => (byte + 0x100).toString(16).slice(1));

/**
 * A UUID of version 4 ({@link https://www.rfc-editor.org/rfc/rfc9562#section-5.4 | RFC 9562 §5.4}).
 *
 * @example
 * ```ts
 * uuid(entropy); // "2f1c…-4…-…"
 * ```
 */
export function uuid(entropy: Entropy): string {
  const bytes = entropy.fill(new Uint8Array(16));
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  let text = "";
  for (let i = 0; i < 16; i++) {
    if (i === 4 || i === 6 || i === 8 || i === 10) text += "-";
    text += HEX[bytes[i]!]!;
  }
  return text;
}
