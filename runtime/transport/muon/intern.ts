/**
 * What is said once per connection and then named by a number: routes and metadata keys, see "Values" in
 * `docs/protocol.md`.
 *
 * @module
 */

import { EMPTY, hasAt } from "../../bytes.ts";
import { MuonError } from "../../errors.ts";
import { isKey, isValue, Metadata } from "../../metadata.ts";
import type { CallHead } from "../transport.ts";
import { tooManyEntries, tooMuchMetadata } from "../metadata_limit.ts";
import { MAX_ENTRIES, MAX_NAME, type WireOptions } from "./limits.ts";
import { ProtocolError, type Reader } from "./reader.ts";
import { textRoom, type Writer } from "./writer.ts";

const LITERAL = 0;
const DEFINE = 1;
const FIRST = 2;

/** What a call's head says that calls have in common. */
export type Route = Pick<CallHead, "service" | "endpoint" | "contentType">;

interface Known extends Route {
  readonly reference: number;
}

/** The routes that this end has defined at the other. */
export class RoutesOut {
  readonly #known = new Map<string, Known[]>();
  #count = 0;
  #last: Known | undefined;

  /**
   * Writes the reference of a route, with its texts where they are needed. It takes up to `routeRoom(route)` bytes.
   *
   * @param limit How many the other end keeps.
   */
  write(writer: Writer, route: Route, limit: number): void {
    const { service, endpoint, contentType } = route;
    let known = this.#last;
    if (
      known === undefined || known.endpoint !== endpoint || known.service !== service ||
      known.contentType !== contentType
    ) {
      known = this.#known.get(endpoint)?.find((one) =>
        one.service === service && one.contentType === contentType
      );
    }
    if (known !== undefined) {
      this.#last = known;
      writer.varint(known.reference);
      return;
    }
    if (this.#count < limit) {
      writer.varint(DEFINE);
      this.#define({ service, endpoint, contentType, reference: FIRST + this.#count++ });
    } else {
      writer.varint(LITERAL);
    }
    writer.text(service);
    writer.text(endpoint);
    writer.text(contentType);
  }

  #define(route: Known): void {
    const same = this.#known.get(route.endpoint);
    if (same === undefined) this.#known.set(route.endpoint, [route]);
    else same.push(route);
    this.#last = route;
  }
}

/** Most bytes that {@link RoutesOut.write} writes for a route. */
export function routeRoom(route: Route): number {
  return 8 + textRoom(route.service) + textRoom(route.endpoint) + textRoom(route.contentType);
}

/** A route, and the head of the last call that took it. */
interface Taken extends Route {
  head: CallHead | undefined;
}

const NONE: Taken[] = [];
/** How many routes are there once for all ends that define them. */
const SHARED_ROUTES = 1_024;
const shared = new Map<string, Taken>();

/** The routes that the other end has defined here. */
export class RoutesIn {
  // One is all that most connections define, and needs no list.
  #first: Taken | undefined = undefined;
  #others: Taken[] = NONE;

  /**
   * Reads a route.
   *
   * @param limit How many are kept.
   */
  read(reader: Reader, limit: number): Taken {
    const reference = reader.varint();
    if (reference >= FIRST) {
      const route = reference === FIRST ? this.#first : this.#others[reference - FIRST - 1];
      if (route === undefined) throw new ProtocolError(`route ${reference - FIRST} was never defined`);
      return route;
    }
    const route = {
      service: reader.text(MAX_NAME, "a service's name"),
      endpoint: reader.text(MAX_NAME, "an endpoint's name"),
      contentType: reader.text(MAX_NAME, "a content type"),
      head: undefined,
    };
    if (reference !== DEFINE) return route;
    const known = this.#first === undefined ? 0 : 1 + this.#others.length;
    if (known >= limit) throw new ProtocolError(`more than ${limit} routes are defined`);
    const one = share(route);
    if (known === 0) this.#first = one;
    else if (known === 1) this.#others = [one];
    else this.#others.push(one);
    return one;
  }

  /** The head of a call; the same object again where it says the same. */
  head(route: Taken, call: Pick<CallHead, "metadata" | "timeout" | "idempotent">): CallHead {
    const { metadata, timeout, idempotent } = call;
    const { head } = route;
    if (
      head !== undefined && head.metadata === metadata && head.timeout === timeout &&
      head.idempotent === idempotent
    ) return head;
    const { service, endpoint, contentType } = route;
    return route.head = { service, endpoint, metadata, contentType, timeout, idempotent };
  }
}

/** A route that says the same, if one is known: a thousand clients of one service look at one of them. */
function share(route: Taken): Taken {
  // Quoted, so that no text of a peer reaches into the next.
  const text = JSON.stringify([route.service, route.endpoint, route.contentType]);
  const known = shared.get(text);
  if (known === undefined && shared.size < SHARED_ROUTES) shared.set(text, route);
  return known ?? route;
}

/** The metadata keys that this end has defined at the other. */
export class KeysOut {
  readonly #known = new Map<string, number>();

