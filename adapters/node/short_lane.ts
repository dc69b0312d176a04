/**
 * The short lane of the net host: small calls are read from their socket and answered on it. Of what such a call costs
 * a server, `node:http` takes more than all else together.
 *
 * It takes what leaves no room for interpretation: bytes that came in one piece and are one `POST`, no more and no less,
 * with its body's length given and no header twice. At whatever else comes, the connection goes to `node:http`, with
 * those bytes handed on, and stays there: a request that is refused, cut in two, or never whole, is none of this module's.
 * Source: {@link https://www.rfc-editor.org/rfc/rfc9112 | RFC 9112}, HTTP/1.1.
 *
 * @module
 */

import type { Socket } from "node:net";
import process from "node:process";
import { utf8 } from "../../runtime/bytes.ts";
import type { BareAnswer, Peer, RequestHead } from "../../runtime/host.ts";
import type { AnswerProtocol } from "../../runtime/mounts.ts";
import { type ShortHead, shortHead, ShortRequest } from "./short_request.ts";

/** Bytes up to which an answer's body goes out as text, each byte a character: one write in place of two. */
const SHORT = 4_096;
const NAME = /^[!#$%&'*+\-.^_`|~\dA-Za-z]+$/;
const NO_VALUE = /[^\t\x20-\x7e\x80-\xff]/;

/** What a {@link ShortLane} needs of its host. */
export interface LaneHost {
  /** Whether answers are the last on their connections. */
  readonly draining: boolean;
  /** Headers of answers that are not the last: how long the client may come back. */
  readonly keeps: string;
  /** Who answers a request; `undefined`: it is one for `node:http`. */
  find(head: RequestHead): AnswerProtocol | undefined;
  /** What is answered when a protocol throws. */
  failed(
    error: unknown,
    about: { readonly head: RequestHead; readonly protocol: AnswerProtocol },
  ): BareAnswer;
}

/** A connection, as its lane sees it. */
export interface LaneConnection {
  /** Where requests come from, and answers go. */
  readonly socket: Socket;
  /** Who is at the other end. */
  readonly peer: Peer;
  /** Set to 0 with every request. */
  quiet: number;
}

/** Serves a connection for as long as its requests are short. They are answered one after the other. */
export class ShortLane {
  readonly #connection: LaneConnection;
  readonly #socket: Socket;
  readonly #host: LaneHost;
  readonly #leave: () => void;
  #head: ShortHead | undefined;
  /** What is being answered; until its client takes the answer, where that is long. */
  #request: ShortRequest | undefined;
  /** What came meanwhile. */
  #held: Buffer<ArrayBuffer> | undefined;

  /**
   * @param connection One of which nothing was read, or what was has been put back.
   * @param options `leave`: gives the connection to `node:http`.
   */
  constructor(
    connection: LaneConnection,
    { host, leave }: { readonly host: LaneHost; readonly leave: () => void },
  ) {
    const { socket } = this.#connection = connection;
    this.#socket = socket;
    this.#host = host;
    this.#leave = leave;
    socket.on("data", this.#read);
    socket.on("end", this.#end);
    socket.on("close", this.#gone);
  }

  /** Whether a request is being answered. */
  get busy(): boolean {
    return this.#request !== undefined;
  }

  readonly #read = (chunk: Buffer<ArrayBuffer>): void => {
    if (this.#request !== undefined) {
      this.#held = this.#held === undefined ? chunk : Buffer.concat([this.#held, chunk]);
      this.#socket.pause();
      return;
    }
    const head = shortHead(chunk, this.#head);
    if (head === undefined) return this.#giveUp(chunk);
    const request = new ShortRequest(head, chunk);
    const protocol = this.#host.find(request);
    if (protocol === undefined) return this.#giveUp(chunk);
    this.#head = head;
    this.#request = request;
    this.#connection.quiet = 0;
    try {
      const answer = protocol.answer(request, this.#connection.peer);
      if (answer instanceof Promise) {
        answer.then((answer) => this.#send(answer)).catch((error) =>
          this.#fail(error, { head: request, protocol })
        );
      } else this.#send(answer);
    } catch (error) {
      this.#fail(error, { head: request, protocol });
    }
  };

  #giveUp(chunk: Buffer): void {
    const socket = this.#socket;
    socket.off("data", this.#read);
    socket.off("end", this.#end);
    socket.off("close", this.#gone);
    const rest = socket.read() as Buffer | null;
    this.#leave();
    // Not unshift: Deno's node:http may read from the system first, what came behind it before what was put back.
    socket.emit("data", rest === null ? chunk : Buffer.concat([chunk, rest]));
  }

  #fail(error: unknown, about: { readonly head: RequestHead; readonly protocol: AnswerProtocol }): void {
    if (this.#socket.writable) this.#send(this.#host.failed(error, about));
  }

  /** @throws {TypeError} If the answer has what HTTP has no place for. Nothing is sent then. */
  #send({ status, headers, body }: BareAnswer): void {
    const socket = this.#socket;
    let head = `HTTP/1.1 ${status} ${reason(status)}\r\n`;
    for (const name in headers) {
      const value = headers[name]!;
      if (!NAME.test(name) || NO_VALUE.test(value)) {
        throw new TypeError(`An answer has a header that HTTP has no place for: ${JSON.stringify(name)}`);
      }
      head += `${name}: ${value}\r\n`;
    }
    const last = this.#host.draining;
    head += date();
    head += last ? "connection: close\r\n" : this.#host.keeps;
    if (body instanceof ReadableStream) {
      return void this.#stream(body.getReader(), `${head}transfer-encoding: chunked\r\n\r\n`);
    }
    // The client went, and nobody is told what it would have got.
    if (!socket.writable) return;
    if (body === null) {
      socket.write(`${head}${status === 204 || status === 304 ? "" : "content-length: 0\r\n"}\r\n`, "latin1");
    } else {
      const length = typeof body === "string" ? Buffer.byteLength(body) : body.length;
      head += `content-length: ${length}\r\n\r\n`;
      if (length > SHORT) {
        socket.write(head, "latin1");
        socket.write(body);
      } else if (typeof body !== "string") socket.write(head + latin1(body), "latin1");
      // As many bytes as characters: ASCII.
      else if (length === body.length) socket.write(head + body, "latin1");
      else socket.write(head + latin1(utf8(body)), "latin1");
    }
    this.#sent(last);
  }

  /** Sends a body piece by piece, no faster than it is taken. */
  async #stream(reader: ReadableStreamDefaultReader<Uint8Array>, head: string): Promise<void> {
    const socket = this.#socket;
    let room: () => void = () => {};
    const hasRoom = () => room();
    const gone = () => {
      reader.cancel(new TypeError("The client is gone")).catch(() => {});
      room();
    };
    socket.on("drain", hasRoom);
    socket.on("close", gone);
    try {
      if (socket.writable) socket.write(head, "latin1");
      else gone();
      for (;;) {
        const { done, value } = await reader.read();
        if (!socket.writable) return;
        if (done) break;
        if (value.length === 0) continue;
        socket.write(`${value.length.toString(16)}\r\n`, "latin1");
        socket.write(value);
        if (!socket.write("\r\n", "latin1")) await new Promise<void>((resolve) => room = resolve);
      }
      const last = this.#host.draining;
      socket.write("0\r\n\r\n", "latin1");
      this.#sent(last);
    } catch {
      // The client learns by the missing end that it has not all of it.
      socket.destroy();
    } finally {
      socket.off("drain", hasRoom);
      socket.off("close", gone);
    }
  }

  #sent(last: boolean): void {
    const socket = this.#socket;
    if (last) {
      // What comes behind it is thrown away; a connection that is not read would never be seen to close.
      socket.off("data", this.#read);
      socket.resume();
      socket.end();
    } else if (socket.writableNeedDrain) socket.once("drain", () => this.#next());
    else this.#next();
  }

  #next(): void {
    this.#request = undefined;
    const held = this.#held;
    if (held === undefined) return;
    this.#held = undefined;
    this.#socket.resume();
    this.#read(held);
  }

  /** Whoever sends no more went: that is how a client which closes its connection is told from one that waits. */
  readonly #end = (): void => {
    this.#socket.end();
  };

  readonly #gone = (): void => {
    this.#request?.abort();
  };
}

/** What stands behind a status. Most need not load `node:http` for it. */
function reason(status: number): string {
  return status === 200 ? "OK" : process.getBuiltinModule("node:http").STATUS_CODES[status] ?? "Unknown";
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}

let second = 0;
let written = "";

/** The header that says the time, which changes once a second. */
function date(): string {
  const now = Math.floor(Date.now() / 1_000);
  if (now !== second) {
    second = now;
    written = `date: ${new Date(now * 1_000).toUTCString()}\r\n`;
  }
  return written;
}
