import assert from "node:assert/strict";
import { test } from "node:test";
import type { ServiceDefinition } from "../definition.ts";
import { banner } from "./banner.ts";

const greeter: ServiceDefinition = {
  name: "greeter",
  version: "1.0.0",
  handler: "Greeter",
  metadata: {},
  forward: [],
  endpoints: [
    { name: "Greeter.Hello", member: "hello", idempotent: true },
    { name: "Greeter.Count", member: "count", idempotent: false, kind: "server" },
    {
      name: "Greeter.AnEndpointOfALongName",
      member: "anEndpointOfALongName",
      idempotent: true,
      kind: "bidi",
    },
  ],
  subscriptions: [{ topic: "user.created", member: "welcome", queue: "greeter" }, {
    topic: "x",
    member: "y",
  }],
};

test("people read what is served, where, and through what", () => {
  const lines = banner({
    definitions: [greeter, {
      ...greeter,
      name: "other",
      version: "latest",
      endpoints: [],
      subscriptions: [],
    }],
    address: "127.0.0.1:8080",
    protocols: ["muon.v1", "connect"],
    registry: "file /run/x",
    broker: "http",
  });
  assert.equal(
    lines,
    `muon: greeter 1.0.0, other latest
  address   127.0.0.1:8080 (muon.v1, connect)
  registry  file /run/x
  broker    http
  endpoint  greeter Greeter.Hello                 idempotent
  endpoint  greeter Greeter.Count                 server stream
  endpoint  greeter Greeter.AnEndpointOfALongName both stream, idempotent
  topic     greeter user.created (queue greeter)
  topic     greeter x
`,
  );
});
