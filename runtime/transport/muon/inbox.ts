/**
 * What a stream receives: messages put together again, the queue before a slow reader, and the credit it gives.
 *
 * @module
 */

import type { MuonError } from "../../errors.ts";
import { NOTHING, TAKE, type Takeable } from "../../items.ts";
import { exhausted } from "./failures.ts";
import { OVERHEAD, type WireOptions } from "./limits.ts";
import { Parts } from "./parts.ts";
import type { Sender } from "./sender.ts";

/**
 * Bytes of the socket's messages that all streams of a connection keep for the sake of short items, beyond which those
 * are copied. To copy each took a fifth of the CPU of a stream of items `{n, name}` on Deno, where a copy takes 1.1 µs.
 */
const KEPT = 1_048_576;

/** Bytes that all streams of a connection hold, of messages that are not read or not whole. */
export class Holdings {
  #bytes = 0;
  #kept = 0;
  readonly #limit: number;

  /** @param limit Most bytes. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** How many bytes are held. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Holds more; gives whether that is within the limit. */
  hold(bytes: number): boolean {
    if (this.#bytes + bytes > this.#limit) return false;
    this.#bytes += bytes;
    return true;
  }

  /** Lets go. */
  release(bytes: number): void {
    this.#bytes -= bytes;
  }

  /** Keeps a message of the socket for the short items in it; gives whether it may be. */
  keep(bytes: number): boolean {
    if (this.#kept + bytes > KEPT) return false;
    this.#kept += bytes;
    return true;
  }

  /** Keeps it no more. */
  drop(bytes: number): void {
    this.#kept -= bytes;
  }
}

/** What an {@link Inbox} shares with the others of its connection. */
export interface InboxContext {
  /** Sends the credit. */
  readonly sender: Sender;
  /** This end's limits. */
  readonly options: WireOptions;
  /** What all hold. */
  readonly holdings: Holdings;
  /** How many messages the socket has given so far. */
  readonly received: number;
}

/** Messages that were read and still stand in the queue before those that were not, at most. */
const COMPACT = 1_024;

interface Waiter {
  resolve(result: IteratorResult<Uint8Array, undefined>): void;
  reject(error: unknown): void;
}

/** The receiving half of a stream, for one reader. */
export class Inbox implements AsyncIterableIterator<Uint8Array, undefined>, Takeable<Uint8Array> {
  readonly #context: InboxContext;
  readonly #id: number;
  /** Called when the reader leaves before the end. */
  readonly #owner: { left(): void } | undefined;
  /** Messages that wait, behind `#head` places of those that were read. Empty when none waits. */
  #queue: (Uint8Array | undefined)[] = [];
  /** What reading each of the queue gives back. */
  #costs: number[] = [];
  #head = 0;
  #waiter: Waiter | undefined;
  #closed = false;
  #error: MuonError | undefined;
  #held = 0;
  /** Which of the socket's messages was kept last for the items in it, and the bytes of all that are. */
  #message = -1;
  #kept = 0;
  /** Bytes the other end has spent and not got back. */
  #spent = 0;
  /** Bytes that may be given back, not said yet. */
  #owed = 0;
  /** Cost of the parts of an incomplete message that stands behind unread ones. */
  #debt = 0;
  /** A message that is not whole. */
  #parts: Parts | undefined;

  constructor(context: InboxContext, id: number, owner?: { left(): void }) {
    this.#context = context;
    this.#id = id;
    this.#owner = owner;
  }

  /** Whether no more comes. */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Takes a message or a part of one, and queues it once it is whole.
   *
   * @returns Why the call must end, if it must.
   */
  push(body: Uint8Array, more: boolean): MuonError | undefined {
    // The reader has left: what was on its way is held for nobody.
    if (this.#closed) return undefined;
    const whole = this.gather(body, more);
    if (!(whole instanceof Uint8Array)) return whole;
    const cost = body.length + OVERHEAD + this.#debt;
    this.#debt = 0;
    const waiter = this.#waiter;
    if (waiter !== undefined) {
      this.#waiter = undefined;
      this.#release(whole.length);
      this.#give(cost);
      waiter.resolve({ done: false, value: whole });
    } else {
      this.#queue.push(this.#lasting(whole));
      this.#costs.push(cost);
    }
    return undefined;
  }

  /**
   * Takes a message or a part of one.
   *
   * @returns The message once it is whole, or why the call must end, if it must.
   */
  gather(body: Uint8Array, more: boolean): Uint8Array | MuonError | undefined {
    const { options, holdings } = this.#context;
    const cost = body.length + OVERHEAD;
    this.#spent += cost;
    if (this.#spent > options.window + options.fragment + OVERHEAD) {
      return exhausted(`the other end sent beyond its credit of ${options.window} bytes`);
    }
    const length = (this.#parts?.length ?? 0) + body.length;
    if (length > options.maxMessage) {
      return exhausted(`a message is larger than ${options.maxMessage} bytes, the most that is taken`);
    }
    if (!holdings.hold(body.length)) {
      return exhausted(
        `the connection holds ${holdings.bytes} bytes that are not read or not whole, ` +
          `and may not hold ${body.length} more (limit ${options.held})`,
      );
    }
    this.#held += body.length;
    if (!more && this.#parts === undefined) return body;
    const parts = this.#parts ??= new Parts();
    parts.add(body);
    if (!more) {
      this.#parts = undefined;
      return parts.take();
    }
    if (this.#queue.length === 0) this.#give(cost);
    else this.#debt += cost;
    return undefined;
  }

  /** Says that no more comes. The reader still gets what waits, and then the error, if there is one. */
  close(error?: MuonError): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#error = error;
    this.#parts = undefined;
    if (this.#kept > 0) this.#copy();
    // From here on, what waits is held by nobody but the reader.
    this.#release(this.#held);
    const waiter = this.#waiter;
    this.#waiter = undefined;
    if (waiter === undefined) return;
    if (error === undefined) waiter.resolve({ done: true, value: undefined });
    else waiter.reject(error);
  }

  /** Says that no more comes, and lets go of what waits. */
  drop(error?: MuonError): void {
    this.#clear();
    if (this.#closed) this.#error = error;
    else this.close(error);
  }

  /** The next message, if one waits. */
  [TAKE](): Uint8Array | typeof NOTHING {
    const head = this.#head;
    const value = this.#queue[head];
    if (value === undefined) return NOTHING;
    const cost = this.#costs[head]!;
    this.#queue[head] = undefined;
    this.#head = head + 1;
    if (this.#head === this.#queue.length) this.#clear();
    else if (this.#head === COMPACT) this.#forget();
    this.#release(value.length);
    this.#give(cost);
    if (this.#queue.length === 0 && this.#debt > 0) {
      this.#give(this.#debt);
      this.#debt = 0;
    }
    return value;
  }

  /** The next message. */
  next(): Promise<IteratorResult<Uint8Array, undefined>> {
    const value = this[TAKE]();
    if (value !== NOTHING) return Promise.resolve({ done: false, value });
    if (this.#error !== undefined) return Promise.reject(this.#error);
    if (this.#closed) return Promise.resolve({ done: true, value: undefined });
    if (this.#waiter !== undefined) {
      return Promise.reject(new TypeError("A stream has one reader: a message is awaited already"));
    }
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject };
    });
  }

  /** The reader leaves. */
  return(): Promise<IteratorResult<Uint8Array, undefined>> {
    const early = !this.#closed;
    this.drop();
    if (early) this.#owner?.left();
    return Promise.resolve({ done: true, value: undefined });
  }

  /** This. */
  [Symbol.asyncIterator](): this {
    return this;
  }

  /** A message that may wait: a few short ones must not keep alive much longer ones of the socket for long. */
  #lasting(item: Uint8Array): Uint8Array {
    const { received, holdings } = this.#context;
    // To ask each for its buffer takes Bun longer than all the rest here.
    if (received === this.#message) return item;
    const { byteLength } = item.buffer;
    if (item.length * 2 >= byteLength) return item;
    if (!holdings.keep(byteLength)) return item.slice();
    this.#message = received;
    this.#kept += byteLength;
    return item;
  }

  /** Copies what waits, all in one: nobody knows when it is read. */
  #copy(): void {
    const queue = this.#queue;
    let length = 0;
    for (let i = this.#head; i < queue.length; i++) length += queue[i]!.length;
    const own = new Uint8Array(length);
    let at = 0;
    for (let i = this.#head; i < queue.length; i++) {
      const item = queue[i]!;
      own.set(item, at);
      queue[i] = own.subarray(at, at += item.length);
    }
    this.#forgo();
  }

  #forgo(): void {
    if (this.#kept === 0) return;
    this.#context.holdings.drop(this.#kept);
    this.#message = -1;
    this.#kept = 0;
  }

  /** What was read must not stay when the reader never catches up. */
  #forget(): void {
    this.#queue = this.#queue.slice(COMPACT);
    this.#costs = this.#costs.slice(COMPACT);
    this.#head = 0;
  }

  #clear(): void {
    this.#queue = [];
    this.#costs = [];
    this.#head = 0;
    this.#forgo();
  }

  #give(cost: number): void {
    if (this.#closed) return;
    this.#owed += cost;
    const { sender, options } = this.#context;
    if (this.#owed * 2 < options.window) return;
    this.#spent -= this.#owed;
    sender.credit(this.#id, this.#owed);
    this.#owed = 0;
  }

  #release(bytes: number): void {
    const released = Math.min(bytes, this.#held);
    this.#held -= released;
    this.#context.holdings.release(released);
  }
}
