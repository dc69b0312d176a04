/**
 * What every transport must do. Plugin authors run it against theirs.
 *
 * @module
 */

import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import { MuonError } from "../../runtime/errors.ts";
import { Metadata } from "../../runtime/metadata.ts";
import { LIMITS } from "../../runtime/policy.ts";
import type { Node } from "../../runtime/record.ts";
import type {
  Accept,
  CallHandle,
  CallHead,
  Exchange,
  Incoming,
  Link,
  ReplySink,
  Transport,
} from "../../runtime/transport/transport.ts";

/** A server that {@link testTransport} calls. */
export interface TransportServer extends AsyncDisposable {
  /** What to dial. */
  readonly node: Node;
  /** Takes no new call, and resolves when all are over, or at the signal. */
  drain(signal: AbortSignal): Promise<void>;
}

/** What {@link testTransport} tests. */
export interface TransportSuite {
  /** Name of the transport, and where it runs. */
  readonly name: string;
  /** Makes a transport that takes messages of at most `maxMessage` bytes; `onLink` gets the links that come in. */
  readonly create: (options: {
    readonly limits: { readonly maxMessage: number };
    readonly onLink: (link: Link) => void;
  }) => Transport | Promise<Transport>;
  /** Serves the transport. */
  readonly serve: (transport: Transport, accept: Accept) => Promise<TransportServer>;
  /** Whether calls may be made from the listener to the dialler. @default {true} */
  readonly symmetrical?: boolean;
  /**
   * Messages of 20,000 bytes that may be sent to a reader who takes one, before their writer has to wait: what credits
   * allow, or what sockets buffer where there are none. Below 65,536.
   *
   * @default {99}
   */
  readonly buffered?: number;
  /** Calls that may be made at once over one link, all of which succeed. @default {10_000} */
  readonly atOnce?: number;
}

const MAX_MESSAGE = 1_000_000;

/** A call's answer as a promise. */
interface Answer {
  readonly body: Uint8Array | undefined;
  readonly trailer: Metadata;
  readonly stream: Exchange | undefined;
}

class Sink implements ReplySink {
  readonly answer: Promise<Answer>;
  returned = false;
  reclaim?: (input: Uint8Array) => void;
  #resolve!: (answer: Answer) => void;
  #reject!: (error: MuonError) => void;
  #called = false;

  constructor() {
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.answer.catch(() => {});
  }

  reply(body: Uint8Array | undefined, trailer: Metadata, stream: Exchange | undefined): void {
    this.#once();
    this.#resolve({ body, trailer, stream });
  }

  fail(error: MuonError): void {
    this.#once();
    this.#reject(error);
  }

  #once(): void {
    assert.equal(this.#called, false, "a sink is called once");
    assert.equal(this.returned, true, "a sink is not called before unary() has returned");
    this.#called = true;
  }
}

/** Makes tests that serve, dial, and close both in the end. */
function linkedBy({ create, serve }: Pick<TransportSuite, "create" | "serve">) {
  return (
    title: string,
    accept: Accept,
    run: (at: {
      readonly link: Link;
      readonly back: () => Promise<Link>;
      readonly server: TransportServer;
      readonly transport: Transport;
    }) => Promise<void>,
  ): void => {
    test(title, async () => {
      const { promise, resolve } = Promise.withResolvers<Link>();
      const transport = await create({ limits: { maxMessage: MAX_MESSAGE }, onLink: resolve });
      const server = await serve(transport, accept);
      const link = await transport.dial(server.node, { accept });
      try {
        await run({ link, back: () => promise, server, transport });
      } finally {
        await link[Symbol.asyncDispose]();
        await server[Symbol.asyncDispose]();
      }
    });
  };
}

