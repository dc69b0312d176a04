/**
 * A load of JSON over HTTP/1.1 that costs the same whoever answers: requests are made beforehand and written to sockets,
 * kept alive, one request at a time on each; of an answer its status and its body are looked at.
 *
 *   load.ts <path>
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import process from "node:process";
import { load, settings } from "../load.ts";

const path = process.argv[2];
const { address, inflight } = settings();
const [host, port] = address.split(":");

const NAMES = 1024;
const requests = Array.from({ length: NAMES }, (_, n) => {
  const body = JSON.stringify({ name: `user${n}` });
  return `POST ${path} HTTP/1.1\r\nhost: ${address}\r\ncontent-type: application/json\r\n` +
    `content-length: ${body.length}\r\n\r\n${body}`;
});
const answers = Array.from({ length: NAMES }, (_, n) => JSON.stringify({ greeting: `Hello user${n}` }));

/** A connection with one request under way at most. */
class Connection {
  readonly #socket: Socket;
  #text = "";
  #done = { resolve: (_: string) => {}, reject: (_: Error) => {} };

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.setEncoding("latin1");
    socket.on("data", (text: string) => {
      this.#text = this.#text === "" ? text : this.#text + text;
      this.#look();
    });
    socket.on("error", (error) => this.#done.reject(error));
    socket.on("close", () => this.#done.reject(new Error(`the server closed a connection: ${this.#text}`)));
  }

  /** Sends a request, and gives its answer's body. */
  send(request: string): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#done = { resolve, reject };
      this.#socket.write(request, "latin1");
    });
  }

  #look(): void {
    const text = this.#text;
    const end = text.indexOf("\r\n\r\n");
    if (end < 0) return;
    if (!text.startsWith("HTTP/1.1 200")) return this.#done.reject(new Error(`not the answer: ${text}`));
    const body = bodyOf(text, end);
    if (body === undefined) return;
    this.#text = "";
    this.#done.resolve(body);
  }
}

/** The body of a response, of which its head is here; `undefined`: not all of it is. */
function bodyOf(text: string, head: number): string | undefined {
  const start = head + 4;
  const length = /\r\ncontent-length: *(\d+)/i.exec(text);
  if (length !== null) {
    const end = start + Number(length[1]);
    return text.length < end ? undefined : text.slice(start, end);
  }
  if (!/\r\ntransfer-encoding: *chunked/i.test(text)) throw new Error(`an answer without a length: ${text}`);
  if (!text.endsWith("0\r\n\r\n")) return undefined;
  let body = "";
  for (let at = start;;) {
    const line = text.indexOf("\r\n", at);
    const size = parseInt(text.slice(at, line), 16);
    if (size === 0) return body;
    body += text.slice(line + 2, line + 2 + size);
    at = line + 2 + size + 2;
  }
}

const free = await Promise.all(Array.from({ length: inflight }, async () => {
  const socket = connect(Number(port), host);
  await once(socket, "connect");
  return new Connection(socket);
}));

await load(async (n) => {
  const connection = free.pop()!;
  const body = await connection.send(requests[n % NAMES]!);
  free.push(connection);
  if (body !== answers[n % NAMES]) throw new Error(`wrong answer: ${body}`);
});
