/**
 * Services over the http transport, on this runtime's own server: called by muon, and by whoever has an HTTP client.
 */
import assert from "node:assert/strict";
import { connect as dial, createServer } from "node:net";
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
  SILENT,
} from "../mod.ts";
import { concat, text, utf8 } from "../runtime/bytes.ts";
import { Metadata } from "../runtime/metadata.ts";
import { END, envelope, EnvelopeReader } from "../runtime/transport/http/envelope.ts";
import { createHttpTransport } from "../runtime/transport/http/http.ts";
import { createMucpTransport } from "../runtime/transport/mucp/mucp.ts";
import type { Incoming } from "../runtime/transport/transport.ts";
import { ownSystem, runtime } from "./conformance/own_adapter.ts";

const Name = z.object({ name: z.string(), tags: z.array(z.string()).optional() });
const N = z.object({ n: z.number() });
const ended: string[] = [];

@Service("acme.greeter", { version: "1.0.0" })
class Greeter {
  @Method({ input: Name, output: z.object({ greeting: z.string(), tenant: z.string() }) })
  hello({ name }: z.infer<typeof Name>, ctx: Context) {
    ctx.trail({ "x-served": "grüße" });
    return { greeting: `Hello ${name}`, tenant: ctx.metadata.get("x-tenant") ?? "none" };
  }

  @Method({})
  ping(_: void, ctx: Context) {
    assert.equal(ctx.metadata.has("content-type"), false);
  }

  @Method({ output: z.object({ left: z.number() }) })
  left(_: void, ctx: Context) {
    return { left: ctx.remaining() };
  }

  @Method({ input: z.object({ to: z.number() }), output: N })
  async *count({ to }: { to: number }, ctx: Context) {
    for (let n = 1; n <= to; n++) yield { n };
    ctx.trail({ "x-counted": String(to) });
  }

  @Method({ input: N, output: z.object({ sum: z.number() }) })
  async sum(items: AsyncIterable<{ n: number }>) {
    let sum = 0;
    for await (const { n } of items) sum += n;
    return { sum };
  }

  @Method({ input: N, output: N, kind: "bidi" })
  async *double(items: AsyncIterable<{ n: number }>) {
    for await (const { n } of items) yield { n: n * 2 };
  }

  @Method({ input: z.object({ status: z.enum(["not_found", "internal"]) }) })
  fail({ status }: { status: "not_found" | "internal" }) {
    if (status === "internal") throw new Error("plain");
    throw new MuonError("not_found", "no user 42", {
      details: [{ type: "acme.Missing", value: { id: "42" } }],
    });
  }

  @Method({ input: z.object({ id: z.string() }) })
  async hang({ id }: { id: string }, ctx: Context) {
    await new Promise((_resolve, reject) =>
      ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason))
    ).finally(() => ended.push(`${id} ${(ctx.signal.reason as MuonError).status}`));
  }
}

const memory = { registry: "memory", broker: "memory", log: SILENT } as const;

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}