  /**
   * Writes metadata. It takes up to `metadataRoom(metadata)` bytes.
   *
   * @param limit How many keys the other end keeps.
   */
  write(writer: Writer, metadata: Metadata, limit: number): void {
    const { pairs } = metadata;
    const known = this.#known;
    writer.varint(metadata.size);
    for (let i = 0; i < pairs.length; i += 2) {
      const key = pairs[i]!;
      const reference = known.get(key);
      if (reference !== undefined) {
        writer.varint(reference);
      } else {
        if (known.size < limit) {
          writer.varint(DEFINE);
          known.set(key, FIRST + known.size);
        } else {
          writer.varint(LITERAL);
        }
        writer.text(key);
      }
      writer.text(pairs[i + 1]!);
    }
  }
}

/** Most bytes that {@link KeysOut.write} writes: a reference and two lengths an entry, besides its texts. */
export function metadataRoom(metadata: Metadata): number {
  return metadata.size === 0 ? 8 : 8 + 16 * metadata.size + metadata.byteLength;
}

/** Longest metadata that {@link KeysIn} knows again, in bytes. */
const MEMO = 128;

/** The metadata keys that the other end has defined here. */
export class KeysIn {
  readonly #known: string[] = [];
  /** The bytes of the metadata that was read last, and what they say: a peer's calls mostly carry the same notes. */
  #memo: Uint8Array = EMPTY;
  #memoLength = 0;
  #memoMetadata: Metadata = Metadata.EMPTY;

  /**
   * Reads metadata.
   *
   * @param limits How many bytes of keys and values there may be, and how many keys are kept.
   * @returns The metadata, or how many bytes it has if that is above the limit.
   */
  read(reader: Reader, limits: Pick<WireOptions, "maxMetadata" | "keys">): Metadata | number {
    const { maxMetadata: limit } = limits;
    const start = reader.at;
    if (this.#memoLength > 0 && this.#isMemo(reader)) {
      reader.at = start + this.#memoLength;
      const { byteLength } = this.#memoMetadata;
      return byteLength > limit ? byteLength : this.#memoMetadata;
    }
    const count = reader.varint();
    if (count === 0) return Metadata.EMPTY;
    if (count > MAX_ENTRIES) {
      throw new ProtocolError(`metadata has ${count} entries, more than ${MAX_ENTRIES}`);
    }
    const defined = this.#known.length;
    const entries = new Map<string, string>();
    let bytes = 0;
    for (let i = 0; i < count; i++) {
      const key = this.#key(reader, limits.keys);
      const value = reader.text(Infinity, "a metadata value");
      if (!isValue(value)) {
        throw new ProtocolError(`the metadata value of "${key}" holds a control character`);
      }
      bytes += key.length + reader.length;
      entries.set(key, value);
    }
    if (bytes > limit) return bytes;
    const metadata = Metadata.trusted(entries);
    // The same bytes say the same again, unless they define a key.
    if (reader.at - start <= MEMO && this.#known.length === defined) {
      this.#memoLength = reader.at - start;
      if (this.#memo === EMPTY) this.#memo = new Uint8Array(MEMO);
      for (let i = 0; i < this.#memoLength; i++) this.#memo[i] = reader.bytes[start + i]!;
      this.#memoMetadata = metadata;
    }
    return metadata;
  }

  #isMemo({ bytes, at, end }: Reader): boolean {
    const length = this.#memoLength;
    return at + length <= end && hasAt(bytes, at, this.#memo, length);
  }

  #key(reader: Reader, limit: number): string {
    const reference = reader.varint();
    if (reference >= FIRST) {
      const key = this.#known[reference - FIRST];
      if (key === undefined) throw new ProtocolError(`metadata key ${reference - FIRST} was never defined`);
      return key;
    }
    const key = reader.text(MAX_NAME, "a metadata key");
    if (!isKey(key)) {
      throw new ProtocolError(`the metadata key ${JSON.stringify(key)} is no lower-case token`);
    }
    if (reference === DEFINE) {
      if (this.#known.length >= limit) {
        throw new ProtocolError(`more than ${limit} metadata keys are defined`);
      }
      this.#known.push(key);
    }
    return key;
  }
}

/**
 * Why the other end would not take metadata, if it would not; `undefined` if it would.
 *
 * @param limit Most bytes of keys and values.
 */
export function metadataRefusal(metadata: Metadata, limit: number): MuonError | undefined {
  if (metadata.size === 0) return undefined;
  if (metadata.size > MAX_ENTRIES) {
    return tooManyEntries(metadata.size, { limit: MAX_ENTRIES, id: "muon.wire" });
  }
  const size = metadata.byteLength;
  if (size > limit) return tooMuchMetadata(size, { limit, id: "muon.wire" });
  if (size <= MAX_NAME) return undefined;
  for (const [key] of metadata) {
    if (key.length <= MAX_NAME) continue;
    return new MuonError(
      "invalid_argument",
      `a metadata key has ${key.length} characters, more than ${MAX_NAME}: ${key.slice(0, 32)}…`,
      { id: "muon.wire" },
    );
  }
  return undefined;
}
