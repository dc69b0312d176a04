/**
 * muon and Go Micro v5.12.0, the real one, call each other and publish to each other. Their registries are carried
 * from one to the other by hand: finding each other is a registry's test.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { z } from "zod";
import {
  connect,
  type Context,
  createService,
  type Mesh,
  Method,
  MuonError,
  Service,
  type Service as MuonService,
  type ServiceRecord,
  SILENT,
  Subscribe,
} from "../../mod.ts";
import { buildGo, GoPeer, withoutGo } from "./go.ts";

const Name = z.object({ name: z.string() });
const Bytes = z.instanceof(Uint8Array);
type Bytes = z.infer<typeof Bytes>;
const Hello = z.object({ msg: z.string(), left: z.number(), metadata: z.record(z.string(), z.string()) });

interface Error {
  readonly id: string;
  readonly code: number;
  readonly detail: string;
}
interface Answer {
  readonly output?: {
    readonly msg: string;
    readonly metadata?: Record<string, string>;
    readonly left?: number;
  };
  readonly error?: Error;
  readonly record: ServiceRecord;
  readonly failed: number;
}

/** The protobuf message google.protobuf.StringValue, below 128 bytes. */
function stringValue(value: string): Bytes {
  const text = new TextEncoder().encode(value);
  return value === "" ? new Uint8Array(0) : new Uint8Array([0x0a, text.length, ...text]);
}

function valueOf(message: Uint8Array): string {
  assert.equal(message[0], 0x0a);
  assert.equal(message[1], message.length - 2);
  return new TextDecoder().decode(message.subarray(2));
}

/** A record as Go Micro's nodes of 2016 wrote them. */
function asFirst(record: ServiceRecord, name: string): ServiceRecord {
  const metadata = { server: "rpc", transport: "http", broker: "http", registry: "mdns" };
  return { ...record, name, nodes: record.nodes.map((node) => ({ ...node, metadata })) };
}

const heard: { readonly topic: string; readonly event: unknown; readonly note: string | undefined }[] = [];
/** What came of a queue whose other member is in Go. */
const shared: string[] = [];
let listening = () => {};

@Service("muon.greeter", { handler: "Greeter" })
class Greeter {
  readonly aborted = Promise.withResolvers<string>();

  @Method({ input: Name, output: Hello })
  hello({ name }: { name: string }, ctx: Context) {
    return {
      msg: `Hello ${name}`,
      left: Math.round(ctx.remaining()),
      metadata: Object.fromEntries(ctx.metadata),
    };
  }

  @Method()
  nothing() {}

  @Method({ input: Name })
  missing({ name }: { name: string }) {
    throw new MuonError("not_found", `nobody is called ${name}`, { id: "acme.greeter" });
  }

  @Method()
  plain() {
    throw new Error("no größer €\r\nline");
  }

  @Method()
  async hang(_: void, ctx: Context) {
    await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve));
    this.aborted.resolve((ctx.signal.reason as MuonError).status);
  }

  @Method({ input: Bytes, output: Bytes })
  shout(message: Bytes) {
    return stringValue(valueOf(message).toUpperCase());
  }

  @Method({ input: Bytes })
  refuse(message: Bytes) {
    throw new MuonError("permission_denied", `not ${valueOf(message)}`, { id: "acme.greeter" });
  }

  @Method({ output: z.number() })
  async *count() {
    yield 1;
    yield 2;
  }

  @Subscribe("t.muon", { input: Name })
  broadcast(event: { name: string }, ctx: Context) {
    heard.push({ topic: "t.muon", event, note: ctx.metadata.get("x-note") });
    listening();
  }

  @Subscribe("t.bytes", { input: Bytes })
  bytes(event: Bytes) {
    heard.push({ topic: "t.bytes", event: valueOf(event), note: undefined });
    listening();
  }

  @Subscribe("t.queue", { input: Name, queue: "workers" })
  queued(event: { name: string }) {
    heard.push({ topic: "t.queue", event, note: undefined });
    listening();
  }

  @Subscribe("t.shared", { input: Name, queue: "shared" })
  share({ name }: { name: string }) {
    shared.push(name);
    listening();
  }
}

