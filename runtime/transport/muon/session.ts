/**
 * muon.v1 as a machine: it takes messages and a time, and gives batches to send. It does no I/O. See `docs/protocol.md`.
 *
 * @module
 */

import { MuonError, type Where } from "../../errors.ts";
import type { Peer } from "../../host.ts";
import { Metadata } from "../../metadata.ts";
import type { Clock } from "../../clock.ts";
import type { TimerWheel } from "../../timer_wheel.ts";
import type { Accept, CallHandle, CallHead, Exchange, ReplySink } from "../transport.ts";
import { tooLarge, tooMany, unavailable, unrun } from "./failures.ts";
import * as frames from "./frames.ts";
import { InboundCall } from "./inbound.ts";
import { Holdings, type InboxContext } from "./inbox.ts";
import { tooMuchMetadata } from "../metadata_limit.ts";
import { KeysIn, RoutesIn } from "./intern.ts";
import { Keepalive, type KeepaliveContext } from "./keepalive.ts";
import { Later } from "./later.ts";
import { SLACK, type WireOptions } from "./limits.ts";
import type { Outbound } from "./outbound.ts";
import { Outgoing } from "./outgoing.ts";
import { ProtocolError, Reader } from "./reader.ts";
import { Sender, type Traffic, type Wire } from "./sender.ts";
import { Serving } from "./serving.ts";

/** WebSocket's close code: done. */
const NORMAL = 1000;
/** WebSocket's close code: goes away. */
const AWAY = 1001;
/** WebSocket's close code: the protocol was broken. */
const BROKEN = 1002;
/** Longest reason of a close, in bytes, less what a cut character may take. */
const MAX_CLOSE = 120;
const INTERNAL = frames.statusNumber("internal");

/** What a {@link Session} is made of. */
export interface SessionOptions {
  /** Whether this end dialled. */
  readonly dialler: boolean;
  /** The socket. */
  readonly wire: Wire;
  /** Limits and how to send. */
  readonly options: WireOptions;
  /** Time. */
  readonly clock: Clock;
  /** Whether a call of this end is sent at once, not at the end of the turn, where none else is open. */
  readonly prompt: boolean;
  /** Deadlines. */
  readonly wheel: TimerWheel;
  /** The other end. */
  readonly peer: Peer;
  /** Takes calls. */
  readonly accept: Accept;
  /** The program, for people. */
  readonly agent: string;
  /** Id of this end's node, or nothing. */
  readonly node: string;
}

/** One connection's protocol. */
export class Session implements InboxContext, KeepaliveContext, Traffic {
  /** The other end. */
  readonly peer: Peer;
  /** Writes. */
  readonly sender: Sender;
  /** This end's limits. */
  readonly options: WireOptions;
  /** Time. */
  readonly clock: Clock;
  /** Deadlines. */
  readonly wheel: TimerWheel;
  /** Lowest id of this end's calls, all of which have its parity. */
  readonly first: 1 | 2;
  /** Whether a call of this end that is alone is sent at once. */
  readonly prompt: boolean;
  /** Whether the other end's HELLO came. */
  greeted = false;
  readonly #wire: Wire;
  readonly #keepalive: Keepalive;
  readonly #served: Serving;
  // What follows is made when it is needed: most of thousands of connections may be idle.
  #outgoing: Outgoing | undefined;
  #routes: RoutesIn | undefined;
  #keys: KeysIn | undefined;
  #holdings: Holdings | undefined;
  #closed: Later<MuonError | undefined> | undefined;
  #drained: Later<void> | undefined;
  /** Id of the last CALL that came. */
  #lastIn = 0;
  /** Whether this end takes no more calls. */
  #leaving = false;
  #over: MuonError | undefined;
  /** Whether this end, or the other in good order, asked for that. */
  #asked = false;
  /** When the last message came, in ms on the steady clock. */
  now = 0;
  /** How many have come. */
  received = 0;
  /** Text of the other end's GOAWAY, since which it takes no more calls, and whether it stops in good order. */
  #farewell: { readonly text: string; readonly orderly: boolean } | undefined;

  constructor(from: SessionOptions) {
    const { options, wire } = from;
    this.peer = from.peer;
    this.options = options;
    this.clock = from.clock;
    this.wheel = from.wheel;
    this.first = from.dialler ? 1 : 2;
    this.prompt = from.prompt;
    this.sender = new Sender(wire, options, this);
    this.#wire = wire;
    this.#served = new Serving(from.accept, options.maxStreams);
    this.#keepalive = new Keepalive(this);
    this.sender.hello({ ...options, agent: from.agent, node: from.node, features: [] });
  }

  /** Bytes held for slow readers. */
  get holdings(): Holdings {
    return this.#holdings ??= new Holdings(this.options.held);
  }