describe(`the http transport on ${runtime}`, () => {
  let service: MuonService;
  let mesh: Mesh;
  let base: string;

  before(async () => {
    service = createService({ ...memory, limits: { maxMessage: 10_000, maxMetadata: 1_000 } }).handle(
      Greeter,
    );
    await service.start();
    base = `http://${service.address}/acme.greeter.Greeter/`;
    mesh = await connect({ ...memory, transport: "http" });
  });

  after(async () => {
    await mesh[Symbol.asyncDispose]();
    await service.stop();
  });

  /** What `curl` would send. */
  async function post(method: string, body: BodyInit | null, headers: Record<string, string> = {}) {
    const response = await fetch(base + method, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body,
    });
    return { response, body: await response.text() };
  }

  /** The error of an answer, with the HTTP status. */
  async function refusal(answer: ReturnType<typeof post>) {
    const { response, body } = await answer;
    assert.equal(response.headers.get("content-type"), "application/json");
    const { code, message, notRun } = JSON.parse(body);
    return { http: response.status, code, message, notRun: notRun === true };
  }

  describe("called by muon", () => {
    test("a value, an error, streams of every kind", async () => {
      const greeter = mesh.client<Greeter>("acme.greeter");
      const call = greeter.hello({ name: "Zoë" }, { metadata: { "x-tenant": "ünder" } });
      assert.deepEqual(await call, { greeting: "Hello Zoë", tenant: "ünder" });
      assert.equal((await call.trailer).get("x-served"), "grüße");
      assert.equal(await greeter.ping(), undefined);
      await assert.rejects(Promise.resolve(greeter.fail({ status: "not_found" })), {
        status: "not_found",
        id: "acme.greeter",
        detail: "no user 42",
        details: [{ type: "acme.Missing", value: { id: "42" } }],
      });
      const counted = greeter.count({ to: 3 });
      assert.deepEqual(await Array.fromAsync(counted), [{ n: 1 }, { n: 2 }, { n: 3 }]);
      assert.equal((await counted.trailer).get("x-counted"), "3");
      async function* items() {
        for (let n = 1; n <= 4; n++) yield { n };
      }
      assert.deepEqual(await greeter.sum(items()), { sum: 10 });
      assert.deepEqual(await Array.fromAsync(greeter.double(items())), [{ n: 2 }, { n: 4 }, { n: 6 }, {
        n: 8,
      }]);
    });

    test("in JSON, by a call's option, by an address", async () => {
      await using other = await connect(memory);
      const input = { name: "John" };
      for (
        const options of [
          { transport: "http", contentType: "application/json" },
          { address: `http://${service.address}` },
          { address: service.address!, transport: "http" },
        ]
      ) {
        const answer = await other.call<{ greeting: string }>(
          "acme.greeter",
          "Greeter.Hello",
          input,
          options,
        );
        assert.equal(answer.greeting, "Hello John");
      }
    });

    test("the deadline travels, and cancelling reaches the handler", async () => {
      const greeter = mesh.client<Greeter>("acme.greeter");
      const { left } = await greeter.left(undefined, { timeout: 2_000 });
      assert.ok(left > 0 && left <= 2_000, `${left}`);
      const controller = new AbortController();
      const call = greeter.hang({ id: "canceled" }, { signal: controller.signal });
      setTimeout(() => controller.abort(), 20);
      await assert.rejects(Promise.resolve(call), { status: "canceled" });
      await until(() => ended.includes("canceled canceled"));
      await assert.rejects(Promise.resolve(greeter.hang({ id: "late" }, { timeout: 30 })), {
        status: "deadline_exceeded",
      });
      await until(() => ended.some((one) => one.startsWith("late ")));
    });

    test("what is too large for the other end is not sent", async () => {
      await assert.rejects(
        Promise.resolve(mesh.call("acme.greeter", "Greeter.Hello", { name: "x".repeat(20_000) })),
        (error: unknown) =>
          error instanceof MuonError && error.status === "resource_exhausted" &&
          /the input has 20\d+ bytes: at most 10000 are taken/.test(error.detail),
      );
      await assert.rejects(
        Promise.resolve(mesh.call("acme.greeter", "Greeter.Ping", undefined, { metadata: { host: "x" } })),
        { status: "invalid_argument", notRun: true },
      );
    });

    test("another node is tried where one stops, whatever the endpoint is", async () => {
      const options = { ...memory, transport: "http" } as const;
      const nodes = [createService(options).handle(Twin), createService(options).handle(Twin)];
      for (const node of nodes) await node.start();
      const twin = mesh.client<Twin>("acme.twin");
      let failed = 0;
      let made = 0;
      let stop = false;
      const load = Array.from({ length: 8 }, async () => {
        while (!stop) {
          await twin.work({ n: made++ }).then(() => {}, (error) => {
            failed++;
            console.error(error);
          });
        }
      });
      await until(() => made > 200);
      await nodes[0]!.stop();
      const then = made;
      await until(() => made > then + 200);
      stop = true;
      await Promise.all(load);
      await nodes[1]!.stop();
      assert.equal(failed, 0);
    });

    test("a call that is not idempotent is sent once, though the connection is lost", async () => {
      let posts = 0;
      const server = createServer((socket) => {
        socket.on("error", () => {});
        socket.on("data", (data) => {
          if (data.toString().startsWith("OPTIONS")) return socket.write("HTTP/1.1 204 No Content\r\n\r\n");
          if (data.toString().startsWith("POST")) posts++;
          socket.destroy();
        });
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const { port } = server.address() as { port: number };
      const link = await createHttpTransport({ system: ownSystem() }).dial({
        id: "x",
        address: `127.0.0.1:${port}`,
        metadata: {},
      });
      const head = {
        service: "a",
        endpoint: "A.B",
        metadata: Metadata.EMPTY,
        contentType: "application/json",
        timeout: 5_000,
        idempotent: false,
      };
      const error = await new Promise<MuonError>((fail) =>
        link.unary(head, utf8("{}"), { reply() {}, fail })
      );
      assert.deepEqual([error.status, error.notRun, posts], ["unavailable", false, 1]);
      assert.equal((await link.closed)?.status, "unavailable");
      await new Promise((resolve) => server.close(resolve));
    });
  });

  describe("called by anyone", () => {
    test("an input in JSON gets an answer in JSON", async () => {
      const { response, body } = await post("Hello", '{"name":"John"}', { "X-Tenant": "acme" });
      assert.equal(response.status, 200);
      assert.equal(response.headers.get("content-type"), "application/json");
      assert.equal(response.headers.get("trailer-x-served"), "=?UTF-8?B?Z3LDvMOfZQ==?=");
      assert.deepEqual(JSON.parse(body), { greeting: "Hello John", tenant: "acme" });
      assert.equal(
        (await post("Hello?x=1", '{"name":"x"}', { "content-type": "application/json; charset=utf-8" }))
          .response.status,
        200,
      );
    });

    test("no input is {} or nothing at all, and no output is {}", async () => {
      for (const body of ["{}", "", null]) assert.equal((await post("Ping", body)).body, "{}");
      const bare = await fetch(`${base}Ping`, { method: "POST" });
      assert.deepEqual([bare.status, await bare.text()], [200, "{}"]);
    });

    test("errors are Connect's JSON, with Connect's status", async () => {
      const { response, body } = await post("Fail", '{"status":"not_found"}');
      assert.equal(response.status, 404);
      assert.deepEqual(JSON.parse(body), {
        code: "not_found",
        message: "no user 42",
        details: [{ type: "acme.Missing", value: "eyJpZCI6IjQyIn0", debug: { id: "42" } }],
        id: "acme.greeter",
      });
      const plain = await refusal(post("Fail", '{"status":"internal"}'));
      assert.deepEqual([plain.http, plain.code, plain.message], [500, "internal", "plain"]);
    });

    test("what is wrong is said", async () => {
      const table: [ReturnType<typeof post>, number, string, RegExp, boolean][] = [
        [post("Hello", '{"name":'), 400, "invalid_argument", /cannot read JSON/, false],
        [post("Hello", '{"name":7}'), 400, "invalid_argument", /input of Greeter\.Hello.*name/, false],
        [post("Hello", '{"name":"x","tags":["a",1]}'), 400, "invalid_argument", /tags/, false],
        [post("Hello", ""), 400, "invalid_argument", /input of Greeter\.Hello/, false],
        [
          post("Hello", `{"name":${"[".repeat(100)}${"]".repeat(100)}}`),
          400,
          "invalid_argument",
          /nested deeper than 64/,
          false,
        ],
        [post("Nothing", "{}"), 404, "not_found", /no endpoint "Greeter\.Nothing"; it has/, true],
        [
          post("Hello", "name=x", { "content-type": "application/x-www-form-urlencoded" }),
          415,
          "invalid_argument",
          /x-www-form-urlencoded.*application\/json/,
          true,
        ],
        [
          post("Hello", "{}", { "content-encoding": "br" }),
          501,
          "unimplemented",
          /compressed with "br"/,
          true,
        ],
        [
          post("Hello", "{}", { "connect-protocol-version": "2" }),
          400,
          "invalid_argument",
          /must be 1/,
          true,
        ],
        [post("Hello", "{}", { "connect-timeout-ms": "soon" }), 400, "invalid_argument", /"soon"/, true],
        [post("Hello", "{}", { "x-large": "x".repeat(2_000) }), 429, "resource_exhausted", /most 1000/, true],
        [post("Hello", "{}", { origin: "https://evil.example" }), 403, "permission_denied", /evil/, true],
        [
          post("Hello", JSON.stringify({ name: "x".repeat(12_000) })),
          413,
          "resource_exhausted",
          /12011 bytes: at most 10000/,
          true,
        ],
        [
          post("Count", '{"to":3}'),
          415,
          "invalid_argument",
          /Greeter\.Count answers with a stream.*name application\/connect\+json in "accept"/,
          false,
        ],
        [
          post("Hang", '{"id":"own"}', { "connect-timeout-ms": "20" }),
          504,
          "deadline_exceeded",
          /20 ms/,
          false,
        ],
      ];
      for (const [answer, http, code, message, notRun] of table) {
        const got = await refusal(answer);
        assert.deepEqual([got.http, got.code, got.notRun], [http, code, notRun], got.message);
        assert.match(got.message, message);
      }
      await until(() => ended.includes("own deadline_exceeded"));
      const unknown = await fetch(base.replace("acme", "acne") + "Hello", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: "{}",
      });
      assert.equal(unknown.status, 404);
      assert.match(await unknown.text(), /does not serve \\"acne\.greeter\\"; it serves acme\.greeter/);
    });

    test("only POST calls, and OPTIONS says so", async () => {
      const got = await fetch(`${base}Hello`);
      assert.deepEqual([got.status, got.headers.get("allow")], [405, "POST, OPTIONS"]);
      assert.match((await got.json()).message, /Greeter\.Hello is called with POST/);
      const options = await fetch(`${base}Hello`, { method: "OPTIONS" });
      assert.equal(options.status, 204);
      assert.equal(options.headers.get("muon-max-message"), "10000");
      assert.equal(options.headers.get("muon-max-metadata"), "1000");
      assert.match(options.headers.get("accept-post")!, /application\/json.*application\/connect\+json/);
      const own = await fetch(base.replace("Greeter/", "greeter/x"));
      assert.equal(own.status, 404, "a user's own route would be found there");
    });

    test("a caller that leaves ends what is done for it, and the connection serves on", async () => {
      const controller = new AbortController();
      const call = fetch(`${base}Hang`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: '{"id":"left"}',
        signal: controller.signal,
      });
      setTimeout(() => controller.abort(), 20);
      await assert.rejects(call);
      await until(() => ended.includes("left canceled"));
      for (let i = 0; i < 3; i++) {
        const { response } = await post("Ping", "{}");
        assert.doesNotMatch(response.headers.get("connection") ?? "", /close/i);
      }
    });

    test("streams go in Connect's envelopes, as its own clients send them", async () => {
      const stream = async (method: string, ...items: unknown[]) => {
        const response = await fetch(base + method, {
          method: "POST",
          headers: { "content-type": "application/connect+json", "connect-protocol-version": "1" },
          body: concat(items.map((item) => envelope(utf8(JSON.stringify(item))))) as Uint8Array<ArrayBuffer>,
        });
        assert.equal(response.status, 200);
        assert.equal(response.headers.get("content-type"), "application/connect+json");
        const reader = new EnvelopeReader(response.body!, 10_000);
        const messages: unknown[] = [];
        for (let item = await reader.next(); item !== undefined; item = await reader.next()) {
          messages.push(item.end ? { end: JSON.parse(text(item.body)) } : JSON.parse(text(item.body)));
        }
        return messages;
      };
      assert.deepEqual(await stream("Count", { to: 2 }), [{ n: 1 }, { n: 2 }, {
        end: { metadata: { "x-counted": ["2"] } },
      }]);
      assert.deepEqual(await stream("Sum", { n: 2 }, { n: 3 }), [{ sum: 5 }, { end: {} }]);
      assert.deepEqual(await stream("Double", { n: 2 }, { n: 3 }), [{ n: 4 }, { n: 6 }, { end: {} }]);
      const [{ end }] = await stream("Nothing", {}) as [{ end: { error: { code: string } } }];
      assert.equal(end.error.code, "not_found");
      const [wrong] = await stream("Sum", { n: "x" }) as [
        { end: { error: { code: string; message: string } } },
      ];
      assert.equal(wrong.end.error.code, "invalid_argument");
      assert.match(wrong.end.error.message, /input of Greeter\.Sum.*n/);
      const lie = await fetch(`${base}Sum`, {
        method: "POST",
        headers: { "content-type": "application/connect+json" },
        body: new Uint8Array([0, 255, 255, 255, 255]),
      });
      assert.match(await lie.text(), /resource_exhausted.*4294967295 bytes: at most 10000/);
      assert.equal(END, 2);
    });
  });
});

