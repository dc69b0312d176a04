/**
 * A web `Request` as hosts and protocols look at it: what of it costs, is asked for once, and late.
 *
 * @module
 */

import type { BareAnswer, BareHeaders, BareRequest, BareSignal, RequestHead } from "../../runtime/host.ts";

/** A request; its head and its headers it is itself. */
export class WebRequest implements BareRequest, BareHeaders, RequestHead {
  readonly method: string;
  readonly url: string;
  readonly path: string;
  /** What came, in the web's form. */
  readonly web: Request;

  /** @param web A server's request, whose address is whole. */
  constructor(web: Request) {
    this.web = web;
    this.method = web.method;
    const url = web.url;
    this.url = url;
    // "http://host/path": the path starts at the third slash.
    this.path = url.slice(url.indexOf("/", url.indexOf("://") + 3));
  }

  get headers(): BareHeaders {
    return this;
  }

  get signal(): BareSignal {
    return this.web.signal;
  }

  get body(): ReadableStream<Uint8Array<ArrayBuffer>> | null {
    return this.web.body;
  }

  bytes(): Promise<Uint8Array> {
    return this.web.bytes();
  }

  header(name: string): string | null {
    return this.web.headers.get(name);
  }

  get(name: string): string | null {
    return this.web.headers.get(name);
  }

  forEach(told: (value: string, name: string) => void): void {
    this.web.headers.forEach(told);
  }
}

/** The web's form of an answer. */
export function responseOf({ status, headers, body }: BareAnswer): Response {
  return new Response(body as BodyInit | null, { status, headers });
}
