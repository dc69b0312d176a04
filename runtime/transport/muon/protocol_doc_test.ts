import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { MuonError } from "../../errors.ts";
import { Metadata } from "../../metadata.ts";
import { VirtualClock } from "../../virtual_clock.ts";
import { Explainer } from "./explain.ts";
import { WIRE } from "./limits.ts";
import { hex, TestEnd, TestPair, toHex } from "./testing.ts";

interface Example {
  readonly from: string;
  readonly bytes: Uint8Array;
  readonly lines: string[];
}

/** The messages in the page's block of hex. */
async function examples(): Promise<Example[]> {
  const page = await readFile(new URL("../../../docs/protocol.md", import.meta.url), "utf8");
  const block = /```muon\n([\s\S]*?)```/.exec(page);
  assert.ok(block !== null, "docs/protocol.md has a block of examples");
  return block[1]!.trim().split(/\n\n/).map((message) => {
    const [from, ...rest] = message.split("\n");
    return {
      from: from!,
      bytes: hex(rest.filter((line) => !line.startsWith("#")).join("")),
      lines: rest.filter((line) => line.startsWith("# ")).map((line) => line.slice(2)),
    };
  });
}

/** What two peers really say. */
async function conversation(): Promise<Example[]> {
  const { fragment } = WIRE;
  const pair = new TestPair({ dialler: { fragment }, listener: { fragment } });
  const said: Example[] = [];
  const explain = { dialler: new Explainer(), listener: new Explainer() };
  const turn = async () => {
    for (const [from, to] of [["dialler", "listener"], ["listener", "dialler"]] as const) {
      for (const bytes of pair[from].take()) {
        said.push({ from, bytes, lines: explain[from].explain(bytes) });
        pair[to].session.receive(bytes);
      }
    }
    await pair.clock.advance(0);
  };
  const cbor = { contentType: "application/cbor", timeout: 5_000 };
  await turn();
  await turn();
  const metadata = Metadata.from({ "x-tenant": "acme" });
  pair.dialler.call(hex("a1646e616d65644a6f686e"), { ...cbor, metadata, idempotent: true });
  await turn();
  pair.listener.calls[0]!.reply(hex("a1"), Metadata.from({ "x-node": "1" }));
  await turn();
  pair.dialler.call(hex("a0"), { ...cbor, metadata });
  const exchange = pair.dialler.open({ ...cbor, endpoint: "Greeter.Sum", timeout: 0 });
  exchange.send(hex("01"));
  exchange.send(hex("02"));
  exchange.end();
  await turn();
  await turn();
  const [, refused, sum] = pair.listener.calls;
  refused!.fail(
    new MuonError("not_found", "no user 42", { id: "greeter", details: [{ type: "id", value: 42 }] }),
  );
  sum!.send(hex("01"));
  sum!.send(hex("03"));
  sum!.end();
  await turn();
  const late = pair.dialler.call(hex("a0"), cbor);
  await turn();
  late.handle.cancel(new MuonError("canceled", "enough"));
  void pair.listener.session.drain();
  await turn();
  return said;
}

function render({ from, bytes, lines }: Example): string {
  const digits = toHex(bytes).match(/.{1,96}/g)!;
  return [from, ...digits, ...lines.map((line) => `# ${line}`)].join("\n");
}

describe("docs/protocol.md", () => {
  test("its examples are what two peers say, and mean what it says", async () => {
    const said = await conversation();
    assert.equal((await examples()).map(render).join("\n\n"), said.map(render).join("\n\n"));
    const kinds = new Set(said.flatMap(({ lines }) => lines.map((line) => line.split(" ", 1)[0])));
    for (
      const kind of ["HELLO", "CALL", "DATA", "REPLY", "END", "ERROR", "CANCEL", "PING", "PONG", "GOAWAY"]
    ) {
      assert.ok(kinds.has(kind), `${kind} has an example`);
    }
  });

  test("a peer that hears the dialler's examples takes them for what they are", async () => {
    const end = new TestEnd(new VirtualClock(), { dialler: false });
    for (const { from, bytes } of await examples()) {
      if (from === "dialler") end.session.receive(bytes);
    }
    assert.equal(end.session.over, false);
    assert.deepEqual(
      end.calls.map((
        { head, body },
      ) => [head.endpoint, head.timeout, body === undefined ? null : toHex(body)]),
      [
        ["Greeter.Hello", 5_000, "a1646e616d65644a6f686e"],
        ["Greeter.Hello", 5_000, "a0"],
        ["Greeter.Sum", 0, null],
        ["Greeter.Hello", 5_000, "a0"],
      ],
    );
    assert.deepEqual(end.calls.map(({ head }) => head.metadata.get("x-tenant")), [
      "acme",
      "acme",
      undefined,
      undefined,
    ]);
    assert.equal(end.calls[3]!.signal.reason.detail, "enough");
  });

  test("CREDIT and HEADER, which that exchange had no need of, are as it says", () => {
    assert.deepEqual(new Explainer().explain(hex("09 000003 01 ac02")), ["CREDIT 1 bytes=300"]);
    assert.deepEqual(new Explainer().explain(hex("05 00000a 01 01 00 03 782d61 02 3432")), [
      'HEADER 1 metadata={"x-a":"42"}',
    ]);
  });
});
