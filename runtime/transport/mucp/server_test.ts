import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { concat, text, utf8 } from "../../bytes.ts";
import { type ErrorDetail, MuonError } from "../../errors.ts";
import type { Metadata } from "../../metadata.ts";
import { VirtualClock } from "../../virtual_clock.ts";
import type { CallHead, Incoming, ServedProtocol } from "../transport.ts";
import { createMucpTransport } from "./mucp.ts";

const PEER = { address: "127.0.0.1:1" };
const entropy = { fill: <T extends Uint8Array>(bytes: T) => bytes.fill(7) };

interface Served {
  readonly protocol: ServedProtocol;
  readonly clock: VirtualClock;
  readonly calls: Incoming[];
  post(headers: Record<string, string>, body?: string | Uint8Array, init?: RequestInit): Promise<Response>;
}

/** A protocol whose calls are answered by their endpoint's name. */
function served(limits: { maxMessage?: number; maxMetadata?: number } = {}): Served {
  const clock = new VirtualClock();
  const calls: Incoming[] = [];
  const protocol = createMucpTransport({ system: { clock, entropy }, limits }).protocol!((call) => {
    calls.push(call);
    const { head, body } = call;
    if (head.endpoint === "Greeter.Fail") {
      return call.fail(
        new MuonError("not_found", "größer €", { id: "greeter", details: [{ type: "x", value: 1 }] }),
      );
    }
    if (head.endpoint === "Greeter.Hang") return;
    if (head.endpoint === "Greeter.Nothing") return call.reply(new Uint8Array(0), head.metadata);
    if (head.endpoint === "Greeter.Count") return void call.send(utf8("1"))?.catch(() => {});
    call.reply(body!, head.metadata);
  });
  return {
    protocol,
    clock,
    calls,
    post: async (headers, body, init) =>
      await protocol.fetch!(
        new Request("http://127.0.0.1:8080/", {
          method: "POST",
          headers,
          body: (body ?? null) as BodyInit | null,
          ...init,
        }),
        PEER,
      ),
  };
}

const JSON_TYPE = { "Content-Type": "application/json" };
const HELLO = { ...JSON_TYPE, "Micro-Endpoint": "Greeter.Hello", "Micro-Service": "greeter" };

/** Greeter.Hello, the 7th call, in proto-rpc. */
const REQUEST = "000000180a0d477265657465722e48656c6c6f110700000000000000000000050a01611005";

function hex(text: string): Uint8Array {
  return Uint8Array.from(text.replaceAll(" ", "").match(/../g) ?? [], (byte) => parseInt(byte, 16));
}

function errorOf(response: Response): { id: string; code: number; detail: string; status: string } {
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("micro-error"), response.headers.get("x-micro-error"));
  return JSON.parse(response.headers.get("micro-error")!);
}

function plain(metadata: Metadata): Record<string, string> {
  return Object.fromEntries(metadata);
}