/** Runs the suite of a transport. */
export function testTransport(
  { name, create, serve, symmetrical = true, buffered = 99, atOnce = 10_000 }: TransportSuite,
): void {
  testMetadata({ name, create, serve });
  const linked = linkedBy({ create, serve });

  describe(`transport ${name}`, () => {
    linked("it knows the node it serves", answer, ({ transport, server, link }) => {
      assert.equal(transport.speaks(server.node), true);
      assert.equal(link.accepting, true);
      assert.equal(link.inflight, 0);
      return Promise.resolve();
    });

    linked("one input, one answer, with metadata both ways", answer, async ({ link }) => {
      const metadata = Metadata.from({ "x-tenant": "acme", "x-note": "grüß dich" });
      for (let i = 0; i < 3; i++) {
        const reply = await unary(link, bytes(i, 2), { endpoint: "Echo.Trail", metadata });
        assert.deepEqual(reply.body, bytes(i, 2));
        assert.equal(reply.trailer.get("x-tenant"), "acme");
        assert.equal(reply.trailer.get("x-note"), "grüß dich");
      }
      assert.deepEqual((await unary(link, bytes())).body, bytes());
      assert.equal(link.inflight, 0);
    });

    linked(
      "the input's bytes are left as they are, and sent again as they were",
      answer,
      async ({ link }) => {
        for (const body of [bytes(1, 2, 3), new Uint8Array(300_000).fill(1)]) {
          const was = body.slice();
          const replies = await Promise.all([unary(link, body), unary(link, body), unary(link, body)]);
          for (const reply of replies) assert.deepEqual(reply.body, was);
          assert.deepEqual(body, was);
        }
      },
    );

    linked(
      "bytes that are given back may be written over, and come as they were",
      answer,
      async ({ link }) => {
        for (const size of [3, 20_000, 300_000]) {
          const replies = Array.from({ length: 4 }, (_, n) => {
            const sink = new Sink();
            sink.reclaim = (input) => input.fill(0xff);
            link.unary(head({ endpoint: "Echo.Lent" }), new Uint8Array(size).fill(n), sink);
            sink.returned = true;
            return sink.answer;
          });
          for (const [n, reply] of (await Promise.all(replies)).entries()) {
            assert.deepEqual(reply.body, new Uint8Array(size).fill(n));
          }
        }
        const call = link.open(head({ endpoint: "Echo.Each" }));
        const sent = (async () => {
          const items = [3, 20_000, 300_000, 40].map((size, n) => new Uint8Array(size).fill(n));
          for (const item of items) {
            await call.send(item);
            item.fill(0xff);
          }
          call.end();
        })();
        const came = await all(call.messages);
        await sent;
        const expected = [3, 20_000, 300_000, 40].map((size, n) => Array(size).fill(n));
        assert.deepEqual(came, expected);
      },
    );

    linked("a stream of answers", answer, async ({ link }) => {
      const { body, stream } = await unary(link, bytes(5), { endpoint: "Echo.Count" });
      assert.equal(body, undefined);
      assert.equal(await stream!.streaming, true);
      assert.deepEqual(await all(stream!.messages), [[0], [1], [2], [3], [4]]);
      assert.equal((await stream!.trailer).get("x-count"), "5");
    });

    linked("a stream of inputs", answer, async ({ link }) => {
      const call = link.open(head({ endpoint: "Echo.Sum" }));
      for (let i = 1; i <= 5; i++) await call.send(bytes(i));
      call.end();
      assert.deepEqual(await all(call.messages), [[15]]);
      assert.equal(await call.streaming, false);
    });

    linked("a stream both ways, at once", answer, async ({ link }) => {
      const call = link.open(head({ endpoint: "Echo.Each" }));
      const reader = call.messages[Symbol.asyncIterator]();
      for (let i = 0; i < 5; i++) {
        await call.send(bytes(i));
        assert.deepEqual([...(await reader.next()).value!], [i]);
      }
      call.end();
      assert.equal((await reader.next()).done, true);
    });

    linked("an error, with details and trailer", answer, async ({ link }) => {
      const error = await failure(unary(link, bytes(1), { endpoint: "Echo.Fail" }));
      assert.equal(error.status, "failed_precondition");
      assert.equal(error.code, 4001);
      assert.equal(error.id, "echo");
      assert.equal(error.detail, "not today: ünder");
      assert.deepEqual(error.details, [{ type: "why", value: { day: [1, null, "x"] } }]);
      assert.equal(error.notRun, false);
      assert.equal(error.answered, true);
      assert.equal(error.where.endpoint, "Echo.Fail");
      const never = await failure(unary(link, bytes(1), { endpoint: "Echo.Nothing" }));
      assert.deepEqual([never.status, never.notRun, never.answered], ["not_found", true, true]);
    });

    linked("an error amid a stream comes behind what was sent", answer, async ({ link }) => {
      const { stream } = await unary(link, bytes(3), { endpoint: "Echo.CountFail" });
      const items: number[] = [];
      const error = await failure((async () => {
        for await (const item of stream!.messages) items.push(item[0]!);
      })());
      assert.deepEqual(items, [0, 1, 2]);
      assert.equal(error.status, "data_loss");
      assert.equal((await failure(stream!.trailer)).status, "data_loss");
    });

    linked("a large message comes whole, and one that is too large fails alone", answer, async ({ link }) => {
      const large = new Uint8Array(MAX_MESSAGE).map((_, i) => i % 251);
      assert.deepEqual((await unary(link, large)).body, large);
      const error = await failure(unary(link, new Uint8Array(MAX_MESSAGE + 1)));
      assert.equal(error.status, "resource_exhausted");
      assert.match(error.detail, new RegExp(`${MAX_MESSAGE + 1} bytes.*${MAX_MESSAGE}`));
      const answered = await failure(unary(link, bytes(1), { endpoint: "Echo.TooLarge" }));
      assert.equal(answered.status, "resource_exhausted");
      assert.deepEqual((await unary(link, bytes(1))).body, bytes(1));
    });

    linked("many calls at once", answer, async ({ link }) => {
      const replies = await Promise.all(
        Array.from(
          { length: atOnce },
          (_, i) =>
            unary(link, bytes(i & 255, i >> 8), { endpoint: i % 3 === 0 ? "Echo.Later" : "Echo.Echo" }),
        ),
      );
      for (const [i, { body }] of replies.entries()) assert.deepEqual(body, bytes(i & 255, i >> 8));
      assert.equal(link.inflight, 0);
    });

    test(`a canceled call ends here at once, and reaches the handler`, async () => {
      const heard = Promise.withResolvers<MuonError>();
      const began = Promise.withResolvers<void>();
      const transport = await create({ limits: { maxMessage: MAX_MESSAGE }, onLink() {} });
      const server = await serve(transport, (call) => {
        call.signal.addEventListener("abort", () => heard.resolve(call.signal.reason));
        began.resolve();
      });
      const link = await transport.dial(server.node);
      try {
        const sink = new Sink();
        const handle = start(link, sink, bytes(1));
        await began.promise;
        handle.cancel(new MuonError("canceled", "enough"));
        assert.equal(link.inflight, 0);
        assert.equal((await failure(sink.answer)).detail, "enough");
        assert.equal((await heard.promise).status, "canceled");
      } finally {
        await link[Symbol.asyncDispose]();
        await server[Symbol.asyncDispose]();
      }
    });

    test("a stream's caller that leaves, and a signal, reach the handler", async () => {
      const heard: PromiseWithResolvers<void>[] = [Promise.withResolvers(), Promise.withResolvers()];
      let count = 0;
      const transport = await create({ limits: { maxMessage: MAX_MESSAGE }, onLink() {} });
      const server = await serve(transport, (call) => {
        const mine = heard[count++]!;
        call.signal.addEventListener("abort", () => mine.resolve());
        call.send(bytes(1));
      });
      const link = await transport.dial(server.node);
      try {
        for await (const _ of link.open(head()).messages) break;
        await heard[0]!.promise;
        const controller = new AbortController();
        const call = link.open(head(), controller.signal);
        const error = await failure((async () => {
          for await (const _ of call.messages) controller.abort();
        })());
        assert.equal(error.status, "canceled");
        await heard[1]!.promise;
      } finally {
        await link[Symbol.asyncDispose]();
        await server[Symbol.asyncDispose]();
      }
    });

    linked("a handler that fails while inputs come ends them", answer, async ({ link }) => {
      const call = link.open(head({ endpoint: "Echo.Fail" }));
      assert.equal((await failure(all(call.messages))).status, "failed_precondition");
      assert.equal((await failure(call.send(bytes(1))!)).status, "failed_precondition");
    });

    linked("a deadline passes", () => {}, async ({ link }) => {
      // Deadlines do not keep a process alive; with a transport that has no sockets, nothing else would.
      const alive = setInterval(() => {}, 1_000);
      const error = await failure(unary(link, bytes(1), { timeout: 30 }));
      assert.equal(error.status, "deadline_exceeded");
      assert.equal(link.inflight, 0);
      assert.equal(
        (await failure(all(link.open(head({ timeout: 30 })).messages))).status,
        "deadline_exceeded",
      );
      clearInterval(alive);
    });

    const deadlines: (number | undefined)[] = [];
    const stream = (call: Incoming) => {
      deadlines.push(call.deadline);
      void call.send(bytes(1));
      deadlines.push(call.deadline);
      call.end();
    };
    linked("a handler has its caller's deadline until its stream has begun", stream, async ({ link }) => {
      assert.deepEqual(await all(link.open(head({ timeout: 60_000 })).messages), [[1]]);
      assert.deepEqual(deadlines.map((deadline) => typeof deadline), ["number", "undefined"]);
    });

    linked("a slow reader stops its writer, and no other call", answer, async ({ link }) => {
      const all = buffered + 1;
      const { stream } = await unary(link, bytes(all & 255, all >> 8), { endpoint: "Echo.Flood" });
      const reader = stream!.messages[Symbol.asyncIterator]();
      await reader.next();
      for (let i = 0; i < 20; i++) assert.deepEqual((await unary(link, bytes(i))).body, bytes(i));
      const sent = async () => number((await unary(link, bytes(), { endpoint: "Echo.Flooded" })).body!);
      let before = -1;
      for (let now = await sent(); now !== before; now = await sent()) {
        before = now;
        await later();
      }
      assert.ok(before < all, "the writer waits");
      for (let i = 1; i < all; i++) assert.equal((await reader.next()).value!.length, 20_000);
      assert.equal((await reader.next()).done, true);
      assert.equal(await sent(), all);
    });

    if (symmetrical) {
      linked("the listener calls the dialler", answer, async ({ link, back }) => {
        const far = await back();
        const [there, here] = await Promise.all([unary(link, bytes(1)), unary(far, bytes(2))]);
        assert.deepEqual([there.body, here.body], [bytes(1), bytes(2)]);
      });

      test("a dialler that serves nothing says so", async () => {
        const { promise, resolve } = Promise.withResolvers<Link>();
        const transport = await create({ limits: { maxMessage: MAX_MESSAGE }, onLink: resolve });
        const server = await serve(transport, answer);
        const link = await transport.dial(server.node);
        const error = await failure(unary(await promise, bytes(1)));
        assert.deepEqual([error.status, error.notRun], ["unimplemented", true]);
        await link[Symbol.asyncDispose]();
        await server[Symbol.asyncDispose]();
      });
    }

    test("a server that drains loses no call: each is answered, or never ran", async () => {
      const ran = new Set<number>();
      const drained = Promise.withResolvers<void>();
      const transport = await create({ limits: { maxMessage: MAX_MESSAGE }, onLink() {} });
      const server = await serve(transport, (call) => {
        ran.add(number(call.body!));
        void later().then(() => call.reply(call.body!));
      });
      const link = await transport.dial(server.node);
      const outcomes: Promise<void>[] = [];
      let answered = 0;
      let refused = 0;
      for (let i = 0; i < 2_000; i++) {
        outcomes.push(
          unary(link, bytes(i & 255, i >> 8)).then(({ body }) => {
            assert.deepEqual(body, bytes(i & 255, i >> 8));
            answered++;
          }, (error: MuonError) => {
            assert.equal(error.status, "unavailable");
            assert.equal(error.notRun, true);
            assert.equal(ran.has(i), false, "what is said not to have run did not");
            refused++;
          }),
        );
        if (i === 1_000) {
          await Promise.all(outcomes.slice(0, 900));
          void server.drain(new AbortController().signal).then(() => drained.resolve());
        }
        if (i % 20 === 0) await later();
      }
      await Promise.all(outcomes);
      await drained.promise;
      assert.equal(answered, ran.size);
      assert.equal(answered + refused, 2_000);
      assert.ok(answered >= 900 && refused > 0, `${answered} answered, ${refused} refused`);
      assert.equal(link.accepting, false);
      await link[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    });
    linked("draining ends at its signal, and a link may be drained by its dialler", () => {}, async (at) => {
      const pending = new Sink();
      start(at.link, pending, bytes(1));
      await at.server.drain(AbortSignal.abort());
      await at.link.drain(AbortSignal.abort());
      assert.equal(at.link.accepting, false);
      assert.equal((await failure(unary(at.link, bytes(1)))).notRun, true);
    });

    test("a server that closes ends its calls with unavailable, and the link says so", async () => {
      const began = Promise.withResolvers<Incoming>();
      const transport = await create({ limits: { maxMessage: MAX_MESSAGE }, onLink() {} });
      const server = await serve(transport, (call) => began.resolve(call));
      const link = await transport.dial(server.node);
      const call = unary(link, bytes(1));
      const incoming = await began.promise;
      await server[Symbol.asyncDispose]();
      const error = await failure(call);
      assert.deepEqual([error.status, error.notRun], ["unavailable", false]);
      await link.closed;
      if (!incoming.signal.aborted) await once(incoming.signal, "abort");
      assert.equal(incoming.over, true);
      assert.equal(link.accepting, false);
      assert.equal((await failure(unary(link, bytes(1)))).notRun, true);
      await link[Symbol.asyncDispose]();
      await link[Symbol.asyncDispose]();
    });

    test("a node that nobody serves cannot be dialled", async () => {
      const transport = await create({ limits: { maxMessage: MAX_MESSAGE }, onLink() {} });
      const server = await serve(transport, answer);
      await server[Symbol.asyncDispose]();
      const error = await failure(transport.dial(server.node));
      assert.equal(error.status, "unavailable");
      assert.equal(error.notRun, true);
      await assert.rejects(
        transport.dial(server.node, { signal: AbortSignal.abort(new Error("stop")) }),
        /stop/,
      );
    });
  });
}

/**
 * Runs the part of {@link testTransport} that is about metadata at its limit, which a transport without streams can pass,
 * too.
 *
 * @param suite Its `name`, `create` and `serve`; `streams`: whether it has streams, true unless it says otherwise.
 */
export function testMetadata(
  { name, create, serve, streams = true }: Pick<TransportSuite, "name" | "create" | "serve"> & {
    readonly streams?: boolean;
  },
): void {
  const linked = linkedBy({ create, serve });
  describe(`metadata, transport ${name}`, () => {
    linked("metadata goes up to its limit, both ways", answer, async ({ link }) => {
      const { maxMetadata } = LIMITS;
      const most = [
        { "x-much": "x".repeat(maxMetadata - 6) },
        // Three bytes a character.
        { "x-much": "\u20ac".repeat(Math.floor((maxMetadata - 6) / 3)) },
        Object.fromEntries(Array.from({ length: 80 }, (_, i) => [`x-${100 + i}`, "y".repeat(190)])),
      ];
      for (const entries of most) {
        const metadata = Metadata.from(entries);
        const reply = await unary(link, bytes(1), { endpoint: "Echo.Trail", metadata });
        for (const [key, value] of metadata) assert.equal(reply.trailer.get(key), value, key);
      }
    });

    linked("metadata beyond its limit fails alone, and is never sent", answer, async ({ link }) => {
      const { maxMetadata } = LIMITS;
      const ran = () => unary(link, bytes(), { endpoint: "Echo.Ran" }).then(({ body }) => number(body!));
      const before = await ran();
      const beyond = [
        { "x-much": "x".repeat(maxMetadata - 5) },
        { "x-much": "x".repeat(100_000) },
        Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`x-${i}`, "y"])),
      ];
      for (const entries of beyond) {
        const metadata = Metadata.from(entries);
        const size = metadata.size > 1 ? `${metadata.size} entries` : `${metadata.byteLength} bytes`;
        const { status, detail, notRun } = await failure(unary(link, bytes(1), { metadata }));
        assert.deepEqual([status, notRun], ["resource_exhausted", true]);
        assert.ok(detail.includes(`the metadata has ${size}`), detail);
        const streamed = await failure(all(link.open(head({ metadata })).messages));
        assert.equal(streamed.status, streams ? "resource_exhausted" : "unimplemented");
      }
      assert.equal(await ran(), before);
      const answered = await failure(unary(link, bytes(1), { endpoint: "Echo.TrailTooMuch" }));
      assert.equal(answered.status, "resource_exhausted");
      assert.match(answered.detail, /the metadata has 20006 bytes/);
      assert.deepEqual((await unary(link, bytes(1))).body, bytes(1));
    });
  });
}

