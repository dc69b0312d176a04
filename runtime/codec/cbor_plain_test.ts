import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Encoder } from "cbor-x/encode";
import { below, seeded } from "../random.ts";
import { checkCbor } from "./cbor_check.ts";
import { decodePlain, NOT_PLAIN } from "./cbor_plain_reader.ts";
import { encodePlain, frontOfPlain, reclaimPlain } from "./cbor_plain_writer.ts";

const library = new Encoder({
  useRecords: false,
  variableMapSize: true,
  tagUint8Array: false,
  copyBuffers: true,
});
const random = seeded(7);
const any = <T>(from: readonly T[]): T => from[below(random, from.length)]!;

const LEAVES: readonly unknown[] = [
  ...[0, -0, 1, 23, 24, 255, 256, 65_535, 65_536, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53],
  ...[-1, -24, -25, -256, -257, -65_536, -65_537, -(2 ** 31), -(2 ** 31) - 1, -(2 ** 32), -(2 ** 32) - 1],
  ...[0.1, -1.5, NaN, Infinity, -Infinity, 5e-324, true, false, null, undefined],
  ...[
    "",
    "a",
    "Hello user12",
    "x".repeat(23),
    "x".repeat(24),
    "x".repeat(48),
    "x".repeat(49),
    "y".repeat(300),
  ],
  ...[
    "é",
    "日本語",
    "😀",
    "é".repeat(11),
    "é".repeat(12),
    "ß".repeat(40),
    "a\u0000b",
    "\ufeffbom",
    "__proto__",
  ],
  ...[new Uint8Array(0), new Uint8Array([0, 255]), new Uint8Array(300).fill(7)],
];
const KEYS = [
  "name",
  "greeting",
  "a",
  "",
  "é",
  "k".repeat(23),
  "k".repeat(24),
  "1",
  "-1",
  "constructorX",
  "toString",
];

function value(levels: number): unknown {
  const kind = levels === 0 ? 9 : below(random, 10);
  if (kind < 3) return Array.from({ length: below(random, 5) }, () => value(levels - 1));
  if (kind > 5) return any(LEAVES);
  const object: Record<string, unknown> = {};
  for (let n = below(random, 5); n > 0; n--) object[any(KEYS)] = value(levels - 1);
  return object;
}

function equal(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}

