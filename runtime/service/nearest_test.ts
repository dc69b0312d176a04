import assert from "node:assert/strict";
import { test } from "node:test";
import { didYouMean, nearest } from "./nearest.ts";

test("the nearest word is the one with the fewest letters wrong", () => {
  const words = ["registry", "registry_address", "broker", "ws"];
  assert.equal(nearest("registy", words), "registry");
  assert.equal(nearest("regitsry_adress", words), "registry_address");
  assert.equal(nearest("broker", words), "broker");
  assert.equal(nearest("borker", words), "broker");
});

test("what is near to nothing gets no guess", () => {
  assert.equal(nearest("kubernetes", ["registry", "broker"]), undefined);
  assert.equal(nearest("abc", ["x", "ws"]), undefined, "a short word is not near to every other");
  assert.equal(nearest("", ["ws"]), undefined);
  assert.equal(didYouMean("kubernetes", ["broker"]), "");
  assert.equal(didYouMean("brocker", ["broker"]), '; did you mean "broker"?');
});
