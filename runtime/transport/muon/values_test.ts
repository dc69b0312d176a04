import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { MuonError } from "../../errors.ts";
import { Metadata } from "../../metadata.ts";
import { below, seeded } from "../../random.ts";
import { errorTexts, readError, readHello, writeError, writeHello } from "./frames.ts";
import { KeysIn, KeysOut, metadataRoom, RoutesIn, RoutesOut } from "./intern.ts";
import { wireOptions } from "./limits.ts";
import { ProtocolError, Reader } from "./reader.ts";
import { Sender, type Wire } from "./sender.ts";
import { Entry, StreamTable } from "./stream_table.ts";
import { hex, testHead, toHex } from "./testing.ts";
import { Writer } from "./writer.ts";

/** What a frame's payload is written as. */
function payload(write: (writer: Writer) => void, room = 4096): Uint8Array {
  const writer = new Writer();
  const frame = writer.begin(0, 0, room);
  write(writer);
  writer.finish(frame);
  return writer.take().slice(5);
}

describe("varint", () => {
  const samples: [number, string][] = [
    [0, "00"],
    [42, "2a"],
    [127, "7f"],
    [128, "8001"],
    [300, "ac02"],
    [16_383, "ff7f"],
    [2 ** 31 - 1, "ffffffff07"],
    [2 ** 31, "8080808008"],
    [2 ** 32 + 5, "8580808010"],
    [Number.MAX_SAFE_INTEGER, "ffffffffffffff0f"],
  ];
  for (const [value, text] of samples) {
    test(`${value} is ${text}`, () => {
      assert.equal(toHex(payload((writer) => writer.varint(value))), text);
      const reader = new Reader(hex(text));
      assert.equal(reader.varint(), value);
      assert.equal(reader.at, text.length / 2);
    });
  }

  test("any integer comes back", () => {
    const random = seeded(7);
    for (let i = 0; i < 2_000; i++) {
      const value = Math.floor(random.next() * 2 ** below(random, 54));
      assert.equal(new Reader(payload((writer) => writer.varint(value))).varint(), value);
    }
  });

  test("cut, too long or too large is malformed", () => {
    for (const text of ["", "80", "ffff", "808080808080808001", "ffffffffffffff1f", "ffffffffffffffff7f"]) {
      assert.throws(() => new Reader(hex(text)).varint(), ProtocolError, text);
    }
  });
});

describe("text", () => {
  for (
    const text of ["", "a", "Greeter.Hello", "x".repeat(63), "x".repeat(64), "é", "日本語 😀".repeat(40)]
  ) {
    test(`${text.slice(0, 12)} (${text.length}) comes back`, () => {
      const reader = new Reader(payload((writer) => writer.text(text)));
      assert.equal(reader.text(10_000, "it"), text);
      assert.equal(reader.at, reader.end);
    });
  }

  test("longer than its limit, cut, or no UTF-8 is malformed", () => {
    assert.throws(() => new Reader(hex("03616263")).text(2, "a name"), /a name has 3 bytes, more than 2/);
    assert.throws(() => new Reader(hex("046162")).text(9, "a name"), /cut short/);
    assert.throws(() => new Reader(hex("02c328")).text(9, "a name"), /a name is no UTF-8/);
  });
});

