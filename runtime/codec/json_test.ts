import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { nested, testCodec } from "../../tests/conformance/codec.ts";
import { text, utf8 } from "../bytes.ts";
import { MuonError } from "../errors.ts";
import { json } from "./json.ts";

testCodec({ name: "json", create: () => json() });

describe("json", () => {
  const marshal = json().bind();
  const written = (value: unknown) => text(marshal.encode(value));

  test("writes bytes as base64, wherever they stand", () => {
    const bytes = new Uint8Array([104, 105]);
    assert.equal(written(bytes), '"aGk="');
    assert.equal(written({ a: [{ b: bytes }], c: 1 }), '{"a":[{"b":"aGk="}],"c":1}');
    assert.equal(written({ toJSON: () => ({ b: bytes }) }), '{"b":"aGk="}');
  });

  test("writes what JSON.stringify writes of everything else", () => {
    for (
      const value of [
        { at: new Date(0), list: [new Date(1)] },
        { a: undefined, b: [undefined, 1] },
        { toJSON: () => "own" },
        { deep: { toJSON: () => ({ a: 1 }) } },
        [NaN, Infinity],
        Object.create(null, { x: { value: 1, enumerable: true } }),
      ]
    ) assert.equal(written(value), JSON.stringify(value));
  });

  test("says what it cannot write and where it stands", () => {
    const cases: [unknown, RegExp][] = [
      [1n, /JSON cannot write the value, a bigint/],
      [{ a: [0, { b: 1n }] }, /what stands at a\[1\]\.b, a bigint/],
      [{ f: () => 1 }, /what stands at f, a function/],
      [{ m: new Map() }, /what stands at m, a Map/],
      [[new Set()], /what stands at \[0\], a Set/],
      [{ f: new Float64Array(1) }, /what stands at f, a Float64Array/],
    ];
    for (const [value, message] of cases) {
      assert.throws(() => marshal.encode(value), { name: "TypeError", message });
    }
  });

  test("writes as text what it writes as bytes", () => {
    for (const value of [{ name: "Jürgen \ud800" }, [new Uint8Array([104, 105])], null, "", 0]) {
      assert.equal(marshal.text!(value), written(value));
    }
    assert.equal(marshal.text!(undefined), undefined);
    assert.throws(() => marshal.text!(new Map()), TypeError);
  });

  test("a long text outgrows the pool", () => {
    const value = { text: "é".repeat(100_000) };
    assert.deepEqual(marshal.decode(marshal.encode(value)), value);
  });

  test("results stay as they were when more is written", () => {
    const first = marshal.encode({ n: 1 });
    for (let i = 0; i < 5_000; i++) marshal.encode({ other: i });
    assert.deepEqual(marshal.decode(first), { n: 1 });
  });

  test("says how what it cannot read begins", () => {
    assert.throws(() => marshal.decode(utf8('{"name": John}')), (error) => {
      assert.ok(error instanceof MuonError);
      assert.equal(error.code, 400);
      assert.match(error.detail, /^cannot read JSON: .*; the 14 bytes begin "\{\\"name\\": John\}"$/);
      return true;
    });
  });

  test("refuses bytes that are no UTF-8, and takes a U+FFFD that was sent", () => {
    assert.throws(() => marshal.decode(new Uint8Array([0x22, 0xff, 0x22])), MuonError);
    assert.throws(() => marshal.decode(new Uint8Array([0xef, 0xbb, 0xbf, 0x31])), MuonError);
    assert.equal(marshal.decode(utf8('"\ufffd"')), "\ufffd");
  });

  test("refuses a value deeper than the limit, before it is built", () => {
    const deep = (n: number) => utf8("[".repeat(n) + "]".repeat(n));
    assert.deepEqual(marshal.decode(deep(64)), nested(64));
    assert.throws(() => marshal.decode(deep(65)), /at byte 64 it is nested deeper than 64/);
    assert.throws(() => marshal.decode(utf8("[".repeat(3_000_000))), /nested deeper than 64/);
    assert.throws(() => marshal.encode(nested(65)), TypeError);
    const ring: { loop?: unknown } = {};
    ring.loop = { back: ring };
    assert.throws(() => marshal.encode(ring), (error: Error) => {
      assert.match(
        error.message,
        /stands at loop\.back\..* … .*\.loop\.back: it is nested too deep, or refers to/,
      );
      return error.message.length < 200;
    });
    assert.deepEqual(json({ maxDepth: 2 }).bind().decode(deep(2)), [[]]);
    assert.throws(() => json({ maxDepth: 2 }).bind().decode(deep(3)), /deeper than 2/);
  });

  test("brackets in strings are no depth", () => {
    const value = { text: `${"[{".repeat(200)}\\"`, after: `\\\\"${"[".repeat(100)}` };
    assert.deepEqual(marshal.decode(marshal.encode(value)), value);
  });

  test("a key __proto__ pollutes nothing", () => {
    const value = marshal.decode(utf8('{"__proto__":{"polluted":true}}')) as object;
    assert.equal(Object.getPrototypeOf(value), Object.prototype);
    assert.equal(({} as { polluted?: boolean }).polluted, undefined);
  });

  test("a depth that is none is a RangeError", () => {
    for (const maxDepth of [0, -1, 1.5, NaN, 1_001]) assert.throws(() => json({ maxDepth }), RangeError);
  });
});
