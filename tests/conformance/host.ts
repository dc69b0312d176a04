/**
 * What every host and every way to dial it must do, on a machine or in memory.
 *
 * @module
 */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { MuonError } from "../../runtime/errors.ts";
import type { Host, HostOptions, MessageSocket, Peer, Protocol } from "../../runtime/host.ts";
import type { DialWebSocketOptions } from "../../runtime/platform.ts";

/** What is tried. */
export interface HostSubject {
  /** Listens. */
  serve(options: HostOptions): Promise<Host>;
  /** Dials it. */
  dial(url: string, options: DialWebSocketOptions): Promise<MessageSocket>;
  /** Sends it an HTTP request. @default {the runtime's fetch} */
  fetch?(url: string, init?: RequestInit): Promise<Response>;
  /** Whether it hands out raw connections. */
  readonly raw: boolean;
  /**
   * Whether it sees the end of a request's body while it streams the response: over HTTP/1.1 Deno's own server does
   * not, once it has echoed a piece. @default {true}
   */
  readonly duplex?: boolean;
  /** Whether it keeps a connection on which a request's body came behind its head. @default {true} */
  readonly keeps?: boolean;
}

/** One end of a WebSocket that remembers what it was told. */
export class Ear {
  readonly messages: Uint8Array[] = [];
  drains = 0;
  closes: { readonly code: number; readonly reason: string }[] = [];
  #wake: (() => void)[] = [];

  /** Listens to a socket. */
  constructor(socket: MessageSocket) {
    socket.listen({
      message: (data) => {
        this.messages.push(data);
        this.#changed();
      },
      drain: () => {
        this.drains++;
        this.#changed();
      },
      close: (code, reason) => {
        this.closes.push({ code, reason });
        this.#changed();
      },
    });
  }

  /** Waits until what was heard fits. */
  async until(fits: (ear: Ear) => boolean): Promise<void> {
    while (!fits(this)) await new Promise<void>((resolve) => this.#wake.push(resolve));
  }

  #changed(): void {
    const wake = this.#wake;
    this.#wake = [];
    for (const resolve of wake) resolve();
  }
}

/** A protocol under `/t` that gives its sockets to whoever waits for them. */
export class Acceptor implements Protocol {
  readonly name = "test";
  readonly subprotocol = "test.v1";
  readonly peers: Peer[] = [];
  readonly #sockets: MessageSocket[] = [];
  readonly #waiting: ((socket: MessageSocket) => void)[] = [];

  matches({ path }: { readonly path: string }): boolean {
    return path.startsWith("/t");
  }

  socket(socket: MessageSocket, peer: Peer): void {
    this.peers.push(peer);
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#sockets.push(socket);
    else waiting(socket);
  }

