/**
 * The calls that this end makes over a connection: whether they can be made, now or later, and which are open.
 *
 * @module
 */

import { MuonError } from "../../errors.ts";
import type { CallHandle, CallHead, Exchange, ReplySink } from "../transport.ts";
import { abortError, exhausted, late, tooLarge, unrun } from "./failures.ts";
import { MAX_NAME, type WireOptions } from "./limits.ts";
import { OpenCall, type Outbound, UnaryCall } from "./outbound.ts";
import { ProtocolError } from "./reader.ts";
import type { Sender } from "./sender.ts";
import type { Session } from "./session.ts";
import { StreamTable } from "./stream_table.ts";
import { Waiting } from "./waiting.ts";

/** Longest name whose UTF-8 surely fits. */
const LONG_NAME = Math.floor(MAX_NAME / 3);

/**
 * The calls of this end. A call has its id from the beginning, and calls are sent in the order of their ids: those
 * above the last that was sent wait for others to end.
 */
export class Outgoing extends StreamTable<Outbound> {
  readonly #session: Session;
  readonly #sender: Sender;
  readonly #options: WireOptions;
  /** Those that wait; made for the first, which most connections never have. */
  #waiting: Waiting | undefined;
  #nextId: number;

  constructor(session: Session) {
    super();
    this.#session = session;
    this.#sender = session.sender;
    this.#options = session.options;
    this.#nextId = session.first;
  }

  /** Calls that were not sent yet; they count among those that are not over. */
  get waiting(): number {
    return this.#waiting?.size ?? 0;
  }

