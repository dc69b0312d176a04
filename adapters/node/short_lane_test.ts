import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { connect as connectTls } from "node:tls";
import { concat, text, utf8 } from "../../runtime/bytes.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { BareAnswer, BareRequest, Host, Protocol } from "../../runtime/host.ts";
import { VirtualClock } from "../../runtime/virtual_clock.ts";
import { CA_CERT, SERVER_CERT, SERVER_KEY } from "../../tests/fixtures/tls.ts";
import { serveNet } from "./net_host.ts";

type Answer = (request: BareRequest) => Promise<BareAnswer> | BareAnswer;

/** A protocol that answers everything; its fetch is not to be asked. */
function protocol(answer: Answer): Protocol {
  return {
    name: "test",
    matches: () => true,
    answer,
    fetch: () => new Response("by fetch"),
  };
}

/** A client of a host of its own, which writes bytes and sees what comes back. */
class Wire implements AsyncDisposable {
  received = "";
  ended = false;
  #wake = () => {};
  readonly #host: Host;
  readonly socket: Socket;

  private constructor(host: Host, socket: Socket) {
    this.#host = host;
    this.socket = socket;
    socket.setNoDelay(true);
    socket.setEncoding("latin1");
    socket.on("data", (piece: string) => {
      this.received += piece;
      this.#wake();
    });
    socket.on("error", () => {});
    for (const event of ["end", "close"]) {
      socket.on(event, () => {
        this.ended = true;
        this.#wake();
      });
    }
  }

  static to(answer: Answer, time?: { readonly clock: Clock }): Promise<Wire> {
    return Wire.serving(protocol(answer), time);
  }

  static async serving(protocol: Protocol, time?: { readonly clock: Clock }): Promise<Wire> {
    const host = await serveNet({}, time);
    host.mount(protocol);
    const socket = connect({ port: Number(host.addresses[0]!.split(":")[1]), allowHalfOpen: true });
    await once(socket, "connect");
    return new Wire(host, socket);
  }

  get host(): Host {
    return this.#host;
  }

  write(sent: string): void {
    this.socket.write(sent, "latin1");
  }

  /** Waits until what came fits. */
  async until(fits: (received: string) => boolean): Promise<string> {
    while (!fits(this.received)) {
      if (this.ended) throw new Error(`the server ended behind ${JSON.stringify(this.received)}`);
      await this.#news();
    }
    const { received } = this;
    this.received = "";
    return received;
  }

  async end(): Promise<void> {
    while (!this.ended) await this.#news();
  }

  #news(): Promise<void> {
    return new Promise((resolve) => this.#wake = resolve);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.destroy();
    await this.#host[Symbol.asyncDispose]();
  }
}

const HEAD =
  "POST /a.B/C?d=1 HTTP/1.1\r\nHost: x\r\nContent-Type:  text/plain \r\nX-Latin: gr\u00fc\u00df\r\n";
const post = (body: string) => `${HEAD}content-length: ${body.length}\r\n\r\n${body}`;
const whole = (received: string) => received.endsWith("!");

async function echo(request: BareRequest): Promise<BareAnswer> {
  return {
    status: 200,
    headers: { "content-type": "text/plain" },
    body: concat([await request.bytes(), utf8("!")]),
  };
}

/** An answer without what differs by the time, or by who wrote it. */
function plain(received: string): string {
  return received.toLowerCase().replace(/\r\n(?:date|connection|keep-alive): [^\r]*/g, "");
}

test("a request is shown as it is, and its answer goes out with length, date and how long one may come back", async () => {
  let seen: unknown;
  await using wire = await Wire.to((request) => {
    const all: [string, string][] = [];
    request.headers.forEach((value, name) => all.push([name, value]));
    seen = {
      method: request.method,
      url: request.url,
      latin: request.headers.get("x-latin"),
      none: request.headers.get("constructor"),
      all,
      whole: text(request.whole!),
    };
    return { status: 201, headers: { "x-a": "b" }, body: "gr\u00fc\u00df!" };
  });
  for (let i = 0; i < 3; i++) {
    wire.write(post("input"));
    const received = await wire.until(whole);
    assert.match(
      received,
      /^HTTP\/1\.1 201 Created\r\nx-a: b\r\ndate: \w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT\r\nconnection: keep-alive\r\nkeep-alive: timeout=120\r\ncontent-length: 7\r\n\r\n/,
    );
    assert.ok(received.endsWith("\r\n\r\ngr\u00c3\u00bc\u00c3\u009f!"));
    assert.deepEqual(seen, {
      method: "POST",
      url: "http://localhost/a.B/C?d=1",
      latin: "gr\u00fc\u00df",
      none: null,
      all: [
        ["host", "x"],
        ["content-type", "text/plain"],
        ["x-latin", "gr\u00fc\u00df"],
        ["content-length", "5"],
      ],
      whole: "input",
    });
    seen = undefined;
  }
});

