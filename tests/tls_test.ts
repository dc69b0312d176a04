/** Services over TLS, by flags' files and by options, on this runtime's own sockets. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, createService, type ServiceDefinition, SILENT } from "../mod.ts";
import { CA_CERT, SERVER_CERT, SERVER_KEY } from "./fixtures/tls.ts";

const memory = { registry: "memory", broker: "memory", log: SILENT } as const;
const definition: ServiceDefinition = {
  name: "test.secure",
  version: "1",
  handler: "Secure",
  metadata: {},
  forward: [],
  endpoints: [{ name: "Secure.Hello", member: "hello", idempotent: true }],
  subscriptions: [],
};

test("a service with certificate and key is called over TLS, by who trusts its authority", async () => {
  const service = createService({ ...memory, tls: { cert: SERVER_CERT, key: SERVER_KEY, ca: CA_CERT } })
    .handle(definition, { hello: () => "over TLS" });
  await service.start();
  const [record] = await service.registry.getService("test.secure");
  assert.equal(record!.nodes[0]!.metadata.secure, "true");
  assert.equal(await service.call("test.secure", "Secure.Hello"), "over TLS", "itself, too");

  const mesh = await connect({ ...memory, tls: { ca: CA_CERT } });
  assert.equal(await mesh.call("test.secure", "Secure.Hello"), "over TLS");
  await mesh[Symbol.asyncDispose]();

  const stranger = await connect(memory);
  await assert.rejects(
    Promise.resolve(stranger.call("test.secure", "Secure.Hello", undefined, { retries: 0 })),
    (error: Error) => {
      assert.match(error.message, /certificate|self.signed|issuer|UNABLE_TO|unknown authority/i);
      return true;
    },
  );
  await stranger[Symbol.asyncDispose]();
  await service.stop();
});
