/**
 * What a stream sends: its credit, and what waits for it.
 *
 * @module
 */

import type { MuonError } from "../../errors.ts";
import type { Metadata } from "../../metadata.ts";
import type { Lender } from "../transport.ts";
import { Later, rejected } from "./later.ts";
import { OVERHEAD } from "./limits.ts";
import type { Sender } from "./sender.ts";

/** Something that waits to be sent, in its order. */
type Chunk =
  | { readonly kind: "data"; readonly body: Uint8Array; readonly lender?: Lender | undefined }
  | {
    readonly kind: "reply";
    readonly body: Uint8Array;
    readonly trailer: Metadata;
    readonly lender?: Lender | undefined;
  }
  | { readonly kind: "end"; readonly trailer: Metadata }
  | { readonly kind: "error"; readonly error: MuonError; readonly trailer: Metadata };

/** Whose an {@link Outbox} is. */
export interface OutboxOwner {
  /** All that was given has been written. */
  written(): void;
  /** Ends the call on both sides. */
  refuse(error: MuonError): void;
}

/** The sending half of a stream. */
export class Outbox {
  /** Whether it stands in the sender's queue. The sender's to clear. */
  queued = false;
  readonly #sender: Sender;
  readonly #id: number;
  readonly #owner: OutboxOwner;
  #credit: number;
  #chunks: Chunk[] = [];
  /** How much of the first chunk's body was sent. */
  #at = 0;
  #room: Later<void> | undefined;
  #error: MuonError | undefined;
  /** Whether nothing may be sent yet. */
  #held = false;
  /** What the chunks count in the sender's sum. */
  #bytes = 0;

  constructor(sender: Sender, id: number, owner: OutboxOwner) {
    this.#sender = sender;
    this.#id = id;
    this.#owner = owner;
    this.#credit = sender.peer.window;
  }

  /** Whether nothing waits. */
  get empty(): boolean {
    return this.#chunks.length === 0;
  }

  /** Whether something waits that may be sent now. */
  get waiting(): boolean {
    const first = this.#chunks[0];
    return first !== undefined && !this.#held &&
      (this.#credit > 0 || first.kind === "end" || first.kind === "error");
  }

  /** Lets everything wait: the call itself was not sent. */
  hold(): void {
    this.#held = true;
  }

  /** The call was sent, and so may the rest be. */
  unhold(): void {
    this.#held = false;
    this.#credit = this.#sender.peer.window;
    this.#ready();
  }

  /** Sends an item, as {@link Exchange.send} has it. */
  send(body: Uint8Array): Promise<void> | undefined {
    if (this.#error !== undefined) return rejected(this.#error);
    const sender = this.#sender;
    if (
      this.#chunks.length > 0 || this.#credit <= 0 || sender.congested || this.#held ||
      sender.portion(body.length) < body.length
    ) {
      if (sender.full) {
        this.#owner.refuse(sender.overflow());
        return rejected(this.#error);
      }
      this.#push({ kind: "data", body });
    } else {
      sender.data(this.#id, body, false);
      this.#credit -= body.length + OVERHEAD;
      if (this.#credit > 0) return undefined;
    }
    return (this.#room ??= new Later()).promise;
  }

  /** Sends what is left of an input of which CALL carried the first `sent` bytes. */
  rest(body: Uint8Array, sent: number, lender: Lender): void {
    this.#credit -= sent + OVERHEAD;
    this.#push({ kind: "data", body: body.subarray(sent), lender });
  }

  /** Sends the one answer. */
  reply(body: Uint8Array, trailer: Metadata, lender: Lender | undefined): void {
    this.#push({ kind: "reply", body, trailer, lender });
  }

  /** Says that no more comes. */
  end(trailer: Metadata): void {
    this.#push({ kind: "end", trailer });
  }

  /** Sends an error behind what waits. */
  fail(error: MuonError, trailer: Metadata): void {
    this.#push({ kind: "error", error, trailer });
  }

  /** Takes credit. */
  grow(bytes: number): void {
    this.#credit += bytes;
    if (this.#chunks.length > 0) this.#ready();
    else this.#open();
  }

  /** Lets go of what waits: the call is over. */
  close(error: MuonError): void {
    this.#error ??= error;
    this.#chunks = [];
    this.#sender.release(this.#bytes);
    this.#bytes = 0;
    this.#room?.reject(this.#error);
    this.#room = undefined;
  }

  /** Writes one frame. Gives how many bytes of body it had. */
  pump(): number {
    if (!this.waiting) return 0;
    const chunk = this.#chunks[0]!;
    const sender = this.#sender;
    let written = 0;
    if (chunk.kind === "end") {
      sender.end(this.#id, chunk.trailer);
      this.#shift(0);
    } else if (chunk.kind === "error") {
      sender.error(this.#id, chunk.error, chunk.trailer);
      this.#shift(0);
    } else {
      const { body } = chunk;
      const from = this.#at;
      const part = body.subarray(from, from + sender.portion(body.length - from));
      written = part.length;
      const more = from + written < body.length;
      this.#credit -= written + OVERHEAD;
      this.#at = more ? from + written : 0;
      if (!more) this.#shift(body.length);
      if (chunk.kind === "data") sender.data(this.#id, part, more);
      else if (more) sender.replyPart(this.#id, part);
      else sender.reply(this.#id, part, chunk.trailer);
      if (!more) chunk.lender?.reclaim?.(body);
    }
    if (this.#chunks.length === 0) {
      this.#open();
      this.#owner.written();
    }
    return written;
  }

  #push(chunk: Chunk): void {
    if (this.#error !== undefined) return;
    this.#chunks.push(chunk);
    const bytes = OVERHEAD + ("body" in chunk ? chunk.body.length : 0);
    this.#bytes += bytes;
    this.#sender.hold(bytes);
    this.#ready();
  }

  #shift(length: number): void {
    this.#chunks.shift();
    this.#bytes -= length + OVERHEAD;
    this.#sender.release(length + OVERHEAD);
  }

  #ready(): void {
    if (this.queued || !this.waiting) return;
    this.queued = true;
    this.#sender.ready(this);
  }

  #open(): void {
    if (this.#credit <= 0 || this.#chunks.length > 0) return;
    this.#room?.resolve();
    this.#room = undefined;
  }
}
