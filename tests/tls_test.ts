/** Services over TLS, by flags' files and by options, on this runtime's own sockets. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  connect,
  type Context,
  createService,
  type MeshTls,
  type ServiceDefinition,
  SILENT,
} from "../mod.ts";
import { CA_CERT, CLIENT_CERT, CLIENT_KEY, SERVER_CERT, SERVER_KEY } from "./fixtures/tls.ts";

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

for (const transport of ["http", "mucp"]) {
  test(`over ${transport} too, and a certificate is shown to who asks`, async () => {
    const service = createService({
      ...memory,
      tls: { cert: SERVER_CERT, key: SERVER_KEY, clientCa: CA_CERT },
    }).handle(definition, { hello: (_: unknown, ctx: Context) => ctx.peer.identity ?? "nobody" });
    await service.start();
    const call = async (tls: MeshTls) => {
      await using mesh = await connect({ ...memory, transport, tls });
      return await mesh.call<string>("test.secure", "Secure.Hello", undefined, { retries: 0 });
    };
    const known = { ca: CA_CERT, cert: CLIENT_CERT, key: CLIENT_KEY };
    assert.match(await call(known), /greeter/);
    assert.match(await call(known), /greeter/, "another mesh, with the same certificate");
    await assert.rejects(call({ ca: CA_CERT }), { status: "unavailable" }, "without a certificate");
    await assert.rejects(call({}), { status: "unavailable" }, "without the authority");
    await service.stop();
  });
}

test("keys and certificates that cannot work are refused by name, before anybody listens or dials", async () => {
  const wrong: readonly [MeshTls & { clientCa?: string }, RegExp][] = [
    [
      { cert: SERVER_CERT, key: CLIENT_KEY },
      /option tls\.key does not belong to the certificate of .* tls\.cert/,
    ],
    [
      { cert: SERVER_CERT, key: SERVER_KEY, clientCa: SERVER_KEY },
      /option tls\.clientCa holds no certificate/,
    ],
    [{ ca: "nothing" }, /option tls\.ca holds no certificate/],
  ];
  for (const [tls, message] of wrong) {
    const service = createService({ ...memory, tls }).handle(definition, { hello: () => "never" });
    await assert.rejects(service.start(), message);
  }
  await assert.rejects(connect({ ...memory, tls: { ca: "nothing" } }), /option tls\.ca holds no certificate/);
});

test("events go over TLS to who trusts the authority, and to nobody else", async () => {
  const shared = {
    registry: "memory",
    log: SILENT,
    tls: { cert: SERVER_CERT, key: SERVER_KEY, ca: CA_CERT },
  };
  const heard = Promise.withResolvers<unknown>();
  const service = createService({ ...shared, name: "test.hearing" })
    .subscribe("secure.said", (event) => heard.resolve(event));
  await service.start();
  await using mesh = await connect({ registry: "memory", log: SILENT, tls: { ca: CA_CERT } });
  assert.equal((await mesh.publish("secure.said", "over TLS")).accepted, 1);
  assert.equal(await heard.promise, "over TLS");
  await using stranger = await connect({ registry: "memory", log: SILENT });
  assert.equal((await stranger.publish("secure.said", "in vain")).accepted, 0, "nobody it trusts");
  await service.stop();
});
