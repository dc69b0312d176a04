import assert from "node:assert/strict";
import { test } from "node:test";
import { parseRecord, sameRecord } from "./record.ts";

// go-micro-wire §4.1: as Go emits it, nil slices and maps being null.
const GO =
  `{"name":"greeter","version":"latest","metadata":null,"endpoints":[{"request":{"name":"HelloRequest",
  "type":"HelloRequest","values":[{"name":"name","type":"string","values":null}]},"response":null,
  "metadata":{"stream":"false"},"name":"Greeter.Hello"}],"nodes":[{"metadata":{"protocol":"mucp","server":"mucp"},
  "id":"greeter-2f1c","address":"10.0.0.5:41234"}]}`;

test("a record that Go wrote is read whole", () => {
  assert.deepEqual(parseRecord(JSON.parse(GO)), {
    name: "greeter",
    version: "latest",
    metadata: {},
    endpoints: [{
      name: "Greeter.Hello",
      request: {
        name: "HelloRequest",
        type: "HelloRequest",
        values: [{ name: "name", type: "string", values: null }],
      },
      response: null,
      metadata: { stream: "false" },
    }],
    nodes: [{
      id: "greeter-2f1c",
      address: "10.0.0.5:41234",
      metadata: { protocol: "mucp", server: "mucp" },
    }],
  });
});

test("null and absent lists and maps are empty, unknown fields are left out", () => {
  const record = parseRecord({ name: "a", version: null, nodes: null, endpoints: null, more: 1 });
  assert.deepEqual(record, { name: "a", version: "", metadata: {}, endpoints: [], nodes: [] });
});

test("the port of old Go Micro is joined to the address", () => {
  const addressOf = (node: Record<string, unknown>) =>
    parseRecord({ name: "a", nodes: [{ id: "1", ...node }] }).nodes[0]?.address;
  assert.equal(addressOf({ address: "10.0.0.5", port: 80 }), "10.0.0.5:80");
  assert.equal(addressOf({ address: "10.0.0.5:80", port: 0 }), "10.0.0.5:80");
  assert.equal(addressOf({ address: "fd00::2", port: 80 }), "[fd00::2]:80");
  assert.equal(addressOf({ address: "[fd00::2]", port: 80 }), "[fd00::2]:80");
});

test("what is no record is refused, with the field that is wrong", () => {
  const refuses = (value: unknown, field: RegExp) =>
    assert.throws(() => parseRecord(value), { name: "TypeError", message: field });
  refuses(null, /Registry record must be an object: current value is null/);
  refuses([], /record must be an object/);
  refuses({}, /name must be a string/);
  refuses({ name: 1 }, /name must be a string: current value is 1/);
  refuses({ name: "a", version: 1n }, /version must be a string: current value is 1/);
  refuses({ name: "a", metadata: { x: 1 } }, /metadata\.x must be a string: current value is 1/);
  refuses({ name: "a", nodes: {} }, /nodes must be a list/);
  refuses({ name: "a", nodes: [{ id: "1" }] }, /nodes\[0\]\.address must be a string/);
  refuses({ name: "a", endpoints: ["x"] }, /endpoints\[0\] must be an object/);
});

test("the result shares nothing with the value, and no key of it is special", () => {
  const value = JSON.parse(
    '{"name":"a","metadata":{"__proto__":"x","b":"y"},"nodes":[{"id":"1","address":"h:1"}]}',
  );
  const record = parseRecord(value);
  value.metadata.b = "changed";
  value.nodes[0].address = "changed";
  assert.equal(record.metadata.b, "y");
  assert.equal(record.nodes[0]?.address, "h:1");
  assert.deepEqual(Object.keys(record.metadata), ["__proto__", "b"]);
  assert.equal(Object.getPrototypeOf(record.metadata), Object.prototype);
});

test("a value that never ends is cut", () => {
  interface Deep {
    name: string;
    type: string;
    values: Deep[];
  }
  let deep: Deep = { name: "x", type: "x", values: [] };
  for (let i = 0; i < 1_000; i++) deep = { name: "x", type: "x", values: [deep] };
  const { endpoints } = parseRecord({ name: "a", endpoints: [{ name: "e", request: deep }] });
  let depth = 0;
  for (let at = endpoints[0]?.request; at; at = at.values?.[0]) depth++;
  assert.equal(depth, 17);
});

test("records are the same whatever the order of their keys", () => {
  const record = parseRecord(JSON.parse(GO));
  const turned = {
    ...record,
    metadata: {},
    nodes: [{ ...record.nodes[0]!, metadata: { server: "mucp", protocol: "mucp" } }],
  };
  assert.ok(sameRecord(record, turned));
  assert.ok(!sameRecord(record, { ...record, version: "2" }));
  assert.ok(!sameRecord(record, { ...record, nodes: [{ ...record.nodes[0]!, metadata: {} }] }));
  assert.ok(!sameRecord(record, { ...record, endpoints: [] }));
});