describe("Writer", () => {
  test("what was taken is never written again, unless the caller said so", () => {
    const writer = new Writer();
    const batches: Uint8Array[] = [];
    for (let i = 0; i < 300; i++) {
      const frame = writer.begin(3, i, 1_000);
      writer.raw(new Uint8Array(1_000).fill(i));
      writer.finish(frame);
      batches.push(writer.take());
    }
    for (const [i, batch] of batches.entries()) {
      assert.equal(batch.length, 4 + (i < 128 ? 1 : 2) + 1_000);
      assert.ok(batch.subarray(-1_000).every((byte) => byte === (i & 255)));
    }
  });

  test("a batch grows past its buffer in one piece", () => {
    const writer = new Writer();
    for (let i = 0; i < 3; i++) {
      const frame = writer.begin(3, 1, 60_000);
      writer.raw(new Uint8Array(60_000).fill(i + 1));
      writer.finish(frame);
    }
    const batch = writer.take();
    assert.equal(batch.length, 3 * 60_005);
    for (let i = 0; i < 3; i++) assert.equal(batch[i * 60_005 + 5], i + 1);
    assert.equal(writer.size, 0);
  });

  test("are written over what was taken once nobody needs it, and never before", () => {
    const writer = new Writer();
    const write = (byte: number, length: number) => {
      const frame = writer.begin(3, 1, length);
      writer.raw(new Uint8Array(length).fill(byte));
      writer.finish(frame);
      return writer.take();
    };
    const first = write(1, 10);
    const second = write(2, 10);
    assert.deepEqual([first[5], second[5]], [1, 2]);
    assert.equal(writer.reuse(), true);
    assert.equal(Writer.lent(), writer);
    const third = write(3, 10);
    assert.equal(third.byteOffset, first.byteOffset);
    assert.deepEqual([first[5], second[5]], [3, 2]);
  });

  test("of connections that have nothing to say serve those that have", () => {
    const write = (writer: Writer, byte: number, length = 10) => {
      const frame = writer.begin(3, 1, length);
      writer.raw(new Uint8Array(length).fill(byte));
      writer.finish(frame);
    };
    const one = Writer.lent();
    write(one, 1);
    assert.equal(one.reuse(), false, "not while something is to be sent");
    one.take();
    assert.equal(one.reuse(), true);
    const [other, third] = [Writer.lent(), Writer.lent()];
    assert.equal(other, one, "the first that writes has it");
    assert.notEqual(third, one, "and the next another");
    write(other, 2);
    write(third, 3);
    assert.deepEqual([other, third].map((writer) => writer.take()[5]), [2, 3]);
    write(other, 4, 60_000);
    other.take();
    assert.equal(other.reuse(), false, "one that has grown is kept by whom it grew for");
  });

  test("are given back once, though what is told of the sending writes, too", () => {
    const sent: number[] = [];
    let more = 1;
    const wire: Wire = {
      buffered: 0,
      copies: true,
      send(batch) {
        sent.push(batch.length);
        if (more-- > 0) {
          sender.ping(new Uint8Array(8), false);
          sender.flush();
        }
      },
      wake() {},
      end() {},
    };
    const sender: Sender = new Sender(wire, wireOptions({}), { free: true });
    sender.ping(new Uint8Array(8), false);
    sender.flush();
    assert.deepEqual(sent, [13, 13]);
    assert.notEqual(Writer.lent(), Writer.lent());
  });

  test("give a buffer back that is hardly used any more, and nothing that was written", () => {
    const writer = new Writer();
    const write = (length: number) => {
      const frame = writer.begin(3, 1, length);
      writer.raw(new Uint8Array(length));
      writer.finish(frame);
    };
    write(60_000);
    const large = writer.take().buffer;
    writer.reuse();
    writer.trim();
    write(10);
    assert.equal(writer.take().buffer, large);
    writer.trim();
    write(10);
    writer.trim();
    assert.equal(writer.size, 15);
    assert.ok(writer.take().buffer.byteLength < 1_000);
  });
});

