// Go Micro's HTTP transport over this runtime's own server and its own fetch; what it says is tested beside it.
import assert from "node:assert/strict";
import { once } from "node:events";
import { Buffer } from "node:buffer";
import { connect as dial, type Socket } from "node:net";
import { describe, test } from "node:test";
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
  SILENT,
} from "../mod.ts";
import { fetchOf } from "../runtime/fetch.ts";
import { createMucpTransport } from "../runtime/transport/mucp/mucp.ts";
import { ownSystem } from "./conformance/own_adapter.ts";
import { testMetadata } from "./conformance/transport.ts";

const Name = z.object({ name: z.string() });
const options = { registry: "memory", log: SILENT } as const;
let served = 0;

@Service("port.greeter")
class Greeter {
  @Method({
    input: Name,
    output: z.object({ msg: z.string(), note: z.string().nullable() }),
    idempotent: true,
  })
  hello({ name }: { name: string }, ctx: Context) {
    served++;
    ctx.trail({ "x-served": "grün" });
    return { msg: `Hello ${name}`, note: ctx.metadata.get("x-note") ?? null };
  }

  @Method()
  fail() {
    throw new MuonError("failed_precondition", "größer", { details: [{ type: "t", value: [1] }] });
  }

  @Method({ output: z.number() })
  async *count() {
    yield 1;
  }
}

interface Running {
  readonly service: MuonService;
  readonly mesh: Mesh;
}

async function running(run: (at: Running) => Promise<void>): Promise<void> {
  const service = createService(options).handle(Greeter);
  await service.start();
  const mesh = await connect({ ...options, transport: "mucp" });
  try {
    await run({ service, mesh });
  } finally {
    await mesh[Symbol.asyncDispose]();
    await service.stop();
  }
}

/** A response's head and body, once both are there. */
async function response(socket: Socket): Promise<{ head: string; body: string }> {
  let text = "";
  for (;;) {
    const end = text.indexOf("\r\n\r\n");
    const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? NaN);
    if (end >= 0 && Buffer.byteLength(text.slice(end + 4)) >= length) {
      return { head: text.slice(0, end), body: text.slice(end + 4) };
    }
    const closed = once(socket, "close").then(() => assert.fail(`closed behind ${JSON.stringify(text)}`));
    closed.catch(() => {});
    const [chunk] = await Promise.race([once(socket, "data"), closed]);
    text += String(chunk);
  }
}

const system = ownSystem();
testMetadata({
  name: `mucp on ${system.platform.runtime}`,
  streams: false,
  create: ({ limits }) => createMucpTransport({ system, limits, fetch: fetchOf(system.platform) }),
  async serve(transport, accept) {
    const host = await system.platform.serve({});
    host.started?.();
    const protocol = transport.protocol!(accept);
    host.mount(protocol);
    return {
      node: { id: "echo-1", address: host.addresses[0]!, metadata: { muon: "mucp" } },
      drain: (signal) => protocol.drain(signal),
      [Symbol.asyncDispose]: () => host[Symbol.asyncDispose](),
    };
  },
});