describe("plain CBOR", () => {
  test("is written byte for byte as the library writes it, and read as what it was", () => {
    for (const leaf of LEAVES) {
      const bytes = encodePlain(leaf)!;
      assert.deepEqual([...bytes], [...library.encode(leaf)], String(leaf));
      assert.deepEqual(decodePlain(bytes, 64), leaf === 0 ? 0 : leaf);
    }
    for (let n = 0; n < 3_000; n++) {
      const whole = value(4);
      const bytes = encodePlain(whole)!;
      const expected = library.encode(whole);
      assert.deepEqual([...bytes], [...expected]);
      assert.deepEqual(decodePlain(bytes, 64), library.decode(new Uint8Array(expected)));
    }
  });

  test("reads nothing that the check would refuse, and nothing otherwise than the library", () => {
    let read = 0;
    for (let n = 0; n < 20_000; n++) {
      const bytes = new Uint8Array(encodePlain(value(3)) ?? [0xf6]);
      for (let changes = below(random, 3); changes >= 0 && bytes.length > 0; changes--) {
        bytes[below(random, bytes.length)] = below(random, 4) === 0
          ? any([0x60, 0x7f, 0x9f, 0xff, 0xc0])
          : below(random, 256);
      }
      const cut = below(random, 4) === 0 ? bytes.subarray(0, below(random, bytes.length + 1)) : bytes;
      const plain = cut.length === 0 ? NOT_PLAIN : decodePlain(cut, 8);
      if (plain === NOT_PLAIN) continue;
      read++;
      checkCbor(cut, 8);
      assert.deepEqual(plain, library.decode(new Uint8Array(cut)));
    }
    assert.ok(read > 1_000, `${read} of the changed messages could be read`);
  });

  test("so is what is long, whatever it is long by, and the next is written where it would have been", () => {
    const long = [
      new Uint8Array(1_000_000).map((_, at) => at),
      "x".repeat(100_000),
      "x".repeat(70_000) + "é\u{1f600}",
      "é".repeat(40_000),
      Array.from(
        { length: 10_000 },
        (_, n) => ({ n, name: `name ${n}`, score: n / 3, bytes: new Uint8Array(n % 40) }),
      ),
      Array.from({ length: 200 }, (_, n) => "é".repeat(n)),
      Object.fromEntries(Array.from({ length: 5_000 }, (_, n) => [`${"k".repeat(n % 60)}${n}`, ~n])),
    ];
    for (const one of [...long, long, [1, [long, "after"]]]) {
      const before = encodePlain({ before: 1 })!;
      const bytes = encodePlain(one)!;
      const after = encodePlain({ after: 1 })!;
      assert.ok(equal(library.encode(one), bytes));
      assert.deepEqual(decodePlain(bytes, 64), one);
      assert.deepEqual(decodePlain(before, 64), { before: 1 });
      assert.deepEqual(decodePlain(after, 64), { after: 1 });
      if (before.buffer === after.buffer) {
        assert.equal(after.byteOffset, before.byteOffset + before.length, "small ones stand together");
      }
    }
  });

  test("texts of every length and kind of sequence are written and read as they are", () => {
    for (const unit of ["a", "é", "€", "\u{1f600}", "\uffff", "\u0800", "\u07ff", "\ud7ff", "\ue000", "\0"]) {
      for (let length = 0; length < 100; length++) {
        for (
          const text of [unit.repeat(length), `${"a".repeat(length)}${unit}`, `${unit}${"a".repeat(length)}`]
        ) {
          const bytes = encodePlain(text)!;
          assert.ok(equal(library.encode(text), bytes), JSON.stringify(text));
          assert.equal(decodePlain(bytes, 1), text);
        }
      }
    }
  });

  test("what is no UTF-8 is not read, however short", () => {
    const edges = [0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc2, 0xff];
    const firsts = [...edges, 0xc1, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf4];
    const two = firsts.flatMap((first) => edges.map((second) => [first, second]));
    const three = two.flatMap((both) => edges.map((third) => [...both, third]));
    const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    for (const units of [...two, ...three]) {
      let expected: unknown = NOT_PLAIN;
      try {
        expected = decoder.decode(new Uint8Array(units));
      } catch {
        // It is no UTF-8.
      }
      const read = decodePlain(new Uint8Array([0x60 + units.length, ...units]), 1);
      if (read !== expected) assert.fail(`${units} is read as ${String(read)}`);
    }
  });

  test("a list gets no room for what it only claims to hold", () => {
    // 64 lists within one another, each said to have as many items as bytes follow.
    const bytes = new Uint8Array(1_000_000);
    for (let n = 0; n < 64; n++) bytes.set([0x9a, 0, 0x0f, 0x3f, 0], 5 * n);
    assert.equal(decodePlain(bytes, 64), NOT_PLAIN);
  });

  test("what is cut, goes on, or is nested too deep is not read", () => {
    const bytes = new Uint8Array(
      encodePlain({ name: "John", list: [1, 300, 70_000, 1.5, new Uint8Array(3)] })!,
    );
    for (let length = 0; length < bytes.length; length++) {
      assert.equal(decodePlain(bytes.subarray(0, length), 64), NOT_PLAIN);
    }
    assert.equal(decodePlain(new Uint8Array([...bytes, 0]), 64), NOT_PLAIN);
    const two = encodePlain([[1]])!;
    assert.deepEqual(decodePlain(two, 2), [[1]]);
    assert.equal(decodePlain(two, 1), NOT_PLAIN);
  });

  test("what is not plain is left to the library", () => {
    class Point {}
    let nested: unknown = 1;
    for (let n = 0; n < 20; n++) nested = [nested];
    const circle: Record<string, unknown> = {};
    circle.circle = circle;
    const not = [
      new Date(0),
      1n,
      new Map(),
      new Set(),
      new Point(),
      Object.create(null),
      () => 1,
      "\ud800",
      nested,
    ];
    const knot: unknown[] = [];
    knot.push(knot, knot, knot, knot);
    for (const one of [...not, circle, knot, new Array(2 ** 32 - 1), new Uint16Array(2)]) {
      assert.equal(encodePlain(one), undefined);
      assert.equal(encodePlain({ a: [one] }), undefined);
    }
    assert.equal(decodePlain(library.encode({ at: new Date(0) }), 64), NOT_PLAIN);
    assert.equal(decodePlain(library.encode(2n ** 60n), 64), NOT_PLAIN);
  });

  test("a key is read as what it is, though another of its length and ends was read before", () => {
    for (const key of ["abc", "axc", "abc", "a\u00e9", "abcd", "axxd"]) {
      assert.deepEqual(decodePlain(library.encode({ [key]: 1 }), 64), { [key]: 1 });
    }
    // The byte e9 is no text, though it is the unit of one that was read.
    decodePlain(library.encode({ "\u00e9": 1 }), 64);
    assert.equal(decodePlain(new Uint8Array([0xa1, 0x61, 0xe9, 0x01]), 64), NOT_PLAIN);
    assert.equal(decodePlain(library.encode(JSON.parse('{"__proto__":1}')), 64), NOT_PLAIN);
  });

  test("bytes are not written over, nor is a value by one that its getters write", () => {
    const first = encodePlain({ a: 1 })!;
    const second = encodePlain({ b: 2 })!;
    const outer = encodePlain({
      get inner() {
        assert.equal(encodePlain([1]), undefined);
        return "x";
      },
    })!;
    const thrown = new Error("a getter's");
    assert.throws(() =>
      encodePlain({
        a: 1,
        get b() {
          throw thrown;
        },
      }), thrown);
    for (let n = 0; n < 2_000; n++) encodePlain({ n });
    assert.deepEqual([first, second, outer].map((bytes) => decodePlain(bytes, 64)), [{ a: 1 }, { b: 2 }, {
      inner: "x",
    }]);
  });

  test("in front of a long message is room that may be written over, until another is written", () => {
    const data = new Uint8Array(200_000).fill(7);
    assert.equal(frontOfPlain(encodePlain({ n: 1 })!), 0, "others' messages are in front of a short one");
    const long = encodePlain({ name: "x".repeat(10_000), data })!;
    const front = frontOfPlain(long);
    assert.ok(front >= 256);
    new Uint8Array(long.buffer, long.byteOffset - front, front).fill(255);
    assert.deepEqual(decodePlain(long, 64), { name: "x".repeat(10_000), data });
    encodePlain({ data });
    assert.equal(frontOfPlain(long), 0);
  });

  test("a long message's array is used again once it was given back, and no other", () => {
    const long = (fill: number, bytes = 60_000) => encodePlain({ data: new Uint8Array(bytes).fill(fill) })!;
    const first = long(1);
    const second = long(2);
    assert.ok(second.buffer !== first.buffer);
    reclaimPlain(first); // Too late: only the last is known.
    reclaimPlain(second);
    reclaimPlain(second);
    const third = long(3);
    assert.ok(third.buffer === second.buffer);
    const fourth = long(4);
    assert.ok(fourth.buffer !== third.buffer);
    assert.deepEqual(decodePlain(first, 64), { data: new Uint8Array(60_000).fill(1) });
    assert.deepEqual(decodePlain(third, 64), { data: new Uint8Array(60_000).fill(3) });

    reclaimPlain(fourth);
    const short = encodePlain({ n: 1 })!;
    reclaimPlain(short);
    encodePlain({ n: 2 });
    assert.deepEqual(decodePlain(short, 64), { n: 1 });
    const longer = long(5, 100_000);
    assert.ok(longer.buffer !== fourth.buffer);
    const longest = long(6, 3_000_000);
    reclaimPlain(longest);
    assert.ok(long(7).buffer !== longest.buffer);
    assert.deepEqual(decodePlain(longer, 64), { data: new Uint8Array(100_000).fill(5) });
  });
});