describe("interning", () => {
  test("a route is defined once, then named", () => {
    const out = new RoutesOut();
    const into = new RoutesIn();
    const sizes = ["A.One", "A.Two", "A.Three", "A.One", "A.Two", "A.Three"].map((endpoint) => {
      const bytes = payload((writer) => out.write(writer, testHead({ endpoint }), 2));
      assert.equal(into.read(new Reader(bytes), 2).endpoint, endpoint);
      return bytes.length;
    });
    assert.deepEqual(sizes.map((size) => size === 1), [false, false, false, true, true, false]);
  });

  test("routes that share an endpoint differ by service and content type", () => {
    const out = new RoutesOut();
    const into = new RoutesIn();
    for (let round = 0; round < 2; round++) {
      for (const service of ["a", "b"]) {
        for (const contentType of ["application/json", "application/cbor"]) {
          const head = testHead({ service, contentType });
          const read = into.read(new Reader(payload((writer) => out.write(writer, head, 10))), 10);
          assert.deepEqual([read.service, read.contentType], [service, contentType]);
        }
      }
    }
  });

  test("a route that two ends define is there once", () => {
    const read = (service: string, endpoint = "A.One") => {
      const head = testHead({ service, endpoint });
      return new RoutesIn().read(new Reader(payload((writer) => new RoutesOut().write(writer, head, 1))), 1);
    };
    const first = read("shared");
    assert.equal(read("shared"), first);
    assert.equal(read("other").service, "other");
    for (const between of ["\0", '","', "/"]) {
      read(`a${between}b`, "c");
      assert.equal(read("a", `b${between}c`).service, "a", JSON.stringify(between));
    }
  });

  test("metadata comes back, its keys named the second time", () => {
    const out = new KeysOut();
    const into = new KeysIn();
    const metadata = Metadata.from({ "x-tenant": "acme", "x-note": "é 😀" });
    const first = payload((writer) => out.write(writer, metadata, 1));
    const second = payload((writer) => out.write(writer, metadata, 1));
    assert.ok(second.length < first.length);
    assert.ok(first.length <= metadataRoom(metadata));
    for (const bytes of [first, second]) {
      const read = into.read(new Reader(bytes), { maxMetadata: 1_000, keys: 1 });
      assert.deepEqual(read instanceof Metadata && read.toJSON(), metadata.toJSON());
    }
    const size = metadata.byteLength;
    const again = payload((writer) => out.write(writer, metadata, 1));
    assert.equal(
      into.read(new Reader(again), { maxMetadata: size - 1, keys: 1 }),
      size,
      "both sides count alike",
    );
    assert.ok(into.read(new Reader(again), { maxMetadata: size, keys: 1 }) instanceof Metadata);
  });

  test("what was never defined, defined beyond the limit or is no metadata is malformed", () => {
    const route = (bytes: string, limit: number) => () => new RoutesIn().read(new Reader(hex(bytes)), limit);
    assert.throws(route("02", 5), /route 0 was never defined/);
    assert.throws(route("01 0161 0162 0163", 0), /more than 0 routes/);
    const keys = (bytes: string, limit: number) => () =>
      new KeysIn().read(new Reader(hex(bytes)), { maxMetadata: 99, keys: limit });
    assert.throws(keys("01 05", 5), /key 3 was never defined/);
    assert.throws(keys("01 01 0161 0162", 0), /more than 0 metadata keys/);
    assert.throws(keys("01 00 0141 0162", 5), /no lower-case token/);
    assert.throws(keys("01 00 0161 010a", 5), /control character/);
    assert.throws(keys("8102", 5), /257 entries, more than 256/);
  });
});

