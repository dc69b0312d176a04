/**
 * The http transport and Connect's own libraries: their clients call a muon service, and muon calls their server. The
 * messages are protobuf-es messages, as `protoc` would make them of this file, in JSON.
 *
 * ```proto
 * syntax = "proto3";
 * package acme.greeter;
 * message HelloRequest { string name = 1; }
 * message HelloReply { string greeting = 1; int64 number = 2; bytes data = 3; }
 * message Number { int32 n = 1; }
 * message Missing { string id = 1; }
 * service Greeter {
 *   rpc Hello(HelloRequest) returns (HelloReply);
 *   rpc Fail(HelloRequest) returns (HelloReply);
 *   rpc Hang(HelloRequest) returns (HelloReply);
 *   rpc Nowhere(HelloRequest) returns (HelloReply);
 *   rpc Count(Number) returns (stream Number);
 *   rpc Sum(stream Number) returns (Number);
 *   rpc Double(stream Number) returns (stream Number);
 * }
 * ```
 */
import { create, createFileRegistry, type Message, toBinary } from "@bufbuild/protobuf";
import type { GenMessage, GenService } from "@bufbuild/protobuf/codegenv2";
import {
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
  FileDescriptorSetSchema,
} from "@bufbuild/protobuf/wkt";
import { type Client, Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { connectNodeAdapter, createConnectTransport as createNodeTransport } from "@connectrpc/connect-node";
import { createConnectTransport as createWebTransport } from "@connectrpc/connect-web";
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import { z } from "zod";
import {
  connect,
  type Context,
  createService,
  Method,
  MuonError,
  Service,
  type Service as MuonService,
  type ServiceDefinition,
  SILENT,
} from "../mod.ts";
import { runtime } from "./conformance/own_adapter.ts";

const memory = { registry: "memory", broker: "memory", log: SILENT } as const;

const field = (name: string, number: number, type: Type) => ({
  name,
  number,
  type,
  label: Label.OPTIONAL,
  jsonName: name,
});
const rpc = (name: string, types: readonly [string, string], streams: readonly [boolean, boolean]) => ({
  name,
  inputType: `.acme.greeter.${types[0]}`,
  outputType: `.acme.greeter.${types[1]}`,
  clientStreaming: streams[0],
  serverStreaming: streams[1],
});
const registry = createFileRegistry(create(FileDescriptorSetSchema, {
  file: [{
    name: "acme/greeter.proto",
    package: "acme.greeter",
    syntax: "proto3",
    messageType: [
      { name: "HelloRequest", field: [field("name", 1, Type.STRING)] },
      {
        name: "HelloReply",
        field: [
          field("greeting", 1, Type.STRING),
          field("number", 2, Type.INT64),
          field("data", 3, Type.BYTES),
        ],
      },
      { name: "Number", field: [field("n", 1, Type.INT32)] },
      { name: "Missing", field: [field("id", 1, Type.STRING)] },
    ],
    service: [{
      name: "Greeter",
      method: [
        ...["Hello", "Fail", "Hang", "Nowhere"].map((name) =>
          rpc(name, ["HelloRequest", "HelloReply"], [false, false])
        ),
        rpc("Count", ["Number", "Number"], [false, true]),
        rpc("Sum", ["Number", "Number"], [true, false]),
        rpc("Double", ["Number", "Number"], [true, true]),
      ],
    }],
  }],
}));

// What protoc-gen-es would write of them.
type HelloRequest = Message<"acme.greeter.HelloRequest"> & { name: string };
type HelloReply = Message<"acme.greeter.HelloReply"> & {
  greeting: string;
  number: bigint;
  data: Uint8Array;
};
type Num = Message<"acme.greeter.Number"> & { n: number };
type Missing = Message<"acme.greeter.Missing"> & { id: string };
interface Unary {
  readonly methodKind: "unary";
  readonly input: GenMessage<HelloRequest>;
  readonly output: GenMessage<HelloReply>;
}
interface Streaming<Kind extends "server_streaming" | "client_streaming" | "bidi_streaming"> {
  readonly methodKind: Kind;
  readonly input: GenMessage<Num>;
  readonly output: GenMessage<Num>;
}
const MissingSchema = registry.getMessage("acme.greeter.Missing") as unknown as GenMessage<Missing>;
const GreeterService = registry.getService("acme.greeter.Greeter") as unknown as GenService<{
  hello: Unary;
  fail: Unary;
  hang: Unary;
  nowhere: Unary;
  count: Streaming<"server_streaming">;
  sum: Streaming<"client_streaming">;
  double: Streaming<"bidi_streaming">;
}>;

// Protobuf's JSON leaves out what has its default, and has 64-bit numbers and bytes as strings.
const Hello = z.object({ name: z.string().default("") });
const Reply = z.object({ greeting: z.string(), number: z.string(), data: z.string() });
const N = z.object({ n: z.number().default(0) });
const ended: string[] = [];

@Service("acme.greeter", { version: "1.0.0" })
class Greeter {
  @Method({ input: Hello, output: Reply })
  hello({ name }: { name: string }, ctx: Context) {
    ctx.trail({ "x-served": "grüße", "x-tenant": ctx.metadata.get("x-tenant") ?? "none" });
    return { greeting: `Hello ${name}`, number: "9007199254740993", data: "3q0=" };
  }

  @Method({ input: Hello })
  fail({ name }: { name: string }, ctx: Context) {
    ctx.trail({ "x-failed": "yes" });
    throw new MuonError("not_found", `no user ${name}`, {
      details: [
        { type: "acme.greeter.Missing", value: toBinary(MissingSchema, create(MissingSchema, { id: name })) },
        { type: "acme.Hint", value: { try: "again" } },
      ],
    });
  }

  @Method({ input: Hello })
  async hang({ name }: { name: string }, ctx: Context) {
    await new Promise((_resolve, reject) =>
      ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason))
    ).finally(() => ended.push(`${name} ${(ctx.signal.reason as MuonError).status}`));
  }

  @Method({ input: N, output: N })
  async *count({ n: to }: { n: number }, ctx: Context) {
    ctx.trail({ "x-counted": "some" });
    if (to < 0) {
      try {
        for (let n = 0;; n++) {
          yield { n };
          await new Promise((resolve) => setTimeout(resolve, 1));
          ctx.signal.throwIfAborted();
        }
      } finally {
        ended.push(`count ${(ctx.signal.reason as MuonError).status}`);
      }
    }
    for (let n = 0; n < to; n++) yield { n };
    if (to === 3) throw new MuonError("out_of_range", "three is too many");
  }

  @Method({ input: N, output: N })
  async sum(items: AsyncIterable<{ n: number }>) {
    let sum = 0;
    for await (const { n } of items) sum += n;
    return { n: sum };
  }

  @Method({ input: N, output: N, kind: "bidi" })
  async *double(items: AsyncIterable<{ n: number }>) {
    for await (const { n } of items) yield { n: n * 2 };
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}

