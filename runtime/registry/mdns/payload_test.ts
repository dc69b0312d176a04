import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { deflateSync } from "node:zlib";
import { zlib as turnZlib } from "../../../tests/support/mdns_world.ts";
import { utf8 } from "../../bytes.ts";
import { parseRecord, type ServiceRecord } from "../../record.ts";
import { decodePayload, encodePayload, MAX_JSON, webZlib } from "./payload.ts";

const record: ServiceRecord = {
  name: "greeter",
  version: "1.0.0",
  metadata: { type: "helloworld" },
  endpoints: [{ name: "Greeter.Hello", request: null, response: null, metadata: { member: "hello" } }],
  nodes: [{ id: "greeter-1", address: "10.0.0.1:80", metadata: { muon: "muon.v1" } }],
};
const { id, address } = record.nodes[0]!;

function deflated(value: unknown): string {
  return deflateSync(typeof value === "string" ? value : JSON.stringify(value)).toString("hex");
}

describe("payload of a node", () => {
  for (const [which, zlib] of [["the web's", webZlib], ["the tests'", turnZlib]] as const) {
    test(`what is written is read, with ${which} zlib`, async () => {
      const texts = await encodePayload(record, zlib);
      assert.ok(texts.length > 1 && texts.every((text) => /^[0-9a-f]{1,255}$/.test(text)), String(texts));
      const payload = await decodePayload(texts.join(""), zlib);
      assert.equal(payload?.service, "greeter");
      assert.deepEqual(parseRecord(payload.record({ id, address })), record);
    });
  }

  test("Go Micro's is read: the transcript of the wire", async () => {
    const json =
      `{"Metadata":{"protocol":"mucp"},"Service":"go.micro.srv.greeter","Version":"latest","Endpoints":` +
      `[{"request":{"name":"Req","type":"Req","values":null},"response":null,"metadata":null,"name":"A.B"}]}`;
    const payload = await decodePayload(deflated(json), webZlib);
    assert.deepEqual(parseRecord(payload!.record({ id, address })), {
      name: "go.micro.srv.greeter",
      version: "latest",
      metadata: {},
      endpoints: [{
        name: "A.B",
        request: { name: "Req", type: "Req", values: null },
        response: null,
        metadata: {},
      }],
      nodes: [{ id, address, metadata: { protocol: "mucp" } }],
    });
  });

  test("what is no payload is none", async () => {
    const bad = {
      "no text": "",
      "no hexadecimal": "xyz!",
      "half a byte": "789",
      "no zlib": "00112233",
      "a cut one": deflated({ Service: "greeter" }).slice(0, 16),
      "no JSON": deflated("greeter"),
      "no UTF-8": deflateSync(Uint8Array.of(34, 255, 34)).toString("hex"),
      "no object": deflated("null"),
      "no service": deflated({ Version: "1" }),
      "a service that is no text": deflated({ Service: 7 }),
      "a service without a name": deflated({ Service: "" }),
    };
    for (const [why, text] of Object.entries(bad)) {
      assert.equal(await decodePayload(text, webZlib), undefined, why);
    }
  });

  test("a small one that inflates to much is dropped", async () => {
    const bomb = deflated({ Service: "greeter", Metadata: { x: "x".repeat(30_000_000) } });
    assert.ok(bomb.length < 65_000);
    assert.equal(await decodePayload(bomb, webZlib), undefined);
    await assert.rejects(
      webZlib.inflate(new Uint8Array(deflateSync(new Uint8Array(1_001))), 1_000),
      RangeError,
    );
    assert.equal(
      (await webZlib.inflate(new Uint8Array(deflateSync(new Uint8Array(1_000))), 1_000)).length,
      1_000,
    );
  });

  test("a record that is too large is refused", async () => {
    const large = { ...record, metadata: { x: "x".repeat(MAX_JSON) } };
    await assert.rejects(encodePayload(large, webZlib), /must fit into 65536 bytes: it has 65\d+; shorten/);
    assert.ok(utf8(JSON.stringify(record)).length < MAX_JSON);
  });
});