test("wherever a request is cut in two, it is answered, and so is the next one on its connection", async () => {
  await using wire = await Wire.to(echo);
  wire.write(post("input"));
  const expected = plain(await wire.until(whole));
  assert.ok(expected.endsWith("content-length: 6\r\n\r\ninput!"), expected);
  const sent = post("input");
  for (let cut = 1; cut < sent.length; cut++) {
    await using split = await Wire.to(echo);
    split.write(sent.slice(0, cut));
    // The pieces are to be read one by one.
    await new Promise((resolve) => setTimeout(resolve, 1));
    split.write(sent.slice(cut));
    assert.equal(plain(await split.until(whole)), expected, `cut at ${cut}`);
    split.write(sent);
    assert.equal(plain(await split.until(whole)), expected, `behind one cut at ${cut}`);
  }
});

test("requests that were sent together are answered in order", async () => {
  await using wire = await Wire.to(async (request) => ({
    status: 200,
    headers: {},
    body: `${text(await request.bytes())};`,
  }));
  wire.write(post("0"));
  await wire.until((received) => received.endsWith("\r\n\r\n0;"));
  const numbers = Array.from({ length: 1_000 }, (_, n) => `${n}`);
  wire.write(numbers.map(post).join(""));
  const received = await wire.until((received) => received.endsWith("\r\n\r\n999;"));
  assert.deepEqual([...received.matchAll(/\r\n\r\n(\d+);/g)].map(([, n]) => n), numbers);
});