  /** Makes a call with one input. */
  unary(head: CallHead, body: Uint8Array, sink: ReplySink): CallHandle {
    const refusal = this.#refusal(head, body.length);
    if (refusal !== undefined) return new RefusedCall(sink, refusal);
    const call = new UnaryCall(this.#session, this.#takeId(), { head, sink });
    const corked = this.#session.prompt && this.size === 0 && this.#sender.cork();
    try {
      this.#make(call, body);
    } finally {
      if (corked) this.#sender.uncork(true);
    }
    if (head.timeout > 0) {
      const deadline = sink.deadline ?? this.#session.clock.now() + head.timeout;
      if (sink.timed === true) call.at = deadline;
      else this.#session.wheel.set(call, deadline);
    }
    return call;
  }

  /** Makes a call with a stream of inputs. */
  open(head: CallHead, signal?: AbortSignal): Exchange {
    const refusal = signal?.aborted
      ? unrun(abortError(signal.reason), this.#session.where(head))
      : this.#refusal(head, 0);
    const call = new OpenCall(this.#session, refusal === undefined ? this.#takeId() : 0, head);
    call.start(refusal === undefined ? signal : undefined);
    if (refusal !== undefined) {
      call.stop(refusal);
      return call;
    }
    this.#make(call, undefined);
    if (head.timeout > 0) this.#session.wheel.set(call, this.#session.clock.now() + head.timeout);
    return call;
  }

  /** The call that an answer belongs to; `undefined` if it is over. */
  override get(id: number): Outbound | undefined {
    if (!this.#session.owns(id) || id > this.#sender.lastCall) {
      throw new ProtocolError(`an answer came to call ${id}, never made`);
    }
    return super.get(id);
  }

  /** A call is over: another may be sent. */
  override remove(call: Outbound): boolean {
    const removed = super.remove(call);
    if (this.#waiting !== undefined && this.#waiting.size > 0) {
      this.#waiting.remove(call.id);
      this.#advance();
    }
    return removed;
  }

  /** Another object takes a call over. */
  replace(call: Outbound, by: Outbound): void {
    super.remove(call);
    this.add(by);
  }

  /** HELLO came: windows are larger by so much than was thought, and more calls may be open. */
  greet(more: number): void {
    const { lastCall, peer } = this.#sender;
    for (const call of this.values()) {
      if (call.id <= lastCall) call.onCredit(more);
      else if (peer.maxStreams === 0) call.stop(unrun(noCalls(), call.where));
    }
    this.#advance();
  }

  /** No further call is made: what waits, and what the other end did not take, never runs. */
  refuse(error: MuonError, lastTaken: number): void {
    const last = Math.min(lastTaken, this.#sender.lastCall);
    for (const call of this.values()) {
      if (call.id > last) call.stop(unrun(error, call.where));
    }
  }

  /** The connection is over. */
  end(error: MuonError): void {
    for (const call of this.values()) {
      const never = call.id > this.#sender.sentCall || call.unsent;
      call.stop(never ? unrun(error, call.where) : error.at(call.where));
    }
  }

  #takeId(): number {
    const id = this.#nextId;
    this.#nextId += 2;
    return id;
  }

  /** Sends a call that nothing speaks against, or lets it wait. */
  #make(call: Outbound, body: Uint8Array | undefined): void {
    const { head } = call;
    this.add(call);
    // While any wait, there are more than the other end takes: none is overtaken.
    if (this.size > this.#sender.peer.maxStreams) {
      (this.#waiting ??= new Waiting(this.#sender)).add(call.id, body);
    } else call.dispatch(head, body);
  }

  /** Sends those that wait, as many as the other end takes. */
  #advance(): void {
    const { maxStreams } = this.#sender.peer;
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    let unfit: { readonly call: Outbound; readonly error: MuonError }[] | undefined;
    while (waiting.size > 0 && this.size - waiting.size < maxStreams && this.#session.accepting) {
      const { id, input } = waiting.take();
      const call = super.get(id)!;
      const timed = call.head.timeout > 0;
      const timeout = timed ? call.at - this.#session.clock.now() : 0;
      const error = timed && timeout <= 0 ? call.expired : this.#unfit(call.head, input.length);
      if (error !== undefined) (unfit ??= []).push({ call, error });
      else call.dispatch({ ...call.head, timeout }, input);
    }
    // Only now, as those who hear of it may make calls, which must not overtake.
    for (const { call, error } of unfit ?? []) call.stop(unrun(error, call.where));
  }

  /** Why a call cannot be made; nothing of it was sent. */
  #refusal(head: CallHead, size: number): MuonError | undefined {
    const error = this.#session.refusing ?? this.#unfit(head, size) ?? this.#crowded(size) ?? unfitHead(head);
    return error === undefined ? undefined : unrun(error, this.#session.where(head));
  }

  /** Why the other end would not take a call. */
  #unfit(head: CallHead, size: number): MuonError | undefined {
    const { peer } = this.#sender;
    if (size > peer.maxMessage) return tooLarge("input", size, peer.maxMessage);
    return this.#sender.refusal(head.metadata);
  }

  /** Why a call cannot even wait, if it would have to. */
  #crowded(size: number): MuonError | undefined {
    const { peer, slice, full, unsent } = this.#sender;
    const limits = this.#options;
    if (this.size < peer.maxStreams) {
      return size > slice && full ? this.#sender.overflow() : undefined;
    }
    if (peer.maxStreams === 0) return noCalls();
    if (this.waiting < limits.queuedCalls && !full) return undefined;
    return exhausted(
      `the other end takes ${peer.maxStreams} calls at a time, and ${this.waiting} wait already, with ` +
        `${unsent} bytes to be sent on the connection (limits queuedCalls ${limits.queuedCalls}, unsent ${limits.unsent})`,
    );
  }
}

/** A call that was not sent: its sink hears so, but not before `unary` has returned. */
class RefusedCall implements CallHandle {
  readonly #sink: ReplySink;
  #over = false;

  constructor(sink: ReplySink, error: MuonError) {
    this.#sink = sink;
    Promise.resolve().then(() => this.cancel(error));
  }

  cancel(error: MuonError): void {
    if (this.#over) return;
    this.#over = true;
    this.#sink.fail(error);
  }
}

/** What is wrong with a call wherever it goes. */
function unfitHead(head: CallHead): MuonError | undefined {
  if (!(head.timeout >= 0)) return late("the deadline passed before the call was sent");
  const { service, endpoint, contentType } = head;
  const long = service.length > LONG_NAME
    ? service
    : endpoint.length > LONG_NAME
    ? endpoint
    : contentType.length > LONG_NAME
    ? contentType
    : undefined;
  if (long === undefined) return undefined;
  const detail = `a name has ${long.length} characters, more than ${LONG_NAME}: ${long.slice(0, 32)}…`;
  return new MuonError("invalid_argument", detail, { id: "muon.wire" });
}

function noCalls(): MuonError {
  return exhausted("the other end takes no calls (its limit maxStreams is 0)");
}
