/**
 * Connect's envelopes, in which the messages of a stream go: a byte of flags, four of length (big-endian), the message.
 * Source: {@link https://connectrpc.com/docs/protocol#streaming-request | Connect, streaming RPCs}.
 *
 * @module
 */

import { concat } from "../../bytes.ts";
import { MuonError } from "../../errors.ts";

/** Flag: the message is compressed. */
const COMPRESSED = 1;
/** Flag: the message is the last one, JSON that says how the stream ended. */
export const END = 2;
/** Flag, muon's own: the envelope means nothing. */
export const NOTHING = 0x80;
const HEAD = 5;

/** A message in its envelope. */
export function envelope(body: Uint8Array, flags = 0): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(HEAD + body.length);
  whole[0] = flags;
  new DataView(whole.buffer).setUint32(1, body.length);
  whole.set(body, HEAD);
  return whole;
}

/** A stream of envelopes that is written here and read by an HTTP body's sender. */
export class EnvelopeWriter {
  /** What is sent. */
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  #controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  #open = true;
  #room: PromiseWithResolvers<void> | undefined;

  /**
   * @param options `window`: bytes that may wait before a writer has to. `gone`: told when the reader leaves.
   */
  constructor(options: { readonly window: number; readonly gone: (reason: unknown) => void }) {
    this.readable = new ReadableStream({
      start: (controller) => {
        this.#controller = controller;
      },
      pull: () => this.#hasRoom(),
      cancel: (reason) => {
        this.#open = false;
        this.#hasRoom();
        options.gone(reason);
      },
    }, { highWaterMark: options.window, size: (chunk) => chunk.byteLength });
  }

  /** Writes a message. `undefined`: there is room for more; a promise: wait for it. Nothing happens once it is closed. */
  write(body: Uint8Array, flags = 0): Promise<void> | undefined {
    if (!this.#open) return undefined;
    this.#controller.enqueue(envelope(body, flags));
    if ((this.#controller.desiredSize ?? 1) > 0) return undefined;
    this.#room ??= Promise.withResolvers();
    return this.#room.promise;
  }

  /** Says that nothing more comes. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#controller.close();
    this.#hasRoom();
  }

  /** Breaks the stream off: what waits is lost. */
  break(error: unknown): void {
    if (!this.#open) return;
    this.#open = false;
    this.#controller.error(error);
    this.#hasRoom();
  }

  #hasRoom(): void {
    this.#room?.resolve();
    this.#room = undefined;
  }
}

/** What {@link EnvelopeReader.next} gives. */
export interface Envelope {
  /** The message. */
  readonly body: Uint8Array;
  /** Whether it is the last one. */
  readonly end: boolean;
}

/** Takes the messages out of a body, and reads no more of it than is asked for. */
export class EnvelopeReader {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #maxMessage: number;
  #chunk: Uint8Array = new Uint8Array(0);

  /**
   * @param body The body.
   * @param maxMessage Largest message that is taken, in bytes.
   */
  constructor(body: ReadableStream<Uint8Array>, maxMessage: number) {
    this.#reader = body.getReader();
    this.#maxMessage = maxMessage;
  }

  /**
   * The next message; `undefined` if the body is over.
   *
   * @throws {MuonError} `invalid_argument` or `resource_exhausted`, if the body is not what it must be, or too large.
   */
  async next(): Promise<Envelope | undefined> {
    for (;;) {
      const head = await this.#take(HEAD, true);
      if (head === undefined) return undefined;
      const flags = head[0]!;
      const length = new DataView(head.buffer, head.byteOffset).getUint32(1);
      if ((flags & COMPRESSED) !== 0) {
        throw broken("a message is compressed, and no compression was agreed on");
      }
      if ((flags & ~(END | NOTHING)) !== 0) throw broken(`an envelope has the unknown flags ${flags}`);
      if (length > this.#maxMessage) {
        throw new MuonError(
          "resource_exhausted",
          `a message has ${length} bytes: at most ${this.#maxMessage} are taken (limit maxMessage)`,
          { id: "muon.http" },
        );
      }
      const body = (await this.#take(length, false))!;
      if ((flags & NOTHING) === 0) return { body, end: (flags & END) !== 0 };
    }
  }

  /** Reads no more. */
  cancel(reason?: unknown): void {
    this.#reader.cancel(reason).catch(() => {});
  }

  /** So many bytes, in an array of their own; memory is set aside for what has come, not for what is announced. */
  async #take(count: number, mayEnd: boolean): Promise<Uint8Array | undefined> {
    const parts: Uint8Array[] = [];
    let missing = count;
    while (missing > this.#chunk.length) {
      if (this.#chunk.length > 0) parts.push(this.#chunk);
      missing -= this.#chunk.length;
      const { done, value } = await this.#reader.read();
      if (done) {
        if (mayEnd && parts.length === 0) return undefined;
        throw broken("the stream ends amid an envelope");
      }
      this.#chunk = value;
    }
    const last = this.#chunk.subarray(0, missing);
    this.#chunk = this.#chunk.subarray(missing);
    return parts.length === 0 ? last.slice() : concat([...parts, last]);
  }
}

function broken(why: string): MuonError {
  return new MuonError("invalid_argument", `cannot read the stream of envelopes: ${why}`, {
    id: "muon.http",
  });
}
