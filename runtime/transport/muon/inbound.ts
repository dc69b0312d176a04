/**
 * Calls that the other end made.
 *
 * @module
 */

import { MuonError } from "../../errors.ts";
import type { Peer } from "../../host.ts";
import { Metadata } from "../../metadata.ts";
import type { CallHead, Incoming, Lender } from "../transport.ts";
import { tooLarge, unrun } from "./failures.ts";
import { Inbox } from "./inbox.ts";
import { rejected } from "./later.ts";
import { Outbox } from "./outbox.ts";
import { ProtocolError } from "./reader.ts";
import type { Session } from "./session.ts";
import { Entry } from "./stream_table.ts";

const GONE = "the call is over";

/** A call that the other end made. */
export class InboundCall extends Entry implements Incoming {
  readonly head: CallHead;
  readonly arrived: number;
  deadline: number | undefined;
  body: Uint8Array | undefined;
  readonly #session: Session;
  #over = false;
  /** Why it ended early. */
  #aborted: MuonError | undefined;
  #controller: AbortController | undefined;
  #inbox: Inbox | undefined;
  #outbox: Outbox | undefined;
  #answering = false;
  /** Whether its handler has it, and goes on though nobody waits. */
  #handled: "not yet" | "by its handler" | "for nobody" = "not yet";
  /** Whether DATA may come: of a stream of inputs, or of one input that is not whole. */
  #input: "stream" | "gathering" | "closed";

  /**
   * @param options `body`: the whole input. `input`: what of the input is still to come.
   */
  constructor(
    session: Session,
    id: number,
    options: { head: CallHead; arrived: number; body: Uint8Array | undefined; more: boolean },
  ) {
    super(id);
    this.#session = session;
    const { head, arrived } = options;
    this.head = head;
    this.arrived = arrived;
    this.deadline = head.timeout > 0 ? arrived + head.timeout : undefined;
    this.body = options.body;
    this.#input = options.more ? "gathering" : options.body === undefined ? "stream" : "closed";
  }

  get peer(): Peer {
    return this.#session.peer;
  }

  get over(): boolean {
    return this.#over;
  }

  get messages(): AsyncIterable<Uint8Array> {
    return this.#reading();
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#aborted !== undefined) this.#controller.abort(this.#aborted);
    return this.#controller.signal;
  }