  /** The next socket that is accepted. */
  next(): Promise<MessageSocket> {
    const socket = this.#sockets.shift();
    return socket === undefined
      ? new Promise((resolve) => this.#waiting.push(resolve))
      : Promise.resolve(socket);
  }
}

const PROTOCOL = "test.v1";
const never = new AbortController().signal;

/** Runs the suite. */
export function testHost(name: string, subject: HostSubject): void {
  const send = subject.fetch ?? ((url: string, init?: RequestInit) => fetch(url, init));

  async function pair(options: HostOptions & { readonly maxDialled?: number } = {}): Promise<
    { host: Host; near: MessageSocket; far: MessageSocket; [Symbol.asyncDispose](): Promise<void> }
  > {
    const host = await subject.serve(options);
    const acceptor = new Acceptor();
    host.mount(acceptor);
    const near = await subject.dial(`ws://${host.addresses[0]}/t`, {
      protocol: PROTOCOL,
      ...(options.maxDialled === undefined ? {} : { maxMessage: options.maxDialled }),
    });
    const far = await acceptor.next();
    return {
      host,
      near,
      far,
      async [Symbol.asyncDispose]() {
        near.terminate();
        await host[Symbol.asyncDispose]();
      },
    };
  }

  describe(`host ${name}`, () => {
    test("carries messages both ways, whole and in order", async () => {
      await using ends = await pair();
      assert.equal(ends.near.protocol, PROTOCOL);
      assert.equal(ends.far.protocol, PROTOCOL);
      const near = new Ear(ends.near);
      const far = new Ear(ends.far);
      for (let i = 0; i < 300; i++) {
        ends.near.send(new Uint8Array([i & 255, 1]));
        ends.far.send(new Uint8Array([i & 255, 2, 2]));
      }
      ends.near.send(new Uint8Array(0));
      await far.until(({ messages }) => messages.length === 301);
      await near.until(({ messages }) => messages.length === 300);
      for (let i = 0; i < 300; i++) {
        assert.deepEqual([...far.messages[i]!], [i & 255, 1]);
        assert.deepEqual([...near.messages[i]!], [i & 255, 2, 2]);
      }
      assert.equal(far.messages[300]!.length, 0);
      // A Buffer would share memory where slice() should copy.
      assert.equal(Object.getPrototypeOf(far.messages[0]!), Uint8Array.prototype);
      assert.equal(Object.getPrototypeOf(near.messages[0]!), Uint8Array.prototype);
    });

    test("carries bursts of large messages, drops none, and tells when the buffer is empty", async () => {
      await using ends = await pair();
      for (const [from, to] of [[ends.near, ends.far], [ends.far, ends.near]] as const) {
        const sender = new Ear(from);
        const receiver = new Ear(to);
        for (let i = 0; i < 40; i++) from.send(new Uint8Array(1_000_000).fill(i));
        assert.ok(from.buffered > 0, "40 MB do not leave in one turn");
        await sender.until(({ drains }) => drains > 0);
        assert.equal(from.buffered, 0);
        await receiver.until(({ messages }) => messages.length === 40);
        for (const [i, message] of receiver.messages.entries()) {
          assert.equal(message.length, 1_000_000);
          assert.ok(message[0] === i && message[500_000] === i && message[999_999] === i);
        }
      }
    });

    test("needs no more of what was sent, where it says so", async () => {
      await using ends = await pair();
      const heard = { near: new Ear(ends.near), far: new Ear(ends.far) };
      for (const [from, ear] of [[ends.near, heard.far], [ends.far, heard.near]] as const) {
        let bytes = new Uint8Array(600_000);
        for (let i = 1; i <= 8; i++) {
          from.send(bytes.fill(i));
          if (!from.copies) bytes = new Uint8Array(600_000);
        }
        bytes.fill(99);
        await ear.until(({ messages }) => messages.length === 8);
        for (const [i, message] of ear.messages.entries()) {
          assert.ok(message.every((byte) => byte === i + 1), `message ${i} is as it was when it was sent`);
        }
      }
    });

    test("keeps messages that come before anybody listens", async () => {
      await using ends = await pair();
      const near = new Ear(ends.near);
      ends.near.send(new Uint8Array([1]));
      ends.near.send(new Uint8Array([2]));
      ends.far.send(new Uint8Array([3]));
      await near.until(({ messages }) => messages.length === 1);
      const far = new Ear(ends.far);
      ends.near.send(new Uint8Array([4]));
      await far.until(({ messages }) => messages.length === 3);
      assert.deepEqual(far.messages.map(([byte]) => byte), [1, 2, 4]);
    });

    test("closes with code and reason, once, behind what was sent", async () => {
      for (const side of ["near", "far"] as const) {
        await using ends = await pair();
        const near = new Ear(ends.near);
        const far = new Ear(ends.far);
        const [closer, other] = side === "near" ? [ends.near, far] : [ends.far, near];
        closer.send(new Uint8Array(900_000).fill(7));
        closer.close(4001, "bye");
        closer.send(new Uint8Array([8]));
        closer.close(4002, "again");
        await near.until(({ closes }) => closes.length > 0);
        await far.until(({ closes }) => closes.length > 0);
        assert.deepEqual(other.messages.map(({ length }) => length), [900_000]);
        assert.deepEqual(other.closes, [{ code: 4001, reason: "bye" }]);
        assert.equal(closer.buffered, 0);
        ends.near.send(new Uint8Array([9]));
        ends.near.terminate();
        assert.equal(near.closes.length, 1);
        assert.equal(far.closes.length, 1);
      }
    });

    test("closes 1009 on a message over the limit, at both ends", async () => {
      for (const side of ["near", "far"] as const) {
        await using ends = await pair({ maxMessage: 10_000, maxDialled: 10_000 });
        const near = new Ear(ends.near);
        const far = new Ear(ends.far);
        const [from, sender, receiver] = side === "near" ? [ends.near, near, far] : [ends.far, far, near];
        from.send(new Uint8Array(10_000));
        from.send(new Uint8Array(10_001));
        await sender.until(({ closes }) => closes.length > 0);
        await receiver.until(({ closes }) => closes.length > 0);
        assert.equal(sender.closes[0]!.code, 1009);
        assert.deepEqual(receiver.messages.map(({ length }) => length), [10_000]);
      }
    });

    test("terminates at once, and the other end hears of it", async () => {
      for (const side of ["near", "far"] as const) {
        await using ends = await pair();
        const near = new Ear(ends.near);
        const far = new Ear(ends.far);
        ends[side].terminate();
        await near.until(({ closes }) => closes.length > 0);
        await far.until(({ closes }) => closes.length > 0);
        ends[side].terminate();
        assert.equal(near.closes.length, 1);
        assert.equal(far.closes.length, 1);
        assert.notEqual((side === "near" ? far : near).closes[0]!.code, 1000);
      }
    });

    test("refuses a subprotocol it does not serve, and a path nobody has", async () => {
      await using host = await subject.serve({});
      host.mount(new Acceptor());
      for (const url of [`ws://${host.addresses[0]}/t`, `ws://${host.addresses[0]}/elsewhere`]) {
        await assert.rejects(subject.dial(url, { protocol: "other.v1" }), (error: unknown) => {
          assert.ok(error instanceof MuonError);
          assert.equal(error.status, "unimplemented");
          assert.equal(error.notRun, true);
          assert.ok(error.message.includes(url) && error.message.includes("other.v1"), error.message);
          return true;
        });
      }
    });

    test("says that nobody is there", async () => {
      const host = await subject.serve({});
      const address = host.addresses[0]!;
      await host[Symbol.asyncDispose]();
      await assert.rejects(subject.dial(`ws://${address}/t`, { protocol: PROTOCOL }), (error: unknown) => {
        assert.ok(error instanceof MuonError);
        assert.equal(error.status, "unavailable");
        assert.equal(error.notRun, true);
        assert.equal(error.where.address, address);
        assert.ok(error.message.includes("refused"), error.message);
        return true;
      });
    });

    test("dialling ends at the signal, with its reason", async () => {
      await using host = await subject.serve({});
      host.mount(new Acceptor());
      const options = { protocol: PROTOCOL, signal: AbortSignal.abort(new Error("too late")) };
      await assert.rejects(subject.dial(`ws://${host.addresses[0]}/t`, options), /too late/);
      const abort = new AbortController();
      const dialled = subject.dial(`ws://${host.addresses[0]}/t`, {
        protocol: PROTOCOL,
        signal: abort.signal,
      });
      abort.abort(new Error("changed my mind"));
      await assert.rejects(dialled, /changed my mind/);
    });

    test("gives a request to the first that matches, and 404 to others", async () => {
      await using host = await subject.serve({});
      const url = `http://${host.addresses[0]}`;
      const answers = (text: string, path: string): Protocol => ({
        name: text,
        matches: (head) => head.path.startsWith(path),
        fetch: () => new Response(text),
      });
      const first = host.mount(answers("first", "/a"));
      host.mount(answers("second", "/"));
      assert.equal(await (await send(`${url}/a?x=1`)).text(), "first");
      assert.equal(await (await send(`${url}/b`)).text(), "second");
      first[Symbol.dispose]();
      first[Symbol.dispose]();
      assert.equal(await (await send(`${url}/a`)).text(), "second");
      await using empty = await subject.serve({});
      const nothing = await send(`http://${empty.addresses[0]}/no/such?q=1`, { method: "POST", body: "x" });
      assert.equal(nothing.status, 404);
      const body = await nothing.json();
      assert.equal(body.code, 404);
      assert.ok(body.detail.includes("POST /no/such?q=1"), body.detail);
    });

    test("shows a protocol the head before any body, and the request whole", async () => {
      await using host = await subject.serve({});
      const heads: unknown[] = [];
      host.mount({
        name: "echo",
        matches(head) {
          heads.push([head.method, head.path, head.header("x-one"), head.header("absent")]);
          return true;
        },
        async fetch(request, peer) {
          assert.match(peer.address, /^.+:\d+$/);
          const headers = new Headers({ "x-back": request.headers.get("x-one") ?? "" });
          headers.append("set-cookie", "a=1");
          headers.append("set-cookie", "b=2");
          return new Response(await request.arrayBuffer(), { status: 201, headers });
        },
      });
      const sent = new Uint8Array(3_000_000).fill(5);
      const answer = await send(`http://${host.addresses[0]}/p/q?r=s%20t`, {
        method: "PUT",
        headers: { "X-One": "1" },
        body: sent,
      });
      assert.equal(answer.status, 201);
      assert.equal(answer.headers.get("x-back"), "1");
      assert.deepEqual(answer.headers.getSetCookie(), ["a=1", "b=2"]);
      const got = new Uint8Array(await answer.arrayBuffer());
      assert.ok(got.length === sent.length && got.every((byte) => byte === 5));
      assert.deepEqual(heads, [["PUT", "/p/q?r=s%20t", "1", null]]);
    });

    test("streams requests and responses piece by piece", async () => {
      await using host = await subject.serve({});
      host.mount({
        name: "stream",
        matches: () => true,
        fetch(request) {
          const reader = request.body!.getReader();
          return new Response(
            new ReadableStream({
              // Answers each piece before it has seen the next.
              async pull(controller) {
                const { done, value } = await reader.read();
                if (done) controller.close();
                else controller.enqueue(value);
              },
              cancel: () => reader.cancel().catch(() => {}),
            }, { highWaterMark: 0 }),
          );
        },
      });
      const out = new TransformStream<Uint8Array, Uint8Array>();
      const writer = out.writable.getWriter();
      const writing = writer.write(new Uint8Array([1]));
      const init: RequestInit & { duplex: "half" } = {
        method: "POST",
        body: out.readable as ReadableStream<Uint8Array<ArrayBuffer>>,
        duplex: "half",
      };
      const answer = await send(`http://${host.addresses[0]}/`, init);
      const reader = answer.body!.getReader();
      const [one] = await Promise.all([reader.read(), writing]);
      assert.deepEqual([...one.value!], [1]);
      const [two] = await Promise.all([reader.read(), writer.write(new Uint8Array([2]))]);
      assert.deepEqual([...two.value!], [2]);
      if (subject.duplex ?? true) {
        const [end] = await Promise.all([reader.read(), writer.close()]);
        assert.equal(end.done, true);
      } else {
        await reader.cancel();
        await writer.abort().catch(() => {});
      }
    });

    test("reads a streamed request to its end, and stops a response when the client does", async () => {
      await using host = await subject.serve({});
      host.mount({
        name: "count",
        matches: () => true,
        fetch: async (request) => new Response(await request.arrayBuffer()),
      });
      const init: RequestInit & { duplex: "half" } = {
        method: "POST",
        body: new ReadableStream<Uint8Array<ArrayBuffer>>({
          async start(controller) {
            for (let i = 0; i < 5; i++) {
              controller.enqueue(new Uint8Array([i]));
              await new Promise((resolve) => setTimeout(resolve, 1));
            }
            controller.close();
          },
        }),
        duplex: "half",
      };
      const answer = await send(`http://${host.addresses[0]}/`, init);
      assert.deepEqual([...new Uint8Array(await answer.arrayBuffer())], [0, 1, 2, 3, 4]);

      // A response without end: the client goes, and the server's stream is cancelled.
      const stopped = Promise.withResolvers<void>();
      await using endless = await subject.serve({});
      endless.mount({
        name: "endless",
        matches: () => true,
        fetch: () =>
          new Response(
            new ReadableStream({
              pull: async (controller) => {
                await new Promise((resolve) => setTimeout(resolve, 1));
                controller.enqueue(new Uint8Array([0]));
              },
              cancel: () => stopped.resolve(),
            }),
          ),
      });
      const infinite = await send(`http://${endless.addresses[0]}/`);
      const some = infinite.body!.getReader();
      await some.read();
      await some.cancel();
      await stopped.promise;
    });

    test("answers 500 without the message when a protocol throws, and goes on", async () => {
      await using host = await subject.serve({});
      let throws = true;
      host.mount({
        name: "faulty",
        matches: () => true,
        fetch() {
          if (throws) throw new Error("secret: this test means it, the stack above is expected");
          return new Response("well");
        },
      });
      const bad = await send(`http://${host.addresses[0]}/x`);
      assert.equal(bad.status, 500);
      const text = await bad.text();
      assert.ok(text.includes("faulty") && !text.includes("secret"), text);
      throws = false;
      assert.equal(await (await send(`http://${host.addresses[0]}/x`)).text(), "well");
    });

    test("drains: takes nothing new, waits for what it has", async () => {
      await using ends = await pair();
      const near = new Ear(ends.near);
      const far = new Ear(ends.far);
      let drained = false;
      const draining = ends.host.drain(never).then(() => drained = true);
      await assert.rejects(
        subject.dial(`ws://${ends.host.addresses[0]}/t`, { protocol: PROTOCOL }),
        (error: unknown) => error instanceof MuonError && error.status === "unavailable" && error.notRun,
      );
      ends.near.send(new Uint8Array([1]));
      await far.until(({ messages }) => messages.length === 1);
      ends.far.send(new Uint8Array([2]));
      await near.until(({ messages }) => messages.length === 1);
      assert.equal(drained, false);
      ends.far.close(1001, "going");
      await draining;
      await near.until(({ closes }) => closes.length === 1);
      assert.equal(near.closes[0]!.code, 1001);
    });

    test("drains until the signal, and disposing closes what is left", async () => {
      await using ends = await pair();
      const near = new Ear(ends.near);
      const far = new Ear(ends.far);
      const abort = new AbortController();
      const draining = ends.host.drain(abort.signal);
      abort.abort();
      await draining;
      assert.equal(near.closes.length, 0);
      await ends.host[Symbol.asyncDispose]();
      await near.until(({ closes }) => closes.length === 1);
      await far.until(({ closes }) => closes.length === 1);
      await ends.host[Symbol.asyncDispose]();
    });

    test("drains an answer that is on its way", async () => {
      await using host = await subject.serve({});
      const asked = Promise.withResolvers<void>();
      const go = Promise.withResolvers<void>();
      host.mount({
        name: "slow",
        matches: () => true,
        async fetch() {
          asked.resolve();
          await go.promise;
          return new Response("done");
        },
      });
      const answer = send(`http://${host.addresses[0]}/`);
      await asked.promise;
      const draining = host.drain(never);
      go.resolve();
      assert.equal(await (await answer).text(), "done");
      await draining;
    });

    test("refuses to mount what it cannot serve", async () => {
      await using host = await subject.serve({});
      const matches = () => true;
      assert.throws(() => host.mount({ name: "p", matches }), /TypeError.*none of|none of/);
      assert.throws(() => host.mount({ name: "p", matches, socket: () => {} }), /needs "subprotocol"/);
      const raw: Protocol = { name: "raw", matches, connection: () => {} };
      if (subject.raw) host.mount(raw)[Symbol.dispose]();
      else assert.throws(() => host.mount(raw), /net host/);
    });

    test("names the address that is in use", async () => {
      await using host = await subject.serve({});
      const address = host.addresses[0]!;
      const port = Number(address.slice(address.lastIndexOf(":") + 1));
      await assert.rejects(async () => await subject.serve({ port }), (error: unknown) => {
        assert.ok(error instanceof Error);
        assert.ok(
          error.message.startsWith(`Cannot listen on ${address}: the address is in use`),
          error.message,
        );
        assert.ok(error.message.includes("--server_address"));
        return true;
      });
    });
  });
}
