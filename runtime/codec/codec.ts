/**
 * Codec: values to bytes and back.
 *
 * @module
 */

/** What a codec may have to know of a type beforehand; protobuf does, JSON and CBOR do not. */
export interface TypeInfo {
  /** Full name of the message type. */
  readonly name: string;
  /** The codec's own description of it. */
  readonly descriptor?: unknown;
}

/** Writes and reads the values of one type. */
export interface Marshal {
  /**
   * The bytes of a value, the caller's to keep: they may be a view into a larger buffer, but neither the codec nor
   * whoever gave the value writes to them again, as they may wait to be sent, unless they are given back.
   *
   * @throws {TypeError} If the codec cannot write the value.
   */
  encode(value: unknown): Uint8Array;
  /**
   * Takes back what {@link Marshal.encode} gave: nobody has the bytes any more, and another value may be written into
   * them.
   */
  reclaim?(bytes: Uint8Array): void;
  /**
   * How many bytes in front of what {@link Marshal.encode} gave, in their array, are nobody's: whoever has the bytes may
   * write there, too, as a frame's head, so that long bytes need not be copied behind it. They are then given back, or
   * nobody's, together.
   */
  front?(bytes: Uint8Array): number;
  /**
   * The same as text, where the format is text: whoever sends text anyhow is spared the bytes. `undefined`: no text, which
   * {@link Marshal.encode} has as no bytes.
   *
   * @throws {TypeError} If the codec cannot write the value.
   */
  text?(value: unknown): string | undefined;
  /**
   * The value of bytes. Bytes in it, or that it is, may be a view of these.
   *
   * @throws {MuonError} `invalid_argument` if the bytes are not what the content type says.
   */
  decode(bytes: Uint8Array): unknown;
}

/** Values to bytes and back, under a content type. */
export interface Codec {
  /** As `application/json`. */
  readonly contentType: string;
  /** What writes and reads values of a type. */
  bind(type?: TypeInfo): Marshal;
  /** A codec whose state lives as long as one link, where the format can learn; absent where it cannot. */
  session?(): Codec;
}
