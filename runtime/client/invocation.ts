/**
 * A call on its way through the client's interceptors, with the deadline and the signals that end it.
 *
 * @module
 */

import type { CallOptions } from "../call.ts";
import type { Clock, Timer } from "../clock.ts";
import { Values } from "../context.ts";
import type { Kind } from "../definition.ts";
import { MuonError } from "../errors.ts";
import type { Invocation } from "../interceptor.ts";
import { Metadata } from "../metadata.ts";
import type { Node } from "../record.ts";
import type { Pick } from "../selector/selector.ts";
import { canceled } from "./pending_call.ts";
import type { Answers } from "./pending_call.ts";
import type { Route, Target } from "./target.ts";

/** What a call is made of. */
export interface CallPlan {
  /** What is called. */
  readonly target: Target;
  /** Input or stream of inputs. */
  readonly input: unknown;
  /** The caller's options. */
  readonly options: CallOptions;
  /** Metadata, the forwarded part included. */
  readonly metadata: Metadata;
  /** Time in ms until the answer, or a stream's first. */
  readonly timeout: number;
  /** A deadline that it may not pass, whatever its timeout, in ms on the steady clock. */
  readonly ceiling?: number | undefined;
  /** Signals that end it: the caller's, that of the call which is being handled. */
  readonly signals: readonly AbortSignal[];
  /** Time. */
  readonly clock: Clock;
}

/** The longest time a timer can be set for, in ms; a call is not given more. */
const MAX_TIMER = 2 ** 31 - 1;

/** The client's {@link Invocation}. One object for all attempts of a call. */
export class ClientInvocation implements Invocation {
  readonly side = "client";
  readonly context = undefined;
  readonly values = new Values();
  readonly service: string;
  readonly endpoint: string;
  /** What is called. */
  readonly target: Target;
  /** The caller's options. */
  readonly options: CallOptions;
  /** Until when, in ms on the steady clock. */
  deadline: number | undefined;
  kind: Kind | undefined = undefined;
  input: unknown;
  metadata: Metadata;
  attempt = 0;
  node: Node | undefined = undefined;
  /** The endpoint, as the record of the attempt's node tells it. */
  route: Route | undefined = undefined;
  /** Metadata that came with a value. */
  trailer: Metadata = Metadata.EMPTY;
  /** The answer, if it is a stream: as it came, before interceptors wrapped it. */
  answers: Answers | undefined = undefined;
  /** Whether the input stream was read from, so that the call cannot be made again. */
  inputUsed = false;
  /** The node for the first attempt, if one was picked already. */
  picked: Pick | undefined = undefined;
  /** Attempts on the hot path that failed before. */
  readonly failures: { readonly call: { readonly pick: Pick }; readonly error: MuonError }[] = [];
  readonly #controller = new AbortController();
  readonly #clock: Clock;
  readonly #signals: readonly AbortSignal[];
  readonly #ceiling: number | undefined;
  #timer: Timer | undefined;
  readonly #abort: (event: Event) => void;

  constructor(plan: CallPlan) {
    this.target = plan.target;
    this.service = plan.target.service;
    this.endpoint = plan.target.endpoint;
    this.options = plan.options;
    this.input = plan.input;
    this.metadata = plan.metadata;
    this.#clock = plan.clock;
    this.#signals = plan.signals;
    this.#ceiling = plan.ceiling;
    this.#abort = (event) => this.cancel(canceled((event.target as AbortSignal).reason));
    for (const signal of plan.signals) {
      if (signal.aborted) this.cancel(canceled(signal.reason));
      else signal.addEventListener("abort", this.#abort, { once: true });
    }
    this.limit(plan.timeout);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Milliseconds left; `Infinity` without a deadline. */
  remaining(): number {
    return this.deadline === undefined ? Infinity : this.deadline - this.#clock.now();
  }

  /** Ends the call. */
  cancel(error: MuonError): void {
    this.#controller.abort(error);
  }

  /** Sets the time for the call, in ms from now, in place of what it was. */
  limit(timeout: number): void {
    this.#timer?.cancel();
    const now = this.#clock.now();
    const wait = this.#ceiling === undefined ? timeout : Math.min(timeout, this.#ceiling - now);
    if (!Number.isFinite(wait)) return;
    this.deadline = now + wait;
    this.#timer = this.#clock.after(
      Math.min(MAX_TIMER, Math.max(0, wait)),
      () => this.cancel(this.#late(wait)),
    );
  }

  /** The first answer is there: time is no longer short, and an attempt's node is known. */
  answered(): void {
    this.#timer?.cancel();
  }

  /** The call is over: nothing is listened for any more. */
  finish(): void {
    this.#timer?.cancel();
    for (const signal of this.#signals) signal.removeEventListener("abort", this.#abort);
  }

  #late(timeout: number): MuonError {
    return new MuonError("deadline_exceeded", `No answer within ${Math.round(timeout)} ms`, {
      id: "muon.client",
    });
  }
}