@Service("acme.twin")
class Twin {
  @Method({ input: N, output: N })
  async work({ n }: { n: number }) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    return { n };
  }
}

test("pages of the origins that are named may call, and browsers are told", async () => {
  const system = ownSystem();
  await using host = await system.platform.serve({});
  host.mount(
    createHttpTransport({ system, origins: ["https://app.example"] }).protocol!((call) =>
      call.reply(call.body!)
    ),
  );
  const url = `http://${host.addresses[0]}/a.A/B`;
  const preflight = await fetch(url, { method: "OPTIONS", headers: { origin: "https://app.example" } });
  assert.equal(preflight.status, 204);
  assert.equal(preflight.headers.get("access-control-allow-origin"), "https://app.example");
  assert.match(preflight.headers.get("access-control-allow-headers")!, /authorization/);
  const headers = { "content-type": "application/json", origin: "https://app.example" };
  const answer = await fetch(url, { method: "POST", headers, body: "[1]" });
  assert.equal(answer.headers.get("access-control-allow-origin"), "https://app.example");
  assert.equal(await answer.text(), "[1]");
  const other = await fetch(url, { method: "OPTIONS", headers: { origin: "https://evil.example" } });
  assert.equal(other.status, 403);
  assert.equal(other.headers.get("access-control-allow-origin"), null);
  await other.body?.cancel();
});

