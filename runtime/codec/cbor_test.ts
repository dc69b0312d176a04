import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { JSON_VALUES, nested, testCodec } from "../../tests/conformance/codec.ts";
import { concat, utf8 } from "../bytes.ts";
import { MuonError } from "../errors.ts";
import { cbor } from "./cbor.ts";

testCodec({
  name: "cbor",
  create: () => cbor(),
  values: [
    ...JSON_VALUES,
    new Uint8Array([1, 2, 3]),
    new Uint8Array(10_000).fill(9),
    { bytes: new Uint8Array(0) },
    new Date(1_700_000_000_123),
    5n,
    -5n,
    2n ** 64n,
    -(2n ** 200n),
    new Map<unknown, unknown>([["a", 1], [2, { b: new Map([["c", []]]) }]]),
    new Set([1, "a"]),
    new Float64Array([1.5, -2]),
    new Uint16Array([1, 65_535]),
    { when: [new Date(0)], big: [1n], list: [[1], [2]] },
  ],
});

function hex(text: string): Uint8Array {
  return new Uint8Array((text.replaceAll(" ", "").match(/../g) ?? []).map((byte) => parseInt(byte, 16)));
}

function repeat(byte: number, times: number): Uint8Array {
  return new Uint8Array(times).fill(byte);
}

