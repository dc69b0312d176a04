import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { testCodec } from "../../tests/conformance/codec.ts";
import { raw } from "./raw.ts";

testCodec({
  name: "raw",
  create: raw,
  values: [new Uint8Array([1, 2, 3]), new Uint8Array(100_000).fill(7), new Uint8Array(0)],
  nothing: new Uint8Array(0),
  unwritable: { name: "John" },
  malformed: [],
  limitsDepth: false,
});

describe("raw", () => {
  test("copies bytes that go out, as their owner may write to them, and none that come in", () => {
    const bytes = new Uint8Array([1, 2]);
    const out = raw().bind().encode(bytes);
    bytes[0] = 3;
    assert.deepEqual(out, new Uint8Array([1, 2]));
    assert.equal(raw().bind().decode(bytes), bytes);
  });

  test("stands under any content type, and names it", () => {
    const codec = raw("application/protobuf");
    assert.equal(codec.contentType, "application/protobuf");
    assert.throws(() => codec.bind().encode({}), /application\/protobuf carries a Uint8Array/);
  });

  test("says what it was given instead of bytes", () => {
    assert.throws(() => raw().bind().encode("text"), /Uint8Array and nothing else: current value is string/);
    assert.throws(() => raw().bind().encode(null), /current value is null/);
    assert.throws(() => raw().bind().encode(new Map()), /current value is Map/);
  });
});
