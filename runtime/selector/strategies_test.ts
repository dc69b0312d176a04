import assert from "node:assert/strict";
import { test } from "node:test";
import { candidates, pickContext, testStrategy } from "../../tests/conformance/selector.ts";
import { seeded } from "../random.ts";
import { createLeastConn } from "./leastconn.ts";
import { createRandom } from "./random.ts";
import { createRoundRobin } from "./roundrobin.ts";
import { createStrategy, STRATEGY_NAMES } from "./strategies.ts";

testStrategy({ name: "random", create: createRandom });
testStrategy({ name: "roundrobin", create: createRoundRobin });
testStrategy({ name: "leastconn", create: createLeastConn });

test("strategies are had by name, and an unknown name lists them", () => {
  for (const name of STRATEGY_NAMES) assert.equal(createStrategy(name, seeded(1)).name, name);
  for (const name of ["best", "toString", ""]) {
    assert.throws(
      () => createStrategy(name, seeded(1)),
      { name: "TypeError", message: /one of random, roundrobin, leastconn: current value is "/ },
    );
  }
});

test("roundrobin takes each in its turn, each service by itself", () => {
  const strategy = createRoundRobin(seeded(1));
  const from = candidates(3);
  const order = Array.from({ length: 6 }, () => {
    strategy.pick(from, pickContext("other"));
    return from.indexOf(strategy.pick(from, pickContext("greeter")));
  });
  for (const [i, index] of order.entries()) assert.equal(index, (order[0]! + i) % 3);
});

test("roundrobin does not begin at the same node in every process", () => {
  const from = candidates(8);
  const starts = new Set(
    Array.from(
      { length: 40 },
      (_, seed) => createRoundRobin(seeded(seed)).pick(from, pickContext("greeter")).node.id,
    ),
  );
  assert.ok(starts.size > 4, `only ${starts.size} different starts`);
});

test("roundrobin remembers a bounded number of services", () => {
  const strategy = createRoundRobin(seeded(1));
  const from = candidates(2);
  for (let i = 0; i < 10_000; i++) assert.ok(from.includes(strategy.pick(from, pickContext(`s${i}`))));
});

test("leastconn takes the one with the fewest calls, and any of those that tie", () => {
  const strategy = createLeastConn(seeded(1));
  const from = candidates(4).map((candidate, i) => ({ ...candidate, inflight: [3, 1, 2, 1][i]! }));
  const seen = new Set(
    Array.from({ length: 100 }, () => strategy.pick(from, pickContext("greeter")).node.id),
  );
  assert.deepEqual([...seen].sort(), ["n1", "n3"]);
});
