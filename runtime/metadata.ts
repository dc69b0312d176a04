/**
 * Metadata: the string-to-string notes that travel with a call or an event.
 *
 * @module
 */

/** What a caller may give where metadata is wanted: Metadata, a plain object, or pairs. */
export type MetadataInit = Metadata | Readonly<Record<string, string>> | Iterable<readonly [string, string]>;

const KEY = /^[a-z0-9!#$%&'*+.^_`|~-]+$/;
// deno-lint-ignore no-control-regex
const CONTROL = /[\u0000-\u0008\u000a-\u001f\u007f]/;

/**
 * Read-only, Map-like notes that travel with a call. Keys are case-insensitive and kept in lower case.
 *
 * @example
 * ```ts
 * const metadata = Metadata.from({ "X-Tenant": "acme" });
 * metadata.get("x-tenant"); // "acme"
 * ```
 */
export class Metadata implements Iterable<[string, string]> {
  /** Metadata without an entry. */
  static readonly EMPTY: Metadata = new Metadata([]);
  /** Keys and values in turn: calls carry few, so that looking through them beats a Map, to make and to read. */
  readonly #pairs: readonly string[];
  #bytes = -1;

  private constructor(pairs: readonly string[]) {
    this.#pairs = pairs;
  }

  /**
   * Metadata of what a caller gave.
   *
   * @param like What is given back if its entries are the same, so that nothing is checked and made again.
   * @throws {TypeError} If it is no object, a key is no HTTP token, or a value is no string or holds a control character.
   */
  static from(init: MetadataInit | undefined, like?: Metadata): Metadata {
    if (init === undefined) return Metadata.EMPTY;
    if (init instanceof Metadata) return init;
    if (typeof init !== "object" || init === null) {
      throw new TypeError(`Metadata must be an object or pairs: current value is ${String(init)}`);
    }
    if (Symbol.iterator in init) {
      const entries = new Map<string, string>();
      for (const [key, value] of init as Iterable<readonly [string, string]>) {
        entries.set(lowerKey(key), checkedValue(key, value));
      }
      return Metadata.trusted(entries);
    }
    const given = init as Readonly<Record<string, string>>;
    const keys = Object.keys(given);
    if (like !== undefined && like.#isOf(given, keys)) return like;
    const entries = new Map<string, string>();
    for (const key of keys) entries.set(lowerKey(key), checkedValue(key, given[key]));
    return Metadata.trusted(entries);
  }

  /** Metadata over a map whose keys are lower-case and whose values were checked already: what a decoder uses. */
  static trusted(entries: ReadonlyMap<string, string>): Metadata {
    if (entries.size === 0) return Metadata.EMPTY;
    const pairs: string[] = [];
    for (const [key, value] of entries) pairs.push(key, value);
    return new Metadata(pairs);
  }

  /** How many entries there are. */
  get size(): number {
    return this.#pairs.length >> 1;
  }

  /** Keys and values in turn, for what writes them. */
  get pairs(): readonly string[] {
    return this.#pairs;
  }

  /** Bytes of the keys and of the values in UTF-8, as limits count them. */
  get byteLength(): number {
    if (this.#bytes === -1) {
      this.#bytes = 0;
      for (const text of this.#pairs) this.#bytes += utf8Length(text);
    }
    return this.#bytes;
  }

  /** The value of a key, in whatever case it is asked for. */
  get(key: string): string | undefined {
    return this.#find(key) ?? this.#find(key.toLowerCase());
  }

  /** Whether a key has a value. */
  has(key: string): boolean {
    return this.get(key) !== undefined;
  }

  /** This metadata with the entries of another laid over it. */
  with(init: MetadataInit | undefined): Metadata {
    const other = Metadata.from(init);
    if (other.size === 0) return this;
    if (this.size === 0) return other;
    return Metadata.trusted(new Map([...this, ...other]));
  }

  /** The entries, in the order they were given. */
  *[Symbol.iterator](): IterableIterator<[string, string]> {
    const pairs = this.#pairs;
    for (let i = 0; i < pairs.length; i += 2) yield [pairs[i]!, pairs[i + 1]!];
  }

  /** A plain object with the same entries. */
  toJSON(): Record<string, string> {
    return Object.fromEntries(this);
  }

  #find(key: string): string | undefined {
    const pairs = this.#pairs;
    for (let i = 0; i < pairs.length; i += 2) if (pairs[i] === key) return pairs[i + 1];
    return undefined;
  }

  /** Whether an object with these keys would make the same metadata. */
  #isOf(given: Readonly<Record<string, string>>, keys: readonly string[]): boolean {
    const pairs = this.#pairs;
    if (pairs.length !== 2 * keys.length) return false;
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i]!;
      if (pairs[2 * i] !== key || pairs[2 * i + 1] !== given[key]) return false;
    }
    return true;
  }
}

/**
 * Whether a string may be a metadata key on the wire: a lower-case HTTP token.
 *
 * @example
 * ```ts
 * isKey("x-tenant"); // true
 * isKey("X Tenant"); // false
 * ```
 */
export function isKey(key: string): boolean {
  return KEY.test(key);
}

/**
 * Whether a string may be a metadata value: no control character but the tab.
 *
 * @example
 * ```ts
 * isValue("acme"); // true
 * isValue("a\r\nb"); // false
 * ```
 */
export function isValue(value: string): boolean {
  return !CONTROL.test(value);
}

function lowerKey(key: string): string {
  const lower = String(key).toLowerCase();
  if (!KEY.test(lower)) throw new TypeError(`Metadata key must be an HTTP token: ${JSON.stringify(key)}`);
  return lower;
}

function checkedValue(key: string, value: unknown): string {
  if (typeof value !== "string") {
    throw new TypeError(
      `Metadata value of "${key.toLowerCase()}" must be a string: current value is ${String(value)}`,
    );
  }
  if (CONTROL.test(value)) {
    throw new TypeError(`Metadata value of "${key.toLowerCase()}" must hold no control character`);
  }
  return value;
}

function utf8Length(text: string): number {
  let length = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    // Each half of a surrogate pair stands for two of its four bytes.
    length += unit < 0x800 || (unit >= 0xd800 && unit < 0xe000) ? 1 : 2;
  }
  return length;
}