describe("cbor", () => {
  const marshal = cbor().bind();
  const refused = (bytes: Uint8Array, message: RegExp) =>
    assert.throws(() => marshal.decode(bytes), (error) => {
      assert.ok(error instanceof MuonError, `not a MuonError: ${error}`);
      assert.equal(error.status, "invalid_argument");
      assert.match(error.detail, message);
      return true;
    });

  test("reads the examples of RFC 8949 appendix A", () => {
    const examples: [string, unknown][] = [
      ["00", 0],
      ["1903e8", 1000],
      ["1b000000e8d4a51000", 1_000_000_000_000n],
      ["3903e7", -1000],
      ["c249010000000000000000", 2n ** 64n],
      ["c349010000000000000000", -(2n ** 64n) - 1n],
      ["f93c00", 1],
      ["f9c400", -4],
      ["fa47c35000", 100_000],
      ["fb3ff199999999999a", 1.1],
      ["f97c00", Infinity],
      ["f4", false],
      ["f6", null],
      ["f7", undefined],
      ["c074323031332d30332d32315432303a30343a30305a", new Date("2013-03-21T20:04:00Z")],
      ["c11a514b67b0", new Date("2013-03-21T20:04:00Z")],
      ["c1fb41d452d9ec200000", new Date("2013-03-21T20:04:00.500Z")],
      ["4401020304", new Uint8Array([1, 2, 3, 4])],
      ["62c3bc", "ü"],
      ["8301820203820405", [1, [2, 3], [4, 5]]],
      ["a201020304", { 1: 2, 3: 4 }],
      ["a26161016162820203", { a: 1, b: [2, 3] }],
      ["9fff", []],
      ["9f018202039f0405ffff", [1, [2, 3], [4, 5]]],
      ["bf61610161629f0203ffff", { a: 1, b: [2, 3] }],
      ["d9d9f7820102", [1, 2]],
    ];
    for (const [bytes, value] of examples) assert.deepEqual(marshal.decode(hex(bytes)), value, bytes);
  });

  test("writes small objects small, and bytes as bytes", () => {
    assert.deepEqual(marshal.encode({ n: 1 }), hex("a1 61 6e 01"));
    assert.deepEqual(marshal.encode(new Uint8Array([1, 2])), hex("42 01 02"));
    assert.deepEqual(marshal.encode(new Date(1_000_000)), hex("c1 1a 00 00 03 e8"));
  });

  test("bytes that are read are a Uint8Array of their own, or, where they are most of the message, a view of it", () => {
    const read = (data: Uint8Array[], beside = 0) => {
      const bytes = new Uint8Array([...marshal.encode(data), ...new Uint8Array(beside)]);
      return marshal.decode(bytes.subarray(0, bytes.length - beside)) as Uint8Array[];
    };
    const filled = (size: number) => new Uint8Array(size).fill(1);
    for (const size of [3, 4_095, 4_096, 100_000]) {
      for (const beside of [0, 2 * size]) {
        const [one] = read([filled(size)], beside);
        assert.equal(Object.getPrototypeOf(one), Uint8Array.prototype);
        assert.deepEqual(one, filled(size));
        const shares = size >= 4_096 && beside === 0;
        assert.equal(one!.buffer.byteLength === size, !shares, `${size} bytes beside ${beside}`);
      }
    }
    const [small, large] = read([filled(10), filled(8_000)]);
    assert.equal(small!.buffer.byteLength, 10);
    assert.ok(large!.buffer.byteLength < 8_100);
    assert.deepEqual(large, filled(8_000));
  });

  test("the array it reads from gets no property", () => {
    for (const size of [3, 100_000]) {
      const bytes = marshal.encode("x".repeat(size)).slice();
      marshal.decode(bytes);
      assert.deepEqual(Object.getOwnPropertyNames(bytes).filter((name) => !/^\d+$/.test(name)), []);
    }
  });

  test("refuses bignums that would stop the process", () => {
    assert.equal(marshal.decode(concat([hex("c2 58 40"), repeat(0xff, 64)])), 2n ** 512n - 1n);
    refused(concat([hex("c2 58 41"), repeat(0xff, 65)]), /at byte 0: a bignum of more than 64 bytes/);
    refused(concat([hex("81 c3 5a 00 03 0d 40"), repeat(0xff, 200_000)]), /at byte 1: a bignum/);
    refused(hex("c2 82 01 02"), /tag 2 is a bignum, and holds no bytes/);
  });

  test("refuses cbor-x's own tags, which build records, references, errors and expressions", () => {
    const own: [string, number][] = [
      ["d8 69 83 19 e0 00 81 61 61 01", 105],
      ["d9 df ff 83 19 e0 00 81 61 61 01", 57343],
      ["d9 e0 00 81 01", 57344],
      ["d9 df f9 82 01 02", 57337],
      ["d8 33 84 81 01 80 80 01", 51],
      ["d8 1c 81 d8 1d 00", 28],
      ["d8 1b 82 66 52 65 67 45 78 70 61 61", 27],
      ["c6 01", 6],
      ["c4 82 01 02", 4],
      ["d8 4c 41 00", 76],
    ];
    for (const [bytes, tag] of own) {
      refused(hex(bytes), new RegExp(`tag ${bytes.includes("d8 1d") ? 29 : tag}, which is not read`));
    }
  });

  test("refuses tags whose content does not fit", () => {
    refused(hex("c0 01"), /tag 0 is a date, and holds no text/);
    refused(hex("c1 a0"), /tag 1 is a date, and holds no number/);
    refused(hex("d8 45 43 01 02 03"), /tag 69 holds no whole number of elements/);
    refused(hex("d8 40 01"), /tag 64 is a typed array, and holds no bytes/);
    refused(hex("d9 01 02 a0"), /tag 258 is a set/);
    refused(hex("d9 01 03 80"), /tag 259 is a map/);
  });

  test("refuses what is malformed, and says at which byte", () => {
    refused(hex("82 01"), /at byte 0: it is cut/);
    refused(hex("82 01 61"), /at byte 2: it is cut/);
    refused(hex("9a ff ff ff ff 01"), /at byte 0: it is cut/);
    refused(hex("bb ff ff ff ff ff ff ff ff"), /at byte 0: it is cut/);
    refused(hex("7b ff ff ff ff ff ff ff ff 61"), /at byte 0: it is cut/);
    refused(hex("01 02"), /at byte 1: 1 bytes follow the value/);
    refused(hex("ff"), /a break outside/);
    refused(hex("9f 01"), /it is cut/);
    refused(hex("bf 61 61 ff"), /at byte 3: a break outside/);
    refused(hex("5f 41 01 ff"), /a string of indefinite length/);
    refused(hex("62 c3 28"), /at byte 0: a text that is no UTF-8/);
    refused(hex("a1 63 ed a0 80 01"), /at byte 1: a text that is no UTF-8/);
    refused(hex("1c"), /additional information 28/);
    refused(hex("e0"), /a simple value/);
    refused(hex("f8 ff"), /a simple value/);
    refused(hex("a1 80 01"), /at byte 1: a map's key is neither text nor a number/);
  });

  test("refuses the key __proto__, and takes what looks like it", () => {
    refused(concat([hex("a1 69"), utf8("__proto__"), hex("a0")]), /a map's key is "__proto__"/);
    refused(concat([hex("bf 78 09"), utf8("__proto__"), hex("a0 ff")]), /a map's key is "__proto__"/);
    assert.equal(({} as { polluted?: boolean }).polluted, undefined);
    for (const key of ["_proto__", "__proto_", "i__proto__", "x__proto__", "__proto_i"]) {
      assert.deepEqual(marshal.decode(marshal.encode({ [key]: 1 }).slice()), { [key]: 1 });
    }
    assert.deepEqual(marshal.decode(marshal.encode({ a: "__proto__" })), { a: "__proto__" });
  });

  test("refuses what is nested deeper than the limit, whatever it is nested of", () => {
    assert.deepEqual(marshal.decode(concat([repeat(0x81, 63), hex("80")])), nested(64));
    refused(concat([repeat(0x81, 64), hex("80")]), /at byte 64: it is nested deeper than 64/);
    refused(repeat(0x9f, 1_000_000), /nested deeper than 64/);
    refused(
      concat([repeat(0xd9, 1), hex("d9f7"), hex("d9d9f7".repeat(70)), hex("01")]),
      /nested deeper than 64/,
    );
    assert.throws(() => cbor({ maxDepth: 2 }).bind().decode(hex("81 81 80")), /deeper than 2/);
    assert.throws(() => cbor({ maxDepth: 0 }), RangeError);
  });

  test("says what it cannot write", () => {
    assert.throws(
      () => marshal.encode({ f: () => 1 }),
      /CBOR cannot write the value: Unknown type: function/,
    );
    const cycle: unknown[] = [];
    cycle.push(cycle);
    assert.throws(() => marshal.encode(cycle), /nested too deep, or refers to itself/);
  });

  test("results stay as they were when more is written", () => {
    const first = marshal.encode({ n: 1 });
    for (let i = 0; i < 5_000; i++) marshal.encode({ other: i, text: "x".repeat(i % 100) });
    assert.deepEqual(marshal.decode(first), { n: 1 });
  });

  test("random bytes are read or refused, and nothing else", () => {
    let state = 42;
    const next = () => state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    for (let round = 0; round < 20_000; round++) {
      const bytes = new Uint8Array(1 + next() % 24).map(() => next() >>> 16);
      try {
        marshal.decode(bytes);
      } catch (error) {
        if (!(error instanceof MuonError)) throw new Error(`bytes ${bytes}`, { cause: error });
      }
    }
  });
});