describe("mucp on this runtime's port", () => {
  test("keeps its connection, however requests come, and gives each a length", async () => {
    await running(async ({ service }) => {
      const [host, port] = service.address!.split(":");
      const socket = dial({ host: host!, port: Number(port), noDelay: true });
      await once(socket, "connect");
      const head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Note: grüß €\r\n";
      const hello = `${head}Micro-Endpoint: Greeter.Hello\r\n`;
      for (let i = 0; i < 3; i++) {
        socket.write(`${hello}Content-Length: 14\r\n\r\n`);
        await new Promise((resolve) => setTimeout(resolve, 5));
        socket.write('{"name":"b');
        await new Promise((resolve) => setTimeout(resolve, 5));
        socket.write(`o${i}"}`);
        const answer = await response(socket);
        assert.match(answer.head, /^HTTP\/1\.1 200 /);
        assert.doesNotMatch(answer.head, /connection: close/i);
        assert.deepEqual(JSON.parse(answer.body), { msg: `Hello bo${i}`, note: "grüß €" });
      }
      // Go sends no bytes as chunks.
      socket.write(`${head}Micro-Method: Greeter.Fail\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`);
      const failed = await response(socket);
      assert.match(failed.head, /content-length: 0/i);
      const said = /^micro-error: (.*)$/im.exec(failed.head)![1]!;
      assert.equal((JSON.parse(said) as { detail: string }).detail, "größer");
      socket.write(`${hello}Transfer-Encoding: chunked\r\n\r\n`);
      socket.write('c\r\n{"name":"x"}\r\n0\r\n\r\n');
      assert.match((await response(socket)).body, /Hello x/);
      // Empty, a content type says nothing.
      socket.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Type:\r\nMicro-Endpoint: Greeter.Hello\r\n");
      socket.write('Content-Length: 12\r\n\r\n{"name":"x"}');
      const untyped = await response(socket);
      assert.deepEqual(untyped.head.toLowerCase().match(/^content-type: ?.*$/gm), [
        "content-type: application/json",
      ]);
      assert.match(untyped.body, /Hello x/);
      socket.destroy();
    });
  });

  test("carries much metadata with the first call, and too much is not the node's fault", async () => {
    await running(async ({ mesh }) => {
      const greet = (note: number) =>
        mesh.client<Greeter>("port.greeter").hello({ name: "x" }, {
          metadata: { "x-note": "n".repeat(note) },
        });
      assert.equal((await greet(16_000)).note!.length, 16_000);
      for (let i = 0; i < 5; i++) {
        await assert.rejects(greet(20_000), {
          status: "resource_exhausted",
          detail: "the metadata has 20006 bytes, and the other end takes 16384 (its limit maxMetadata)",
        });
      }
      assert.equal((await greet(1)).note, "n");
    });
  });

  test("carries muon's own calls, with metadata, trailer and details", async () => {
    await running(async ({ mesh, service }) => {
      const greeter = mesh.client<Greeter>("port.greeter");
      const call = greeter.hello({ name: "ß" }, { metadata: { "x-note": "grüß €" } });
      assert.deepEqual(await call, { msg: "Hello ß", note: "grüß €" });
      assert.equal((await call.trailer).get("x-served"), "grün");
      await assert.rejects(() => greeter.fail(), {
        status: "failed_precondition",
        detail: "größer",
        details: [{ type: "t", value: [1] }],
      });
      await assert.rejects(async () => {
        for await (const _ of greeter.count());
      }, { status: "unimplemented" });
      await assert.rejects(mesh.call("port.greeter", "Greeter.Hello", { name: 7 }), {
        status: "invalid_argument",
      });
      const cbor = await greeter.hello({ name: "c" }, { contentType: "application/cbor" });
      assert.equal(cbor.msg, "Hello c");
      const muon = await connect(options);
      const byAddress = await muon.call<{ msg: string }>("port.greeter", "Greeter.Hello", { name: "a" }, {
        address: `mucp://${service.address}`,
      });
      assert.equal(byAddress.msg, "Hello a");
      await muon[Symbol.asyncDispose]();
    });
  });

  test("is chosen for a Go Micro node, whose record says of an endpoint only that it streams", async () => {
    await running(async ({ service }) => {
      const mesh = await connect(options);
      const [own] = await mesh.registry.getService("port.greeter");
      const metadata = { protocol: "mucp", server: "mucp", transport: "http" };
      const endpoint = { request: null, response: null };
      await mesh.registry.register({
        name: "port.go",
        version: "latest",
        metadata: {},
        endpoints: [
          { ...endpoint, name: "Greeter.Hello", metadata: {} },
          { ...endpoint, name: "Greeter.Count", metadata: { stream: "true" } },
        ],
        nodes: [{ id: "port.go-1", address: service.address!, metadata }],
      }, { ttl: 60_000 });
      assert.equal(own!.nodes[0]!.metadata.protocol, "mucp");
      const before = served;
      // It is muon that answers, and it serves no service of that name: the call did get there.
      await assert.rejects(mesh.call("port.go", "Greeter.Hello", { name: "x" }), {
        status: "not_found",
        detail: /does not serve "port\.go"/,
      });
      await assert.rejects(mesh.call("port.go", "Greeter.Count"), {
        status: "unimplemented",
        detail: /Greeter\.Count streams/,
        notRun: true,
      });
      assert.equal(served, before);
      await mesh[Symbol.asyncDispose]();
    });
  });

  test("is chosen for a node of the first generation, also at an address that is known to be of a later one", async () => {
    await running(async ({ service }) => {
      const mesh = await connect(options);
      const address = service.address!;
      const cbor = { contentType: "application/cbor" };
      const hello = (name: string, more: object) =>
        mesh.call<{ msg: string }>(name, "Greeter.Hello", { name: "ß" }, more);
      assert.equal((await hello("port.greeter", { address: `mucp://${address}`, ...cbor })).msg, "Hello ß");
      const metadata = { server: "rpc", transport: "http", broker: "http", registry: "mdns" };
      for (const [name, said] of [["port.first", metadata], ["port.silent", {}]] as const) {
        await mesh.registry.register({
          name,
          version: "1.0.0",
          metadata: {},
          endpoints: [],
          nodes: [{ id: `${name}-1`, address, metadata: said }],
        }, { ttl: 60_000 });
        // No header names a service, and muon has one alone with such an endpoint.
        assert.equal((await hello(name, { metadata: { "x-note": "grüß" } })).msg, "Hello ß");
        await assert.rejects(hello(name, cbor), {
          status: "invalid_argument",
          detail: /does not read application\/cbor/,
          notRun: true,
        });
        await assert.rejects(mesh.call(name, "Greeter.Fail"), {
          status: "failed_precondition",
          detail: "größer",
          details: [{ type: "t", value: [1] }],
        });
      }
      await mesh[Symbol.asyncDispose]();
    });
  });

  test("loses no call when one of two services stops under load", async () => {
    await running(async ({ mesh }) => {
      const other = createService(options).handle(Greeter);
      await other.start();
      const greeter = mesh.client<Greeter>("port.greeter");
      let done = 0;
      let stopping: Promise<void> | undefined;
      const worker = async () => {
        while (done < 2_000) {
          const name = String(done++);
          assert.equal((await greeter.hello({ name })).msg, `Hello ${name}`);
          if (done > 500) stopping ??= other.stop();
        }
      };
      await Promise.all(Array.from({ length: 32 }, worker));
      await stopping;
    });
  });
});