test("what comes while a request is answered waits for that", async () => {
  const go = new Map<string, PromiseWithResolvers<void>>();
  const asked: string[] = [];
  const came = Promise.withResolvers<void>();
  await using wire = await Wire.to(async (request) => {
    const body = text(await request.bytes());
    asked.push(body);
    came.resolve();
    await go.get(body)?.promise;
    return { status: 200, headers: {}, body: `${body};` };
  });
  go.set("first", Promise.withResolvers());
  wire.write(post("first"));
  await came.promise;
  for (const body of ["second", "third"]) {
    wire.write(post(body));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.deepEqual(asked, ["first"]);
  go.get("first")!.resolve();
  const received = await wire.until((received) => received.endsWith("\r\n\r\nthird;"));
  assert.deepEqual([...received.matchAll(/\r\n\r\n(\w+);/g)].map(([, body]) => body), [
    "first",
    "second",
    "third",
  ]);
  assert.deepEqual(asked, ["first", "second", "third"]);
  wire.write(post("fourth"));
  await wire.until((received) => received.endsWith("\r\n\r\nfourth;"));
});

test("what is left to node:http reaches it before what came behind it", async () => {
  for (let round = 0; round < 10; round++) {
    let look = () => {};
    await using wire = await Wire.serving({
      name: "test",
      matches() {
        // What is written here is in the kernel while the lane has the first request in hand.
        look();
        return true;
      },
      fetch: async (request) => new Response(`${await request.text()}!`),
    });
    look = () => {
      look = () => {};
      wire.write(post("second"));
    };
    wire.write(post("first"));
    const received = await wire.until((received) => received.split("!").length === 3);
    assert.deepEqual(received.match(/\w+!/g), ["first!", "second!"]);
  }
});

test("a body stays as it came, whatever comes behind it", async () => {
  const kept: Uint8Array[] = [];
  await using wire = await Wire.to((request) => {
    kept.push(request.whole!);
    return { status: 200, headers: {}, body: "!" };
  });
  const bodies = Array.from({ length: 100 }, (_, n) => `body ${n} ${"x".repeat(n * 10)}`);
  for (const body of bodies) {
    wire.write(post(body));
    await wire.until(whole);
  }
  assert.deepEqual(kept.map(text), bodies);
});

const LENGTH = "content-length: 5\r\n";
for (
  const [what, sent, answers] of [
    [
      "a body in chunks",
      `${HEAD}transfer-encoding: chunked\r\n\r\n5\r\ninput\r\n0\r\n\r\n`,
      /^HTTP\/1\.1 200 .*\r\n\r\ninput!$/s,
    ],
    [
      "a body in chunks and a length",
      `${HEAD}${LENGTH}transfer-encoding: chunked\r\n\r\n5\r\ninput\r\n0\r\n\r\n`,
      /^HTTP\/1\.1 400 /,
    ],
    [
      "a request that waits to be told to go on",
      `${HEAD}${LENGTH}expect: 100-continue\r\n\r\ninput`,
      /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 .*input!$/s,
    ],
    [
      "a request that is the last",
      `${HEAD}${LENGTH}connection: close\r\n\r\ninput`,
      /^HTTP\/1\.1 200 .*input!$/s,
    ],
    [
      "a header that is there twice",
      `${HEAD}${LENGTH}x-a: 1\r\nX-A: 2\r\n\r\ninput`,
      /^HTTP\/1\.1 200 .*input!$/s,
    ],
    ["two lengths", `${HEAD}${LENGTH}content-length: 6\r\n\r\ninput!`, /^HTTP\/1\.1 400 /],
    ["no length", `${HEAD}\r\n`, /^HTTP\/1\.1 200 .*\r\n\r\n!$/s],
    ["a length that is none", `${HEAD}content-length: +5\r\n\r\ninput`, /^HTTP\/1\.1 400 /],
    // Bun takes it.
    ["no host", `POST / HTTP/1.1\r\n${LENGTH}\r\ninput`, /^HTTP\/1\.1 (?:400 |200 .*input!$)/s],
    ["a space before a colon", `${HEAD}${LENGTH}x-a : 1\r\n\r\ninput`, /^HTTP\/1\.1 400 /],
    ["a header without a name", `${HEAD}${LENGTH}: 1\r\n\r\ninput`, /^HTTP\/1\.1 400 /],
    ["no HTTP", "POST / HTTQ/1.1\r\n\r\n", /^HTTP\/1\.1 400 /],
    ["an older HTTP", `POST / HTTP/1.0\r\nhost: x\r\n${LENGTH}\r\ninput`, /^HTTP\/1\.1 200 .*input!$/s],
    ["another method", `PUT / HTTP/1.1\r\nhost: x\r\n${LENGTH}\r\ninput`, /^HTTP\/1\.1 200 .*input!$/s],
    [
      "a long body",
      `${HEAD}content-length: 70000\r\n\r\n${"x".repeat(70_000)}`,
      /^HTTP\/1\.1 200 .*x!$/s,
    ],
    [
      "a long head",
      `${HEAD}${LENGTH}x-long: ${"y".repeat(66_000)}\r\n\r\ninput`,
      /^HTTP\/1\.1 431 /,
    ],
  ] as const
) {
  for (const first of [true, false]) {
    test(`${what} is left to node:http, ${first ? "at once" : "behind a short request"}`, async () => {
      await using wire = await Wire.to(echo);
      if (!first) {
        wire.write(post("before"));
        assert.ok((await wire.until(whole)).endsWith("before!"));
      }
      wire.write(sent);
      assert.match(await wire.until((received) => answers.test(received)), answers);
    });
  }
}

for (const goes of ["end", "destroy"] as const) {
  test(`a handler hears that the client went (${goes}), and what it answers then goes nowhere`, async () => {
    const asked = Promise.withResolvers<BareRequest>();
    const told = Promise.withResolvers<void>();
    const answered = Promise.withResolvers<void>();
    await using wire = await Wire.to(async (request) => {
      const { signal } = request;
      const never = () => assert.fail("it was taken back");
      signal.addEventListener("abort", never, { once: true });
      signal.addEventListener("abort", () => told.resolve(), { once: true });
      signal.removeEventListener("abort", never);
      asked.resolve(request);
      await told.promise;
      answered.resolve();
      return { status: 200, headers: {}, body: "late" };
    });
    wire.write(post("input"));
    const { signal } = await asked.promise;
    assert.equal(signal.aborted, false);
    wire.socket[goes]();
    await told.promise;
    assert.equal(signal.aborted, true);
    await answered.promise;
    if (goes === "end") await wire.end();
    assert.equal(wire.received, "");
  });
}

test("what was not read of a body does not stand in the way of the next request", async () => {
  await using wire = await Wire.to((request) => {
    void request.body?.cancel();
    return { status: 413, headers: {}, body: "no!" };
  });
  wire.write(post("input").slice(0, -3));
  await wire.until(whole);
  wire.write("put" + post("next"));
  assert.match(await wire.until(whole), /^HTTP\/1\.1 413 /);
});

test("a body that is refused for its size is read on, so that its sender gets to see the answer", async () => {
  const size = 6_000_000;
  await using wire = await Wire.to((request) => {
    void request.body?.cancel();
    return { status: 413, headers: {}, body: "no!" };
  });
  wire.write(post("").replace("content-length: 0", `content-length: ${size}`));
  await wire.until(whole);
  wire.write("x".repeat(size) + post("next"));
  assert.match(await wire.until(whole), /^HTTP\/1\.1 413 /);
});

test("an answer may be a stream, which ends when its client does", async () => {
  const canceled = Promise.withResolvers<void>();
  let endless = false;
  await using wire = await Wire.to(() => {
    let n = 0;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        controller.enqueue(utf8(`piece${++n}`));
        if (n === 3 && !endless) controller.close();
      },
      cancel: () => canceled.resolve(),
    });
    return { status: 200, headers: { "content-type": "text/plain" }, body };
  });
  for (let i = 0; i < 2; i++) {
    wire.write(post("input"));
    const received = await wire.until((received) => received.endsWith("\r\n0\r\n\r\n"));
    assert.match(
      received,
      /transfer-encoding: chunked\r\n\r\n6\r\npiece1\r\n6\r\npiece2\r\n6\r\npiece3\r\n0\r\n\r\n$/,
    );
  }
  endless = true;
  wire.write(post("input"));
  await wire.until((received) => received.includes("piece9"));
  wire.socket.destroy();
  await canceled.promise;
});

