import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ownSystem, runtime } from "../../../tests/conformance/own_adapter.ts";
import { concat, text, utf8 } from "../../bytes.ts";
import type { MuonError } from "../../errors.ts";
import { Metadata } from "../../metadata.ts";
import type { CallHead, Link } from "../transport.ts";
import { END, envelope, EnvelopeReader } from "./envelope.ts";
import { createHttpTransport } from "./http.ts";

const system = ownSystem();

/** A server that knows Connect and not muon: it refuses what Connect does not say. */
async function answer(request: Request): Promise<Response> {
  if (request.method !== "POST") return new Response("no", { status: 405 });
  assert.doesNotMatch(request.headers.get("accept") ?? "", /connect/);
  const type = request.headers.get("content-type")!;
  if (type === "application/json") {
    const { code } = await request.json();
    return code === undefined
      ? new Response("{}", { headers: { "content-type": type, "x-lead": "1", "trailer-x-end": "2" } })
      : new Response(JSON.stringify({ code, message: "why" }), {
        status: 409,
        headers: { "content-type": "application/json" },
      });
  }
  const reader = new EnvelopeReader(request.body!, 1_000);
  const sent: string[] = [];
  for (let item = await reader.next(); item !== undefined; item = await reader.next()) {
    assert.equal(item.end, false, "a caller's stream ends with its body");
    sent.push(text(item.body));
  }
  const end = sent[0] === "fail"
    ? { error: { code: "aborted", message: "half way" } }
    : { metadata: { "X-End": ["2"] } };
  const whole = concat([envelope(utf8(sent.join("+"))), envelope(utf8(JSON.stringify(end)), END)]);
  return new Response(whole as Uint8Array<ArrayBuffer>, { headers: { "content-type": type } });
}

function head(from: Partial<CallHead> = {}): CallHead {
  return {
    service: "acme.v1",
    endpoint: "Greet.Hello",
    metadata: Metadata.EMPTY,
    contentType: "application/json",
    timeout: 10_000,
    idempotent: false,
    ...from,
  };
}

function unary(link: Link, body: string): Promise<{ body: string; trailer: Metadata }> {
  return new Promise((resolve, reject) => {
    link.unary(head(), utf8(body), {
      reply: (body, trailer) => resolve({ body: text(body!), trailer }),
      fail: reject,
    });
  });
}

async function collect(messages: AsyncIterable<Uint8Array>): Promise<string[]> {
  const items: string[] = [];
  for await (const item of messages) items.push(text(item));
  return items;
}

describe(`Connect's servers, called from ${runtime}`, () => {
  test("get Connect and nothing else", async () => {
    await using host = await system.platform.serve({});
    const seen: string[] = [];
    host.mount({
      name: "foreign",
      matches: () => true,
      fetch(request) {
        if (request.method === "POST") seen.push(new URL(request.url).pathname);
        return answer(request);
      },
    });
    const node = { id: "x", address: host.addresses[0]!, metadata: {} };
    await using link = await createHttpTransport({ system }).dial(node);
    assert.equal(link.contentType, "application/json");

    const good = await unary(link, "{}");
    assert.equal(good.body, "{}");
    assert.deepEqual(good.trailer.toJSON(), { "x-lead": "1", "x-end": "2" });
    await assert.rejects(unary(link, '{"code":"aborted"}'), {
      status: "aborted",
      detail: "why",
      notRun: false,
    });

    const streams = [["client", false], ["bidi", true], [undefined, true]] as const;
    for (const [kind, streaming] of streams) {
      const call = link.open(head({ kind }));
      await call.send(utf8("a"));
      await call.send(utf8("b"));
      call.end();
      assert.deepEqual(await collect(call.messages), ["a+b"]);
      assert.equal(await call.streaming, streaming);
      assert.deepEqual((await call.trailer).toJSON(), { "x-end": "2" });
    }
    const failing = link.open(head({ kind: "bidi" }));
    await failing.send(utf8("fail"));
    failing.end();
    await assert.rejects(collect(failing.messages), { status: "aborted", detail: "half way" });
    assert.equal(link.inflight, 0);
    assert.equal(link.accepting, true);
    assert.deepEqual([...new Set(seen)], ["/acme.v1.Greet/Hello"]);
  });

  test("that are none are told from them", async () => {
    await using host = await system.platform.serve({});
    const answers = [
      new Response("<html>", { headers: { "content-type": "text/html" } }),
      new Response("gateway", { status: 502 }),
      new Response("elsewhere", { status: 302, headers: { location: "http://127.0.0.1:1/" } }),
    ];
    host.mount({
      name: "web",
      matches: () => true,
      fetch: (request) => request.method === "POST" ? answers.shift()! : new Response(null, { status: 404 }),
    });
    const node = { id: "x", address: host.addresses[0]!, metadata: {} };
    await using link = await createHttpTransport({ system }).dial(node);
    const errors: MuonError[] = [];
    for (let i = 0; i < 3; i++) await unary(link, "{}").catch((error) => errors.push(error));
    assert.deepEqual(errors.map(({ status, notRun }) => [status, notRun]), [
      ["internal", false],
      ["unavailable", false],
      ["unknown", false],
    ]);
    assert.match(errors[0]!.detail, /"text\/html" in place of "application\/json"/);
    assert.match(errors[1]!.detail, /HTTP 502: gateway/);
  });
});
