import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { utf8 } from "../../bytes.ts";
import { seeded } from "../../random.ts";
import { decodeDns, type DnsMessage, encodeDns, MAX_MESSAGE, nameLength, TYPE } from "./dns.ts";

const name = "greeter-1.greeter.micro";
const answer: DnsMessage = {
  id: 0,
  response: true,
  questions: [{ name: "greeter.micro", type: TYPE.PTR }],
  answers: [
    { name: "greeter.micro", ttl: 120, type: TYPE.PTR, target: name },
    { name, ttl: 120, type: TYPE.SRV, priority: 10, weight: 1, port: 9090, target: "vm" },
    { name: "vm", ttl: 120, type: TYPE.A, address: Uint8Array.of(127, 0, 0, 1) },
    { name: "vm", ttl: 4_294_967_295, type: TYPE.AAAA, address: new Uint8Array(16).fill(7) },
    { name, ttl: 0, type: TYPE.TXT, strings: ["ab", ""] },
  ],
  authorities: [],
  additionals: [],
};

function hex(text: string): Uint8Array {
  return Uint8Array.from(text.replaceAll(/\s/g, "").match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
}

describe("DNS messages", () => {
  test("what is written is read", () => {
    assert.deepEqual(decodeDns(encodeDns(answer)), answer);
    const probe: DnsMessage = {
      ...answer,
      id: 65_535,
      response: false,
      answers: [],
      authorities: [...answer.answers.slice(1, 2)],
      additionals: [...answer.answers.slice(4)],
    };
    assert.deepEqual(decodeDns(encodeDns(probe)), probe);
  });

  test("bytes are as RFC 1035 has them, with the ends of names shared, but not in SRV", () => {
    const bytes = encodeDns({ ...answer, answers: answer.answers.slice(0, 2) });
    assert.deepEqual(
      bytes,
      hex(`
        0000 8400 0001 0002 0000 0000
        07 67726565746572 05 6d6963726f 00 000c 0001
        c00c 000c 0001 00000078 000c 09 677265657465722d31 c00c
        c02b 0021 0001 00000078 000a 000a 0001 2382 02 766d 00
      `),
    );
  });

  test("a question of Go Micro's is read, whatever its class's top bit says", () => {
    for (const qclass of ["0001", "8001", "00ff"]) {
      const question = hex(`1234 0000 0001 0000 0000 0000 02 6869 05 6d6963726f 00 000c ${qclass}`);
      assert.deepEqual(decodeDns(question)?.questions, [{ name: "hi.micro", type: TYPE.PTR }]);
    }
    assert.deepEqual(decodeDns(hex("1234 0000 0001 0000 0000 0000 00 000c 0003"))?.questions, []);
  });

  test("records of other types and classes are left out", () => {
    const mixed = hex(`
      0000 8400 0000 0003 0000 0000
      01 61 00 0010 0001 00000001 0002 01 62
      01 61 00 002f 0001 00000001 0003 ffffff
      01 61 00 0001 0003 00000001 0001 ff`);
    assert.deepEqual(decodeDns(mixed)?.answers, [{ name: "a", ttl: 1, type: TYPE.TXT, strings: ["b"] }]);
  });

  test("what is cut, looped, too long or of another kind is no message", () => {
    const whole = encodeDns(answer);
    for (let length = 0; length < whole.length; length++) {
      assert.equal(decodeDns(whole.subarray(0, length)), undefined, `cut after ${length} bytes`);
    }
    const head = "0000 8400 0001 0000 0000 0000";
    const bad: Record<string, Uint8Array> = {
      "a name that points to itself": hex(`${head} c00c 000c 0001`),
      "a name that points forwards": hex(`${head} c00e 00 000c 0001`),
      "two names that point to each other": hex(
        `0000 8400 0002 0000 0000 0000 01 61 c010 01 62 c00c 000c 0001`,
      ),
      "a label of a kind that nobody uses": hex(`${head} 40 00 000c 0001`),
      "a name over 255 bytes": new Uint8Array([
        ...hex(head),
        ...Array.from({ length: 4 }, () => [63, ...utf8("x".repeat(63))]).flat(),
        ...hex("00 000c 0001"),
      ]),
      "a dot within a label": hex(`${head} 03 612e62 00 000c 0001`),
      "no UTF-8": hex(`${head} 01 ff 00 000c 0001`),
      "more records than there may be": hex("0000 8400 ffff ffff ffff ffff"),
      "an address of three bytes": hex("0000 8400 0000 0001 0000 0000 00 0001 0001 00000001 0003 010203"),
      "an address of five bytes": hex("0000 8400 0000 0001 0000 0000 00 0001 0001 00000001 0005 0102030405"),
      "a text longer than its record": hex(
        "0000 8400 0000 0001 0000 0000 00 0010 0001 00000001 0002 05 61 62626262",
      ),
      "a truncated message": hex("0000 8600 0000 0000 0000 0000"),
      "another operation": hex("0000 2000 0000 0000 0000 0000"),
      "an error": hex("0000 8403 0000 0000 0000 0000"),
    };
    for (const [why, data] of Object.entries(bad)) assert.equal(decodeDns(data), undefined, why);
    assert.equal(decodeDns(new Uint8Array(MAX_MESSAGE + 1)), undefined);
  });

  test("no bytes throw, and none take long", () => {
    const random = seeded(7);
    const whole = encodeDns(answer);
    for (let i = 0; i < 5_000; i++) {
      const data = whole.slice();
      for (let n = 0; n < 1 + i % 4; n++) data[Math.floor(random.next() * data.length)] = random.next() * 256;
      decodeDns(data);
    }
    // Every name of it a chain of pointers, each one step back.
    const chain = [
      0,
      ...Array.from({ length: 30_000 }, (_, i) => [0xc0 | (12 + 2 * i) >> 8 & 0x3f, 12 + 2 * i & 0xff])
        .flat(),
    ];
    decodeDns(Uint8Array.from([0, 0, 0x84, 0, 1, 0, 0, 0, 0, 0, 0, 0, ...chain]));
  });

  test("a name that cannot be written is refused", () => {
    assert.equal(nameLength("a.micro"), 9);
    assert.equal(nameLength("x".repeat(63)), 65);
    for (const bad of ["", ".", "a..b", ".a", "a.", "x".repeat(64), "ü".repeat(32), "a.".repeat(127) + "a"]) {
      assert.throws(() => nameLength(bad), RangeError, bad);
      assert.throws(
        () => encodeDns({ ...answer, questions: [{ name: bad, type: TYPE.PTR }] }),
        RangeError,
        bad,
      );
    }
  });

  test("texts and messages that are too long are refused", () => {
    const txt = (strings: string[]) =>
      encodeDns({ ...answer, answers: [{ name, ttl: 1, type: TYPE.TXT, strings }] });
    assert.throws(() => txt(["x".repeat(256)]), RangeError);
    assert.throws(() => txt(Array.from({ length: 256 }, () => "x".repeat(255))), RangeError);
    assert.ok(txt(Array.from({ length: 255 }, () => "x".repeat(255))).length < MAX_MESSAGE);
  });
});
