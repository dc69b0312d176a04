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
  static readonly EMPTY: Metadata = new Metadata(new Map());
  readonly #entries: ReadonlyMap<string, string>;

  private constructor(entries: ReadonlyMap<string, string>) {
    this.#entries = entries;
  }

  /**
   * Metadata of what a caller gave.
   *
   * @throws {TypeError} If it is no object, a key is no HTTP token, or a value is no string or holds a control character.
   */
  static from(init: MetadataInit | undefined): Metadata {
    if (init === undefined) return Metadata.EMPTY;
    if (init instanceof Metadata) return init;
    if (typeof init !== "object" || init === null) {
      throw new TypeError(`Metadata must be an object or pairs: current value is ${String(init)}`);
    }
    const entries = new Map<string, string>();
    const pairs = Symbol.iterator in init
      ? init as Iterable<readonly [string, string]>
      : Object.entries(init as Record<string, string>);
    for (const [key, value] of pairs) add(entries, key, value);
    return entries.size === 0 ? Metadata.EMPTY : new Metadata(entries);
  }

  /**
   * Metadata over a map whose keys are lower-case and whose values were checked already: what a decoder uses.
   * The map must not be changed afterwards.
   */
  static trusted(entries: ReadonlyMap<string, string>): Metadata {
    return entries.size === 0 ? Metadata.EMPTY : new Metadata(entries);
  }

  /** How many entries there are. */
  get size(): number {
    return this.#entries.size;
  }

  /** The value of a key, in whatever case it is asked for. */
  get(key: string): string | undefined {
    return this.#entries.get(key) ?? this.#entries.get(key.toLowerCase());
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
    return new Metadata(new Map([...this.#entries, ...other.#entries]));
  }

  /** The entries, in the order they were given. */
  [Symbol.iterator](): IterableIterator<[string, string]> {
    return this.#entries[Symbol.iterator]();
  }

  /** A plain object with the same entries. */
  toJSON(): Record<string, string> {
    return Object.fromEntries(this.#entries);
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

function add(entries: Map<string, string>, key: string, value: string): void {
  const lower = String(key).toLowerCase();
  if (!KEY.test(lower)) throw new TypeError(`Metadata key must be an HTTP token: ${JSON.stringify(key)}`);
  if (typeof value !== "string") {
    throw new TypeError(`Metadata value of "${lower}" must be a string: current value is ${String(value)}`);
  }
  if (CONTROL.test(value)) {
    throw new TypeError(`Metadata value of "${lower}" must hold no control character`);
  }
  entries.set(lower, value);
}