test("a caller that leaves amid its input is given up: nothing runs, and nothing is waited for", async () => {
  const system = ownSystem();
  await using host = await system.platform.serve({});
  let ran = 0;
  const protocol = createHttpTransport({ system }).protocol!(() => ran++);
  const came = Promise.withResolvers<void>();
  host.mount({
    name: protocol.name,
    matches: (head) => protocol.matches(head),
    fetch: (request, peer) => protocol.fetch!(request, peer),
    answer(request, peer) {
      came.resolve();
      return protocol.answer!(request, peer);
    },
  });
  const [hostname, port] = host.addresses[0]!.split(":");
  const caller = dial(Number(port), hostname);
  caller.on("error", () => {});
  caller.write(
    "POST /a.A/B HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 20\r\n\r\n[",
  );
  await came.promise;
  caller.destroy();
  await protocol.drain(new AbortController().signal);
  assert.equal(ran, 0);
});

for (
  const { name, transport, head } of [
    { name: "http", transport: createHttpTransport, head: "POST /a.A/B HTTP/1.1\r\n" },
    {
      name: "mucp",
      transport: createMucpTransport,
      head: "POST / HTTP/1.1\r\nmicro-service: a\r\nmicro-endpoint: A.B\r\n",
    },
  ]
) {
  test(`${name}: a handler that asks for the signal learns that its caller left, before it asked or after`, async () => {
    const system = ownSystem();
    await using host = await system.platform.serve({});
    const calls: Incoming[] = [];
    let came = Promise.withResolvers<void>();
    host.mount(transport({ system }).protocol!((call) => {
      calls.push(call);
      came.resolve();
    }));
    const [hostname, port] = host.addresses[0]!.split(":");
    const ask = () => {
      const caller = dial(Number(port), hostname);
      caller.on("error", () => {});
      caller.write(`${head}host: a\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}`);
      return caller;
    };

    const early = ask();
    await came.promise;
    const { signal } = calls[0]!;
    assert.equal(signal.aborted, false);
    const gone = aborted(signal);
    early.destroy();
    assert.equal(await gone, "canceled");

    came = Promise.withResolvers();
    const late = ask();
    await came.promise;
    late.destroy();
    // By the time that the host answers another caller it knows.
    const other = ask();
    while (calls.length < 3) await new Promise((resolve) => setTimeout(resolve, 1));
    assert.equal(await aborted(calls[1]!.signal), "canceled");
    assert.equal(calls[2]!.signal.aborted, false);
    calls[2]!.reply(utf8("{}"));
    other.destroy();
  });
}

/** Waits for a signal; the status of why it was aborted. */
async function aborted(signal: AbortSignal): Promise<string> {
  if (!signal.aborted) {
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  }
  return (signal.reason as MuonError).status;
}
