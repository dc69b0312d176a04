/**
 * From `node:http` to the web's `Request` and `Response` and back, streaming both ways.
 *
 * @module
 */

import type { IncomingMessage, ServerResponse } from "node:http";
import type { BareAnswer, RequestHead } from "../../runtime/host.ts";

/** Bytes of a body that are held for a reader who is slower than the other end. */
const WINDOW = 65_536;
/**
 * Bytes of a request's body that are read and thrown away after the answer, so that its sender gets to see that, which
 * a connection that is closed while he sends may take from him, and the connection can be kept.
 */
const DISCARD = 8_388_608;

/** Bytes up to which an answer's body goes out as text, each byte a character. */
const SHORT = 4_096;

/** The head of a `node:http` request. */
export function headOf(message: IncomingMessage): RequestHead {
  return {
    method: message.method ?? "GET",
    path: message.url ?? "/",
    header(name) {
      const value = message.headers[name];
      return value === undefined ? null : Array.isArray(value) ? value.join(", ") : value;
    },
  };
}

/**
 * The web's form of a request.
 *
 * @param message The request.
 * @param options `secure`: whether it came over TLS. `signal`: aborted when the client goes before it is answered.
 * @throws {TypeError} If method or target are none that a `Request` can have.
 */
export function toRequest(
  message: IncomingMessage,
  options: { readonly secure: boolean; readonly signal: AbortSignal },
): Request {
  const { method = "GET", rawHeaders } = message;
  const headers = new Headers();
  for (let i = 0; i < rawHeaders.length; i += 2) headers.append(rawHeaders[i]!, rawHeaders[i + 1]!);
  const bodiless = method === "GET" || method === "HEAD";
  const init: RequestInit & { duplex: "half" } = {
    method,
    headers,
    signal: options.signal,
    body: bodiless ? null : bodyOf(message, {
      cancel: () => void message.resume(),
      error: (cause) => cause ?? new TypeError("The client went before the request's body was complete"),
    }),
    duplex: "half",
  };
  return new Request(urlOf(message, options.secure), init);
}

function urlOf(message: IncomingMessage, secure: boolean): string {
  const target = message.url ?? "/";
  if (!target.startsWith("/")) return new URL(target).href;
  const base = `${secure ? "https" : "http"}://`;
  const host = message.headers.host ?? "localhost";
  // Not new URL(target, base): a target that starts with "//" would name another host.
  return URL.canParse(`${base}${host}`) ? `${base}${host}${target}` : `${base}localhost${target}`;
}

/**
 * The body of a request or an answer.
 *
 * @param message Whose body it is.
 * @param options `cancel`: the reader wants no more of it. `error`: what the reader is told when it is cut off; `cause`
 * is missing where the system said nothing.
 */
export function bodyOf(
  message: IncomingMessage,
  { cancel, error }: { readonly cancel: () => void; readonly error: (cause?: unknown) => unknown },
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let open = true;
  return new ReadableStream({
    start(controller) {
      message.on("data", (chunk: Uint8Array) => {
        if (!open) return;
        controller.enqueue(new Uint8Array(chunk.buffer as ArrayBuffer, chunk.byteOffset, chunk.length));
        if ((controller.desiredSize ?? 0) <= 0) message.pause();
      });
      const fail = (cause?: unknown) => {
        if (!open) return;
        open = false;
        controller.error(error(cause));
      };
      message.on("end", () => {
        if (!open) return;
        open = false;
        controller.close();
      });
      message.on("error", fail);
      message.on("close", () => {
        if (!message.complete) fail();
      });
      // Nothing is read before the body is asked for: a request that is refused costs no upload.
      message.pause();
    },
    pull() {
      message.resume();
    },
    cancel() {
      open = false;
      cancel();
    },
  }, { highWaterMark: WINDOW, size: (chunk) => chunk?.byteLength ?? 0 });
}

/**
 * Sends a response.
 *
 * @param response What to send.
 * @param to Where to; its `req` is read to its end, or cut off, so that the connection can serve the next request.
 */
export async function sendResponse(response: Response, to: ServerResponse): Promise<void> {
  writeHead(response, to);
  if (response.body === null || to.req.method === "HEAD") {
    await response.body?.cancel();
    to.end();
  } else {
    await sendBody(response.body, to);
  }
  discardRest(to.req);
}

/** Sends an answer, as {@link sendResponse} does. */
export function sendAnswer(
  { status, headers, body }: BareAnswer,
  to: ServerResponse,
): Promise<void> | undefined {
  if (body instanceof ReadableStream) {
    to.statusCode = status;
    for (const name in headers) to.setHeader(name, headers[name]!);
    return sendBody(body, to).then(() => discardRest(to.req));
  }
  if (body === null) {
    to.writeHead(status, headers).end();
  } else {
    const length = typeof body === "string" ? Buffer.byteLength(body) : body.length;
    to.writeHead(status, { ...headers, "content-length": length });
    // Node puts head and text together and writes once; head and bytes take a `writev`, which costs 2 µs more.
    if (typeof body !== "string" && length <= SHORT) to.end(latin1(body), "latin1");
    else to.end(body);
  }
  discardRest(to.req);
  return undefined;
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}

function writeHead(response: Response, to: ServerResponse): void {
  to.statusCode = response.status;
  if (response.statusText !== "") to.statusMessage = response.statusText;
  for (const [name, value] of response.headers) {
    if (name !== "set-cookie") to.setHeader(name, value);
  }
  const cookies = response.headers.getSetCookie();
  if (cookies.length > 0) to.setHeader("set-cookie", cookies);
}

async function sendBody(body: ReadableStream<Uint8Array>, to: ServerResponse): Promise<void> {
  const reader = body.getReader();
  const gone = () => void reader.cancel(new TypeError("The client is gone")).catch(() => {});
  to.once("close", gone);
  // It may have closed before; then nobody says so any more.
  if (to.destroyed) gone();
  try {
    let next = reader.read();
    // A body that is there at once, as that of a JSON answer, goes out in one write and with its length.
    const first = await soon(next);
    if (first === undefined) {
      to.flushHeaders();
    } else if (!first.done) {
      next = reader.read();
      if ((await soon(next))?.done) {
        to.end(first.value);
        return;
      }
      await write(first.value, to);
    }
    for (;;) {
      const { done, value } = await next;
      if (done) break;
      // It is destroyed before it says that it closed: whoever writes the body must hear of it all the same.
      if (to.destroyed) return gone();
      await write(value, to);
      next = reader.read();
    }
    to.end();
  } finally {
    to.off("close", gone);
  }
}

function write(chunk: Uint8Array, to: ServerResponse): Promise<void> | undefined {
  if (to.destroyed || to.write(chunk)) return undefined;
  return new Promise((resolve) => {
    const done = () => {
      to.off("drain", done);
      to.off("close", done);
      resolve();
    };
    to.on("drain", done);
    to.on("close", done);
  });
}

/** What a promise gives within a few microtasks, if it does. */
async function soon<T>(promise: Promise<T>): Promise<T | undefined> {
  let value: T | undefined;
  let over = false;
  promise.then((given) => {
    value = given;
    over = true;
  }, () => over = true);
  for (let i = 0; i < 8 && !over; i++) await undefined;
  return value;
}

function discardRest(message: IncomingMessage): void {
  if (message.complete) return;
  let length = 0;
  message.on("data", (chunk: Uint8Array) => {
    length += chunk.length;
    if (length > DISCARD) message.socket.destroy();
  });
  message.resume();
}
