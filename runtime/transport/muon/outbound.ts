/**
 * Calls that this end made: with one input, whose answer goes to a sink, and with a stream on either side.
 *
 * @module
 */

import { MuonError, type Where } from "../../errors.ts";
import { Metadata } from "../../metadata.ts";
import type { CallHandle, CallHead, Exchange, ReplySink } from "../transport.ts";
import { abortError, late, tooLarge, unrun } from "./failures.ts";
import { Inbox } from "./inbox.ts";
import { Later } from "./later.ts";
import { Outbox } from "./outbox.ts";
import { ProtocolError } from "./reader.ts";
import type { Session } from "./session.ts";
import { Entry } from "./stream_table.ts";

/** A call that this end made, as the session tells it what comes. */
export abstract class Outbound extends Entry {
  /** Whether the call is over. */
  over = false;
  /** What was called. */
  readonly head: CallHead;
  protected readonly session: Session;
  protected outbox: Outbox | undefined;
  protected headed: Metadata | undefined;

  constructor(session: Session, id: number, head: CallHead) {
    super(id);
    this.session = session;
    this.head = head;
  }

  /** Where it goes, for errors. */
  get where(): Where {
    return this.session.where(this.head);
  }

  /** That its time was over before it was sent. */
  get expired(): MuonError {
    const { greeted, sender } = this.session;
    const why = greeted
      ? `the other end takes ${sender.peer.maxStreams} calls at a time (its limit maxStreams)`
      : "the other end has not said HELLO";
    return unrun(late(`not sent within ${this.head.timeout} ms: ${why}`), this.where);
  }

  /** Sends it. A call that waits is not sent at first. */
  abstract dispatch(head: CallHead, body: Uint8Array | undefined): void;
  /** Whether the callee cannot have run it, as it has not got the whole of its one input. */
  abstract readonly unsent: boolean;
  /** An item came, or a part of one. */
  abstract onData(body: Uint8Array, more: boolean): void;
  /** The one answer came, or a part of it. */
  abstract onReply(body: Uint8Array, more: boolean, trailer: Metadata): void;
  /** No further item comes. */
  abstract onEnd(trailer: Metadata): void;
  /** The call failed, there or here; the other end knows. What came before may still be read. */
  abstract onError(error: MuonError, trailer: Metadata): void;

  /** Metadata came ahead of the answer. */
  onHeader(metadata: Metadata): void {
    this.headed = metadata;
  }

  /** Credit came. */
  onCredit(bytes: number): void {
    this.outbox?.grow(bytes);
  }

  /** Its time is up. */
  fire(): void {
    this.cancel(
      this.#sent ? late(`no answer within ${this.head.timeout} ms`).at(this.where) : this.expired,
    );
  }

  /** Ends it on both sides. */
  cancel(error: MuonError): void {
    if (this.over) return;
    if (this.#sent) this.session.sender.cancel(this.id, error);
    this.stop(error);
  }

  /** Ends it on both sides: what came cannot be taken. */
  refuse(error: MuonError): void {
    this.cancel(error.at(this.where));
  }

  /** Ends it on this side, and what came before is not read any more. */
  stop(error: MuonError): void {
    this.onError(error, Metadata.EMPTY);
  }

  get #sent(): boolean {
    return this.id <= this.session.sender.lastCall;
  }

  protected finish(error: MuonError): void {
    this.over = true;
    this.outbox?.close(error);
    this.session.leave(this);
  }
}

/** A call with one input. */
export class UnaryCall extends Outbound implements CallHandle {
  readonly #sink: ReplySink;
  #inbox: Inbox | undefined;

  constructor(session: Session, id: number, options: { readonly head: CallHead; readonly sink: ReplySink }) {
    super(session, id, options.head);
    this.#sink = options.sink;
  }

  get unsent(): boolean {
    return this.outbox !== undefined && !this.outbox.empty;
  }

