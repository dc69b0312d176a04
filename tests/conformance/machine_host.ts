/**
 * What every host with real sockets must do, beside what all hosts do.
 *
 * @module
 */

import assert from "node:assert/strict";
import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { connect, type Socket } from "node:net";
import { describe, test } from "node:test";
import { WebSocket } from "ws";
import { MuonError } from "../../runtime/errors.ts";
import type { ByteStream, Protocol } from "../../runtime/host.ts";
import { CA_CERT, CLIENT_CERT, CLIENT_KEY, SERVER_CERT, SERVER_KEY } from "../fixtures/tls.ts";
import { Acceptor, Ear, type HostSubject, testHost } from "./host.ts";

const SERVER = { cert: SERVER_CERT, key: SERVER_KEY };
const hello: Protocol = {
  name: "hello",
  matches: () => true,
  fetch: (_, peer) => new Response(peer.address),
};

interface Answer {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: string;
}

/** Runs the suite, {@link testHost} included. */
export function testMachineHost(name: string, subject: HostSubject): void {
  testHost(name, subject);

  describe(`host ${name}, on the machine`, () => {
    test("says the address that it listens on, not the name it was given", async () => {
      await using host = await subject.serve({ hostname: "localhost" });
      assert.match(host.addresses[0]!, /^(?:127\.0\.0\.1|\[::1\]):\d+$/);
    });

    test("says what to do about an address that is not this machine's", async () => {
      // Of a block that is nobody's: RFC 5737.
      await assert.rejects(async () => await subject.serve({ hostname: "192.0.2.7" }), {
        message:
          "Cannot listen on 192.0.2.7:0: this machine has no such address; see those it has with `ip addr`, " +
          "and choose one with --server_address",
      });
    });

    test("tells whom it was told to of a protocol that throws, fetched or answered", async () => {
      const told: string[] = [];
      await using host = await subject.serve({
        report: (message, error) => told.push(`${message}: ${(error as Error).message}`),
      });
      const fails = () => Promise.reject(new Error("it broke"));
      const at = (path: string) => (head: { readonly path: string }) => head.path === path;
      host.mount({ name: "fetched", matches: at("/f"), fetch: fails });
      host.mount({ name: "answered", matches: at("/a"), fetch: fails, answer: fails });
      for (const path of ["/f", "/a"]) {
        const response = await fetch(`http://${host.addresses[0]}${path}`, { method: "POST", body: "x" });
        assert.equal(response.status, 500);
        await response.text();
      }
      assert.deepEqual(told, [
        'protocol "fetched" failed at POST /f: it broke',
        'protocol "answered" failed at POST /a: it broke',
      ]);
    });

    test("closes 1003 on a text message", async () => {
      await using host = await subject.serve({});
      const acceptor = new Acceptor();
      host.mount(acceptor);
      const client = new WebSocket(`ws://${host.addresses[0]}/t`, ["test.v1"], { perMessageDeflate: false });
      await once(client, "open");
      const ear = new Ear(await acceptor.next());
      client.send(new Uint8Array([1]));
      client.send("text");
      const [code, reason] = await once(client, "close");
      assert.equal(code, 1003);
      assert.match(String(reason), /text messages are not taken/);
      await ear.until(({ closes }) => closes.length === 1);
      assert.deepEqual(ear.messages.map((message) => [...message]), [[1]]);
    });

    test("finds its subprotocol among many, joined without a space, and refuses compression", async () => {
      await using host = await subject.serve({});
      host.mount(new Acceptor());
      const client = new WebSocket(`ws://${host.addresses[0]}/t`, ["a.v1", "test.v1"], {
        perMessageDeflate: true,
      });
      await once(client, "open");
      assert.equal(client.protocol, "test.v1");
      assert.equal(client.extensions, "");
      client.terminate();
      await once(client, "close");
    });

    test("says who the peer is", async () => {
      await using host = await subject.serve({});
      host.mount(hello);
      const socket = await dialTcp(host.addresses[0]!);
      const { address, port } = socket.address() as { address: string; port: number };
      socket.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
      assert.ok((await readAll(socket)).endsWith(`${address}:${port}`));
    });

    test("refuses a request that says in two ways how long it is", async () => {
      await using host = await subject.serve({});
      host.mount(hello);
      // Which of them holds decides where the next request begins: RFC 9112 §6.3. Protocols count on the length.
      const chunked = ["transfer-encoding: chunked", "5\r\nabcde\r\n0\r\n\r\n"] as const;
      for (
        const [head, body] of [
          [`content-length: 3\r\n${chunked[0]}`, chunked[1]],
          [`${chunked[0]}\r\ncontent-length: 3`, chunked[1]],
          ["content-length: 3\r\ncontent-length: 5", "abcde"],
        ]
      ) {
        const socket = await dialTcp(host.addresses[0]!);
        socket.write(`POST / HTTP/1.1\r\nHost: x\r\n${head}\r\nConnection: close\r\n\r\n${body}`);
        assert.match(await readAll(socket), /^HTTP\/1\.1 400 /, head);
      }
    });

    test("keeps idle connections", async () => {
      await using host = await subject.serve({});
      host.mount(hello);
      const socket = await dialTcp(host.addresses[0]!);
      for (let i = 0; i < 3; i++) {
        socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        const text = await readUntil(socket, "127.0.0.1:");
        assert.match(text, /^HTTP\/1\.1 200 /);
        assert.doesNotMatch(text, /connection: close/i);
        assert.match(text, /content-length: /i, "a body that is there at once goes with its length");
      }
      socket.destroy();
    });

    test("takes heads that hold metadata up to its limit, and refuses longer ones unseen", async () => {
      await using host = await subject.serve({});
      host.started?.();
      let served = 0;
      host.mount({ name: "count", matches: () => true, fetch: () => new Response(`served ${++served}`) });
      const ask = async (...pieces: string[]) => {
        const socket = await dialTcp(host.addresses[0]!);
        socket.write(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n`);
        for (const piece of pieces) socket.write(piece);
        socket.end("\r\n{}");
        // What is refused may be cut off before all of it was sent.
        return await readAll(socket).catch(() => "");
      };
      assert.match(await ask(`X-Much: ${"x".repeat(60_000)}\r\n`), /^HTTP\/1\.1 200 [^]*served 1/);
      const many = Array.from({ length: 80 }, (_, i) => `X-${i}: ${"y".repeat(700)}\r\n`);
      assert.match(await ask(...many), /^HTTP\/1\.1 200 [^]*served 2/);
      assert.match(await ask(`X-Much: ${"x".repeat(70_000)}\r\n`), /^(?:HTTP\/1\.1 4|$)/);
      assert.equal(served, 2);
    });

    test("keeps a connection whose requests' bodies come behind their heads", async () => {
      await using host = await subject.serve({});
      host.mount({
        name: "echo",
        matches: () => true,
        fetch: async (request) => new Response(await request.text()),
      });
      const socket = await dialTcp(host.addresses[0]!);
      const { keeps = true } = subject;
      for (let i = 0; i < (keeps ? 3 : 1); i++) {
        socket.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n");
        await new Promise((resolve) => setTimeout(resolve, 5));
        socket.write(`echo${i}`);
        const text = await readUntil(socket, `echo${i}`);
        assert.equal(/connection: close/i.test(text), !keeps);
      }
      socket.destroy();
    });

    test("a client that goes away ends what is done for it", async () => {
      await using host = await subject.serve({});
      const began = Promise.withResolvers<void>();
      const aborted = Promise.withResolvers<void>();
      host.mount({
        name: "slow",
        matches: () => true,
        async fetch(request) {
          request.signal.addEventListener("abort", () => aborted.resolve());
          began.resolve();
          await aborted.promise;
          return new Response("nobody reads this");
        },
      });
      const socket = await dialTcp(host.addresses[0]!);
      socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
      await began.promise;
      socket.destroy();
      await aborted.promise;
    });

    test("refuses an upgrade with an answer that says why", async () => {
      await using host = await subject.serve({});
      host.mount(new Acceptor());
      const socket = await dialTcp(host.addresses[0]!);
      socket.write(
        "GET /t HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n" +
          "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
      );
      const text = await readUntil(socket, "test.v1");
      assert.match(text, /^HTTP\/1\.1 400 /);
      assert.match(text, /offered none, served test\.v1/);
      socket.destroy();
    });

    test("speaks TLS, and a dialler checks the certificate", async () => {
      await using host = await subject.serve({ tls: SERVER });
      const acceptor = new Acceptor();
      host.mount(acceptor);
      host.mount(hello);
      const url = `wss://${host.addresses[0]}/t`;
      const near = await subject.dial(url, { protocol: "test.v1", tls: { ca: CA_CERT } });
      const far = await acceptor.next();
      const ears = [new Ear(near), new Ear(far)] as const;
      near.send(new Uint8Array(500_000).fill(3));
      far.send(new Uint8Array([4]));
      await ears[1].until(({ messages }) => messages.length === 1);
      await ears[0].until(({ messages }) => messages.length === 1);
      assert.equal(ears[1].messages[0]!.length, 500_000);
      near.close(4000, "done");
      await ears[1].until(({ closes }) => closes.length === 1);
      await ears[0].until(({ closes }) => closes.length === 1);
      const answer = await answerTo(
        httpsRequest(`https://${host.addresses[0]}/x`, { ca: CA_CERT, agent: false }),
      );
      assert.equal(answer.status, 200);
      await assert.rejects(
        subject.dial(url, { protocol: "test.v1" }),
        (error: unknown) => error instanceof MuonError && error.status === "unavailable" && error.notRun,
      );
    });

    if (subject.raw) rawTests(subject);
  });
}

/** That a server which asks for client certificates serves nobody who has none, and says who the others are. */
export function testClientCertificates(name: string, subject: HostSubject): void {
  describe(`client certificates, ${name}`, () => {
    test("serves nobody without one, and says whose it is", async () => {
      await using host = await subject.serve({ tls: { ...SERVER, clientCa: CA_CERT } });
      const acceptor = new Acceptor();
      host.mount(acceptor);
      host.mount({ name: "who", matches: () => true, fetch: (_, peer) => new Response(peer.identity) });
      const url = `wss://${host.addresses[0]}/t`;
      const mine = { ca: CA_CERT, cert: CLIENT_CERT, key: CLIENT_KEY };
      const socket = await subject.dial(url, { protocol: "test.v1", tls: mine });
      const ear = new Ear(socket);
      assert.equal(acceptor.peers[0]!.identity, "spiffe://muon.test/greeter");
      socket.close();
      await ear.until(({ closes }) => closes.length === 1);
      const https = `https://${host.addresses[0]}/`;
      const answer = await answerTo(httpsRequest(https, { ...mine, agent: false }));
      assert.equal(answer.body, "spiffe://muon.test/greeter");
      await assert.rejects(
        subject.dial(url, { protocol: "test.v1", tls: { ca: CA_CERT } }),
        (error: unknown) => error instanceof MuonError && error.status === "unavailable",
      );
      await assert.rejects(answerTo(httpsRequest(https, { ca: CA_CERT, agent: false })));
      // Signed, but by the wrong purpose: a server's certificate is no client's.
      const wrong = { ca: CA_CERT, cert: SERVER_CERT, key: SERVER_KEY };
      await assert.rejects(subject.dial(url, { protocol: "test.v1", tls: wrong }));
      assert.equal(acceptor.peers.length, 1);
    });
  });
}

function rawTests(subject: HostSubject): void {
  test("hands out raw connections, from their first byte, beside HTTP", async () => {
    await using host = await subject.serve({});
    const streams: ByteStream[] = [];
    host.mount({
      name: "raw",
      matches: (head) => head.header("x-raw") === "yes" || head.method === "PRI",
      async connection(stream) {
        streams.push(stream);
        await stream.readable.pipeTo(stream.writable);
      },
    });
    host.mount(hello);
    const acceptor = new Acceptor();
    host.mount(acceptor);
    const [hostname, port] = host.addresses[0]!.split(":");
    const answer = await answerTo(httpRequest({ hostname, port, path: "/", agent: false }));
    assert.equal(answer.status, 200);
    const near = await subject.dial(`ws://${host.addresses[0]}/t`, { protocol: "test.v1" });
    const far = new Ear(await acceptor.next());
    near.send(new Uint8Array([1]));
    await far.until(({ messages }) => messages.length === 1);
    near.terminate();

    const head = "POST /s HTTP/1.1\r\nHost: x\r\nX-Raw: yes\r\n\r\n";
    const socket = await dialTcp(host.addresses[0]!);
    socket.write(head.slice(0, 20));
    await new Promise((resolve) => setTimeout(resolve, 20));
    socket.write(`${head.slice(20)}first`);
    assert.equal(await readUntil(socket, "first"), `${head}first`);
    const large = "x".repeat(2_000_000);
    socket.end(large);
    assert.equal((await readAll(socket)).length, large.length);

    const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    const h2 = await dialTcp(host.addresses[0]!);
    h2.end(preface);
    assert.equal(await readAll(h2), preface);
    assert.equal(streams.length, 2);
  });

  test("closes what says nothing sensible", async () => {
    await using host = await subject.serve({});
    host.mount({ name: "raw", matches: () => false, connection: () => {} });
    for (const bytes of ["\x16\x03\x01nonsense\r\n\r\n", "lower case\r\n\r\n", ""]) {
      const socket = await dialTcp(host.addresses[0]!);
      socket.end(bytes);
      const answer = await readAll(socket);
      assert.ok(answer === "" || answer.startsWith("HTTP/1.1 400 "), answer);
    }
  });
}

async function dialTcp(address: string): Promise<Socket> {
  const [host, port] = address.split(":");
  const socket = connect(Number(port), host);
  await once(socket, "connect");
  return socket;
}

async function readAll(socket: Socket): Promise<string> {
  let text = "";
  socket.on("data", (chunk) => text += chunk);
  await once(socket, "close");
  return text;
}

function readUntil(socket: Socket, end: string): Promise<string> {
  let text = "";
  return new Promise((resolve, reject) => {
    const read = (chunk: Uint8Array) => {
      text += chunk;
      if (!text.includes(end)) return;
      socket.off("data", read);
      resolve(text);
    };
    socket.on("data", read);
    socket.once("close", () => reject(new Error(`closed after: ${text}`)));
  });
}

function answerTo(request: ReturnType<typeof httpRequest>): Promise<Answer> {
  return new Promise((resolve, reject) => {
    request.on("error", reject);
    request.on("response", (response) => {
      let body = "";
      response.on("data", (chunk) => body += chunk);
      response.on(
        "end",
        () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
      );
      response.on("error", reject);
    });
    request.end();
  });
}
