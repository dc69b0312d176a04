import assert from "node:assert/strict";
import { test } from "node:test";
import { below, seeded } from "./random.ts";
import { applyChange, diffRecord, mergeRecords } from "./record_set.ts";
import type { ServiceRecord } from "./record.ts";

function one(id: string, more: Partial<ServiceRecord> = {}, address = "h:1"): ServiceRecord {
  return {
    name: "s",
    version: "1",
    metadata: {},
    endpoints: [],
    nodes: [{ id, address, metadata: {} }],
    ...more,
  };
}

const endpoint = (name: string) => ({ name, request: null, response: null, metadata: {} });

test("records of one version become one, whatever their order", () => {
  const parts = [
    one("b", { endpoints: [endpoint("E.B"), endpoint("E.A")], metadata: { of: "b" } }),
    one("a", { endpoints: [endpoint("E.A")], metadata: { of: "a" } }),
    one("c", { version: "2" }),
    one("a", { name: "r" }),
  ];
  const merged = mergeRecords(parts);
  assert.deepEqual(
    merged.map(({ name, version, nodes }) => `${name} ${version} ${nodes.map(({ id }) => id)}`),
    [
      "r 1 a",
      "s 1 a,b",
      "s 2 c",
    ],
  );
  assert.deepEqual(merged[1]!.endpoints.map(({ name }) => name), ["E.A", "E.B"]);
  assert.deepEqual(merged[1]!.metadata, { of: "a" });
  assert.deepEqual(mergeRecords([...parts].reverse()), merged);
});

test("of two records with the same node the later counts", () => {
  assert.equal(mergeRecords([one("a"), one("a", {}, "h:2")])[0]!.nodes[0]!.address, "h:2");
  assert.deepEqual(mergeRecords([one("a", { nodes: [] })]), []);
});

test("a difference says what is new, changed and gone", () => {
  const before = mergeRecords([one("a"), one("b"), one("c")])[0]!;
  const after = mergeRecords([one("b"), one("c", {}, "h:2"), one("d")])[0]!;
  assert.deepEqual(
    diffRecord(before, after).map(({ type, service }) => [type, service.nodes.map(({ id }) => id)]),
    [
      ["delete", ["a"]],
      ["update", ["c"]],
      ["create", ["d"]],
    ],
  );
  assert.deepEqual(diffRecord(before, structuredClone(before)), []);
  assert.deepEqual(diffRecord(undefined, undefined), []);
  assert.deepEqual(diffRecord(undefined, after).map(({ type }) => type), ["create"]);
  assert.deepEqual(diffRecord(before, undefined).map(({ type }) => type), ["delete"]);
});

test("when the service itself changes, every node that stays is updated", () => {
  const before = mergeRecords([one("a"), one("b")])[0]!;
  const after = { ...before, endpoints: [endpoint("E.New")] };
  assert.deepEqual(diffRecord(before, after), [{ type: "update", service: after }]);
});

test("a delete without nodes takes the version, one of what is not there does nothing", () => {
  const records = mergeRecords([one("a"), one("b", { version: "2" })]);
  assert.deepEqual(applyChange(records, { type: "delete", service: one("a", { nodes: [] }) }), [records[1]]);
  assert.deepEqual(applyChange(records, { type: "delete", service: one("z", { version: "9" }) }), records);
});

test("whatever happens, the changes lead from one state to the next", () => {
  for (let seed = 0; seed < 300; seed++) {
    const random = seeded(seed);
    const state = () => {
      const parts: ServiceRecord[] = [];
      for (let i = below(random, 5); i > 0; i--) {
        parts.push(one(
          `n${below(random, 4)}`,
          { metadata: { m: `${below(random, 2)}` }, endpoints: random.next() < 0.5 ? [] : [endpoint("E.X")] },
          `h:${below(random, 2)}`,
        ));
      }
      return mergeRecords(parts)[0];
    };
    const before = state();
    const after = state();
    let known = before === undefined ? [] : [before];
    for (const change of diffRecord(before, after)) known = applyChange(known, change);
    assert.deepEqual(known, after === undefined ? [] : [after], `seed ${seed}`);
  }
});