async function collect(messages: AsyncIterable<{ readonly n: number }>): Promise<number[]> {
  const items: number[] = [];
  for await (const { n } of messages) items.push(n);
  return items;
}

async function* numbers(...items: number[]) {
  for (const n of items) yield { n };
}

/** The error of a call. */
async function failure(call: Promise<unknown>): Promise<ConnectError> {
  try {
    await call;
  } catch (error) {
    assert.ok(error instanceof ConnectError, String(error));
    return error;
  }
  return assert.fail("the call succeeded");
}

const LIBRARIES: Readonly<Record<string, (baseUrl: string) => Transport>> = {
  "connect-web": (baseUrl) => createWebTransport({ baseUrl, useBinaryFormat: false }),
  "connect-node": (baseUrl) => createNodeTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: false }),
};

for (const [library, createTransport] of Object.entries(LIBRARIES)) {
  describe(`a muon service on ${runtime}, called with ${library}`, () => {
    let service: MuonService;
    let client: Client<typeof GreeterService>;

    before(async () => {
      service = createService(memory).handle(Greeter);
      await service.start();
      client = createClient(GreeterService, createTransport(`http://${service.address}`));
    });
    after(() => service.stop());

    test("a call: message, headers, trailers", async () => {
      let trailer: Headers | undefined;
      const answer = await client.hello({ name: "Zoë" }, {
        headers: { "x-tenant": "acme" },
        onTrailer: (given) => trailer = given,
      });
      assert.equal(answer.greeting, "Hello Zoë");
      assert.equal(answer.number, 9007199254740993n);
      assert.deepEqual([...answer.data], [0xde, 0xad]);
      assert.equal(trailer?.get("x-tenant"), "acme");
      assert.equal(trailer?.get("x-served"), "=?UTF-8?B?Z3LDvMOfZQ==?=");
      assert.equal((await client.hello({})).greeting, "Hello ", "what has its default is left out");
    });

    test("an error: code, message, details, metadata", async () => {
      const error = await failure(client.fail({ name: "42" }));
      assert.equal(error.code, Code.NotFound);
      assert.equal(error.rawMessage, "no user 42");
      assert.equal(error.metadata.get("x-failed"), "yes");
      const [missing] = error.findDetails(MissingSchema);
      assert.equal(missing?.id, "42");
      assert.deepEqual(
        error.details.map((detail) => "type" in detail ? [detail.type, detail.debug] : []),
        [["acme.greeter.Missing", undefined], ["acme.Hint", { try: "again" }]],
      );
      const unknown = await failure(client.nowhere({}));
      assert.equal(unknown.code, Code.NotFound);
      assert.match(unknown.rawMessage, /no endpoint "Greeter\.Nowhere"/);
    });

    test("a deadline, a caller who leaves", async () => {
      const late = await failure(client.hang({ name: `late ${library}` }, { timeoutMs: 30 }));
      assert.equal(late.code, Code.DeadlineExceeded);
      await until(() => ended.some((one) => one.startsWith(`late ${library} `)));
      const abort = new AbortController();
      const call = client.hang({ name: `left ${library}` }, { signal: abort.signal });
      setTimeout(() => abort.abort(), 20);
      assert.equal((await failure(call)).code, Code.Canceled);
      await until(() => ended.includes(`left ${library} canceled`));
    });

    test("a stream of answers: messages, trailers, an error behind them, a reader who leaves", async () => {
      let trailer: Headers | undefined;
      const items = client.count({ n: 2 }, { onTrailer: (given) => trailer = given });
      assert.deepEqual(await collect(items), [0, 1]);
      assert.equal(trailer?.get("x-counted"), "some");
      const got: number[] = [];
      const error = await failure((async () => {
        for await (const { n } of client.count({ n: 3 })) got.push(n);
      })());
      assert.deepEqual(got, [0, 1, 2]);
      assert.equal(error.code, Code.OutOfRange);
      assert.equal(error.rawMessage, "three is too many");
      assert.equal(error.metadata.get("x-counted"), "some");
      const before = ended.length;
      const abort = new AbortController();
      const left = await failure((async () => {
        for await (const { n } of client.count({ n: -1 }, { signal: abort.signal })) {
          if (n === 3) abort.abort();
        }
      })());
      assert.equal(left.code, Code.Canceled);
      await until(() => ended.slice(before).includes("count canceled"));
    });

    // A page cannot stream what it sends, and neither does connect-web.
    if (library === "connect-node") {
      test("streams of inputs", async () => {
        assert.equal((await client.sum(numbers(1, 2, 3))).n, 6);
        assert.equal((await client.sum(numbers())).n, 0);
        assert.deepEqual(await collect(client.double(numbers(1, 2))), [2, 4]);
      });
    }
  });
}

