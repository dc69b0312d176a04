import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { readBody, type Reading } from "./body.ts";
import { text, utf8 } from "./bytes.ts";

describe("a body", () => {
  const input: Reading = { limit: 3, what: "input", id: "muon.http" };
  /** One whose length is not known. */
  const parts = (...texts: string[]) => {
    const stream = new ReadableStream({
      start(controller) {
        for (const one of texts) controller.enqueue(utf8(one));
        controller.close();
      },
    });
    return new Response(stream);
  };

  test("is read as far as it may go", async () => {
    assert.equal((await readBody(new Response(null), input)).length, 0);
    assert.equal(text(await readBody(new Response("abc"), input)), "abc");
    assert.equal(text(await readBody(parts("ab", "c"), input)), "abc");
    await assert.rejects(readBody(parts("ab", "cd"), input), {
      status: "resource_exhausted",
      id: "muon.http",
      notRun: true,
      detail: "the input has more than 3 bytes: at most 3 are taken (limit maxMessage)",
    });
  });

  test("is not read at all where it says that it is too large", async () => {
    const declared = new Response("abcd", { headers: { "content-length": "4" } });
    await assert.rejects(readBody(declared, { limit: 3, what: "delivery", id: "muon.broker" }), {
      id: "muon.broker",
      notRun: false,
      detail: "the delivery has 4 bytes: at most 3 are taken (limit maxMessage)",
    });
  });

  test("that is packed has another length than it says", async () => {
    const packed = parts("ab", "c");
    packed.headers.set("content-length", "99");
    packed.headers.set("content-encoding", "gzip");
    assert.equal(text(await readBody(packed, input)), "abc");
  });
});
