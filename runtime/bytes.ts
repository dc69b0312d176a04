/**
 * Bytes and text: UTF-8, base64, joining. Native where the runtime has it.
 *
 * @module
 */

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lenient = new TextDecoder("utf-8", { ignoreBOM: true });

/** No bytes. */
export const EMPTY: Uint8Array = new Uint8Array(0);

/** Whether bytes hold these at a place, of which only the first `length` count. */
export function hasAt(bytes: Uint8Array, at: number, these: Uint8Array, length: number): boolean {
  if (at + length > bytes.length) return false;
  for (let i = 0; i < length; i++) if (bytes[at + i] !== these[i]) return false;
  return true;
}

/** The UTF-8 bytes of a text. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** Writes the UTF-8 bytes of a text where there is room for them; says how many of its units they are, and how many. */
export function utf8Into(
  text: string,
  into: Uint8Array,
): { readonly read: number; readonly written: number } {
  return encoder.encodeInto(text, into);
}

/**
 * The text of UTF-8 bytes.
 *
 * @throws {TypeError} If the bytes are no UTF-8.
 */
export function text(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** The text of UTF-8 bytes, with U+FFFD where they are none: for messages to people. */
export function looseText(bytes: Uint8Array): string {
  return lenient.decode(bytes);
}

/** One array of the parts' bytes, in order. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

interface NativeBase64 {
  toBase64?(): string;
}
const nativeFrom = (Uint8Array as unknown as { fromBase64?(text: string): Uint8Array }).fromBase64;

/** Bytes that are encoded at a time: few enough to be arguments, and divisible by three, so that only the last is padded. */
const PIECE = 6_144;

/**
 * Standard base64 with padding ({@link https://www.rfc-editor.org/rfc/rfc4648#section-4 | RFC 4648 §4}).
 *
 * @example
 * ```ts
 * toBase64(utf8("hi")); // "aGk="
 * ```
 */
export function toBase64(bytes: Uint8Array): string {
  const native = bytes as NativeBase64;
  if (native.toBase64 !== undefined) return native.toBase64();
  let encoded = "";
  for (let i = 0; i < bytes.length; i += PIECE) {
    // Not spread, which takes Node six times as long.
    encoded += btoa(String.fromCharCode.apply(null, bytes.subarray(i, i + PIECE) as unknown as number[]));
  }
  return encoded;
}

/**
 * The bytes of standard base64; padding may be missing, and ASCII white space is skipped.
 *
 * @throws {SyntaxError} If the text is no base64.
 *
 * @example
 * ```ts
 * fromBase64("aGk="); // Uint8Array [104, 105]
 * ```
 */
export function fromBase64(encoded: string): Uint8Array {
  if (nativeFrom !== undefined) return nativeFrom.call(Uint8Array, encoded);
  const binary = decodeBinary(encoded);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

function decodeBinary(encoded: string): string {
  try {
    return atob(encoded);
  } catch (error) {
    throw new SyntaxError("Cannot decode base64: the text holds other characters, or is cut", {
      cause: error,
    });
  }
}