test("a protocol that throws, or answers with what is no header, is answered for, and the connection goes on", async () => {
  const answers: (() => Promise<BareAnswer> | BareAnswer)[] = [
    () => {
      throw new Error("secret: this test means it, the stack above is expected");
    },
    () => Promise.reject(new Error("secret: this test means it, the stack above is expected")),
    () => ({ status: 200, headers: { "x-a": "1\r\nx-secret: 2" }, body: null }),
    () => ({ status: 200, headers: { "x-secret: 2\r\nx-a": "1" }, body: null }),
  ];
  let next = 0;
  await using wire = await Wire.to(() => answers[next++]?.() ?? { status: 200, headers: {}, body: "well!" });
  for (const _ of answers) {
    wire.write(post("input"));
    const received = await wire.until((received) => received.endsWith("}"));
    assert.match(received, /^HTTP\/1\.1 500 /);
    assert.ok(!received.includes("secret"), received);
  }
  wire.write(post("input"));
  assert.match(await wire.until(whole), /^HTTP\/1\.1 200 /);
});

test("answers without a body say so", async () => {
  const statuses = [204, 200];
  await using wire = await Wire.to(() => ({ status: statuses.shift()!, headers: {}, body: null }));
  wire.write(post("input"));
  assert.doesNotMatch(await wire.until((received) => received.endsWith("\r\n\r\n")), /content-length/);
  wire.write(post("input"));
  assert.match(await wire.until((received) => received.endsWith("\r\n\r\n")), /content-length: 0\r\n/);
});