/** Go's greeter, as muon's callers may declare it. */
interface GoGreeter {
  hello(input: { name: string }): { msg: string; metadata: Record<string, string>; left: number };
  missing(input: { name: string }): void;
  plain(input: { name: string }): void;
  slow(input: { millis: number }): { msg: string };
  count(): AsyncIterable<{ msg: string }>;
}

describe("Go Micro v5.12.0", { skip: withoutGo }, () => {
  const greeter = new Greeter();
  let go: GoPeer;
  let service: MuonService;
  let mesh: Mesh;

  before(async () => {
    go = new GoPeer(buildGo("tests/interop/go"));
    service = createService({ registry: "memory", log: SILENT }).handle(greeter);
    await service.start();
    mesh = await connect({ registry: "memory", log: SILENT });
    const { record } = await go.do<Answer>({ do: "serve" });
    // As it came, nulls and all.
    await mesh.registry.register(record, { ttl: 600_000 });
    for (const name of ["muon.greeter", "micro.http.broker"]) {
      for (const own of await mesh.registry.getService(name)) {
        await go.do({ do: "register", record: own });
      }
    }
    // Before Go publishes anything: from then on it keeps for a minute who is subscribed.
    const shares = await go.do<Answer>({ do: "subscribe", topic: "t.shared", queue: "shared" });
    await mesh.registry.register(shares.record, { ttl: 600_000 });
  }, { timeout: 110_000 });

  after(async () => {
    await mesh?.[Symbol.asyncDispose]();
    await service?.stop();
    await go?.[Symbol.asyncDispose]();
  });

  const callMuon = (endpoint: string, input: unknown = {}, more: object = {}) =>
    go.do<Answer>({ do: "call", service: "muon.greeter", endpoint, input, ...more });
  const callGo = () => mesh.client<GoGreeter>("go.greeter");

  describe("its client", () => {
    test("finds a node that says mucp, and calls it", async () => {
      const [record] = await mesh.registry.getService("muon.greeter");
      const { metadata } = record!.nodes[0]!;
      assert.equal(metadata.protocol, "mucp");
      assert.ok(metadata.muon!.split(",").includes("mucp"), metadata.muon);
      const { output, error } = await callMuon("Greeter.Hello", { name: "größer" }, {
        metadata: { "X-Note": "grüß € dich", "Micro-From-Service": "go.tests" },
      });
      assert.equal(error, undefined);
      assert.equal(output!.msg, "Hello größer");
      assert.deepEqual(output!.metadata, { "x-note": "grüß € dich", "micro-from-service": "go.tests" });
    });

    test("sends its deadline along, and gives up at it", async () => {
      const { output } = await callMuon("Greeter.Hello", { name: "x" }, { timeout: 2_000 });
      assert.ok(output!.left! > 0 && output!.left! <= 2_000, String(output!.left));
      const { error } = await callMuon("Greeter.Hang", {}, { timeout: 50 });
      // Its own timer and muon's answer come at the same time.
      assert.equal(error!.code, 408);
      assert.match(await greeter.aborted.promise, /^(deadline_exceeded|canceled)$/);
    });

    test("gets an answer that has no value", async () => {
      assert.deepEqual((await callMuon("Greeter.Nothing")).output, {});
    });

    test("reads errors: of the handler, of the schema, of what is not there", async () => {
      assert.deepEqual((await callMuon("Greeter.Missing", { name: "Jörg" })).error, {
        id: "acme.greeter",
        code: 404,
        detail: "nobody is called Jörg",
        status: "not_found",
      });
      const plain = (await callMuon("Greeter.Plain")).error!;
      assert.deepEqual([plain.id, plain.code, plain.detail], ["muon.greeter", 500, "no größer €\r\nline"]);
      const wrong = (await callMuon("Greeter.Hello", { name: 7 })).error!;
      assert.equal(wrong.code, 400);
      assert.match(wrong.detail, /name/);
      const unknown = (await callMuon("Greeter.Nope")).error!;
      assert.equal(unknown.code, 404);
      assert.match(unknown.detail, /Greeter\.Nope/);
    });

    test("is told what is not carried: streams", async () => {
      const stream = (await go.do<Answer>({
        do: "stream",
        service: "muon.greeter",
        endpoint: "Greeter.Count",
        input: {},
      })).error!;
      assert.equal(stream.code, 501);
      assert.match(stream.detail, /Greeter\.Count streams/);
      const unary = (await callMuon("Greeter.Count")).error!;
      assert.equal(unary.code, 501);
    });

    test("calls with protobuf, which is bytes to muon", async () => {
      const call = (method: string, contentType: string) =>
        go.do<Answer>({
          do: "callProto",
          service: "muon.greeter",
          endpoint: `Greeter.${method}`,
          input: "größer",
          contentType,
        });
      for (const type of ["protobuf", "proto-rpc", "grpc", "grpc+proto"]) {
        const contentType = `application/${type}`;
        assert.equal((await call("Shout", contentType)).output, "GRÖSSER", contentType);
        const refused = (await call("Refuse", contentType)).error!;
        assert.deepEqual([refused.id, refused.code, refused.detail], ["acme.greeter", 403, "not größer"]);
        // It takes an object.
        const misfit = (await call("Hello", contentType)).error!;
        assert.equal(misfit.code, 400);
        assert.ok(misfit.detail.includes(`Called with ${contentType}, Greeter.Hello`), misfit.detail);
        assert.match(misfit.detail, /client\.ContentType\("application\/json"\)/);
        const unknown = (await call("Nope", contentType)).error!;
        assert.deepEqual([unknown.code, /Greeter\.Nope/.test(unknown.detail)], [404, true]);
      }
    });

    test("calls with JSON in its other forms", async () => {
      for (const contentType of ["application/json-rpc", "application/grpc+json"]) {
        const { output } = await callMuon("Greeter.Hello", { name: "<ß>" }, { contentType });
        assert.equal(output!.msg, "Hello <ß>", contentType);
        const missing = (await callMuon("Greeter.Missing", { name: "x" }, { contentType })).error!;
        assert.deepEqual([missing.code, missing.detail], [404, "nobody is called x"]);
        assert.deepEqual((await callMuon("Greeter.Nothing", {}, { contentType })).output, {});
      }
    });

    test("of the first generation calls by envelopes alone", async () => {
      const call = (method: string, contentType: string, input: unknown) =>
        go.do<Answer>({
          do: "callFirst",
          address: service.address,
          endpoint: `Greeter.${method}`,
          contentType: `application/${contentType}`,
          input,
        });
      for (const type of ["json", "json-rpc"]) {
        const { output } = await call("Hello", type, { name: "größer" });
        assert.equal(output!.msg, "Hello größer");
        assert.ok(output!.left! > 0 && output!.left! <= 5_000, String(output!.left));
        assert.deepEqual(output!.metadata, { "x-micro-from-service": "go.first" });
        const { id, code, detail } = (await call("Missing", type, { name: "Jörg" })).error!;
        assert.deepEqual([id, code, detail], ["acme.greeter", 404, "nobody is called Jörg"]);
        assert.equal((await call("Nope", type, {})).error!.code, 404);
        assert.match((await call("Hello", type, { name: 7 })).error!.detail, /name/);
      }
      for (const type of ["protobuf", "proto-rpc", "octet-stream"]) {
        assert.equal((await call("Shout", type, "größer")).output, "GRÖSSER");
        const { id, code, detail } = (await call("Refuse", type, "ß")).error!;
        assert.deepEqual([id, code, detail], ["acme.greeter", 403, "not ß"]);
        assert.match((await call("Nope", type, "x")).error!.detail, /Greeter\.Nope/);
        assert.match((await call("Hello", type, "x")).error!.detail, /call it with application\/json/);
      }
    });

    test("for which a node says no protocol calls in JSON-RPC and proto-rpc", async () => {
      const [record] = await mesh.registry.getService("muon.greeter");
      const { protocol: _, ...metadata } = record!.nodes[0]!.metadata;
      const nodes = [{ ...record!.nodes[0]!, id: "old", metadata }];
      await go.do({ do: "register", record: { ...record!, name: "old.greeter", nodes } });
      // The name is another one's, as with a proxy: without a service here that has it, it is an error.
      const { error } = await go.do<Answer>({
        do: "call",
        service: "old.greeter",
        endpoint: "Greeter.Hello",
        input: { name: "x" },
      });
      assert.equal(error!.code, 404);
      assert.match(error!.detail, /old\.greeter/);
      await go.do({ do: "deregister", record: record! });
      await go.do({ do: "register", record: { ...record!, nodes } });
      const { output } = await callMuon("Greeter.Hello", { name: "<ß>" });
      assert.equal(output!.msg, "Hello <ß>");
      const missing = (await callMuon("Greeter.Missing", { name: "x" })).error!;
      assert.equal(missing.code, 404);
      const shouted = await go.do<Answer>({
        do: "callProto",
        service: "muon.greeter",
        endpoint: "Greeter.Shout",
        input: "ß",
        contentType: "application/protobuf",
      });
      assert.equal(shouted.output, "SS");
      await go.do({ do: "deregister", record: { ...record!, nodes } });
      await go.do({ do: "register", record: record! });
    });

    test("makes thousands of calls, all at a time, each with its own answer", async () => {
      const { failed, error } = await callMuon("Greeter.Hello", {}, {
        count: 2_000,
        parallel: 2_000,
        timeout: 60_000,
      });
      assert.deepEqual({ failed, error }, { failed: 0, error: undefined });
    });
  });

  describe("its server", () => {
    test("is called by a typed client, which knows it from its record", async () => {
      const { msg, metadata, left } = await callGo().hello({ name: "größer" }, {
        metadata: { "x-note": "grüß € dich" },
        timeout: 3_000,
      });
      assert.equal(msg, "Hello größer");
      assert.equal(metadata["X-Note"], "grüß € dich");
      assert.equal(metadata["Content-Type"], "application/json");
      assert.equal(metadata["Micro-Service"], "go.greeter");
      assert.ok(left > 0 && left <= 3_000, String(left));
    });

    test("is called by address, by scheme and by option", async () => {
      const [record] = await mesh.registry.getService("go.greeter");
      const at = record!.nodes[0]!.address;
      const input = { name: "x" };
      for (const options of [{ address: `mucp://${at}` }, { address: at, transport: "mucp" }]) {
        const { msg } = await mesh.call<{ msg: string }>("go.greeter", "Greeter.Hello", input, options);
        assert.equal(msg, "Hello x");
      }
    });

    test("gives errors: of the handler, plain ones, of what is not there", async () => {
      await assert.rejects(() => callGo().missing({ name: "Jörg" }), {
        status: "not_found",
        code: 404,
        id: "acme.greeter",
        detail: "nobody is called Jörg",
      });
      await assert.rejects(() => callGo().plain({ name: "größer €" }), {
        status: "internal",
        code: 500,
        id: "go.greeter",
        detail: "no größer €",
      });
      await assert.rejects(mesh.call("go.greeter", "Greeter.Nope"), {
        status: "not_found",
        detail: "rpc: can't find method Nope",
      });
      await assert.rejects(
        mesh.call("go.greeter", "Greeter.Hello", { name: "x" }, { contentType: "application/cbor" }),
        {
          status: "invalid_argument",
          detail: /unsupported Content-Type/i,
        },
      );
    });

    test("takes bytes: protobuf, and what is none", async () => {
      const call = (endpoint: string, input: Uint8Array, contentType: string) =>
        mesh.call<Uint8Array>("go.greeter", endpoint, input, { contentType });
      const shouted = await call("Words.Shout", stringValue("groß"), "application/protobuf");
      assert.equal(valueOf(shouted), "GROß");
      await assert.rejects(call("Words.Refuse", stringValue("ß"), "application/protobuf"), {
        status: "permission_denied",
        id: "acme.words",
        detail: "not ß",
      });
      const turned = await call("Words.Turn", new Uint8Array([1, 2, 255]), "application/octet-stream");
      assert.deepEqual([...turned], [255, 2, 1]);
    });

    test("of the first generation is called in JSON-RPC, and with bytes in proto-rpc", async () => {
      const [record] = await mesh.registry.getService("go.greeter");
      await mesh.registry.register(asFirst(record!, "first.greeter"), { ttl: 600_000 });
      const first = mesh.client<GoGreeter>("first.greeter");
      const { msg, metadata, left } = await first.hello({ name: "<größer>" }, {
        metadata: { "x-note": "grüß € dich" },
        timeout: 3_000,
      });
      assert.equal(msg, "Hello <größer>");
      assert.equal(metadata["X-Note"], "grüß € dich");
      assert.equal(metadata["Content-Type"], "application/json-rpc");
      // Nothing named the call but its envelope.
      assert.deepEqual(Object.keys(metadata).filter((name) => name.startsWith("Micro-")), ["Micro-Stream"]);
      assert.ok(left > 0 && left <= 3_000, String(left));
      await assert.rejects(() => first.missing({ name: "Jörg" }), {
        status: "not_found",
        code: 404,
        id: "acme.greeter",
        detail: "nobody is called Jörg",
      });
      await assert.rejects(() => first.plain({ name: "größer €" }), {
        status: "internal",
        code: 500,
        id: "first.greeter",
        detail: "no größer €",
      });
      await assert.rejects(mesh.call("first.greeter", "Greeter.Nope"), {
        status: "not_found",
        detail: "rpc: can't find method Nope",
      });
      await assert.rejects(() => first.slow({ millis: 300 }, { timeout: 50 }), {
        status: "deadline_exceeded",
      });
      await assert.rejects(async () => {
        for await (const _ of first.count());
      }, { status: "unimplemented" });
      for (const contentType of ["application/octet-stream", "application/protobuf"]) {
        const call = (endpoint: string, input: Uint8Array) =>
          mesh.call<Uint8Array>("first.greeter", endpoint, input, { contentType });
        assert.equal(valueOf(await call("Words.Shout", stringValue("first"))), "FIRST");
        // The message without a field.
        assert.deepEqual([...await call("Words.Shout", stringValue(""))], []);
        await assert.rejects(call("Words.Refuse", stringValue("ß")), {
          status: "permission_denied",
          id: "acme.words",
          detail: "not ß",
        });
        await assert.rejects(call("Words.Nope", stringValue("x")), { status: "not_found" });
      }
      await assert.rejects(
        mesh.call("first.greeter", "Greeter.Hello", { name: "x" }, { contentType: "application/cbor" }),
        { status: "invalid_argument", detail: /does not read application\/cbor/ },
      );
      const names = Array.from({ length: 500 }, (_, n) => String(n));
      const worker = async () => {
        for (let name = names.pop(); name !== undefined; name = names.pop()) {
          assert.equal((await first.hello({ name })).msg, `Hello ${name}`);
        }
      };
      await Promise.all(Array.from({ length: 16 }, worker));
    });

    test("is too late for a deadline, and its late answer is nobody else's", async () => {
      await assert.rejects(() => callGo().slow({ millis: 300 }, { timeout: 50 }), {
        status: "deadline_exceeded",
      });
      const controller = new AbortController();
      const canceled = callGo().slow({ millis: 300 }, { signal: controller.signal });
      setTimeout(() => controller.abort(), 20);
      await assert.rejects(() => canceled, { status: "canceled" });
      assert.equal((await callGo().slow({ millis: 1 })).msg, "at last");
      for (let n = 0; n < 50; n++) assert.equal((await callGo().hello({ name: `${n}` })).msg, `Hello ${n}`);
    });

    test("streams, which muon does not take over HTTP: the call fails before it is sent", async () => {
      await assert.rejects(async () => {
        for await (const _ of callGo().count());
      }, { status: "unimplemented", detail: /Greeter\.Count streams/ });
      await assert.rejects(
        async () => await mesh.call("go.greeter", "Greeter.Hello", (async function* () {})()),
        { status: "unimplemented" },
      );
    });

    test("answers thousands of calls, all at a time, each with its own answer", async () => {
      const client = callGo();
      await Promise.all(Array.from({ length: 2_000 }, async (_, i) => {
        const { msg } = await client.hello({ name: `${i}` }, { timeout: 60_000 });
        assert.equal(msg, `Hello ${i}`);
      }));
    });
  });

  describe("its HTTP broker", () => {
    test("publishes to muon's subscribers: to all, to one of a queue, and protobuf as bytes", async () => {
      const events = (count: number) =>
        new Promise<void>((resolve) => {
          listening = () => heard.length >= count && resolve();
          listening();
        });
      await go.do({
        do: "publish",
        topic: "t.muon",
        input: { name: "größer" },
        metadata: { "X-Note": "from Go" },
      });
      await go.do({ do: "publish", topic: "t.queue", input: { name: "one" } });
      await go.do({ do: "publishProto", topic: "t.bytes", input: "groß" });
      await events(3);
      assert.deepEqual(heard.toSorted((a, b) => a.topic < b.topic ? -1 : 1), [
        { topic: "t.bytes", event: "groß", note: undefined },
        { topic: "t.muon", event: { name: "größer" }, note: "from Go" },
        { topic: "t.queue", event: { name: "one" }, note: undefined },
      ]);
    });

    test("hears what muon publishes", async () => {
      const { record } = await go.do<Answer>({ do: "subscribe", topic: "t.go" });
      await mesh.registry.register(record, { ttl: 600_000 });
      const heardByGo = go.event<{ topic: string; header: Record<string, string>; body: unknown }>();
      const publish = () => mesh.publish("t.go", { name: "größer" }, { metadata: { "x-note": "grüß" } });
      // The broker hears of subscribers from a watch.
      while ((await publish()).accepted === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      const { topic, header, body } = await heardByGo;
      assert.deepEqual([topic, body], ["t.go", { name: "größer" }]);
      assert.equal(header["Content-Type"], "application/json");
      assert.equal(header["Micro-Topic"], "t.go");
      assert.equal(header["x-note"], "grüß");
    });

    test("shares a queue with muon: each event, whoever publishes it, goes to one of both", async () => {
      const byGo: string[] = [];
      const listener = (async () => {
        for (;;) {
          const { topic, body } = await go.event<{ topic: string; body: { name: string } }>();
          if (topic !== "t.shared") continue;
          byGo.push(body.name);
          listening();
        }
      })();
      listener.catch(() => {});
      const publishers = {
        muon: (name: string) => mesh.publish("t.shared", { name }),
        Go: (name: string) => go.do({ do: "publish", topic: "t.shared", input: { name } }),
      };
      for (const [who, publish] of Object.entries(publishers)) {
        const published: string[] = [];
        const of = (names: readonly string[]) => names.filter((name) => name.startsWith(who));
        // Both choose by chance.
        while (of(shared).length < 3 || of(byGo).length < 3) {
          const name = `${who} ${published.length}`;
          published.push(name);
          await publish(name);
          await new Promise<void>((resolve) => {
            listening = () => of([...shared, ...byGo]).length >= published.length && resolve();
            listening();
          });
        }
        assert.deepEqual(of([...shared, ...byGo]).toSorted(), published.toSorted());
      }
    });
  });
});
