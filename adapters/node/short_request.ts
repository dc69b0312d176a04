/**
 * A short request, as it stands in the bytes of a socket.
 *
 * @module
 */

import type { BareHeaders, BareRequest, BareSignal, RequestHead } from "../../runtime/host.ts";
import { LONGEST_HEAD } from "../web/bounds.ts";
import { Departure } from "./departure.ts";

/** Bytes in which the end of the head is looked for first. */
const MOST_HEADS = 1_024;
const FIRST_LINE = /^POST (\/[\x21-\x7e]*) HTTP\/1\.1\r\n/;
/** A header. What this does not match is none, is folded, or has other ends than CR and LF. */
const HEADER = /([!#$%&'*+\-.^_`|~\dA-Za-z]+):([\t\x20-\x7e\x80-\xff]*)\r\n/y;
const LENGTH = /^\d{1,5}$/;
/** Headers that say more of how a request is to be read than its length, or what becomes of its connection. */
const ODD: ReadonlySet<string> = new Set([
  "connection",
  "expect",
  "proxy-connection",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** What a head says. A client that calls the same again sends the same head. */
export interface ShortHead {
  /** As it came, with the empty line behind it. */
  readonly text: string;
  /** Path and query. */
  readonly path: string;
  /** Headers, names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  /** Bytes of the request with its body. */
  readonly length: number;
}

/**
 * The head of the one request that these bytes are; `undefined` if they are more, or less, or could be read in more than
 * one way: what is left out here is right as often as not, and `node:http` knows.
 *
 * @param chunk What came.
 * @param last The head of the connection's last request: to compare takes a tenth of what it takes to read.
 */
export function shortHead(chunk: Buffer, last: ShortHead | undefined): ShortHead | undefined {
  let text = chunk.toString("latin1", 0, Math.min(chunk.length, MOST_HEADS));
  if (last !== undefined && last.length === chunk.length && text.startsWith(last.text)) return last;
  let end = text.indexOf("\r\n\r\n");
  if (end < 0) {
    text = chunk.toString("latin1", 0, Math.min(chunk.length, LONGEST_HEAD));
    end = text.indexOf("\r\n\r\n");
  }
  const first = FIRST_LINE.exec(text);
  if (end < 0 || first === null) return undefined;
  const headers = new Map<string, string>();
  for (let at = first[0].length; at < end + 2; at = HEADER.lastIndex) {
    HEADER.lastIndex = at;
    const found = HEADER.exec(text);
    if (found === null) return undefined;
    const name = found[1]!.toLowerCase();
    const value = stripped(found[2]!);
    // What stands there twice may be read in two ways.
    if (headers.has(name)) return undefined;
    if (ODD.has(name) && !(name === "connection" && value.toLowerCase() === "keep-alive")) return undefined;
    headers.set(name, value);
  }
  const length = headers.get("content-length");
  if (length === undefined || !LENGTH.test(length) || !headers.has("host")) return undefined;
  if (end + 4 + Number(length) !== chunk.length) return undefined;
  return { text: text.slice(0, end + 4), path: first[1]!, headers, length: chunk.length };
}

/** A value without white space around it, which is less than what JavaScript takes for that. */
function stripped(value: string): string {
  let start = 0;
  let end = value.length;
  while (start < end && isSpace(value, start)) start++;
  while (end > start && isSpace(value, end - 1)) end--;
  return value.slice(start, end);
}

function isSpace(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code === 0x20 || code === 0x09;
}

/** A short request; its head, its headers and its signal it is itself. */
export class ShortRequest extends Departure implements BareRequest, BareHeaders, RequestHead {
  readonly method = "POST";
  readonly path: string;
  readonly whole: Uint8Array<ArrayBuffer>;
  readonly #headers: ReadonlyMap<string, string>;
  #body: ReadableStream<Uint8Array<ArrayBuffer>> | undefined;

  /**
   * @param head Its head.
   * @param chunk Its bytes. They stay where they are: a copy costs more, and nobody writes there again.
   */
  constructor({ path, headers, text }: ShortHead, chunk: Buffer<ArrayBuffer>) {
    super();
    this.path = path;
    this.#headers = headers;
    this.whole = new Uint8Array(chunk.buffer, chunk.byteOffset + text.length, chunk.length - text.length);
  }

  get url(): string {
    return `http://localhost${this.path}`;
  }

  get headers(): BareHeaders {
    return this;
  }

  get signal(): BareSignal {
    return this;
  }

  bytes(): Promise<Uint8Array> {
    return Promise.resolve(this.whole);
  }

  get body(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#body ??= new ReadableStream({
      start: (controller) => {
        if (this.whole.length > 0) controller.enqueue(this.whole);
        controller.close();
      },
    });
  }

  header(name: string): string | null {
    return this.#headers.get(name) ?? null;
  }

  get(name: string): string | null {
    return this.#headers.get(name) ?? null;
  }

  forEach(told: (value: string, name: string) => void): void {
    this.#headers.forEach(told);
  }
}