let flooded = 0;
let ran = 0;

/** The service that is called. */
function answer(call: Incoming): void {
  void serveCall(call).catch((error) => call.fail(MuonError.from(error)));
}

async function serveCall(call: Incoming): Promise<void> {
  switch (call.head.endpoint) {
    case "Echo.Echo":
      ran++;
      return call.reply(call.body!);
    case "Echo.Lent":
      return call.reply(call.body!.slice(), Metadata.EMPTY, { reclaim: (body) => body.fill(0xff) });
    case "Echo.Ran":
      return call.reply(bytes(ran & 255, ran >> 8));
    case "Echo.TrailTooMuch":
      return call.reply(call.body!, Metadata.from({ "x-much": "x".repeat(20_000) }));
    case "Echo.Later":
      await later();
      return call.reply(call.body!);
    case "Echo.Trail":
      return call.reply(call.body!, call.head.metadata);
    case "Echo.Count":
    case "Echo.CountFail":
      for (let i = 0; i < call.body![0]!; i++) await call.send(bytes(i));
      if (call.head.endpoint === "Echo.Count") {
        return call.end(Metadata.from({ "x-count": `${call.body![0]}` }));
      }
      return call.fail(new MuonError("data_loss", "half of it"));
    case "Echo.Sum": {
      let sum = 0;
      for await (const item of call.messages) sum += item[0]!;
      return call.reply(bytes(sum));
    }
    case "Echo.Each":
      for await (const item of call.messages) await call.send(item);
      return call.end();
    case "Echo.Flood":
      flooded = 0;
      for (let i = number(call.body!); i > 0; i--) {
        const wait = call.send(new Uint8Array(20_000));
        flooded++;
        await wait;
      }
      return call.end();
    case "Echo.Flooded":
      return call.reply(bytes(flooded & 255, flooded >> 8));
    case "Echo.TooLarge":
      return call.reply(new Uint8Array(MAX_MESSAGE + 1));
    case "Echo.Fail":
      throw new MuonError("failed_precondition", "not today: ünder", {
        id: "echo",
        code: 4001,
        details: [{ type: "why", value: { day: [1, null, "x"] } }],
      });
    default:
      return call.fail(new MuonError("not_found", "no such endpoint", { id: "echo", notRun: true }));
  }
}