  dispatch(head: CallHead, body: Uint8Array): void {
    const { sender } = this.session;
    const sent = sender.call(this.id, head, body, this.#sink);
    if (sent === body.length) return;
    this.outbox = new Outbox(sender, this.id, this);
    this.outbox.rest(body, sent, this.#sink);
  }

  /** The whole input is written. */
  written(): void {}

  onReply(body: Uint8Array, more: boolean, trailer: Metadata): void {
    if (more || this.#inbox !== undefined) {
      const whole = (this.#inbox ??= new Inbox(this.session, this.id)).gather(body, more);
      if (whole === undefined) return;
      if (!(whole instanceof Uint8Array)) return this.refuse(whole);
      body = whole;
      this.#inbox.close();
    }
    if (this.headed !== undefined) trailer = this.headed.with(trailer);
    this.over = true;
    // It may be answered before it had the whole input.
    if (this.outbox !== undefined) this.outbox.close(new MuonError("canceled", "the call is over"));
    this.session.leave(this);
    this.#sink.reply(body, trailer, undefined, this.session.now);
  }

  onData(body: Uint8Array, more: boolean): void {
    this.#upgrade()?.onData(body, more);
  }

  onEnd(trailer: Metadata): void {
    this.#upgrade()?.onEnd(trailer);
  }

  onError(error: MuonError): void {
    if (this.over) return;
    this.#inbox?.close();
    this.finish(error);
    this.#sink.fail(error);
  }

  /** The answer turns out to be a stream. */
  #upgrade(): OpenCall | undefined {
    if (this.#inbox !== undefined) throw new ProtocolError("a stream's item came amid a REPLY");
    const call = new OpenCall(this.session, this.id, this.head);
    call.inherit(this.outbox, this.headed);
    this.over = true;
    this.session.replace(this, call);
    this.#sink.reply(undefined, Metadata.EMPTY, call, this.session.now);
    return call.over ? undefined : call;
  }
}

/** A call with a stream on at least one side. */
export class OpenCall extends Outbound implements Exchange {
  readonly #inbox: Inbox;
  readonly #header = new Later<Metadata>();
  readonly #trailer = new Later<Metadata>();
  readonly #streaming = new Later<boolean>();
  #answer: "none" | "items" | "reply" = "none";
  #ended = false;
  #signal: AbortSignal | undefined;

  constructor(session: Session, id: number, head: CallHead) {
    super(session, id, head);
    this.#inbox = new Inbox(session, id, this);
  }

  readonly unsent = false;

  get header(): Promise<Metadata> {
    return this.#header.promise;
  }

  get trailer(): Promise<Metadata> {
    return this.#trailer.promise;
  }

  get streaming(): Promise<boolean> {
    return this.#streaming.promise;
  }

  get messages(): AsyncIterable<Uint8Array> {
    return this.#inbox;
  }

  /** Takes what is to be sent, once it is dispatched, and cancels it at the signal. */
  start(signal: AbortSignal | undefined): void {
    this.outbox = new Outbox(this.session.sender, this.id, this);
    this.outbox.hold();
    this.#signal = signal;
    signal?.addEventListener("abort", this);
  }

  dispatch(head: CallHead): void {
    this.session.sender.call(this.id, head, undefined);
    this.outbox!.unhold();
  }

  /** Takes over from a unary call whose answer is a stream. */
  inherit(outbox: Outbox | undefined, header: Metadata | undefined): void {
    this.outbox = outbox;
    this.#ended = true;
    if (header !== undefined) this.onHeader(header);
  }

  /** The caller's signal was aborted. */
  handleEvent(): void {
    this.cancel(abortError(this.#signal!.reason).at(this.where));
  }

  /** The reader left the loop. */
  left(): void {
    this.cancel();
  }

  send(body: Uint8Array): Promise<void> | undefined {
    if (this.#ended && !this.over) throw new TypeError("A call's input has ended: nothing more can be sent");
    const { maxMessage } = this.session.sender.peer;
    if (body.length > maxMessage && !this.over) this.refuse(tooLarge("input", body.length, maxMessage));
    return this.outbox!.send(body);
  }

  end(trailer: Metadata = Metadata.EMPTY): void {
    if (this.#ended || this.over) return;
    const refusal = this.session.sender.refusal(trailer);
    if (refusal !== undefined) return this.refuse(refusal);
    this.#ended = true;
    this.outbox!.end(trailer);
  }

  override cancel(
    error: MuonError = new MuonError("canceled", "canceled by the caller", {
      id: "muon.wire",
      where: this.where,
    }),
  ): void {
    super.cancel(error);
  }

  /** All that was sent is written. */
  written(): void {}

  override onHeader(metadata: Metadata): void {
    this.#header.resolve(metadata);
  }

  onData(body: Uint8Array, more: boolean): void {
    if (this.#answer === "reply") throw new ProtocolError("a stream's item came amid a REPLY");
    if (this.#answer === "none") this.#begin("items");
    const error = this.#inbox.push(body, more);
    if (error !== undefined) this.refuse(error);
  }

  onReply(body: Uint8Array, more: boolean, trailer: Metadata): void {
    if (this.#answer === "items") throw new ProtocolError("a REPLY came after a stream's items");
    if (this.#answer === "none") this.#begin("reply");
    const error = this.#inbox.push(body, more);
    if (error !== undefined) return this.refuse(error);
    if (!more) this.#finish(trailer);
  }

  onEnd(trailer: Metadata): void {
    if (this.#answer === "reply") throw new ProtocolError("END came amid a REPLY");
    if (this.#answer === "none") this.#begin("items");
    this.#finish(trailer);
  }

  onError(error: MuonError): void {
    if (this.over) return;
    this.#inbox.close(error);
    this.#header.reject(error);
    this.#streaming.reject(error);
    this.#trailer.reject(error);
    this.#leave(error);
  }

  override stop(error: MuonError): void {
    this.#inbox.drop(error);
    this.onError(error);
  }

  #begin(answer: "items" | "reply"): void {
    this.#answer = answer;
    this.session.wheel.cancel(this);
    this.#header.resolve(Metadata.EMPTY);
    this.#streaming.resolve(answer === "items");
  }

  #finish(trailer: Metadata): void {
    this.#inbox.close();
    this.#trailer.resolve(trailer);
    this.#leave(new MuonError("canceled", "the call is over: it was answered", { where: this.where }));
  }

  #leave(error: MuonError): void {
    this.#signal?.removeEventListener("abort", this);
    this.finish(error);
  }
}
