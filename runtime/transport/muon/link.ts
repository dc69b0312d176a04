/**
 * A link of muon.v1: drives the protocol over a socket.
 *
 * @module
 */

import type { MuonError } from "../../errors.ts";
import type { MessageSocket, MessageSocketEvents, Peer } from "../../host.ts";
import type { System } from "../../platform.ts";
import { WheelTimer } from "../../timer_wheel.ts";
import type { CallHandle, CallHead, Exchange, Link, ReplySink } from "../transport.ts";
import { statusNumber } from "./frames.ts";
import { Later } from "./later.ts";
import type { Wire } from "./sender.ts";
import { Session, type SessionOptions } from "./session.ts";

/** What the links of one transport have in common. */
export interface LinkContext extends Pick<SessionOptions, "wheel" | "options" | "agent" | "node"> {
  /** Time and the end of the turn. */
  readonly system: Pick<System, "clock" | "platform">;
}

/** What a {@link MuonLink} has of its own. */
export interface MuonLinkOptions extends Pick<SessionOptions, "dialler" | "peer" | "accept"> {
  /** Told when the socket is closed. @default {nobody} */
  readonly gone?: ((link: MuonLink) => void) | undefined;
}

/** A {@link Link} that speaks muon.v1 over a socket. */
export class MuonLink implements Link {
  readonly #session: Session;
  readonly #wire: SocketWire;
  readonly #gone: ((link: MuonLink) => void) | undefined;

  /** @param socket Where messages go. It has not been listened to. */
  constructor(socket: MessageSocket, context: LinkContext, from: MuonLinkOptions) {
    this.#gone = from.gone;
    const wire = this.#wire = new SocketWire(socket, context);
    this.#session = new Session({
      ...context,
      ...from,
      clock: context.system.clock,
      prompt: context.system.platform.prompt ?? false,
      wire,
    });
    wire.listen(this, this.#session);
  }

  get peer(): Peer {
    return this.#session.peer;
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
    return this.#session.closed;
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
    await this.#wire.gone;
  }

  /** The socket is closed. */
  lost(code: number, reason: string): void {
    this.#gone?.(this);
    this.#session.lost(code, reason);
  }
}

/** Cuts a socket whose other end does not answer a close in time. */
class Patience extends WheelTimer {
  readonly #socket: MessageSocket;

  constructor(socket: MessageSocket) {
    super();
    this.#socket = socket;
  }

  fire(): void {
    this.#socket.terminate();
  }
}

/** The socket, as the protocol sees it and as it tells of itself. */
class SocketWire implements Wire, MessageSocketEvents {
  readonly #socket: MessageSocket;
  readonly #context: LinkContext;
  #link: MuonLink | undefined;
  /** Nothing before `listen`, and once the socket is closed. */
  #session: Session | undefined;
  #gone: Later<void> | undefined;
  /** Runs once this end has closed the socket. */
  #patience: Patience | undefined;

  constructor(socket: MessageSocket, context: LinkContext) {
    this.#socket = socket;
    this.#context = context;
  }

  static #flush(wire: SocketWire): void {
    wire.#session?.flush();
  }

  /** Tells these of what comes. */
  listen(link: MuonLink, session: Session): void {
    this.#link = link;
    this.#session = session;
    this.#socket.listen(this);
  }

  /** Resolves when the socket is closed. */
  get gone(): Promise<void> {
    this.#gone ??= new Later();
    if (this.#session === undefined) this.#gone.resolve();
    return this.#gone.promise;
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
    this.#context.system.platform.endOfTurn(SocketWire.#flush, this);
  }

  end(code: number, reason: string): void {
    const { wheel, system, options } = this.#context;
    this.#patience ??= new Patience(this.#socket);
    wheel.set(this.#patience, system.clock.now() + options.patience);
    this.#socket.close(code, reason);
  }

  message(data: Uint8Array): void {
    this.#session?.receive(data);
  }

  drain(): void {
    this.#session?.drained();
  }

  close(code: number, reason: string): void {
    if (this.#patience !== undefined) this.#context.wheel.cancel(this.#patience);
    this.#session = undefined;
    this.#link?.lost(code, reason);
    this.#gone?.resolve();
  }
}