function head(from: Partial<CallHead> = {}): CallHead {
  return {
    service: "echo",
    endpoint: "Echo.Echo",
    metadata: Metadata.EMPTY,
    contentType: "application/octet-stream",
    timeout: 30_000,
    idempotent: false,
    ...from,
  };
}

function start(link: Link, sink: Sink, body: Uint8Array, from: Partial<CallHead> = {}): CallHandle {
  const handle = link.unary(head(from), body, sink);
  sink.returned = true;
  return handle;
}

function unary(link: Link, body: Uint8Array, from: Partial<CallHead> = {}): Promise<Answer> {
  const sink = new Sink();
  start(link, sink, body, from);
  return sink.answer;
}

async function all(messages: AsyncIterable<Uint8Array>): Promise<number[][]> {
  const items: number[][] = [];
  for await (const item of messages) items.push([...item]);
  return items;
}

async function failure(promise: Promise<unknown>): Promise<MuonError> {
  const value = await promise.then((value) => ({ value }), (error) => error);
  assert.ok(value instanceof MuonError, `a MuonError was expected: ${String(value?.stack ?? value)}`);
  return value;
}

function bytes(...values: number[]): Uint8Array {
  return new Uint8Array(values);
}

function number(body: Uint8Array): number {
  return body[0]! + body[1]! * 256;
}

/** Another turn of the event loop. */
function later(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