describe("mucp, served,", () => {
  test("knows its requests among those of the port", () => {
    const { protocol } = served();
    const matches = (headers: Record<string, string>, path = "/", method = "POST") =>
      protocol.matches({ method, path, header: (name) => headers[name] ?? null });
    assert.ok(matches({ "micro-endpoint": "A.B" }));
    assert.ok(matches({ "micro-method": "A.B" }, "/foo"));
    assert.ok(matches({ "x-micro-method": "A.B" }));
    assert.ok(matches({ "content-type": "application/json-rpc; charset=utf-8" }));
    assert.ok(matches({ "content-type": "application/json", timeout: "5000000000" }));
    assert.ok(matches({ "content-type": "application/proto-rpc" }));
    assert.ok(matches({ "content-type": "application/octet-stream", timeout: "5000000000" }));
    assert.ok(!matches({ "content-type": "application/json" }));
    assert.ok(!matches({ "content-type": "application/grpc", timeout: "1" }), "gRPC's");
    assert.ok(!matches({ "content-type": "application/json", timeout: "1" }, "/?id=t.x-1"), "the broker's");
    assert.ok(!matches({ "micro-endpoint": "A.B" }, "/", "GET"));
  });

  test("answers no page of a browser, not even one of its own host", async () => {
    const { post, calls } = served();
    for (const origin of ["http://evil.example", "http://127.0.0.1:8080", "null"]) {
      const response = await post({ ...HELLO, Origin: origin }, "{}");
      assert.equal(response.status, 403);
      const { id, status, detail } = await response.json();
      assert.deepEqual([id, status], ["muon.mucp", "permission_denied"]);
      assert.ok(detail.includes(JSON.stringify(origin)), detail);
    }
    assert.deepEqual(calls, []);
  });

  test("answers as Go Micro does: 200, the length, what names the call", async () => {
    const { post, calls } = served();
    const response = await post({
      ...HELLO,
      Accept: "application/json",
      "Foo-Bar": "1",
      "Micro-Id": "7",
      "Micro-Method": "Greeter.Hello",
      "Micro-From-Service": "web",
      Local: "a",
      Timeout: "5000000000",
      "User-Agent": "Go-http-client/1.1",
      "X-Note": "gr\xc3\xbc\xc3\x9f", // UTF-8, a character for a byte
    }, '{"name":"bob"}\n');
    assert.equal(response.status, 200);
    assert.equal(await response.text(), '{"name":"bob"}\n');
    const { headers } = response;
    assert.equal(headers.get("content-length"), "15");
    assert.equal(headers.get("content-type"), "application/json");
    assert.equal(headers.get("micro-id"), "7");
    assert.equal(headers.get("micro-endpoint"), "Greeter.Hello");
    assert.equal(headers.get("micro-error"), null);
    assert.equal(headers.get("connection"), null);
    assert.equal(headers.get("trailer-foo-bar"), "1");
    const { head, peer, deadline } = calls[0]!;
    const { metadata, ...rest } = head as CallHead;
    assert.deepEqual(rest, {
      service: "greeter",
      endpoint: "Greeter.Hello",
      contentType: "application/json",
      timeout: 5_000,
      idempotent: false,
    });
    assert.deepEqual(plain(metadata), { "foo-bar": "1", "micro-from-service": "web", "x-note": "grüß" });
    assert.deepEqual(peer, PEER);
    assert.equal(deadline! > 0, true);
  });

  test("takes the endpoint by its older names, and says nothing as {}", async () => {
    const { post, calls } = served();
    for (const name of ["Micro-Endpoint", "Micro-Method", "X-Micro-Method", "X-Micro-Endpoint"]) {
      const response = await post({ [name]: "Greeter.Nothing" });
      assert.equal(await response.text(), "{}");
    }
    assert.deepEqual(calls.map(({ head }) => head.endpoint), Array(4).fill("Greeter.Nothing"));
    assert.deepEqual([calls[0]!.head.service, calls[0]!.head.contentType], ["", "application/json"]);
    assert.deepEqual([calls[0]!.head.timeout, calls[0]!.deadline], [0, undefined]);
  });

  test("puts errors into both headers, in ASCII, with no body", async () => {
    const { post } = served();
    const response = await post({ ...HELLO, "Micro-Endpoint": "Greeter.Fail" }, "{}");
    assert.deepEqual(errorOf(response), {
      id: "greeter",
      code: 404,
      detail: "größer €",
      status: "not_found",
      details: [{ type: "x", value: 1 }],
    });
    assert.match(response.headers.get("micro-error")!, /^[\x20-\x7e]+$/);
    assert.equal(response.headers.get("content-length"), "0");
    assert.equal(await response.text(), "");
  });

  test("takes raw bytes as they are", async () => {
    const { post, calls } = served();
    const response = await post(
      { ...HELLO, "Content-Type": "application/octet-stream" },
      new Uint8Array([0, 255]),
    );
    assert.deepEqual([...new Uint8Array(await response.arrayBuffer())], [0, 255]);
    assert.equal(calls[0]!.head.contentType, "application/octet-stream");
  });

  test("answers an empty content type with the one that it was taken for", async () => {
    const { post } = served();
    const response = await post({ ...HELLO, "Content-Type": "" }, "{}");
    assert.equal(response.headers.get("content-type"), "application/json");
    assert.equal(
      errorOf(await post({ ...HELLO, "Content-Type": "", "x-much": "x".repeat(20_000) })).code,
      429,
    );
  });

  test("takes protobuf as bytes, bare, in proto-rpc and in gRPC's frames", async () => {
    const { post, calls } = served();
    const message = hex("0a01611005");
    const forms: [string, string, string, string][] = [
      ["application/protobuf", "0a01611005", "0a01611005", "application/protobuf"],
      ["application/proto-rpc", REQUEST, REQUEST, "application/protobuf"],
      ["application/grpc", "00000000050a01611005", "00000000050a01611005", "application/protobuf"],
      ["application/grpc+proto", "00000000050a01611005", "00000000050a01611005", "application/protobuf"],
      ["application/grpc+json", "00000000027b7d", "00000000027b7d", "application/json"],
    ];
    for (const [type, sent, answered, contentType] of forms) {
      const response = await post({ ...HELLO, "Content-Type": type }, hex(sent));
      assert.equal(response.headers.get("content-type"), type);
      assert.equal(response.headers.get("micro-error"), null);
      const bytes = new Uint8Array(await response.arrayBuffer());
      assert.deepEqual(bytes, hex(answered), type);
      assert.equal(response.headers.get("content-length"), String(bytes.length));
      const { head, body } = calls.at(-1)!;
      assert.equal(head.contentType, contentType);
      assert.deepEqual([...body!], [...contentType === "application/json" ? utf8("{}") : message]);
    }
    const nothing = { ...HELLO, "Micro-Endpoint": "Greeter.Nothing" };
    for (
      const [type, answered] of [
        ["protobuf", ""],
        ["grpc", "0000000000"],
        ["grpc+json", "00000000027b7d"],
      ] as const
    ) {
      const response = await post({ ...nothing, "Content-Type": `application/${type}` });
      assert.deepEqual(new Uint8Array(await response.arrayBuffer()), hex(answered));
    }
    const failing = { ...HELLO, "Micro-Endpoint": "Greeter.Fail", "Content-Type": "application/grpc" };
    const failed = await post(failing, hex("0000000000"));
    assert.equal(errorOf(failed).code, 404);
    assert.equal(await failed.text(), "");
    for (const cut of ["00", "000000000a0a", "0100000000", "000000000000"]) {
      assert.match(
        errorOf(await post({ ...HELLO, "Content-Type": "application/grpc" }, hex(cut))).detail,
        /gRPC frame/,
      );
    }
  });

  test("says how else to call, where bytes did not fit", async () => {
    const misfit = (details: ErrorDetail[]) =>
      createMucpTransport({ system: { clock: new VirtualClock(), entropy } }).protocol!((call) =>
        call.fail(new MuonError("invalid_argument", "The input does not fit", { id: "greeter", details }))
      );
    const ask = async (type: string, details: ErrorDetail[]) =>
      errorOf(
        await misfit(details).fetch!(
          new Request("http://x/", { method: "POST", headers: { ...HELLO, "Content-Type": type } }),
          PEER,
        ),
      );
    const issues = [{ type: "muon.Issues", value: [] }];
    const { id, code, detail } = await ask("application/protobuf", issues);
    assert.deepEqual([id, code], ["greeter", 400]);
    assert.match(
      detail,
      /^The input does not fit\. Called with application\/protobuf, Greeter\.Hello .*bytes.*ContentType\("application\/json"\)/,
    );
    assert.equal((await ask("application/json", issues)).detail, "The input does not fit");
    assert.equal((await ask("application/protobuf", [])).detail, "The input does not fit");
  });

  test("refuses what it does not carry: streams, events, too much", async () => {
    const { post, calls } = served({ maxMessage: 10, maxMetadata: 100 });
    const stream = { ...HELLO, "Micro-Id": "3", "Micro-Stream": "3" };
    assert.equal(errorOf(await post(stream, "{}")).code, 501);
    assert.equal(errorOf(await post({ ...stream, "Micro-Error": "EOS" })).code, 501);
    assert.equal(errorOf(await post({ ...JSON_TYPE, "Micro-Topic": "t" }, "{}")).code, 501);
    assert.match(
      errorOf(await post({ ...HELLO, "Content-Length": "11" }, "x".repeat(11))).detail,
      /11 bytes: at most 10/,
    );
    const body = () =>
      new ReadableStream({
        start(controller) {
          for (let i = 0; i < 4; i++) controller.enqueue(utf8("four"));
          controller.close();
        },
      });
    const streamed = await post(HELLO, undefined, { body: body(), duplex: "half" } as RequestInit);
    assert.match(errorOf(streamed).detail, /more than 10/);
    assert.equal(errorOf(await post({ ...HELLO, "x-much": "x".repeat(200) }, "{}")).code, 429);
    assert.equal(calls.length, 0);
    const count = errorOf(await post({ ...HELLO, "Micro-Endpoint": "Greeter.Count" }, "{}"));
    assert.deepEqual([count.status, calls.length], ["unimplemented", 1]);
    assert.equal(
      (await post({ ...HELLO, "Micro-Stream": "mine-3", "Micro-Id": "3" }, "{}")).headers.get("micro-error"),
      null,
    );
  });

  test("speaks JSON-RPC with the first generation, and gives ids back as they came", async () => {
    const { post, calls } = served();
    const old = { ...JSON_TYPE, Timeout: "5000000000" };
    for (const id of ["3", '"a"', "12345678901"]) {
      const body = `{"method":"Greeter.Hello","params":[{"name":"ß"}],"id":${id}}\n`;
      const response = await post(old, body);
      assert.equal(await response.text(), `{"id":${id},"result":{"name":"ß"},"error":null}\n`);
    }
    assert.deepEqual([calls[0]!.head.service, calls[0]!.head.endpoint], ["", "Greeter.Hello"]);
    const failed = await post(old, '{"method":"Greeter.Fail","params":[{}],"id":0}');
    assert.equal(errorOf(failed).code, 404);
    const { id, result, error } = await failed.json() as { id: number; result: null; error: string };
    assert.deepEqual([id, result], [0, null]);
    assert.equal((JSON.parse(error) as { detail: string }).detail, "größer €");
    const nothing = await post(old, '{"method":"Greeter.Nothing","params":[],"id":1}');
    assert.deepEqual(await nothing.json(), { id: 1, result: {}, error: null });
    for (const body of ['{"name":"a"}', "[]", "null", "{", "\xff"]) {
      const malformed = errorOf(await post(old, body));
      assert.equal(malformed.code, 400);
      assert.match(malformed.detail, /JSON-RPC 1\.0/);
    }
    // With headers, as Go Micro's later clients send to nodes without protocol.
    const mixed = await post(
      { ...HELLO, "Content-Type": "application/json-rpc" },
      '{"method":"X","params":[1],"id":"9"}',
    );
    assert.equal(await mixed.text(), '{"id":"9","result":1,"error":null}\n');
    assert.equal(calls.at(-1)!.head.endpoint, "Greeter.Hello");
  });

  test("tells the first generation in its envelope what it cannot read", async () => {
    const { post } = served();
    const { id, error } = await (await post({ ...JSON_TYPE, Timeout: "1" }, "{")).json() as Record<
      string,
      string
    >;
    assert.equal(id, null);
    assert.match(error!, /JSON-RPC 1\.0/);
  });

  test("speaks proto-rpc with the first generation, byte for byte", async () => {
    const { post, calls } = served();
    for (const type of ["application/octet-stream", "application/protobuf", "application/proto-rpc"]) {
      const old = { "Content-Type": type, Timeout: "5000000000" };
      const response = await post(old, hex(REQUEST));
      assert.deepEqual(new Uint8Array(await response.arrayBuffer()), hex(REQUEST));
      const { head, body } = calls.at(-1)!;
      assert.deepEqual([head.service, head.endpoint, head.contentType], [
        "",
        "Greeter.Hello",
        "application/protobuf",
      ]);
      assert.deepEqual([...body!], [...hex("0a01611005")]);
    }
    const old = { "Content-Type": "application/proto-rpc" };
    // No number, a field that is not known, no input.
    const bare = await post(old, hex("00000011 0a0d477265657465722e48656c6c6f 2001 00000000"));
    assert.deepEqual(
      new Uint8Array(await bare.arrayBuffer()),
      hex("0000000f 0a0d477265657465722e48656c6c6f 00000000"),
    );
    const failed = await post(old, hex("00000017 0a0c477265657465722e4661696c 11ffffffffffffffff 00000000"));
    const { detail } = errorOf(failed);
    assert.equal(detail, "größer €");
    const answer = new Uint8Array(await failed.arrayBuffer());
    const said = failed.headers.get("micro-error")!;
    assert.deepEqual([...answer.subarray(4)], [
      ...hex("0a0c477265657465722e4661696c 11ffffffffffffffff 1a"),
      said.length,
      ...utf8(said),
      ...hex("00000000"),
    ]);
    // A name whose length takes two bytes.
    const long = concat([hex("0000012f 0aac02"), utf8(`Greeter.${"H".repeat(292)}`), hex("00000000")]);
    assert.deepEqual(new Uint8Array(await (await post(old, long)).arrayBuffer()), long);
    assert.equal(calls.at(-1)!.head.endpoint.length, 300);
    // An endpoint that a header names stands above the envelope's; by Micro-Target the body is an envelope all the same.
    const target = { ...HELLO, "Micro-Target": "greeter", "Content-Type": "application/octet-stream" };
    await post(target, hex(REQUEST));
    assert.equal(calls.at(-1)!.body!.length, 5);
    await post({ ...target, "Micro-Protocol": "mucp" }, hex(REQUEST));
    assert.equal(calls.at(-1)!.body!.length, hex(REQUEST).length);
  });

  test("names what is wrong with proto-rpc", async () => {
    const { post, calls } = served();
    const wrong: [string, RegExp][] = [
      ["", /0 bytes, and is cut in the part that begins at 0/],
      ["0000", /2 bytes, and is cut/],
      ["000000ff0a", /5 bytes, and is cut/],
      ["00000000", /cut in the part that begins at 4/],
      ["0000000000000000", /it names no method/],
      [`${REQUEST}00`, /1 bytes stand behind/],
      ["000000020a05 00000000", /first part is cut/],
      ["000000021100 00000000", /first part is cut/],
      ["0000000180 00000000", /first part is cut/],
      ["0000000c20ffffffffffffffffffff01 00000000", /has no end/],
      ["0000000113 00000000", /wire type 3/],
      ["000000030a01ff 00000000", /cannot read the call as proto-rpc/],
    ];
    for (const [body, expected] of wrong) {
      const response = await post({ "Content-Type": "application/proto-rpc" }, hex(body));
      const error = errorOf(response);
      assert.equal(error.code, 400);
      assert.match(error.detail, expected, body);
      // The answer is in an envelope, too.
      assert.equal((await response.arrayBuffer()).byteLength > 8, true);
    }
    assert.equal(calls.length, 0);
    assert.match(errorOf(await post({ "Content-Type": "application/cbor" }, "x")).detail, /Micro-Endpoint/);
    assert.match(
      errorOf(await post({ "Content-Type": "application/grpc" }, hex("0000000000"))).detail,
      /no endpoint is named/,
    );
  });

  test("ends a call at its deadline, and with its caller", async () => {
    const { post, calls, clock } = served();
    const hang = { ...HELLO, "Micro-Endpoint": "Greeter.Hang" };
    const late = post({ ...hang, Timeout: "1500000" }, "{}");
    while (calls.length < 1) await turn();
    const { signal } = calls[0]!;
    await clock.advance(3);
    assert.equal(errorOf(await late).code, 408);
    assert.equal((signal.reason as MuonError).status, "deadline_exceeded");
    assert.equal(calls[0]!.over, true);
    calls[0]!.reply(utf8("too late"));

    const caller = new AbortController();
    const left = post(hang, "{}", { signal: caller.signal });
    while (calls.length < 2) await turn();
    const gone = calls[1]!.signal;
    caller.abort();
    assert.equal((gone.reason as MuonError).status, "canceled");
    assert.equal(errorOf(await left).code, 499);
    assert.equal(clock.pending, 0);
  });

  test("cuts an error that no header could hold", async () => {
    const protocol = createMucpTransport({ system: { clock: new VirtualClock(), entropy } }).protocol!((
      call,
    ) => call.fail(new MuonError("internal", "ß".repeat(50_000), { details: [{ type: "x", value: 1n }] })));
    const response = await protocol.fetch!(
      new Request("http://x/", { method: "POST", headers: HELLO, body: "{}" }),
      PEER,
    );
    assert.ok(response.headers.get("micro-error")!.length <= 6_000);
    const { detail, code } = errorOf(response);
    assert.equal(code, 500);
    assert.match(detail, /^ß{100,}…$/);
  });

  test("says of an error that its details did not go", async () => {
    const details = [{ type: "x", value: "y".repeat(10_000) }];
    const protocol = createMucpTransport({ system: { clock: new VirtualClock(), entropy } }).protocol!((
      call,
    ) => call.fail(new MuonError("aborted", "no", { details })));
    const request = new Request("http://x/", { method: "POST", headers: HELLO, body: "{}" });
    const { detail, status } = errorOf(await protocol.fetch!(request, PEER));
    assert.equal(status, "aborted");
    assert.equal(detail, "no (its details were left out: a header does not hold them)");
  });

  test("drains: serves on until nobody has called for a while, as Go Micro's callers try nowhere else", async () => {
    const { post, protocol, clock, calls } = served();
    let drained = 0;
    const drain = () => protocol.drain(new AbortController().signal).then(() => drained++);
    await drain();
    const hanging = post({ ...HELLO, "Micro-Endpoint": "Greeter.Hang" }, "{}");
    while (calls.length < 1) await turn();
    const second = drain();
    await clock.advance(1_000);
    assert.equal(drained, 1, "a call is under way");
    calls[0]!.reply(utf8("{}"));
    await hanging;
    await clock.advance(200);
    assert.equal(await (await post(HELLO, "[1]")).text(), "[1]");
    await clock.advance(200);
    assert.equal(drained, 1, "one came just now");
    await clock.advance(100);
    await second;
    assert.equal(drained, 2);
    await post(HELLO, "{}");
    await protocol.drain(AbortSignal.abort());
  });
});

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

test("the text of a body is the caller's, byte for byte", async () => {
  const { post, calls } = served();
  await post(HELLO, '{"name":"\\u003cß\\u003e"}');
  assert.equal(text(calls[0]!.body!), '{"name":"\\u003cß\\u003e"}');
});