test("while the host drains, the answer under way is the last, and idle connections close", async () => {
  const asked = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  await using wire = await Wire.to(async (request) => {
    if (text(await request.bytes()) === "input") {
      asked.resolve();
      await go.promise;
    }
    return await echo(request);
  });
  const idle = connect({ port: wire.socket.remotePort! });
  idle.on("error", () => {});
  idle.write(post("first"));
  await once(idle, "data");
  wire.write(post("input"));
  await asked.promise;
  const drained = wire.host.drain(new AbortController().signal);
  await once(idle, "close");
  go.resolve();
  const received = await wire.until(whole);
  assert.match(received, /connection: close\r\n/);
  assert.ok(received.endsWith("input!"));
  await wire.end();
  wire.socket.end();
  await drained;
});

test("a client that does not read is waited for", async () => {
  const large = new Uint8Array(1_000_000).fill(0x78);
  let answered = 0;
  await using wire = await Wire.to(() => {
    answered++;
    return { status: 200, headers: {}, body: large };
  });
  wire.socket.pause();
  for (let sent = 0; sent < 100; sent++) {
    wire.write(post("input"));
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  assert.ok(answered > 0 && answered < 50, `${answered} answers of 1 MB wait for their client`);
  let got = 0;
  wire.socket.removeAllListeners("data");
  wire.socket.on("data", (piece: string) => {
    got += piece.length;
  });
  wire.socket.resume();
  while (got < 100 * large.length) await once(wire.socket, "data");
  assert.equal(answered, 100);
});

test("a draining host lets an answer out that is on its way", async () => {
  await using wire = await Wire.to(() => ({ status: 200, headers: {}, body: "!" }));
  for (const _ of [1, 2]) {
    wire.write(post("input"));
    await wire.until(whole);
  }
  await wire.host.drain(new AbortController().signal);
  await wire.end();
});

test("calls over TLS go the same way", async () => {
  await using host = await serveNet({ tls: { cert: SERVER_CERT, key: SERVER_KEY } });
  host.mount(protocol(echo));
  const port = Number(host.addresses[0]!.split(":")[1]);
  const socket = connectTls({ host: "127.0.0.1", port, ca: CA_CERT });
  await once(socket, "secureConnect");
  socket.setEncoding("latin1");
  for (const body of ["first", "second"]) {
    socket.write(post(body));
    let received = "";
    while (!whole(received)) received += (await once(socket, "data"))[0];
    assert.match(received, /^HTTP\/1\.1 200 OK\r\ncontent-type: text\/plain\r\ndate: .*!$/s);
    assert.ok(received.endsWith(`${body}!`));
  }
  socket.write(`GET / HTTP/1.1\r\nHost: x\r\n\r\n`);
  let received = "";
  while (!whole(received)) received += (await once(socket, "data"))[0];
  assert.match(received, /^HTTP\/1\.1 200 /);
  socket.destroy();
});

test("connections on which nobody asks for anything are closed, others are not", async () => {
  const clock = new VirtualClock();
  let go: (() => void) | undefined = undefined as (() => void) | undefined;
  const wires: Wire[] = [];
  for (let n = 0; n < 5; n++) {
    wires.push(
      await Wire.to(async (request) => {
        if (text(await request.bytes()) === "slow") await new Promise<void>((resolve) => go = resolve);
        return { status: 200, headers: {}, body: "!" };
      }, { clock }),
    );
  }
  const [silent, begun, called, other, slow] = wires as [Wire, Wire, Wire, Wire, Wire];
  begun.write(post("input").slice(0, 20));
  for (const wire of [called, other]) {
    wire.write(post("input"));
    await wire.until(whole);
  }
  other.write("POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n");
  await other.until(whole);
  slow.write(post("slow"));
  while (go === undefined) await new Promise((resolve) => setTimeout(resolve, 1));
  const open = () => wires.map(({ ended }) => !ended);
  await clock.advance(60_000);
  assert.deepEqual(open(), [true, true, true, true, true]);
  await clock.advance(30_000);
  await Promise.all([silent.end(), begun.end()]);
  await clock.advance(30_000);
  // Go's clients keep theirs for 90 s, and must not find them closed.
  assert.deepEqual(open(), [false, false, true, true, true]);
  await clock.advance(30_000);
  await Promise.all([called.end(), other.end()]);
  await clock.advance(300_000);
  go();
  await slow.until(whole);
  for (const wire of wires) await wire[Symbol.asyncDispose]();
  assert.equal(clock.pending, 0);
});
