import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { describe, test } from "node:test";
import { concat, looseText, utf8 } from "../../bytes.ts";
import { MuonError } from "../../errors.ts";
import { Metadata } from "../../metadata.ts";
import type { Node } from "../../record.ts";
import { VirtualClock } from "../../virtual_clock.ts";
import type { CallHandle, CallHead, Link, ReplySink, Transport } from "../transport.ts";
import { createMucpTransport } from "./mucp.ts";

const entropy = { fill: <T extends Uint8Array>(bytes: T) => bytes.fill(7) };
const NODE = { id: "g-1", address: "127.0.0.1:9191", metadata: { protocol: "mucp", server: "mucp" } };

/** As a registry has a node of 2016. */
const FIRST: Node = { ...NODE, metadata: { transport: "http", server: "rpc" } };

type Answer = (request: Request) => Response | Promise<Response>;

interface Called {
  readonly transport: Transport;
  readonly link: Link;
  readonly clock: VirtualClock;
  readonly requests: {
    readonly url: string;
    readonly headers: Record<string, string>;
    readonly body: string;
    readonly bytes: Uint8Array;
  }[];
}

async function calling(
  answer: Answer,
  { node = NODE, ...limits }: { maxMessage?: number; node?: Node } = {},
): Promise<Called> {
  const clock = new VirtualClock();
  const requests: Called["requests"] = [];
  const transport = createMucpTransport({
    system: { clock, entropy },
    limits,
    fetch: async (input, init) => {
      const request = new Request(input as string, init);
      const headers = Object.fromEntries(request.headers);
      const bytes = new Uint8Array(await request.arrayBuffer());
      requests.push({ url: request.url, headers, body: looseText(bytes), bytes });
      return await new Promise<Response>((resolve, reject) => {
        init!.signal!.addEventListener("abort", () => reject(init!.signal!.reason));
        Promise.resolve(answer(request)).then(resolve, reject);
      });
    },
  });
  return { transport, link: await transport.dial(node), clock, requests };
}

function head(from: Partial<CallHead> = {}): CallHead {
  return {
    service: "greeter",
    endpoint: "Greeter.Hello",
    metadata: Metadata.EMPTY,
    contentType: "application/json",
    timeout: 5_000,
    idempotent: false,
    ...from,
  };
}

function unary(
  link: Link,
  from: Partial<CallHead> = {},
  body: string | Uint8Array = "{}",
): {
  readonly handle: CallHandle;
  readonly answer: Promise<{ readonly body: string; readonly trailer: Metadata }>;
} {
  const { promise, resolve, reject } = Promise.withResolvers<{ body: string; trailer: Metadata }>();
  promise.catch(() => {});
  let returned = false;
  const sink: ReplySink = {
    reply(answer, trailer, stream) {
      assert.equal(returned, true);
      assert.equal(stream, undefined);
      resolve({ body: new TextDecoder().decode(answer), trailer });
    },
    fail(error) {
      assert.equal(returned, true, "a sink is not called before unary() has returned");
      reject(error);
    },
  };
  const bytes = typeof body === "string" ? utf8(body) : body.slice();
  const handle = link.unary(head(from), bytes, sink);
  bytes.fill(0);
  returned = true;
  return { handle, answer: promise };
}

async function failure(answer: Promise<unknown>): Promise<MuonError> {
  const error = await answer.then(() => undefined, (error) => error);
  assert.ok(error instanceof MuonError, String(error));
  return error;
}

const ok = (body = "{}", headers: Record<string, string> = {}) =>
  new Response(body, { headers: { "content-type": "application/json", ...headers } });
const failing = (said: string) => new Response(null, { headers: { "micro-error": said } });

