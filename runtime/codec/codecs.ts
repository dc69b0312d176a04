/**
 * The codecs a process knows, found by content type.
 *
 * @module
 */

import { MuonError } from "../errors.ts";
import type { Codec, Marshal, TypeInfo } from "./codec.ts";

/**
 * A set of codecs.
 *
 * A content type is looked up without regard to case and parameters, as RFC 9110 §8.3.1 has it:
 * `application/json; charset=utf-8` is `application/json`. A `charset` that is not UTF-8 is none that muon reads.
 *
 * @example
 * ```ts
 * const codecs = new Codecs([json(), cbor(), raw()]);
 * codecs.find("application/json; charset=utf-8")?.encode({ name: "John" });
 * ```
 */
export class Codecs {
  readonly #codecs = new Map<string, Codec>();
  readonly #marshals = new Map<string, Marshal>();

  /**
   * @param codecs The codecs, in the order in which errors list them.
   * @throws {TypeError} If one is no codec, a content type is none, or two codecs have the same.
   */
  constructor(codecs: Iterable<Codec>) {
    for (const codec of codecs) {
      if (typeof codec.contentType !== "string" || typeof codec.bind !== "function") {
        throw new TypeError("A codec must be an object with a contentType and the method bind");
      }
      const { contentType } = codec;
      if (essence(contentType) !== contentType || !contentType.includes("/")) {
        throw new TypeError(
          `Codec's content type must be lower-case, as "application/json", without parameters: ` +
            `current value is ${JSON.stringify(contentType)}`,
        );
      }
      if (this.#codecs.has(contentType)) {
        throw new TypeError(`Content type "${contentType}" has two codecs: leave one out`);
      }
      this.#codecs.set(contentType, codec);
      this.#marshals.set(contentType, codec.bind());
    }
  }

  /** The content types that are known. */
  get contentTypes(): readonly string[] {
    return [...this.#codecs.keys()];
  }

  /**
   * What writes and reads values under a content type; `undefined` if there is no codec for it.
   *
   * @param contentType As a header has it.
   * @param type What is written, for codecs that must know.
   */
  find(contentType: string, type?: TypeInfo): Marshal | undefined {
    if (type === undefined) {
      return this.#marshals.get(contentType) ?? this.#marshals.get(essence(contentType));
    }
    return this.codec(contentType)?.bind(type);
  }

  /** The codec of a content type; `undefined` if there is none. */
  codec(contentType: string): Codec | undefined {
    return this.#codecs.get(contentType) ?? this.#codecs.get(essence(contentType));
  }

  /** The error for a content type that has no codec: `invalid_argument`, naming those that have one. */
  unknown(contentType: string): MuonError {
    const known = this.contentTypes.join(", ") || "none";
    return new MuonError(
      "invalid_argument",
      contentType === ""
        ? `no content type is given: this side reads ${known}`
        : `unsupported content type ${JSON.stringify(contentType.slice(0, 200))}: this side reads ${known}`,
      { id: "muon.codec", notRun: true },
    );
  }
}

/** A content type without its parameters, in lower case; the empty string if its charset is not UTF-8. */
function essence(contentType: string): string {
  const end = contentType.indexOf(";");
  if (end < 0) return contentType.trim().toLowerCase();
  const charset = /;\s*charset\s*=\s*"?([^";\s]*)/i.exec(contentType)?.[1];
  if (charset !== undefined && !/^utf-?8$/i.test(charset)) return "";
  return contentType.slice(0, end).trim().toLowerCase();
}
