/**
 * Transport: calls between two processes, symmetrical: over a link that one dialled, either may call the other.
 *
 * @module
 */

import type { Kind } from "../definition.ts";
import type { MuonError } from "../errors.ts";
import type { Peer, Protocol } from "../host.ts";
import type { Metadata } from "../metadata.ts";
import type { Node } from "../record.ts";

/** What is sent ahead of a call's input. */
export interface CallHead {
  /** Service that is called. */
  readonly service: string;
  /** Endpoint that is called. */
  readonly endpoint: string;
  /** Travels along. */
  readonly metadata: Metadata;
  /** How input and output are written. */
  readonly contentType: string;
  /** Milliseconds the caller waits for the first answer; 0: no limit. The deadline travels with the call. */
  readonly timeout: number;
  /** Whether the call may be run twice. */
  readonly idempotent: boolean;
  /** Which side streams, where the caller knows it: for transports that must know before the answer comes. */
  readonly kind?: Kind | undefined;
}

/** Whoever gave bytes to be sent, and can use them again. */
export interface Lender {
  /** Takes them back: they are sent, or copied, and nobody has them any more. Not every transport says so. */
  reclaim?(bytes: Uint8Array): void;
  /** How many bytes in front of them, in their array, may be written over, too. @default {none} */
  front?(bytes: Uint8Array): number;
}

/**
 * Takes the answer to a call with one input, and may take the input back. Exactly one of `reply` and `fail` is called,
 * once, and never before {@link Link.unary} has returned. A sink instead of a promise: a call's own object is the sink,
 * so that the hot path makes neither promises nor closures, and a call can be cancelled without an AbortController.
 */
export interface ReplySink extends Lender {
  /** Until when the answer is waited for, as `timeout` in the head says, in ms on the steady clock. @default {none} */
  readonly deadline?: number | undefined;
  /** Whether it ends the call by itself then, so that the link need not. @default {false} */
  readonly timed?: boolean;
  /**
   * The answer came: `body` is the one output, or `undefined` where the endpoint answers with a `stream`. The bytes
   * are the receiver's to keep. `at` is when it came, in ms on the steady clock, where the link has looked.
   */
  reply(body: Uint8Array | undefined, trailer: Metadata, stream: Exchange | undefined, at?: number): void;
  /** The call failed. */
  fail(error: MuonError): void;
}

/** A call under way. */
export interface CallHandle {
  /** Ends the call on both sides: its sink gets the error, at once. Nothing happens once it is over. */
  cancel(error: MuonError): void;
}

/** A call with a stream on at least one side, as its caller holds it. */
export interface Exchange {
  /**
   * Sends an item. `undefined`: there is credit left; a promise: wait for it before sending more. It rejects with
   * the call's error once the call is over. Until then they may wait to be sent: the bytes may be reused where there is
   * credit left, or once the promise has settled.
   */
  send(body: Uint8Array): Promise<void> | undefined;
  /** Says that no further item comes. */
  end(trailer?: Metadata): void;
  /** Ends the call on both sides; nothing happens once it is over. */
  cancel(error?: MuonError): void;
  /** Metadata that came ahead of the first answer. */
  readonly header: Promise<Metadata>;
  /** The answers; one that is a plain value is a stream of one. Throws the call's error. Leaving the loop cancels. */
  readonly messages: AsyncIterable<Uint8Array>;
  /** Metadata that came at the end; rejects with the call's error. */
  readonly trailer: Promise<Metadata>;
  /** Whether the answer is a stream or one value; known when the first answer comes. */
  readonly streaming: Promise<boolean>;
}