/** What muon knows of Connect's service. */
interface Foreign {
  count(input: { n: number }): AsyncIterable<{ n: number }>;
  sum(items: AsyncIterable<{ n: number }>): Promise<{ n: number }>;
  double(items: AsyncIterable<{ n: number }>): AsyncIterable<{ n: number }>;
}

describe(`Connect's server, called by muon on ${runtime}`, () => {
  const definition: ServiceDefinition<Foreign> = {
    name: "acme.greeter",
    version: "1",
    handler: "Greeter",
    metadata: {},
    forward: [],
    endpoints: [
      { name: "Greeter.Hello", member: "hello", idempotent: false },
      { name: "Greeter.Fail", member: "fail", idempotent: false },
      { name: "Greeter.Hang", member: "hang", idempotent: false },
      { name: "Greeter.Count", member: "count", idempotent: false, kind: "server" },
      { name: "Greeter.Sum", member: "sum", idempotent: false, kind: "client" },
      { name: "Greeter.Double", member: "double", idempotent: false, kind: "bidi" },
    ],
    subscriptions: [],
  };
  const left: unknown[] = [];
  const server = createServer(connectNodeAdapter({
    routes: (router) =>
      router.service(GreeterService, {
        hello({ name }, { requestHeader, responseHeader, responseTrailer }) {
          responseHeader.set("x-lead", "1");
          responseTrailer.set("x-tenant", requestHeader.get("x-tenant") ?? "none");
          return { greeting: `Hello ${name}`, number: 7n };
        },
        fail({ name }) {
          throw new ConnectError(`no user ${name}`, Code.NotFound, { "x-failed": "yes" }, [
            { desc: MissingSchema, value: { id: name } },
          ]);
        },
        async hang(_request, { signal, timeoutMs }) {
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
          left.push(timeoutMs() !== undefined);
          return {};
        },
        async *count({ n: to }, { responseTrailer }) {
          responseTrailer.set("x-counted", String(to));
          for (let n = 1; n <= to; n++) yield { n };
          if (to === 3) throw new ConnectError("three is too many", Code.OutOfRange);
        },
        async sum(items) {
          let n = 0;
          for await (const item of items) n += item.n;
          return { n };
        },
        async *double(items) {
          for await (const { n } of items) yield { n: n * 2 };
        },
      }),
  }));
  let address: string;

  before(async () => {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  });

  test("calls, errors, deadlines, streams", async () => {
    await using mesh = await connect(memory);
    const call = mesh.call("acme.greeter", "Greeter.Hello", { name: "Zoë" }, {
      address,
      metadata: { "x-tenant": "acme" },
    });
    assert.deepEqual(await call, { greeting: "Hello Zoë", number: "7" });
    assert.equal((await call.trailer).get("x-tenant"), "acme");

    const failing = mesh.call("acme.greeter", "Greeter.Fail", { name: "42" }, { address });
    await assert.rejects(Promise.resolve(failing), (error: unknown) => {
      assert.ok(error instanceof MuonError);
      assert.deepEqual([error.status, error.detail], ["not_found", "no user 42"]);
      assert.deepEqual(error.details, [{ type: "acme.greeter.Missing", value: { id: "42" } }]);
      return true;
    });
    await assert.rejects(
      Promise.resolve(mesh.call("acme.greeter", "Greeter.Nowhere", {}, { address })),
      { status: "unimplemented" },
    );
    await assert.rejects(
      Promise.resolve(mesh.call("acme.greeter", "Greeter.Hang", {}, { address, timeout: 50 })),
      { status: "deadline_exceeded" },
    );
    await until(() => left.length > 0);
    assert.deepEqual(left, [true]);

    const greeter = mesh.client<Foreign>(definition);
    assert.deepEqual(await collect(greeter.count({ n: 2 }, { address })), [1, 2]);
    assert.deepEqual(await greeter.sum(numbers(1, 2, 3), { address }), { n: 6 });
    // It takes them over HTTP/2 alone.
    await assert.rejects(collect(greeter.double(numbers(1, 2), { address })), {
      status: "unknown",
      detail: /HTTP 505/,
    } as object);
    const unknown = mesh.call("acme.greeter", "Greeter.Count", { n: 2 }, { address });
    assert.deepEqual(await collect(unknown as unknown as AsyncIterable<{ n: number }>), [1, 2]);
    await assert.rejects(collect(greeter.count({ n: 3 }, { address })), {
      status: "out_of_range",
      detail: "three is too many",
    });
  });
});
