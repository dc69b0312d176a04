/**
 * What every codec must do. Plugin authors run it against theirs.
 *
 * @module
 */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Codec } from "../../runtime/codec/codec.ts";
import { MuonError } from "../../runtime/errors.ts";

/** What {@link testCodec} tests. */
export interface CodecSuite {
  /** Name of the implementation. */
  readonly name: string;
  /** Makes the codec. */
  readonly create: () => Codec;
  /** Values that must arrive as they were sent. @default {what JSON can say, in many shapes} */
  readonly values?: readonly unknown[];
  /** What `undefined` is read as, once it was written. @default {undefined} */
  readonly nothing?: unknown;
  /** A value that the codec cannot write. @default {a function} */
  readonly unwritable?: unknown;
  /** Bytes that are none of this format; empty where all bytes are. @default {cut, and with more behind it} */
  readonly malformed?: readonly Uint8Array[];
  /** Whether a deep value is refused. @default {true} */
  readonly limitsDepth?: boolean;
}

/** Values that JSON can say, and every codec of structured values. */
export const JSON_VALUES: readonly unknown[] = [
  null,
  true,
  false,
  0,
  1,
  -1,
  1.5,
  -2.25e-10,
  255,
  65_536,
  2 ** 31,
  2 ** 32,
  -(2 ** 31) - 1,
  Number.MAX_SAFE_INTEGER,
  Number.MIN_SAFE_INTEGER,
  "",
  "John",
  "grüße, 世界 🌍",
  '\u0000"\\\n\u2028\ufffd',
  "x".repeat(70),
  "é".repeat(5_000),
  [],
  [[], [[]]],
  {},
  { name: "John" },
  { a: { b: { c: [1, "two", null, { d: true }] } } },
  { "": 1, "with space": 2, "ü": 3, constructor: "c", hasOwnProperty: 4, toString: 5 },
  Array.from({ length: 300 }, (_, i) => ({ id: i, name: `item ${i}`, tags: ["a", "b"] })),
  Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`key ${i}`, i])),
];

/**
 * Runs the suite.
 *
 * @example
 * ```ts
 * testCodec({ name: "json", create: () => json() });
 * ```
 */
export function testCodec(suite: CodecSuite): void {
  const values = suite.values ?? JSON_VALUES;

  describe(`codec ${suite.name}`, () => {
    test("its content type is lower-case and has no parameters", () => {
      assert.match(suite.create().contentType, /^[a-z0-9.+-]+\/[a-z0-9.+-]+$/);
    });

    test("every value arrives as it was sent", () => {
      const marshal = suite.create().bind();
      for (const value of values) assert.deepEqual(marshal.decode(marshal.encode(value).slice()), value);
    });

    test("what one codec writes another reads", () => {
      const writer = suite.create().bind();
      const reader = suite.create().bind();
      for (const value of values) assert.deepEqual(reader.decode(writer.encode(value).slice()), value);
    });

    test("nothing is written as no bytes", () => {
      const marshal = suite.create().bind();
      assert.equal(marshal.encode(undefined).length, 0);
      assert.deepEqual(marshal.decode(new Uint8Array(0)), suite.nothing);
    });

    test("what it writes is a plain Uint8Array, whose slice is a copy", () => {
      const marshal = suite.create().bind();
      for (const value of values) {
        const bytes = marshal.encode(value);
        assert.equal(Object.getPrototypeOf(bytes), Uint8Array.prototype);
      }
    });

    test("what it wrote stays as it is, whatever is written next or becomes of the value: it may wait to be sent", () => {
      const marshal = suite.create().bind();
      const written: { readonly bytes: Uint8Array; readonly was: Uint8Array }[] = [];
      for (const value of [...values, ...values]) {
        const given = value instanceof Uint8Array ? value.slice() : value;
        const bytes = marshal.encode(given);
        written.push({ bytes, was: bytes.slice() });
        if (given instanceof Uint8Array) given.fill(0xff);
      }
      for (const { bytes, was } of written) assert.deepEqual(bytes, was);
    });

    test("what is given back may be written over, and nothing else", () => {
      const marshal = suite.create().bind();
      const kept = values.map((value) => {
        const bytes = marshal.encode(value);
        return { bytes, was: bytes.slice() };
      });
      for (const value of [...values, ...values]) {
        const bytes = marshal.encode(value);
        assert.deepEqual(marshal.decode(bytes.slice()), value);
        marshal.reclaim?.(bytes);
        marshal.reclaim?.(bytes);
        marshal.reclaim?.(bytes.slice());
      }
      for (const { bytes, was } of kept) assert.deepEqual(bytes, was);
    });

    test("a value that is read does not change with the bytes it was read from", () => {
      const marshal = suite.create().bind();
      for (const value of values) {
        if (value instanceof Uint8Array) continue;
        const bytes = marshal.encode(value).slice();
        const read = marshal.decode(bytes);
        bytes.fill(0xff);
        assert.deepEqual(read, value);
      }
    });

    test("bytes are read wherever in their buffer they lie, and left as they are", () => {
      const marshal = suite.create().bind();
      for (const value of values) {
        const bytes = marshal.encode(value);
        const around = new Uint8Array(bytes.length + 7).fill(0x2c);
        around.set(bytes, 3);
        const before = around.slice();
        assert.deepEqual(marshal.decode(around.subarray(3, 3 + bytes.length)), value);
        assert.deepEqual(around, before);
      }
    });

    test("what cannot be written is a TypeError, and the codec goes on", () => {
      const marshal = suite.create().bind();
      assert.throws(() => marshal.encode(suite.unwritable ?? (() => 1)), TypeError);
      assert.throws(() => marshal.encode(Symbol("s")), TypeError);
      const value = values.at(-1);
      assert.deepEqual(marshal.decode(marshal.encode(value).slice()), value);
    });

    const malformed = suite.malformed ?? cuts(suite.create(), values);
    if (malformed.length > 0) {
      test("bytes that are none of its format are refused as invalid_argument, and the codec goes on", () => {
        const marshal = suite.create().bind();
        for (const bytes of malformed) {
          assert.throws(
            () => marshal.decode(bytes),
            (error) => error instanceof MuonError && error.status === "invalid_argument",
            `these bytes were read: ${bytes}`,
          );
        }
        const value = values.at(-1);
        assert.deepEqual(marshal.decode(marshal.encode(value).slice()), value);
      });
    }

    if (suite.limitsDepth ?? true) {
      test("a value that refers to itself cannot be written", () => {
        const cycle: { self?: unknown } = {};
        cycle.self = cycle;
        assert.throws(() => suite.create().bind().encode(cycle), TypeError);
      });

      test("64 levels are read", () => {
        const marshal = suite.create().bind();
        assert.deepEqual(marshal.decode(marshal.encode(nested(64)).slice()), nested(64));
      });
    }
  });
}

/** Empty lists within one another. */
export function nested(levels: number): unknown {
  let value: unknown = [];
  for (let i = 1; i < levels; i++) value = [value];
  return value;
}

function cuts(codec: Codec, values: readonly unknown[]): Uint8Array[] {
  const marshal = codec.bind();
  const bytes: Uint8Array[] = [];
  for (const value of values) {
    const whole = marshal.encode(value).slice();
    if (typeof value !== "object" || value === null || whole.length > 200) continue;
    for (let end = 1; end < whole.length; end++) bytes.push(whole.slice(0, end));
    bytes.push(new Uint8Array([...whole, ...whole]));
  }
  return bytes;
}