/** A call that came in, as a transport hands it to the server. Exactly one of `reply`, `end`, `fail` ends it. */
export interface Incoming {
  /** What was sent ahead. */
  readonly head: CallHead;
  /** Who calls. */
  readonly peer: Peer;
  /** The input, if it is one value and whole; `undefined` if it is a stream: then read `messages`. */
  readonly body: Uint8Array | undefined;
  /** Whether the input is a stream even where the caller means one value, as in Connect's streams. @default {false} */
  readonly alwaysStream?: boolean;
  /** The items of an input stream. Reading gives the caller credit. */
  readonly messages: AsyncIterable<Uint8Array>;
  /** When it came, in ms on the steady clock. @default {when it is handed over} */
  readonly arrived?: number;
  /** Until when the caller waits, in ms on the steady clock; `undefined`: no limit, or a stream that has begun. */
  readonly deadline: number | undefined;
  /** Aborted when the caller cancels or goes away or its deadline has passed. Made when it is first asked for. */
  readonly signal: AbortSignal;
  /** Whether the call is over, so that an answer would go nowhere. */
  readonly over: boolean;
  /**
   * Answers with one value, and ends. Nobody writes to the bytes again, as they may wait to be sent, before `lender` has
   * them back.
   */
  reply(body: Uint8Array, trailer?: Metadata, lender?: Lender): void;
  /** The same with text that stands for its UTF-8 bytes; absent where bytes are sent anyhow. */
  replyText?(body: string, trailer?: Metadata): void;
  /** Sends an item of an answer that is a stream. As {@link Exchange.send}. */
  send(body: Uint8Array): Promise<void> | undefined;
  /** Ends an answer that is a stream. */
  end(trailer?: Metadata): void;
  /** Ends with an error. */
  fail(error: MuonError, trailer?: Metadata): void;
}

/** Takes calls that come in. It must not throw. */
export type Accept = (call: Incoming) => void;

/** A connection to a node over which calls go, both ways. Disposing it ends its calls with `unavailable`. */
export interface Link extends AsyncDisposable {
  /** Who is at the other end. */
  readonly peer: Peer;
  /** Calls that this side made and that are not over. */
  readonly inflight: number;
  /** Whether new calls may be made: not after GOAWAY, nor once it is closed. */
  readonly accepting: boolean;
  /** Resolves when the link is gone: with why, if it was not asked to. */
  readonly closed: Promise<MuonError | undefined>;
  /**
   * How inputs are written over this link where neither the call nor the client's options say: what the other end is
   * sure to read.
   *
   * @default {the client's own, "application/cbor"}
   */
  readonly contentType?: string;
  /**
   * Calls with one input. Nobody writes to the bytes again, as they may wait to be sent, before the sink has them back. It
   * does not throw: failures go to the sink.
   */
  unary(head: CallHead, body: Uint8Array, sink: ReplySink): CallHandle;
  /** Calls with a stream of inputs. */
  open(head: CallHead, signal?: AbortSignal): Exchange;
  /** Tells the other end to send no further call, and resolves when all are over, or at the signal. */
  drain(signal?: AbortSignal): Promise<void>;
}

/** Options of {@link Transport.dial}. */
export interface DialOptions {
  /** Ends the attempt. */
  readonly signal?: AbortSignal | undefined;
  /** Takes the calls that the other end makes over this link. @default {they are answered `unimplemented`} */
  readonly accept?: Accept | undefined;
}

/** Options of {@link Transport.listen}. */
export interface ListenOptions {
  /** Where to listen; what it means is the transport's. */
  readonly address?: string;
}

/** Listens for links. Disposing it closes them. */
export interface Listener extends AsyncDisposable {
  /** What to put in a node's record. */
  readonly address: string;
  /** Takes no new call on any link, and resolves when all are over, or at the signal. */
  drain(signal: AbortSignal): Promise<void>;
}

/** A protocol on the shared port which can be drained: it tells every caller to go elsewhere. */
export interface ServedProtocol extends Protocol {
  /** Takes no new call, and resolves when all are over, or at the signal. */
  drain(signal: AbortSignal): Promise<void>;
}

/** A way of making calls. It has `protocol` (it shares the port), or `listen` (it has a place of its own). */
export interface Transport {
  /** Name, as `--transport` takes it. */
  readonly name: string;
  /** Whether it can call the node, by what the node's record says. */
  speaks(node: Node): boolean;
  /** Connects to a node. */
  dial(node: Node, options?: DialOptions): Promise<Link>;
  /** What serves it on the shared port. */
  protocol?(accept: Accept): ServedProtocol;
  /** Listens in a place of its own. */
  listen?(accept: Accept, options?: ListenOptions): Promise<Listener>;
}
