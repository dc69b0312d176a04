/**
 * A `node:http` request as protocols take it that need no `Request`. Of what a small call cost a service on Node, the
 * web's `Request`, `Response`, `Headers`, streams and signal were more than half.
 *
 * @module
 */

import type { IncomingMessage } from "node:http";
import type { BareHeaders, BareRequest, BareSignal } from "../../runtime/host.ts";
import { Departure } from "./departure.ts";
import { bodyOf } from "./http_bridge.ts";

/** A request; its headers and its signal it is itself. */
export class NodeRequest extends Departure implements BareRequest, BareHeaders {
  readonly #message: IncomingMessage;
  #body: ReadableStream<Uint8Array<ArrayBuffer>> | undefined;
  /** Fails who waits for the whole body. */
  #cutOff: (() => void) | undefined;

  /** @param message What came; its body is not asked for yet. */
  constructor(message: IncomingMessage) {
    super();
    this.#message = message;
  }

  get method(): string {
    return this.#message.method ?? "GET";
  }

  get url(): string {
    const { url = "/" } = this.#message;
    return url.startsWith("/") ? `http://localhost${url}` : url;
  }

  get headers(): BareHeaders {
    return this;
  }

  get signal(): BareSignal {
    return this;
  }

  get body(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#body ??= bodyOf(this.#message, {
      cancel: () => void this.#message.resume(),
      error: (cause) => cause ?? cutOff(),
    });
  }

  async bytes(): Promise<Uint8Array> {
    // A body that came with its head is there behind this microtask, and is read without a listener.
    await undefined;
    if (this.aborted) throw cutOff();
    const first = this.#message.read() as Uint8Array | null;
    const { complete, headers } = this.#message;
    if (first === null) return await this.#rest([]);
    return complete && first.length === Number(headers["content-length"])
      ? joined([first])
      : await this.#rest([first]);
  }

  /** The whole body, of which some parts were read. */
  #rest(parts: Uint8Array[]): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.#cutOff = () => reject(cutOff());
      this.#message.on("data", (part: Uint8Array) => parts.push(part));
      this.#message.on("end", () => {
        this.#cutOff = undefined;
        resolve(joined(parts));
      });
    });
  }

  get(name: string): string | null {
    const value = this.#message.headers[name];
    if (typeof value === "string") return value;
    return Array.isArray(value) ? value.join(", ") : null;
  }

  forEach(told: (value: string, name: string) => void): void {
    const { headers } = this.#message;
    for (const name in headers) told(this.get(name)!, name);
  }

  override abort(): void {
    super.abort();
    this.#cutOff?.();
  }
}

/** Bytes in a buffer of their own: what `node:http` gives lies in one that is large, and shared. */
function joined(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function cutOff(): TypeError {
  return new TypeError("The client went before the request's body was complete");
}
