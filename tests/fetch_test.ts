/** The fetch that http, mucp and the http broker make their requests with, as this runtime's adapter has it. */
import assert from "node:assert/strict";
import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createNetServer, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { describe, test } from "node:test";
import type { TLSSocket } from "node:tls";
import { connect, createService, type ServiceDefinition, SILENT } from "../mod.ts";
import { text, utf8 } from "../runtime/bytes.ts";
import { fetchOf } from "../runtime/fetch.ts";
import { ownSystem, runtime } from "./conformance/own_adapter.ts";
import { CA_CERT, CLIENT_CERT, CLIENT_KEY, SERVER_CERT, SERVER_KEY } from "./fixtures/tls.ts";

const { platform } = ownSystem();
const fetch = fetchOf(platform, undefined);

async function listen(server: Server | ReturnType<typeof createNetServer>) {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

const serve = (answer: RequestListener) => listen(createServer(answer));

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}

describe(`fetch on ${runtime}`, () => {
  test("carries methods, headers in latin1, bodies of every kind, and their answers", async () => {
    await using server = await serve((request, response) => {
      const parts: Uint8Array[] = [];
      request.on("data", (part) => parts.push(part));
      request.on("end", () => {
        response.writeHead(request.method === "PUT" ? 201 : 200, {
          "x-method": request.method,
          "x-type": request.headers["content-type"] ?? "none",
          "x-length": request.headers["content-length"] ?? "none",
          "x-own": request.headers["x-own"] ?? "none",
          "set-cookie": ["a=1", "b=2"],
        });
        response.end(
          request.method === "HEAD" ? undefined : new Uint8Array(parts.flatMap((part) => [...part])),
        );
      });
    });
    const url = `http://${server.host}/a/b?c=d`;
    const bytes = utf8("grüße") as Uint8Array<ArrayBuffer>;
    const post = await fetch(url, { method: "POST", body: bytes, headers: { "X-Own": "gr\u00fc\u00dfe" } });
    assert.equal(post.status, 200);
    assert.equal(post.ok, true);
    assert.equal(await post.text(), "grüße");
    assert.deepEqual(["x-method", "x-type", "x-length", "x-own"].map((name) => post.headers.get(name)), [
      "POST",
      "none",
      "7",
      "grüße",
    ]);
    assert.deepEqual(post.headers.getSetCookie(), ["a=1", "b=2"]);
    const put = await fetch(new URL(url), { method: "PUT", body: "words", headers: [["x-own", "1"]] });
    assert.deepEqual([put.status, put.headers.get("x-own"), await put.text()], [201, "1", "words"]);
    const form = await fetch(new Request(url, { method: "POST", body: new URLSearchParams({ a: "ü" }) }));
    assert.equal(await form.text(), "a=%C3%BC");
    assert.match(form.headers.get("x-type")!, /urlencoded/);
    const empty = await fetch(url, { method: "POST", headers: new Headers({ "x-own": "2" }) });
    assert.deepEqual([empty.headers.get("x-length"), await empty.text()], ["0", ""]);
    const head = await fetch(url, { method: "HEAD" });
    assert.deepEqual([head.headers.get("x-method"), await head.text()], ["HEAD", ""]);
    assert.equal(await (await fetch(url)).text(), "");
  });

  test("streams both ways at once", async () => {
    await using server = await serve((request, response) => {
      response.flushHeaders();
      request.pipe(response);
    });
    let feed!: ReadableStreamDefaultController<Uint8Array>;
    const body = new ReadableStream<Uint8Array>({ start: (controller) => void (feed = controller) });
    const init: RequestInit & { duplex: "half" } = { method: "POST", body: body as BodyInit, duplex: "half" };
    const sent = fetch(`http://${server.host}/`, init);
    feed.enqueue(utf8("one"));
    const answer = (await sent).body!.getReader();
    assert.equal(text((await answer.read()).value!), "one");
    feed.enqueue(utf8("two"));
    assert.equal(text((await answer.read()).value!), "two");
    feed.close();
    assert.equal((await answer.read()).done, true);
  });

  test("fails with an upload that fails, and when an answer is cut off", async () => {
    let came = 0;
    let gone = 0;
    await using server = await serve((request, response) => {
      if (request.url === "/cut") return void response.write("half", () => response.destroy());
      request.once("data", () => came++);
      request.on("close", () => gone++);
    });
    let feed!: ReadableStreamDefaultController<Uint8Array>;
    const body = new ReadableStream<Uint8Array>({ start: (controller) => void (feed = controller) });
    const init: RequestInit & { duplex: "half" } = { method: "POST", body: body as BodyInit, duplex: "half" };
    const failing = assert.rejects(fetch(`http://${server.host}/`, init));
    feed.enqueue(utf8("one"));
    await until(() => came === 1);
    feed.error(new Error("no more to be had"));
    await failing;
    await until(() => gone === 1);
    await assert.rejects(fetch(`http://${server.host}/cut`).then((response) => response.text()));
  });

  test("ends at its signal: before, ahead of an answer, and amid one", async () => {
    let open = 0;
    await using server = await serve((request, response) => {
      open++;
      response.on("close", () => open--);
      if (request.url === "/amid") response.write("one");
    });
    const url = `http://${server.host}`;
    const reason = new Error("enough");
    await assert.rejects(fetch(`${url}/`, { signal: AbortSignal.abort(reason) }), reason);
    assert.equal(open, 0);
    const ahead = new AbortController();
    const waiting = fetch(`${url}/ahead`, { signal: ahead.signal });
    await until(() => open === 1);
    ahead.abort(reason);
    await assert.rejects(waiting, reason);
    await until(() => open === 0);
    const amid = new AbortController();
    const reader = (await fetch(`${url}/amid`, { signal: amid.signal })).body!.getReader();
    await reader.read();
    amid.abort(reason);
    await assert.rejects(reader.read());
    await until(() => open === 0);
    const left = (await fetch(`${url}/amid`)).body!;
    await left.cancel();
    await until(() => open === 0);
  });

  test("says where it was led, and does not follow", async () => {
    let elsewhere = 0;
    await using server = await serve((request, response) => {
      if (request.url === "/elsewhere") elsewhere++;
      response.writeHead(302, { location: "/elsewhere" }).end();
    });
    const manual = await fetch(`http://${server.host}/`, { redirect: "manual" });
    assert.deepEqual([manual.status, manual.headers.get("location")], [302, "/elsewhere"]);
    await manual.body?.cancel();
    await assert.rejects(fetch(`http://${server.host}/`, { redirect: "error" }), TypeError);
    assert.equal(elsewhere, 0);
  });

  test("trusts the authority it is given, and shows its certificate to who asks", async () => {
    const seen: string[] = [];
    await using server = await listen(createTlsServer(
      { cert: SERVER_CERT, key: SERVER_KEY, ca: CA_CERT, requestCert: true, rejectUnauthorized: false },
      (request, response) => {
        const { authorized } = request.socket as TLSSocket;
        seen.push(authorized ? "known" : "unknown");
        response.end("over TLS");
      },
    ));
    const url = `https://${server.host}/`;
    const get = async (tls: Parameters<typeof fetchOf>[1]) => (await fetchOf(platform, tls)(url)).text();
    assert.equal(await get({ ca: CA_CERT }), "over TLS");
    assert.equal(await get({ ca: CA_CERT, cert: CLIENT_CERT, key: CLIENT_KEY }), "over TLS");
    assert.deepEqual(seen, ["unknown", "known"], "connections of other certificates are not shared");
    await assert.rejects(get({}), TypeError);
    await assert.rejects(get({ cert: CLIENT_CERT, key: CLIENT_KEY }), "an authority is missing");
  });

  test("2,000 requests at once are answered, on a bounded number of connections where there is a bound", async () => {
    let open = 0;
    let most = 0;
    const http = createServer((request, response) => {
      request.resume();
      request.on("end", () => setTimeout(() => response.end(request.url), 1));
    });
    http.on("connection", (socket) => {
      most = Math.max(most, ++open);
      socket.on("close", () => open--);
    });
    await using server = await listen(http);
    const abort = new AbortController();
    const canceled: Promise<unknown>[] = [];
    const answers = await Promise.all(Array.from({ length: 2_000 }, async (_, i) => {
      const init = { method: "POST", body: utf8("{}") as Uint8Array<ArrayBuffer> };
      if (i % 10 === 9) {
        canceled.push(assert.rejects(fetch(`http://${server.host}/x`, { ...init, signal: abort.signal })));
        if (i === 1_999) abort.abort(new Error("enough"));
        return `/${i}`;
      }
      return await (await fetch(`http://${server.host}/${i}`, init)).text();
    }));
    assert.deepEqual(answers, Array.from({ length: 2_000 }, (_, i) => `/${i}`));
    await Promise.all(canceled);
    // Deno opens as many as it takes: one for each request that finds none idle.
    if (runtime !== "deno") assert.ok(most <= (runtime === "node" ? 256 : 1_024), `${most} connections`);
    assert.equal(await (await fetch(`http://${server.host}/last`)).text(), "/last");
  });

  test("a server that closed its idle connections costs one request, and one that may run twice none", async () => {
    const lines: string[] = [];
    /** Connections that are closed when a request comes, as if it had crossed with their end. */
    const stale = new Set<Socket>();
    const sockets: Socket[] = [];
    let waiting = 0;
    await using server = await listen(createNetServer((socket) => {
      sockets.push(socket);
      socket.on("error", () => {});
      socket.on("data", (data) => {
        const line = data.toString().split(" HTTP/", 1)[0]!;
        if (!/^[A-Z]+ \//.test(line)) return;
        lines.push(line);
        if (stale.has(socket)) return socket.destroy();
        const answer = () => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        if (line !== "POST /first") return answer();
        waiting++;
        void until(() => waiting === 4).then(answer);
      });
    }));
    const send = async (method: string, path: string) =>
      await (await fetch(`http://${server.host}${path}`, {
        method,
        ...(method === "POST" ? { body: utf8("{}") as Uint8Array<ArrayBuffer> } : {}),
      })).text();
    await Promise.all(Array.from({ length: 4 }, () => send("POST", "/first")));
    // Of the fetches that keep their connections in a task of its own, Deno's.
    await new Promise((resolve) => setTimeout(resolve, 20));
    for (const socket of sockets) stale.add(socket);
    assert.equal(await send("OPTIONS", "/idempotent"), "ok");
    assert.ok(lines.filter((line) => line === "OPTIONS /idempotent").length > 1);

    await Promise.all(Array.from({ length: 2 }, () => send("POST", "/second")));
    for (const socket of sockets) stale.add(socket);
    lines.length = 0;
    await assert.rejects(send("POST", "/lost"), TypeError);
    // Bun has no way to tell it to let go of the others.
    if (runtime !== "bun") {
      for (let i = 0; i < 4; i++) assert.equal(await send("POST", "/found"), "ok");
    }
    // Deno sends a request again on the next connection, whatever its method is.
    if (runtime !== "deno") assert.equal(lines.filter((line) => line === "POST /lost").length, 1);
  });
});

test("2,000 calls in flight over http, to a service of this runtime: none fails", async () => {
  const memory = { registry: "memory", broker: "memory", log: SILENT } as const;
  const definition: ServiceDefinition = {
    name: "test.busy",
    version: "1",
    handler: "Busy",
    metadata: {},
    forward: [],
    endpoints: [{ name: "Busy.Echo", member: "echo", idempotent: false }],
    subscriptions: [],
  };
  const service = createService(memory).handle(definition, { echo: (input: unknown) => input });
  await service.start();
  await using mesh = await connect({ ...memory, transport: "http" });
  const answers = await Promise.all(
    Array.from(
      { length: 2_000 },
      (_, n) => mesh.call<{ n: number }>("test.busy", "Busy.Echo", { n }, { timeout: 30_000, retries: 0 }),
    ),
  );
  assert.deepEqual(answers.map(({ n }) => n), Array.from({ length: 2_000 }, (_, n) => n));
  await service.stop();
});