describe("HELLO and ERROR", () => {
  const hello = {
    ...wireOptions({ window: 70_000 }),
    agent: "muon/é",
    node: "greeter-1",
    features: ["a", "b"],
  };

  test("HELLO comes back, with what it does not know skipped", () => {
    const writer = new Writer();
    writeHello(writer, hello);
    const bytes = writer.take();
    const read = readHello(new Reader(new Uint8Array([...bytes.subarray(5), 99, 2, 1, 2])));
    for (const [name, value] of Object.entries(read)) {
      assert.deepEqual(value, hello[name as keyof typeof hello], name);
    }
  });

  test("a HELLO that says the same is one object, and no other is", () => {
    const read = (node: string, more: number[] = []) => {
      const writer = new Writer();
      writeHello(writer, { ...hello, node });
      return readHello(new Reader(new Uint8Array([...writer.take().subarray(5), ...more])));
    };
    const first = read("greeter-1");
    assert.equal(read("greeter-1"), first);
    assert.equal(read("greeter-2").node, "greeter-2");
    assert.notEqual(read("greeter-2", [99, 0]), read("greeter-2"));
    const long = "n".repeat(300);
    assert.equal(read(long).node, long);
    assert.notEqual(read(long), read(long), "long ones are not kept");
  });

  test("HELLO of another version, or below the least, is refused", () => {
    assert.throws(() => readHello(new Reader(hex("010102"))), /says version 2/);
    assert.throws(() => readHello(new Reader(hex("040105"))), /says window 5, less than 16384/);
    assert.throws(() => readHello(new Reader(hex("0109"))), /cut short/);
  });

  test("an error comes back with its details", () => {
    const error = new MuonError("not_found", "no user 42 é", {
      id: "users",
      code: 4404,
      details: [{ type: "google.rpc.ResourceInfo", value: { name: "42" } }],
    });
    const read = readError(
      new Reader(payload((w) => writeError(w, error, errorTexts(error, 1_000)))),
      true,
      {},
    );
    assert.deepEqual(read.toJSON(), error.toJSON());
    assert.equal(read.notRun, true);
  });

  test("details that cannot be sent are said to be missing", () => {
    const cyclic: Record<string, unknown> = {};
    cyclic.self = cyclic;
    const loop = new MuonError("internal", "oops", { details: [{ type: "x", value: cyclic }] });
    assert.match(errorTexts(loop, 1_000).detail, /oops \(its details were left out: they are no JSON/);
    const hostile = {
      toJSON() {
        throw Object.create(null);
      },
    };
    const odd = new MuonError("internal", "oops", { details: [{ type: "x", value: hostile }] });
    assert.match(errorTexts(odd, 1_000).detail, /they are no JSON: \[object\]\)$/);
    const large = new MuonError("internal", "oops", { details: [{ type: "x", value: "y".repeat(2_000) }] });
    assert.match(errorTexts(large, 1_000).detail, /left out: they have \d+ bytes, more than 1000/);
    assert.equal(errorTexts(large, 1_000).details.length, 0);
  });
});

describe("StreamTable", () => {
  class Item extends Entry {
    fire(): void {}
  }

  test("it does what a Map does", () => {
    const random = seeded(11);
    const table = new StreamTable<Item>();
    const map = new Map<number, Item>();
    let id = 1;
    for (let i = 0; i < 20_000; i++) {
      if (random.next() < 0.51) {
        const item = new Item(id);
        id += 2 * (1 + below(random, 40));
        table.add(item);
        map.set(item.id, item);
      } else if (map.size > 0) {
        const [key, item] = random.next() < 0.9 ? map.entries().next().value! : [...map.entries()].at(-1)!;
        assert.equal(table.remove(item), map.delete(key));
        assert.equal(table.remove(item), false);
      }
      assert.equal(table.size, map.size);
      const some = 1 + 2 * below(random, id);
      assert.equal(table.get(some), map.get(some));
    }
    assert.deepEqual(table.values().map((item) => item.id).sort(), [...map.keys()].sort());
  });

  test("many that are empty now and then have nothing of one another", () => {
    const random = seeded(13);
    const tables = Array.from({ length: 4 }, () => ({ table: new StreamTable<Item>(), items: [] as Item[] }));
    for (let id = 1; id < 4_000; id += 2) {
      const { table, items } = tables[below(random, tables.length)]!;
      if (items.length < 3 && random.next() < 0.5) {
        items.push(new Item(id));
        table.add(items.at(-1)!);
      } else if (items.length > 0) {
        assert.equal(table.remove(items.shift()!), true);
      }
      for (const one of tables) {
        assert.deepEqual(
          one.table.values().map((item) => item.id).sort(),
          one.items.map(({ id }) => id).sort(),
        );
      }
    }
  });

  test("ids beyond 32 bits keep apart", () => {
    const table = new StreamTable<Item>();
    const items = [1, 2 ** 32 + 1, 2 ** 33 + 1, 2 ** 52 + 1].map((id) => new Item(id));
    for (const item of items) table.add(item);
    for (const item of items) assert.equal(table.get(item.id), item);
  });
});