  /** Resolves when the connection is over: with why, if nobody asked for it. */
  get closed(): Promise<MuonError | undefined> {
    this.#closed ??= new Later();
    if (this.#over !== undefined) this.#closed.resolve(this.#asked ? undefined : this.#over);
    return this.#closed.promise;
  }

  /** Calls that this end made and that are not over. */
  get inflight(): number {
    return this.#outgoing === undefined ? 0 : this.#outgoing.size;
  }

  /** Those of them that wait, as the other end has as many open as it takes. */
  get waiting(): number {
    return this.#outgoing === undefined ? 0 : this.#outgoing.waiting;
  }

  /** Smoothed round trip of PING, in ms; `undefined` before the first. */
  get rtt(): number | undefined {
    return this.#keepalive.rtt;
  }

  /** Calls that were given up and whose handlers still run. */
  get abandoned(): number {
    return this.#served.abandoned;
  }

  /** Calls of the other end that are not over. */
  get serving(): number {
    return this.#served.size;
  }

  /** Whether a large frame is in nobody's way: at most one call is under way, of either end, and the other is near. */
  get free(): boolean {
    return this.inflight + this.#served.size <= 1 && this.#keepalive.near;
  }

  /** Whether a call may be made. */
  get accepting(): boolean {
    return this.#farewell === undefined && !this.#leaving && this.#over === undefined;
  }

  /** Whether the connection is over. */
  get over(): boolean {
    return this.#over !== undefined;
  }

  /** What the other end calls itself; empty before its HELLO. */
  get agent(): string {
    return this.sender.peer.agent;
  }

  /** Why no call may be made, if none may. */
  get refusing(): MuonError | undefined {
    if (this.accepting) return undefined;
    if (this.#over !== undefined) return this.#over;
    const end = this.#leaving ? "this" : "the other";
    return unavailable(`the connection to ${this.peer.address} takes no more calls: ${end} end stops`);
  }

  /** Makes a call with one input. */
  unary(head: CallHead, body: Uint8Array, sink: ReplySink): CallHandle {
    return this.#calls.unary(head, body, sink);
  }

  /** Makes a call with a stream of inputs. */
  open(head: CallHead, signal?: AbortSignal): Exchange {
    return this.#calls.open(head, signal);
  }

  /** Takes a message. */
  receive(message: Uint8Array): void {
    if (this.#over !== undefined) return;
    const { held } = this.options;
    // Answers need no credit: one that goes on asking without reading them must not fill this end's memory.
    if (this.sender.congested && this.#wire.buffered > held) {
      return this.dead(`the other end sends and does not read: more than ${held} bytes wait for it`);
    }
    this.now = this.clock.now();
    this.received++;
    this.#keepalive.heard = true;
    const corked = frames.isLoneCall(message) && this.sender.cork();
    const reader = new Reader(message);
    let fault: { readonly thrown: unknown } | undefined;
    while (reader.at < message.length && this.#over === undefined) {
      try {
        this.#frame(reader, message.length);
      } catch (thrown) {
        if (thrown instanceof ProtocolError) return this.#break(thrown.message);
        // A sink threw, which it must not: the other calls' frames are still heard.
        fault ??= { thrown };
      }
      reader.at = reader.end;
    }
    // Nothing is open that might be answered in this turn, too.
    if (corked) this.sender.uncork(this.#served.size === 0);
    this.#settle();
    if (fault !== undefined) throw fault.thrown;
  }

  /** Sends what was written. To be called at the end of the turn in which `wake` was. */
  flush(): void {
    if (this.#over !== undefined) return;
    this.sender.flush();
    this.#settle();
  }

  /** The socket has sent what it had. */
  drained(): void {
    if (this.#over !== undefined) return;
    this.sender.drained();
    this.#settle();
  }

  /** The socket is closed. */
  lost(code: number, reason: string): void {
    const { address } = this.peer;
    const text = this.#farewell?.text ?? reason;
    const why = text === "" ? "" : `: ${text}`;
    const error = unavailable(
      this.#farewell === undefined
        ? `the connection to ${address} was lost (code ${code})${why}`
        : `the other end, ${address}, closed the connection${why}`,
    );
    this.#end(error, this.#farewell?.orderly === true);
  }

  /** Ends every call with `unavailable`, and the connection. */
  close(): void {
    if (this.#over !== undefined) return;
    if (!this.#leaving) this.sender.goaway(this.#lastIn, 0, "closes");
    this.sender.flush();
    this.#end(unavailable(`the connection to ${this.peer.address} was closed by this end`), true);
    this.#wire.end(this.#leaving ? AWAY : NORMAL, "");
  }

  /**
   * Takes no more calls, on either side; those that wait to be sent never are. The promise resolves when all are over.
   *
   * @param why Why, for the other end: a status' number, or 0 if this end stops in good order, and a text.
   */
  drain(why = { status: 0, text: "stops" }): Promise<void> {
    const drained = this.#drained ??= new Later();
    if (this.#over !== undefined) drained.resolve();
    else if (!this.#leaving) {
      this.sender.goaway(this.#lastIn, why.status, why.text);
      this.#leaving = true;
      this.#outgoing?.refuse(this.refusing!, Infinity);
    }
    return drained.promise;
  }

  /** Whether an id is of this end's calls. */
  owns(id: number): boolean {
    return (id & 1) === (this.first & 1);
  }

  /** Hands over a call whose input is whole, or a stream. */
  accept(call: InboundCall): void {
    this.#served.hand(call);
  }

  /** A call was given up, and its handler runs on. */
  abandon(): void {
    this.#served.abandoned++;
  }

  /** Such a handler is done. */
  settled(): void {
    this.#served.settled();
  }

  /** A call is over. */
  leave(call: Outbound | InboundCall): void {
    this.wheel.cancel(call);
    if (call instanceof InboundCall) this.#served.remove(call);
    else this.#calls.remove(call);
  }

  /** Another object takes a call over; its deadline was met. */
  replace(call: Outbound, by: Outbound): void {
    this.wheel.cancel(call);
    this.#calls.replace(call, by);
  }

  /** Gives the other end up. */
  dead(detail: string): void {
    this.#end(unavailable(`the connection to ${this.peer.address} is dead: ${detail}`), false);
    this.#wire.end(AWAY, "");
  }

  /** What errors say of a call. */
  where(head: { readonly service?: string; readonly endpoint?: string }): Where {
    return {
      ...(head.service === undefined ? {} : { service: head.service }),
      ...(head.endpoint === undefined ? {} : { endpoint: head.endpoint }),
      ...(this.sender.peer.node === "" ? {} : { node: this.sender.peer.node }),
      address: this.peer.address,
    };
  }

  get #calls(): Outgoing {
    return this.#outgoing ??= new Outgoing(this);
  }

  #frame(reader: Reader, size: number): void {
    const { bytes, at } = reader;
    if (at + 5 > size) throw new ProtocolError("a frame's head is cut short");
    const kind = bytes[at]!;
    const length = (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
    const { fragment, maxMetadata } = this.options;
    const most = fragment + maxMetadata + SLACK;
    if (length > most) throw new ProtocolError(`a frame has ${length} bytes, more than ${most}`);
    if (at + 4 + length > size) throw new ProtocolError("a frame is cut short");
    reader.at = at + 4;
    reader.end = at + 4 + length;
    const id = reader.varint();
    const type = kind & 15;
    if (!this.greeted && type !== frames.HELLO) throw new ProtocolError("the first frame is no HELLO");
    switch (type) {
      case frames.CALL:
        return this.#onCall(id, kind, reader);
      case frames.REPLY:
        return this.#onReply(id, kind, reader);
      case frames.DATA:
        return this.#stream(id)?.onData(reader.rest(), (kind & frames.MORE) !== 0);
      case frames.CREDIT:
        return this.#stream(id)?.onCredit(reader.varint());
      case frames.END: {
        const stream = this.#stream(id);
        const trailer = this.#metadata(reader);
        return trailer instanceof MuonError ? stream?.refuse(trailer) : stream?.onEnd(trailer);
      }
      case frames.HEADER: {
        const metadata = this.#metadata(reader);
        const call = this.#calls.get(id);
        return metadata instanceof MuonError ? call?.refuse(metadata) : call?.onHeader(metadata);
      }
      case frames.ERROR:
        return this.#onError(id, kind, reader);
      case frames.CANCEL:
        return this.#onCancel(id, reader);
      case frames.HELLO:
        return this.#onHello(id, reader);
      case frames.PING:
        // One that does not read has its PINGs left unanswered, for the answers would pile up.
        if (!this.sender.congested) this.sender.ping(frames.readPing(reader), true);
        return;
      case frames.PONG:
        return this.#keepalive.pong(frames.readPing(reader), this.now);
      case frames.GOAWAY:
        return this.#onGoaway(reader);
    }
  }

  #onHello(id: number, reader: Reader): void {
    if (this.greeted) throw new ProtocolError("a second HELLO came");
    if (id !== 0) throw new ProtocolError(`HELLO came on stream ${id}`);
    const before = this.sender.peer.window;
    this.sender.greet(frames.readHello(reader));
    this.greeted = true;
    this.#outgoing?.greet(this.sender.peer.window - before);
    this.#keepalive.greet();
  }

  #onCall(id: number, kind: number, reader: Reader): void {
    if (id === 0 || this.owns(id) || id <= this.#lastIn) {
      throw new ProtocolError(`call ${id} came behind call ${this.#lastIn}, or has this end's parity`);
    }
    this.#lastIn = id;
    // What it defines is kept, even if the call is not taken.
    const routes = this.#routes ??= new RoutesIn();
    const route = routes.read(reader, this.options.routes);
    const timeout = reader.varint();
    const metadata = this.#metadata(reader);
    if (this.#leaving) return;
    const body = (kind & frames.STREAM) === 0 ? reader.rest() : undefined;
    const { maxStreams, maxMessage } = this.options;
    if (metadata instanceof MuonError) return this.#reject(id, metadata);
    if (this.#served.full) return this.#reject(id, tooMany(maxStreams));
    if (this.sender.full) return this.#reject(id, this.sender.overflow());
    if (body !== undefined && body.length > maxMessage) {
      return this.#reject(id, tooLarge("input", body.length, maxMessage));
    }
    const more = body !== undefined && (kind & frames.MORE) !== 0;
    const call = new InboundCall(this, id, {
      head: routes.head(route, { metadata, timeout, idempotent: (kind & frames.IDEMPOTENT) !== 0 }),
      arrived: this.now,
      body: more ? undefined : body,
      more,
    });
    this.#served.add(call);
    if (more) call.onData(body!, true);
    else this.accept(call);
    // Most are answered by now, and have no deadline to watch.
    if (!call.over && call.deadline !== undefined) this.wheel.set(call, call.deadline);
  }

  #onReply(id: number, kind: number, reader: Reader): void {
    const trailer = (kind & frames.TRAILER) === 0 ? Metadata.EMPTY : this.#metadata(reader);
    const call = this.#calls.get(id);
    if (call === undefined) return;
    if (trailer instanceof MuonError) call.refuse(trailer);
    else call.onReply(reader.rest(), (kind & frames.MORE) !== 0, trailer);
  }

  #onError(id: number, kind: number, reader: Reader): void {
    const call = this.#calls.get(id);
    const where = call === undefined ? {} : call.where;
    const error = frames.readError(reader, (kind & frames.NOT_RUN) !== 0, where);
    const trailer = this.#metadata(reader);
    call?.onError(error, trailer instanceof MuonError ? Metadata.EMPTY : trailer);
  }

  #onCancel(id: number, reader: Reader): void {
    if (this.owns(id)) throw new ProtocolError(`CANCEL came on call ${id}, which this end made`);
    const call = this.#stream(id) as InboundCall | undefined;
    const status = frames.statusAt(reader.byte());
    const reason = reader.text(Infinity, "a reason");
    call?.abort(new MuonError(status, reason, { id: "muon.wire" }));
  }

  #onGoaway(reader: Reader): void {
    const last = reader.varint();
    const status = reader.byte();
    const text = reader.text(Infinity, "a reason");
    this.#farewell = { text, orderly: status === 0 };
    const error = unavailable(`the other end, ${this.peer.address}, takes no more calls: ${text}`);
    this.#outgoing?.refuse(error, last);
  }

  /** Metadata, or why it is not taken. */
  #metadata(reader: Reader): Metadata | MuonError {
    if (reader.skips(0)) return Metadata.EMPTY;
    const metadata = (this.#keys ??= new KeysIn()).read(reader, this.options);
    if (typeof metadata !== "number") return metadata;
    return tooMuchMetadata(metadata, { limit: this.options.maxMetadata, id: "muon.wire" });
  }

  /** Answers a call that is not taken. */
  #reject(id: number, error: MuonError): void {
    this.sender.error(id, unrun(error), Metadata.EMPTY);
  }

  /** The stream of an id; `undefined` if it is over. */
  #stream(id: number): Outbound | InboundCall | undefined {
    if (this.owns(id) && id !== 0) return this.#calls.get(id);
    if (id === 0 || id > this.#lastIn) throw new ProtocolError(`a frame came on stream ${id}, never opened`);
    return this.#served.get(id);
  }

  /** The other end does not speak the protocol. */
  #break(detail: string): void {
    this.sender.goaway(this.#lastIn, INTERNAL, detail);
    this.sender.flush();
    this.#end(unavailable(`the other end, ${this.peer.address}, broke muon.v1: ${detail}`), false);
    // A close has room for little, and its text must be UTF-8.
    this.#wire.end(BROKEN, detail.replaceAll(/[^\x20-\x7e]/g, "?").slice(0, MAX_CLOSE));
  }

  #end(error: MuonError, asked: boolean): void {
    if (this.#over !== undefined) return;
    this.#over = error;
    this.#asked = asked;
    this.#keepalive.stop();
    this.#outgoing?.end(error);
    this.#served.end(error);
    this.#drained?.resolve();
    this.#closed?.resolve(asked ? undefined : error);
  }

  #settle(): void {
    if (!this.#leaving || this.inflight > 0 || this.#served.size > 0 || !this.sender.idle) return;
    this.#drained?.resolve();
  }
}
