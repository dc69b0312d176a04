import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { join, recordsOf, world } from "../../../tests/support/http_world.ts";
import { text, toBase64, utf8 } from "../../bytes.ts";
import type { Delivery } from "../broker.ts";
import type { HttpBrokerOptions } from "./http.ts";

describe("http broker that receives", () => {
  async function subscribed(options: Partial<HttpBrokerOptions> = {}) {
    const at = world();
    const broker = join(at, "10.0.0.1:1", options);
    const got: Delivery[] = [];
    await broker.subscribe("t.x", (delivery) => {
      got.push(delivery);
    });
    const id = (await recordsOf(broker))[0]!.nodes[0]!.id;
    const post = async (body: BodyInit, to = id) => {
      const url = `http://10.0.0.1:1/?id=${encodeURIComponent(to)}`;
      const init = { method: "POST", body, duplex: "half" } as RequestInit;
      const response = await broker.protocol.fetch!(new Request(url, init), { address: "127.0.0.1:1" });
      const answer = await response.text();
      await at.clock.advance(0);
      return { status: response.status, answer };
    };
    return { at, broker, got, post, [Symbol.asyncDispose]: () => broker[Symbol.asyncDispose]() };
  }

  test("matches POST / with an id, and nothing else", async () => {
    await using receiving = await subscribed();
    const { protocol } = receiving.broker;
    const matches = (method: string, path: string) => protocol.matches({ method, path, header: () => null });
    assert.equal(matches("POST", "/?id=t.x-abc"), true);
    assert.equal(matches("POST", "/?a=b&id=t%2Fx"), true);
    for (
      const [method, path] of [["GET", "/?id=x"], ["POST", "/"], ["POST", "/?x=id"], [
        "POST",
        "/a?id=x",
      ]] as const
    ) assert.equal(matches(method, path), false, `${method} ${path}`);
  });

  test("finds the id wherever it stands in the query, and however it is written", async () => {
    await using receiving = await subscribed();
    const { protocol, registry } = receiving.broker;
    const id = (await recordsOf({ registry }))[0]!.nodes[0]!.id;
    for (const query of [`id=${id}`, `id=${id.replaceAll("-", "%2D")}`, `a=b&id=${id}`, `id=${id}&a=b`]) {
      const request = new Request(`http://10.0.0.1:1/?${query}`, { method: "POST", body: "{}" });
      assert.equal((await protocol.fetch!(request, { address: "127.0.0.1:1" })).status, 204, query);
    }
  });

  test("takes what Go Micro sends", async () => {
    await using receiving = await subscribed();
    const { status, answer } = await receiving.post(
      '{"Header":{"Content-Type":"application/json","Micro-ID":"688241cb","Micro-Topic":"t.x","foo":"bar"},' +
        '"Body":"eyJuYW1lIjoiaGV5IFx1MDAzY8OpXHUwMDNlIn0K"}',
    );
    assert.deepEqual({ status, answer }, { status: 204, answer: "" });
    const { message, topic } = receiving.got[0]!;
    assert.equal(topic, "t.x");
    assert.equal(message.id, "688241cb");
    assert.equal(text(message.body), '{"name":"hey \\u003cé\\u003e"}\n');
    assert.equal(message.header.foo, "bar");
  });

  test("takes an empty message, which Go writes as null, and gives an id to what has none", async () => {
    await using receiving = await subscribed();
    assert.equal((await receiving.post('{"Header":null,"Body":null}')).status, 204);
    assert.equal(receiving.got[0]!.message.body.length, 0);
    assert.match(receiving.got[0]!.message.id, /^[0-9a-f-]{36}$/);
  });

  test("answers as soon as the inbox has it, and again with 429 when there is no room", async () => {
    const at = world();
    await using broker = join(at, "10.0.0.1:1", { policy: { capacity: 1 } });
    await broker.subscribe(
      "t.x",
      ({ signal }) => new Promise((resolve) => signal.addEventListener("abort", () => resolve())),
      { concurrency: 1 },
    );
    const id = (await recordsOf(broker))[0]!.nodes[0]!.id;
    const statuses: number[] = [];
    for (let i = 0; i < 3; i++) {
      const request = new Request(`http://10.0.0.1:1/?id=${id}`, { method: "POST", body: "{}" });
      statuses.push((await broker.protocol.fetch!(request, { address: "127.0.0.1:1" })).status);
    }
    assert.deepEqual(statuses, [204, 204, 429]);
  });

  test("takes nothing under an id it did not give out", async () => {
    await using receiving = await subscribed();
    for (const id of ["", "t.x", "t.x-00000000-0000-4000-8000-000000000000", "__proto__"]) {
      const { status, answer } = await receiving.post("{}", id);
      assert.equal(status, 404);
      assert.equal(JSON.parse(answer).detail, "there is no such subscription here");
    }
    assert.deepEqual(receiving.got, []);
  });

  test("takes nothing from a browser's page", async () => {
    await using receiving = await subscribed();
    const id = (await recordsOf(receiving.broker))[0]!.nodes[0]!.id;
    for (const origin of ["http://10.0.0.1:1", "null"]) {
      const init = { method: "POST", body: "{}", headers: { origin } };
      const request = new Request(`http://10.0.0.1:1/?id=${id}`, init);
      const response = await receiving.broker.protocol.fetch!(request, { address: "127.0.0.1:1" });
      assert.equal(response.status, 403);
      assert.match((await response.json()).detail, /pages may not deliver events: .*"(http|null)/);
    }
    await receiving.at.clock.advance(0);
    assert.deepEqual(receiving.got, []);
  });

  test("does not take what comes whole only after the subscription was closed", async () => {
    const at = world();
    await using broker = join(at, "10.0.0.1:1");
    const subscription = await broker.subscribe("t.x", () => assert.fail("it is closed"));
    const id = (await recordsOf(broker))[0]!.nodes[0]!.id;
    const slow = new TransformStream<Uint8Array, Uint8Array>();
    const init = { method: "POST", body: slow.readable, duplex: "half" } as RequestInit;
    const request = new Request(`http://10.0.0.1:1/?id=${encodeURIComponent(id)}`, init);
    const answering = broker.protocol.fetch!(request, { address: "127.0.0.1:1" });
    const writer = slow.writable.getWriter();
    await writer.write(utf8('{"Header":'));
    await subscription[Symbol.asyncDispose]();
    await writer.write(utf8('{},"Body":null}'));
    await writer.close();
    // So its publisher tries another member, and not the same one again.
    assert.equal((await answering).status, 404);
  });

  test("says what is wrong with a delivery", async () => {
    await using receiving = await subscribed();
    const cases: [BodyInit, RegExp][] = [
      ["", /cannot read the delivery/],
      ["{", /cannot read the delivery/],
      ["null", /it is no JSON object/],
      ['{"Header":[]}', /"Header" is no object/],
      ['{"Header":{"a":1}}', /"Header" has "a", which is no string/],
      ['{"Body":5}', /"Body" is no string/],
      ['{"Body":"***"}', /"Body" is no base64/],
      [new Uint8Array([0xff, 0xfe]), /cannot read the delivery/],
    ];
    for (const [body, message] of cases) {
      const { status, answer } = await receiving.post(body);
      assert.equal(status, 400);
      const error = JSON.parse(answer);
      assert.equal(error.code, 400);
      assert.match(error.detail, message);
    }
    assert.deepEqual(receiving.got, []);
  });

  test("reads no more of a body than may come", async () => {
    await using receiving = await subscribed({ maxMessage: 1_000 });
    let pulled = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        pulled++;
        controller.enqueue(new Uint8Array(10_000).fill(0x20));
      },
    });
    const { status, answer } = await receiving.post(endless);
    assert.equal(status, 413);
    assert.match(JSON.parse(answer).detail, /more than \d+ bytes: at most \d+ are taken/);
    assert.ok(pulled < 12, `${pulled} parts were read`);
    for (
      const headers of [{ "content-length": "70000" }, {
        "content-length": "70000",
        "transfer-encoding": "x",
      }]
    ) {
      pulled = 0;
      const body = new ReadableStream({ pull: () => void pulled++ }, { highWaterMark: 0 });
      const init = { method: "POST", body, headers, duplex: "half" } as RequestInit;
      const id = (await recordsOf(receiving.broker))[0]!.nodes[0]!.id;
      const request = new Request(`http://10.0.0.1:1/?id=${id}`, init);
      assert.equal((await receiving.broker.protocol.fetch!(request, { address: "127.0.0.1:1" })).status, 413);
      assert.equal(pulled, 0, "what is declared too large is not read");
    }
    const large = await receiving.post(JSON.stringify({ Header: {}, Body: toBase64(new Uint8Array(1_001)) }));
    assert.equal(large.status, 413);
    assert.match(JSON.parse(large.answer).detail, /has 1001 bytes: at most 1000 are taken/);
  });
});
