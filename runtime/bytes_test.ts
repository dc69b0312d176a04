import assert from "node:assert/strict";
import { test } from "node:test";
import { concat, EMPTY, fromBase64, looseText, text, toBase64, utf8 } from "./bytes.ts";

test("text becomes bytes and text again, a byte order mark included", () => {
  for (const each of ["", "hi", "grün 🌱", "\ufeffx", "a\0b"]) assert.equal(text(utf8(each)), each);
});

test("bytes that are no text are refused, or shown as far as they go", () => {
  const broken = new Uint8Array([0x61, 0xff, 0x62]);
  assert.throws(() => text(broken), TypeError);
  assert.equal(looseText(broken), "a\ufffdb");
});

test("parts are joined in order", () => {
  assert.deepEqual([...concat([utf8("a"), EMPTY, utf8("bc")])], [97, 98, 99]);
  assert.equal(concat([]).length, 0);
});

// RFC 4648 §10.
const VECTORS: readonly (readonly [string, string])[] = [
  ["", ""],
  ["f", "Zg=="],
  ["fo", "Zm8="],
  ["foo", "Zm9v"],
  ["foob", "Zm9vYg=="],
  ["fooba", "Zm9vYmE="],
  ["foobar", "Zm9vYmFy"],
];

test("base64 is RFC 4648's, with or without padding", () => {
  for (const [plain, encoded] of VECTORS) {
    assert.equal(toBase64(utf8(plain)), encoded);
    assert.equal(text(fromBase64(encoded)), plain);
    assert.equal(text(fromBase64(encoded.replace(/=+$/, ""))), plain);
  }
  const all = Uint8Array.from({ length: 100_000 }, (_, i) => i * 31);
  assert.deepEqual(fromBase64(toBase64(all)), all);
});

test("white space in base64 is skipped, anything else refused", () => {
  assert.equal(text(fromBase64(" Zm9v\r\nYmFy\t")), "foobar");
  for (const wrong of ["Z", "Zm9vY", "Zm9*", "Zm-_", "=", "Zg=", "Zg==="]) {
    assert.throws(() => fromBase64(wrong), SyntaxError, wrong);
  }
});