  /** Sends metadata ahead of the first answer; after it, nothing happens. */
  header(metadata: Metadata): void {
    if (this.#over || this.#answering || this.#refused(metadata)) return;
    this.#session.sender.header(this.id, metadata);
  }

  reply(body: Uint8Array, trailer: Metadata = Metadata.EMPTY, lender?: Lender): void {
    if (this.#over) return this.#settled();
    if (this.#answering) {
      throw new TypeError("A call that was answered with send() is ended with end() or fail()");
    }
    const { sender } = this.#session;
    if (body.length > sender.peer.maxMessage) {
      return this.fail(tooLarge("output", body.length, sender.peer.maxMessage));
    }
    if (trailer.size > 0 && this.#refused(trailer)) return;
    if (sender.portion(body.length) === body.length) {
      sender.reply(this.id, body, trailer, lender);
      this.#finish();
    } else if (sender.full) {
      this.fail(sender.overflow());
    } else {
      this.#sending().reply(body, trailer, lender);
      this.#closing();
    }
  }

  send(body: Uint8Array): Promise<void> | undefined {
    if (this.#over) return rejected(this.#aborted ?? new MuonError("canceled", GONE, { id: "muon.wire" }));
    if (!this.#answering) {
      this.#answering = true;
      // The caller waits that long for the first answer only, and so do the calls that its handler makes.
      this.deadline = undefined;
      this.#session.wheel.cancel(this);
    }
    const { maxMessage } = this.#session.sender.peer;
    if (body.length > maxMessage) {
      const error = tooLarge("output", body.length, maxMessage);
      this.fail(error);
      return rejected(error);
    }
    return this.#sending().send(body);
  }

  end(trailer: Metadata = Metadata.EMPTY): void {
    if (this.#over) return this.#settled();
    if (this.#refused(trailer)) return;
    if (this.#outbox === undefined || this.#outbox.empty) {
      this.#session.sender.end(this.id, trailer);
      this.#finish();
    } else {
      this.#outbox.end(trailer);
      this.#closing();
    }
  }

  fail(error: MuonError, trailer: Metadata = Metadata.EMPTY): void {
    if (this.#over) return this.#settled();
    const { sender } = this.#session;
    // A trailer that is not taken must not hide the error.
    if (sender.refusal(trailer) !== undefined) trailer = Metadata.EMPTY;
    if (this.#outbox === undefined || this.#outbox.empty) {
      sender.error(this.id, error, trailer);
      this.#finish();
    } else {
      this.#outbox.fail(error, trailer);
      this.#closing();
    }
  }

  /** A message came, or a part of one. */
  onData(body: Uint8Array, more: boolean): void {
    if (this.#over) return;
    if (this.#input === "closed") {
      throw new ProtocolError(`DATA came on call ${this.id} behind its whole input`);
    }
    if (this.#input === "stream") {
      const error = this.#reading().push(body, more);
      if (error !== undefined) this.refuse(error);
      return;
    }
    const whole = (this.#inbox ??= new Inbox(this.#session, this.id)).gather(body, more);
    if (whole === undefined) return;
    if (!(whole instanceof Uint8Array)) return this.refuse(unrun(whole));
    this.#inbox.close();
    this.#inbox = undefined;
    this.#input = "closed";
    this.body = whole;
    this.#session.accept(this);
  }

  /** The other end sends no more. */
  onEnd(): void {
    if (this.#over) return;
    if (this.#input !== "stream") {
      throw new ProtocolError(`END came on call ${this.id} behind its whole input`);
    }
    this.#input = "closed";
    this.#reading().close();
  }

  /** Credit came. */
  onCredit(bytes: number): void {
    this.#outbox?.grow(bytes);
  }

  /** Its handler has it from now on. */
  handed(): void {
    this.#handled = "by its handler";
  }

  /** The caller canceled, or the connection is gone. */
  abort(error: MuonError): void {
    this.#aborted ??= error;
    if (!this.#over && this.#handled === "by its handler") {
      this.#handled = "for nobody";
      this.#session.abandon();
    }
    this.#over = true;
    this.#outbox?.close(error);
    this.#inbox?.drop(error);
    this.#session.leave(this);
    this.#controller?.abort(this.#aborted);
  }

  /** Its deadline has passed: the caller is gone, or about to be. */
  fire(): void {
    const error = new MuonError("deadline_exceeded", `not answered within ${this.head.timeout} ms`, {
      id: "muon.wire",
      notRun: this.#handled === "not yet",
    });
    this.#session.sender.error(this.id, error, Metadata.EMPTY);
    this.abort(error);
  }

  /** All that was sent is written; after the last answer the call is gone. */
  written(): void {
    if (this.#over) this.#session.leave(this);
  }

  /** Ends the call on both sides, ahead of what waits to be sent: what came cannot be taken. */
  refuse(error: MuonError): void {
    this.#session.sender.error(this.id, error, Metadata.EMPTY);
    this.abort(error);
  }

  /** The handler is done, after all. */
  #settled(): void {
    if (this.#handled !== "for nobody") return;
    this.#handled = "by its handler";
    this.#session.settled();
  }

  #refused(metadata: Metadata): boolean {
    const refusal = this.#session.sender.refusal(metadata);
    if (refusal === undefined) return false;
    this.fail(refusal);
    return true;
  }

  #reading(): Inbox {
    if (this.#inbox === undefined) {
      this.#inbox = new Inbox(this.#session, this.id);
      if (this.body !== undefined) this.#inbox.push(this.body, false);
      if (this.#over) this.#inbox.close(this.#aborted);
      else if (this.#input === "closed") this.#inbox.close();
    }
    return this.#inbox;
  }

  #sending(): Outbox {
    return this.#outbox ??= new Outbox(this.#session.sender, this.id, this);
  }

  /** The answer is given, and waits to be sent. */
  #closing(): void {
    this.#over = true;
    this.#session.wheel.cancel(this);
    this.#inbox?.close();
  }

  #finish(): void {
    this.#over = true;
    if (this.#inbox !== undefined) this.#inbox.close();
    this.#session.leave(this);
  }
}
