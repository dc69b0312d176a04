/**
 * A link of muon.v1: drives the protocol over a socket.
 *
 * @module
 */

import type { MuonError } from "../../errors.ts";
import type { MessageSocket, MessageSocketEvents, Peer } from "../../host.ts";
import type { System } from "../../platform.ts";
import { type TimerWheel, WheelTimer } from "../../timer_wheel.ts";
import type { Accept, CallHandle, CallHead, Exchange, Link, ReplySink } from "../transport.ts";
import { statusNumber } from "./frames.ts";
import { Later } from "./later.ts";
import type { WireOptions } from "./limits.ts";
import type { Wire } from "./sender.ts";
import { Session } from "./session.ts";

/** What a {@link MuonLink} is made of. */
export interface MuonLinkOptions {
  /** Time and the end of the turn. */
  readonly system: Pick<System, "clock" | "platform">;
  /** Deadlines. */
  readonly wheel: TimerWheel;
  /** Limits and how to send. */
  readonly options: WireOptions;
  /** Whether this end dialled. */
  readonly dialler: boolean;
  /** The other end. */
  readonly peer: Peer;
  /** Takes calls that the other end makes. */
  readonly accept: Accept;
  /** The program, for people. */
  readonly agent: string;
  /** Id of this end's node, or nothing. */
  readonly node: string;
  /** Told when the socket is closed. @default {nobody} */
  readonly gone?: ((link: MuonLink) => void) | undefined;
}

/** A {@link Link} that speaks muon.v1 over a socket. */
export class MuonLink implements Link {
  readonly peer: Peer;
  readonly #session: Session;
  readonly #wire: SocketWire;

  /** @param socket Where messages go. It has not been listened to. */
  constructor(socket: MessageSocket, from: MuonLinkOptions) {
    this.peer = from.peer;
    const wire = this.#wire = new SocketWire(socket, from);
    this.#session = wire.session = new Session({
      ...from,
      clock: from.system.clock,
      prompt: from.system.platform.prompt ?? false,
      wire,
    });
    socket.listen(new Ear({ link: this, session: this.#session, wire }));
  }

  get inflight(): number {
    return this.#session.inflight;
  }

  /** Calls of the other end that are not over. */
  get serving(): number {
    return this.#session.serving;
  }

  get accepting(): boolean {
    return this.#session.accepting;
  }

  get closed(): Promise<MuonError | undefined> {
    return this.#session.closed.promise;
  }

  /** Smoothed round trip of PING in ms; `undefined` before the first was answered. */
  get rtt(): number | undefined {
    return this.#session.rtt;
  }

  unary(head: CallHead, body: Uint8Array, sink: ReplySink): CallHandle {
    return this.#session.unary(head, body, sink);
  }

  open(head: CallHead, signal?: AbortSignal): Exchange {
    return this.#session.open(head, signal);
  }

  /** Takes no call at all: the other end is told to go elsewhere, and why. */
  async turnAway(reason: string): Promise<void> {
    await this.#session.drain({ status: statusNumber("resource_exhausted"), text: reason });
    await this[Symbol.asyncDispose]();
  }

  async drain(signal?: AbortSignal): Promise<void> {
    const drained = this.#session.drain();
    if (signal === undefined) return await drained;
    const aborted = new Later<void>();
    const abort = () => aborted.resolve();
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort);
    await Promise.race([drained, aborted.promise]);
    signal.removeEventListener("abort", abort);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#session.close();
    await this.#wire.gone.promise;
  }
}

/** What the socket tells: one object a connection, where a closure for each event would be four. */
class Ear implements MessageSocketEvents {
  readonly #link: MuonLink;
  readonly #session: Session;
  readonly #wire: SocketWire;

  constructor(whose: { readonly link: MuonLink; readonly session: Session; readonly wire: SocketWire }) {
    this.#link = whose.link;
    this.#session = whose.session;
    this.#wire = whose.wire;
  }

  message(data: Uint8Array): void {
    this.#session.receive(data);
  }

  drain(): void {
    this.#session.drained();
  }

  close(code: number, reason: string): void {
    this.#wire.closed(this.#link);
    this.#session.lost(code, reason);
    this.#wire.gone.resolve();
  }
}

/** The socket, as the protocol sees it. */
class SocketWire extends WheelTimer implements Wire {
  session: Session | undefined;
  /** The socket is closed. */
  readonly gone = new Later<void>();
  readonly #socket: MessageSocket;
  readonly #from: MuonLinkOptions;
  readonly #turn = () => this.session?.flush();

  constructor(socket: MessageSocket, from: MuonLinkOptions) {
    super();
    this.#socket = socket;
    this.#from = from;
  }

  get buffered(): number {
    return this.#socket.buffered;
  }

  get copies(): boolean {
    return this.#socket.copies;
  }

  send(batch: Uint8Array): void {
    this.#socket.send(batch);
  }

  wake(): void {
    this.#from.system.platform.endOfTurn(this.#turn);
  }

  close(code: number, reason: string): void {
    const { wheel, system, options } = this.#from;
    wheel.set(this, system.clock.now() + options.patience);
    this.#socket.close(code, reason);
  }

  closed(link: MuonLink): void {
    this.#from.wheel.cancel(this);
    this.#from.gone?.(link);
    this.session = undefined;
  }

  /** The other end did not answer the close in time. */
  fire(): void {
    this.#socket.terminate();
  }
}
