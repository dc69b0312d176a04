import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Parts } from "./parts.ts";

/** Bytes that follow from where they stand in the message. */
function bytes(from: number, length: number): Uint8Array {
  return new Uint8Array(length).map((_, at) => (from + at) * 31);
}

/** A message of parts of these lengths. */
function gathered(lengths: readonly number[]): Uint8Array {
  const parts = new Parts();
  let at = 0;
  for (const length of lengths) {
    parts.add(bytes(at, length));
    at += length;
    assert.equal(parts.length, at);
  }
  return parts.take();
}

describe("parts of a message", () => {
  for (
    const lengths of [
      [],
      [0, 0],
      [1],
      [5_000],
      [1, 2, 3, 4],
      [4_096, 4_096, 1],
      [1, 5_000],
      [5_000, 1, 1, 1, 6_000, 0, 2],
      Array.from({ length: 300 }, (_, n) => n),
      [16_384, 16_384, 16_384, 7],
    ]
  ) {
    const sum = lengths.reduce((sum, length) => sum + length, 0);
    test(`${lengths.length} parts, ${sum} bytes from ${lengths[0] ?? "none"} to ${lengths.at(-1) ?? "none"}`, () => {
      assert.deepEqual(gathered(lengths), bytes(0, sum));
    });
  }

  test("a long part waits as it came; several are one buffer of their size at the end", () => {
    const part = bytes(0, 8_192);
    const parts = new Parts();
    parts.add(part);
    assert.equal(parts.take().buffer, part.buffer);

    const several = gathered([8_192, 100, 8_192]);
    assert.equal(several.buffer.byteLength, 16_484);
  });

  test("a part of a much longer buffer does not keep that alive", () => {
    const message = bytes(0, 1_000_000);
    const parts = new Parts();
    parts.add(message.subarray(0, 8_192));
    const whole = parts.take();
    assert.notEqual(whole.buffer, message.buffer);
    assert.deepEqual(whole, message.slice(0, 8_192));
  });
});
