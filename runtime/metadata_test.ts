import assert from "node:assert/strict";
import { test } from "node:test";
import { isKey, isValue, Metadata } from "./metadata.ts";

test("keys are found in whatever case, and kept in lower case", () => {
  const metadata = Metadata.from({ "X-Tenant": "acme", b: "2" });
  assert.equal(metadata.get("x-tenant"), "acme");
  assert.equal(metadata.get("X-TENANT"), "acme");
  assert.ok(metadata.has("X-Tenant"));
  assert.ok(!metadata.has("y"));
  assert.equal(metadata.size, 2);
  assert.deepEqual([...metadata], [["x-tenant", "acme"], ["b", "2"]]);
  assert.deepEqual(JSON.parse(JSON.stringify(metadata)), { "x-tenant": "acme", b: "2" });
});

test("it is made of an object, of pairs, of a Map, of itself and of nothing", () => {
  const metadata = Metadata.from([["A", "1"], ["a", "2"]]);
  assert.deepEqual([...metadata], [["a", "2"]]);
  assert.deepEqual([...Metadata.from(new Map([["k", "v"]]))], [["k", "v"]]);
  assert.equal(Metadata.from(metadata), metadata);
  assert.equal(Metadata.from(undefined), Metadata.EMPTY);
  assert.equal(Metadata.from({}), Metadata.EMPTY);
  assert.equal(Metadata.trusted(new Map()), Metadata.EMPTY);
});

test("it does not change when what it was made of does, nor when it is laid over", () => {
  const init: Record<string, string> = { a: "1" };
  const metadata = Metadata.from(init);
  init.a = "changed";
  const more = metadata.with({ A: "2", b: "3" });
  assert.deepEqual(metadata.toJSON(), { a: "1" });
  assert.deepEqual(more.toJSON(), { a: "2", b: "3" });
  assert.equal(metadata.with(undefined), metadata);
  assert.equal(Metadata.EMPTY.with(metadata), metadata);
});

test("what could forge a header is refused", () => {
  const refuses = (init: Record<string, unknown>, message: RegExp) =>
    assert.throws(() => Metadata.from(init as Record<string, string>), { name: "TypeError", message });
  refuses({ "a b": "1" }, /must be an HTTP token: "a b"/);
  refuses({ "": "1" }, /must be an HTTP token: ""/);
  refuses({ "a\r\nb": "1" }, /HTTP token/);
  refuses({ "ä": "1" }, /HTTP token/);
  refuses({ a: 1 }, /value of "a" must be a string: current value is 1/);
  refuses({ a: undefined }, /must be a string: current value is undefined/);
  refuses({ a: "x\r\ny: z" }, /value of "a" must hold no control character/);
  refuses({ a: "\0" }, /control character/);
});

test("keys that objects have of their own are keys like others", () => {
  const metadata = Metadata.from({ constructor: "x" });
  assert.equal(metadata.get("constructor"), "x");
  assert.equal(metadata.get("tostring"), undefined);
  assert.deepEqual(Object.keys(Metadata.from([["__proto__", "y"]]).toJSON()), ["__proto__"]);
});

test("a key is a lower-case token, a value has no control character but the tab", () => {
  assert.deepEqual(["x-tenant", "a_b.c~", "X", "", "a b", "a:b"].map(isKey), [
    true,
    true,
    false,
    false,
    false,
    false,
  ]);
  assert.deepEqual(["", "a\tb", "grün 🌱", "a\nb", "\x7f"].map(isValue), [true, true, true, false, false]);
});
