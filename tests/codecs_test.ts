/** A codec of somebody's own, for calls, streams and events, over every transport. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { z } from "zod";
import { edge } from "../edge.ts";
import {
  type Codec,
  connect,
  createService,
  type Marshal,
  Method,
  MuonError,
  Service,
  SILENT,
  Subscribe,
} from "../mod.ts";

const TYPE = "application/x-scrambled";
const marshal: Marshal = {
  encode: (value) => new TextEncoder().encode(JSON.stringify(value) ?? "").map((byte) => byte ^ 0x55),
  decode: (bytes) =>
    bytes.length === 0 ? undefined : JSON.parse(new TextDecoder().decode(bytes.map((byte) => byte ^ 0x55))),
};
const scrambled: Codec = { contentType: TYPE, bind: () => marshal };

@Service("teller")
class Teller {
  readonly seen: unknown[] = [];

  @Method({ input: z.object({ name: z.string() }), output: z.object({ greeting: z.string() }) })
  hello({ name }: { name: string }) {
    return { greeting: `Hello ${name}` };
  }

  @Method({ input: z.number(), output: z.number() })
  async *count(to: number) {
    for (let n = 1; n <= to; n++) yield n;
  }

  @Subscribe("told")
  told(event: unknown) {
    this.seen.push(event);
  }
}

describe("a codec of one's own", () => {
  for (const transport of ["ws", "http", "mucp", "memory"]) {
    test(`writes calls and streams over ${transport}`, async () => {
      const options = { registry: "memory", broker: "memory", transport, log: SILENT };
      await using service = createService({ ...options, codecs: [scrambled] }).handle(new Teller());
      await service.start();
      await using mesh = await connect({ ...options, codecs: [scrambled], contentType: TYPE });
      const teller = mesh.client<Teller>("teller");
      assert.deepEqual(await teller.hello({ name: "John" }), { greeting: "Hello John" });
      await assert.rejects(
        teller.hello({ name: 1 as never }),
        (error) => error instanceof MuonError && error.status === "invalid_argument",
      );
      if (transport === "mucp") return;
      const items: number[] = [];
      for await (const n of teller.count(3)) items.push(n);
      assert.deepEqual(items, [1, 2, 3]);
    });
  }

  for (const broker of ["http", "memory"]) {
    test(`writes events to the ${broker} broker`, async () => {
      const options = { registry: "memory", broker, log: SILENT, codecs: [scrambled] };
      const teller = new Teller();
      await using service = createService(options).handle(teller);
      await service.start();
      await using mesh = await connect(options);
      await mesh.publish("told", { id: 1 }, { contentType: TYPE });
      while (teller.seen.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      assert.deepEqual(teller.seen, [{ id: 1 }]);
    });
  }

  test("is for one call where it says so, and unknown to those who were not given it", async () => {
    const memory = { registry: "memory", transport: "memory", broker: "memory", log: SILENT } as const;
    await using service = createService(memory).handle(new Teller());
    await service.start();
    await using ours = await connect({ ...memory, codecs: [scrambled] });
    await using theirs = await connect(memory);
    for (const mesh of [ours, theirs]) {
      const call = mesh.client<Teller>("teller").hello({ name: "John" }, { contentType: TYPE });
      await assert.rejects(call, /unsupported content type "application\/x-scrambled": this side reads/);
    }
  });

  test("has a content type of its own", async () => {
    const json = { ...scrambled, contentType: "application/json" };
    await assert.rejects(
      connect({ registry: "memory", codecs: [json] }),
      /"application\/json" has two codecs/,
    );
    await assert.rejects(
      connect({ registry: "memory", codecs: [scrambled, scrambled] }),
      /"application\/x-scrambled" has two codecs/,
    );
  });

  test("must be one", async () => {
    const maker = (() => scrambled) as never;
    await assert.rejects(
      connect({ registry: "memory", codecs: [maker] }),
      /A codec must be an object with a contentType and the method bind/,
    );
  });

  test("is read on the edge", async () => {
    const { fetch } = edge(Teller, { codecs: [scrambled] });
    const answer = await fetch(
      new Request("http://edge/teller.Teller/Hello", {
        method: "POST",
        headers: { "content-type": TYPE },
        body: marshal.encode({ name: "John" }) as Uint8Array<ArrayBuffer>,
      }),
    );
    assert.deepEqual([answer.status, answer.headers.get("content-type")], [200, TYPE]);
    assert.deepEqual(marshal.decode(await answer.bytes()), { greeting: "Hello John" });
  });
});
