import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import type { EndpointDefinition, ServiceDefinition } from "../definition.ts";
import { recordOf } from "./records.ts";

function definition(endpoint: Partial<EndpointDefinition> = {}): ServiceDefinition {
  return {
    name: "acme.greeter",
    version: "1.0.0",
    handler: "Greeter",
    metadata: { type: "helloworld" },
    forward: [],
    endpoints: [{ name: "Greeter.Hello", member: "hello", idempotent: false, ...endpoint }],
    subscriptions: [{ topic: "user.created", member: "on-user", queue: "q" }],
  };
}
const node = { id: "2f1c", address: "127.0.0.1:80", metadata: { muon: "muon.v1", type: "of the node" } };

test("a record has Go Micro's form: one node, endpoints, subscribers", () => {
  const record = recordOf(definition(), node);
  assert.equal(record.name, "acme.greeter");
  assert.equal(record.version, "1.0.0");
  assert.deepEqual(record.metadata, { type: "helloworld" });
  assert.deepEqual(record.nodes, [{
    id: "acme.greeter-2f1c",
    address: "127.0.0.1:80",
    metadata: { type: "of the node", muon: "muon.v1" },
  }]);
  const [hello, subscriber] = record.endpoints;
  assert.deepEqual([hello!.name, hello!.request, hello!.response], ["Greeter.Hello", null, null]);
  assert.deepEqual(Object.keys(hello!.metadata), ["member", "schema"]);
  assert.deepEqual(subscriber, {
    name: "Greeter.OnUser",
    request: null,
    response: null,
    metadata: { subscriber: "true", topic: "user.created" },
  });
  assert.deepEqual(JSON.parse(JSON.stringify(record)), record, "it is plain JSON");
});

test("an endpoint says what a client without its definition must look up", () => {
  const metadata = (endpoint: Partial<EndpointDefinition>) =>
    recordOf(definition(endpoint), node).endpoints[0]!.metadata;
  const all = metadata({
    kind: "bidi",
    idempotent: true,
    timeout: 500,
    metadata: { scope: "x", member: "not this" },
  });
  assert.deepEqual({ ...all, schema: "" }, {
    scope: "x",
    member: "hello",
    kind: "bidi",
    stream: "true",
    idempotent: "true",
    timeout: "500",
    schema: "",
  });
  assert.deepEqual({ ...metadata({ kind: "unary" }), schema: "" }, {
    member: "hello",
    kind: "unary",
    schema: "",
  });
});

test("the hash of schemas tells versions apart, and nothing else", () => {
  const hash = (endpoint: Partial<EndpointDefinition>) =>
    recordOf(definition(endpoint), node).endpoints[0]!.metadata.schema;
  const name = z.object({ name: z.string() });
  assert.match(hash({})!, /^[0-9a-f]{16}$/);
  assert.equal(hash({ input: name }), hash({ input: z.object({ name: z.string() }), idempotent: true }));
  assert.notEqual(hash({ input: name }), hash({ input: z.object({ name: z.number() }) }));
  assert.notEqual(hash({ input: name }), hash({ output: name }));
});
