import assert from "node:assert/strict";
import { createServer } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { test } from "node:test";
import { text } from "../../runtime/bytes.ts";
import type { BareHeaders } from "../../runtime/host.ts";
import { NodeRequest } from "./bare_request.ts";

/** What becomes of bytes that a client sends: `take` sees the request. */
async function receive<T>(
  sent: string,
  take: (request: NodeRequest, client: Socket) => Promise<T> | T,
): Promise<T> {
  const { promise, resolve } = Promise.withResolvers<T>();
  const server = createServer((message, response) => {
    const request = new NodeRequest(message);
    response.on("close", () => {
      if (!response.writableFinished) request.abort();
    });
    resolve(take(request, client));
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
  client.on("error", () => {});
  client.write(sent, "latin1");
  try {
    return await promise;
  } finally {
    const closed = new Promise((done) => server.close(done));
    client.destroy();
    server.closeAllConnections();
    await closed;
  }
}

test("a request says its method, its path and its headers, as the web's would", async () => {
  const head = await receive(
    "POST /a.B/C?d=1 HTTP/1.1\r\nHost: x\r\nX-One: 1\r\nx-one: 2\r\nX-Latin: gr\u00fc\u00df\r\ncontent-length: 0\r\n\r\n",
    ({ method, url, headers }) => ({
      method,
      url,
      one: headers.get("x-one"),
      latin: headers.get("x-latin"),
      none: headers.get("constructor"),
      all: entries(headers).toSorted(([a], [b]) => a < b ? -1 : 1),
    }),
  );
  assert.deepEqual(head, {
    method: "POST",
    url: "http://localhost/a.B/C?d=1",
    one: "1, 2",
    latin: "grüß",
    none: null,
    all: [["content-length", "0"], ["host", "x"], ["x-latin", "grüß"], ["x-one", "1, 2"]],
  });
});

test("its body is read whole, or as a stream", async () => {
  const sent =
    "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
  assert.equal(
    await receive(sent, async (request) => text(await request.bytes())),
    "abcde",
  );
  const parts = await receive(sent, async (request) => text(await new Response(request.body).bytes()));
  assert.equal(parts, "abcde");
  const empty = "POST / HTTP/1.1\r\nhost: x\r\n\r\n";
  assert.equal(await receive(empty, async (request) => (await request.bytes()).length), 0);
});

test("a client that goes aborts its signal, and who waits for the body hears of it", async () => {
  const sent = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc";
  const whole = (request: NodeRequest) => request.bytes();
  const streamed = async (request: NodeRequest) => await new Response(request.body).bytes();
  for (const read of [whole, streamed]) {
    const heard: string[] = [];
    await receive(sent, async (request, client) => {
      const never = () => heard.push("never");
      request.signal.addEventListener("abort", never, { once: true });
      request.signal.removeEventListener("abort", never);
      const gone = new Promise<void>((resolve) =>
        request.signal.addEventListener("abort", () => resolve(), { once: true })
      );
      assert.equal(request.signal.aborted, false);
      const failing = assert.rejects(read(request));
      client.destroy();
      await Promise.all([failing, gone]);
      assert.equal(request.signal.aborted, true);
      await assert.rejects(read(request), "asked too late");
    });
    assert.deepEqual(heard, []);
  }
});

function entries(headers: BareHeaders): [string, string][] {
  const all: [string, string][] = [];
  headers.forEach((value, name) => void all.push([name, value]));
  return all;
}