describe("mucp, called,", () => {
  test("knows nodes that take calls over HTTP", async () => {
    const { transport } = await calling(() => ok());
    const speaks = (metadata: Record<string, string>) => transport.speaks({ ...NODE, metadata });
    assert.ok(speaks({ protocol: "mucp" }));
    assert.ok(speaks({ protocol: "mucp", transport: "http" }));
    assert.ok(!speaks({ protocol: "mucp", transport: "nats" }));
    assert.ok(!speaks({ protocol: "grpc", transport: "grpc" }));
    assert.ok(speaks({}), "the first generation");
    assert.ok(speaks({ transport: "http", server: "rpc", registry: "mdns", broker: "http" }));
    assert.ok(speaks({ protocol: "" }));
    assert.ok(!speaks({ transport: "rabbitmq", server: "rpc" }));
    assert.ok(speaks({ protocol: "mucp", muon: "muon.v1,mucp" }));
    assert.ok(!speaks({ muon: "muon.v1" }));
  });

  test("sends what Go Micro's own client does, and a stream of its own for each call", async () => {
    const { link, requests } = await calling(() =>
      ok('{"msg":"x"}\n', { "trailer-x-served": "grÃ¼n", foo: "echo" })
    );
    assert.equal(link.contentType, "application/json");
    const first = unary(link, { metadata: Metadata.from({ "x-note": "grüß" }) }, '{"name":"bob"}');
    assert.equal(link.inflight, 1);
    const { body, trailer } = await first.answer;
    assert.equal(body, '{"msg":"x"}\n');
    assert.deepEqual(Object.fromEntries(trailer), { "x-served": "grün" });
    await unary(link, { timeout: 0 }).answer;
    assert.equal(link.inflight, 0);
    const [one, two] = requests;
    assert.equal(one!.url, "http://127.0.0.1:9191/");
    assert.equal(one!.body, '{"name":"bob"}');
    const { "micro-stream": stream, ...rest } = one!.headers;
    assert.deepEqual(rest, {
      accept: "application/json",
      "content-type": "application/json",
      "micro-endpoint": "Greeter.Hello",
      "micro-id": "0",
      "micro-method": "Greeter.Hello",
      "micro-service": "greeter",
      timeout: "5000000000",
      "x-note": "grÃ¼Ã\u009f",
    });
    assert.notEqual(stream, "0");
    assert.notEqual(two!.headers["micro-stream"], stream);
    assert.deepEqual([two!.headers["micro-id"], two!.headers.timeout], ["1", undefined]);
    const secure = await (await calling(() => ok())).transport.dial({
      ...NODE,
      metadata: { secure: "true" },
    });
    await secure[Symbol.asyncDispose]();
  });

  test("reads errors in every form they come", async () => {
    const said: [string, Partial<MuonError>][] = [
      ['{"id":"a","code":404,"detail":"grÃ¼n","status":"Not Found"}', {
        status: "not_found",
        id: "a",
        detail: "grün",
      }],
      ['{"id":"x","detail":"d"}', { status: "internal", code: 500, id: "x", detail: "d" }],
      ['{"code":418,"detail":"d"}', { status: "internal", code: 418, id: "greeter" }],
      ['{"id":"b","code":4001,"detail":"d","status":"failed_precondition"}', {
        status: "failed_precondition",
        code: 4001,
      }],
      ['{"id":"b","code":409,"detail":"","status":"aborted"}', { status: "aborted", id: "b", detail: "" }],
      ['{"id":"b","code":404,"detail":"","status":"Not Found"}', {
        status: "not_found",
        detail: '{"id":"b","code":404,"detail":"","status":"Not Found"}',
      }],
      ['{"errors":[{"code":403,"detail":"a"},{"detail":"b"}]}', {
        status: "permission_denied",
        detail: "a; b",
      }],
      ["boom", { status: "internal", detail: "boom", notRun: false }],
      ['"boom"', { detail: '"boom"' }],
      ["{boom", { detail: "{boom" }],
      ["{}", { detail: "{}" }],
      ["rpc: can't find service Nope", { status: "not_found", notRun: true }],
      ["rpc: can't find method Nope", { status: "not_found", notRun: true }],
      ["rpc: service/endpoint request ill-formed: Hello", { status: "not_found", notRun: true }],
      ["EOS", { status: "unimplemented" }],
    ];
    for (const [text, expected] of said) {
      const { link } = await calling(() => failing(text));
      const error = await failure(unary(link).answer);
      for (const [key, value] of Object.entries(expected)) {
        assert.equal(error[key as keyof MuonError], value, text);
      }
      assert.equal(error.where.endpoint, "Greeter.Hello");
    }
    const details = await calling(() =>
      failing('{"id":"a","code":400,"detail":"d","details":[{"type":"t","value":1},7]}')
    );
    assert.deepEqual((await failure(unary(details.link).answer)).details, [{ type: "t", value: 1 }]);
  });

  test("takes no answer that is not mucp's", async () => {
    const answers: [Answer, Partial<MuonError>][] = [
      [() => new Response("unsupported Content-Type: x", { headers: { "content-type": "text/plain" } }), {
        status: "invalid_argument",
        detail: "unsupported Content-Type: x",
        notRun: true,
      }],
      [() => new Response("no such page", { status: 404 }), { status: "unimplemented" }],
      [() => new Response("oops", { status: 500 }), { status: "unavailable", notRun: false }],
      [() => new Response(null, { status: 302, headers: { location: "/x" } }), { status: "unavailable" }],
      [
        () => new Response('{"id":"muon.host","code":503,"detail":"stops"}', { status: 503 }),
        { status: "unavailable", detail: "stops", notRun: true },
      ],
      [() => new Response("busy", { status: 503 }), { status: "unavailable", notRun: false }],
      [() => new Response(null, { status: 431 }), {
        status: "resource_exhausted",
        notRun: true,
        detail:
          "the other end answered HTTP 431: the request's headers, in which metadata travels, are more than its " +
          "server reads: call with less metadata, or raise that server's limit",
      }],
      [() => ok("{}", { "x-micro-endpoint": "Greeter.Hello" }), { status: "unimplemented" }],
      [() => ok("x".repeat(101)), { status: "resource_exhausted" }],
      [() => ok("x".repeat(101), { "content-length": "101" }), { status: "resource_exhausted" }],
      [() => Promise.reject(new TypeError("fetch failed", { cause: new Error("other side closed") })), {
        status: "unavailable",
        notRun: false,
        detail: "the connection broke: other side closed",
      }],
    ];
    for (const [answer, expected] of answers) {
      const { link } = await calling(answer, { maxMessage: 100 });
      const error = await failure(unary(link).answer);
      for (const [key, value] of Object.entries(expected)) {
        assert.equal(error[key as keyof MuonError], value, error.message);
      }
      assert.equal(link.inflight, 0);
      assert.equal(link.accepting, true);
    }
  });

  test("calls the first generation in JSON-RPC, and names the call nowhere else", async () => {
    const { link, requests } = await calling(
      () => ok('{"id":0,"result":{"msg":"ß"},"error":null}\n', { "micro-stream": "echo" }),
      { node: FIRST },
    );
    assert.equal(link.contentType, "application/json");
    const metadata = Metadata.from({ "x-note": "1" });
    const { body } = await unary(link, { metadata }, '{"name":"<ß>"}').answer;
    assert.equal(body, '{"msg":"ß"}');
    await unary(link, { timeout: 0 }, "").answer;
    const [one, two] = requests;
    assert.equal(one!.url, "http://127.0.0.1:9191/");
    assert.equal(one!.body, '{"method":"Greeter.Hello","params":[{"name":"<ß>"}],"id":0}\n');
    const { "micro-stream": stream, ...rest } = one!.headers;
    assert.deepEqual(rest, {
      accept: "application/json-rpc",
      "content-type": "application/json-rpc",
      timeout: "5000000000",
      "x-note": "1",
    });
    assert.equal(two!.body, '{"method":"Greeter.Hello","params":[{}],"id":1}\n');
    assert.notEqual(two!.headers["micro-stream"], stream);
    assert.equal(two!.headers.timeout, undefined);
  });

  test("calls the first generation in proto-rpc with bytes", async () => {
    const hex = (text: string) => Uint8Array.from(text.match(/../g)!, (byte) => parseInt(byte, 16));
    const name = "0a0d477265657465722e48656c6c6f";
    const answer = hex(`0000000f${name}000000020801`);
    for (const contentType of ["application/octet-stream", "application/protobuf"]) {
      const { link, requests } = await calling(() => new Response(answer), { node: FIRST });
      const { answer: answered } = unary(link, { contentType }, hex("0a01611005"));
      assert.equal((await answered).body, "\b\x01");
      assert.deepEqual(requests[0]!.bytes, concat([hex(`0000000f${name}`), hex("000000050a01611005")]));
      assert.equal(requests[0]!.headers["content-type"], "application/proto-rpc");
      assert.equal(requests[0]!.headers["micro-endpoint"], undefined);
    }
  });

  test("reads the first generation's errors, wherever they are", async () => {
    const said = (error: string, result = "{}") => () => ok(`{"id":0,"result":${result},"error":${error}}`);
    const missing = '{"id":"a","code":404,"detail":"grün","status":"Not Found"}';
    const answers: [Answer, Partial<MuonError>][] = [
      [said(JSON.stringify(missing)), { status: "not_found", id: "a", detail: "grün" }],
      [said('"boom"', "null"), { status: "internal", detail: "boom", id: "greeter" }],
      [said('""'), { status: "internal", detail: "unspecified error" }],
      [said('"rpc: can\'t find service Greeter.Nope"'), { status: "not_found", notRun: true }],
      [said('"EOS"'), { status: "unimplemented" }],
      [() => failing("boom"), { detail: "boom" }],
      [() => failing("EOS"), { status: "unimplemented" }],
      [
        () => new Response("Unsupported Content-Type: x", { headers: { "content-type": "text/plain" } }),
        { status: "invalid_argument", notRun: true },
      ],
    ];
    for (const [answer, expected] of answers) {
      const { link } = await calling(answer, { node: FIRST });
      const error = await failure(unary(link).answer);
      for (const [key, value] of Object.entries(expected)) {
        assert.equal(error[key as keyof MuonError], value, error.message);
      }
      assert.equal(error.where.endpoint, "Greeter.Hello");
      assert.equal(link.inflight, 0);
    }
    const unreadable: [string, string, RegExp][] = [
      ["application/json", '{"error":7}', /as JSON-RPC 1\.0, .*"error" is no string/],
      ["application/json", "7", /as JSON-RPC 1\.0, .*it is no object/],
      ["application/json", "{", /as JSON-RPC 1\.0, .*JSON/],
      ["application/octet-stream", "abc", /as proto-rpc: it has 3 bytes/],
    ];
    for (const [contentType, body, expected] of unreadable) {
      const { link } = await calling(() => ok(body), { node: FIRST });
      const error = await failure(unary(link, { contentType }).answer);
      assert.deepEqual([error.status, error.notRun], ["internal", false]);
      assert.match(error.detail, expected);
    }
    const cbor = await calling(() => ok(), { node: FIRST });
    const refused = await failure(unary(cbor.link, { contentType: "application/cbor" }).answer);
    assert.deepEqual([refused.status, refused.notRun], ["invalid_argument", true]);
    assert.match(refused.detail, /does not read application\/cbor: call it with application\/json/);
    assert.equal(cbor.requests.length, 0);
  });

  test("refuses what cannot be sent before it is", async () => {
    const { link, requests } = await calling(() => ok());
    for (const key of ["host", "timeout", "micro-endpoint", "x-micro-id", "content-type", "origin"]) {
      const error = await failure(unary(link, { metadata: Metadata.from({ [key]: "x" }) }).answer);
      assert.deepEqual([error.status, error.notRun], ["invalid_argument", true]);
      assert.match(error.detail, new RegExp(key));
    }
    const stream = await failure(unary(link, { kind: "bidi" }).answer);
    assert.deepEqual([stream.status, stream.notRun], ["unimplemented", true]);
    const exchange = link.open(head());
    assert.equal((await failure(exchange.send(utf8("1"))!)).status, "unimplemented");
    assert.equal((await failure(exchange.messages[Symbol.asyncIterator]().next())).status, "unimplemented");
    for (const promise of [exchange.header, exchange.trailer, exchange.streaming]) {
      assert.equal((await failure(promise)).status, "unimplemented");
    }
    exchange.end();
    exchange.cancel();
    assert.equal(requests.length, 0);
  });

  test("ends at the deadline, when it is canceled, and with the link", async () => {
    const { link, clock } = await calling(() => new Promise(() => {}));
    const late = unary(link, { timeout: 100 });
    await clock.advance(110);
    assert.equal((await failure(late.answer)).status, "deadline_exceeded");
    const canceled = unary(link);
    canceled.handle.cancel(new MuonError("canceled", "enough"));
    canceled.handle.cancel(new MuonError("canceled", "twice"));
    assert.equal((await failure(canceled.answer)).detail, "enough");
    assert.equal(link.inflight, 0);
    const closed = unary(link);
    await link[Symbol.asyncDispose]();
    await link[Symbol.asyncDispose]();
    const error = await failure(closed.answer);
    assert.deepEqual([error.status, error.notRun], ["unavailable", false]);
    assert.equal(await link.closed, undefined);
    const after = await failure(unary(link).answer);
    assert.deepEqual([after.status, after.notRun], ["unavailable", true]);
    assert.equal((await failure(link.open(head()).trailer)).notRun, true);
  });

  test("drains: no new call, and closed when the last is over", async () => {
    const { promise, resolve } = Promise.withResolvers<Response>();
    const { link } = await calling(() => promise);
    const call = unary(link);
    await link.drain(AbortSignal.abort());
    const drained = link.drain();
    assert.equal(link.accepting, false);
    assert.equal((await failure(unary(link).answer)).notRun, true);
    resolve(ok("[]"));
    assert.equal((await call.answer).body, "[]");
    await drained;
    assert.equal(await link.closed, undefined);
  });

  test("gives a link up at whose address nobody answers, with calls that did not run", async () => {
    const transport = createMucpTransport({ system: { clock: new VirtualClock(), entropy } });
    // By this runtime's own fetch, to a port that was somebody's just now.
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    const link = await transport.dial({ ...NODE, address: `127.0.0.1:${port}` });
    const error = await failure(unary(link).answer);
    assert.deepEqual([error.status, error.notRun], ["unavailable", true]);
    assert.match(error.detail, /^cannot connect: /);
    assert.equal(link.accepting, false);
    assert.equal(await link.closed, error);
    await assert.rejects(transport.dial(NODE, { signal: AbortSignal.abort(new Error("stop")) }), /stop/);
  });
});
