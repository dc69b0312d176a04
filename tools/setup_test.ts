import assert from "node:assert/strict";
import { test } from "node:test";
import { difference } from "./setup.ts";

const lock = {
  packages: {
    "": { version: "0.1.0" },
    "node_modules/a": { version: "1.0.0" },
    "node_modules/a/node_modules/@s/b": { version: "2.0.0" },
    "node_modules/elsewhere": { version: "3.0.0", optional: true },
  },
};

test("an installation that holds what the lock pins is let be", () => {
  const { "": _root, ...packages } = lock.packages;
  assert.equal(difference(lock, { packages }), undefined);
  const { "node_modules/elsewhere": _optional, ...here } = packages;
  assert.equal(difference(lock, { packages: here }), undefined, "another platform's package may be missing");
});

test("what it lacks is named", () => {
  const { "node_modules/a": _a, ...without } = lock.packages;
  assert.equal(difference(lock, { packages: without }), "a is missing");
  const other = { ...lock.packages, "node_modules/a/node_modules/@s/b": { version: "2.0.1" } };
  assert.equal(difference(lock, { packages: other }), "@s/b is at 2.0.1 instead of 2.0.0");
  const old = { ...lock.packages, "node_modules/elsewhere": { version: "2.9.9" } };
  assert.equal(difference(lock, { packages: old }), "elsewhere is at 2.9.9 instead of 3.0.0");
});
