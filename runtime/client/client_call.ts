/**
 * A call that a client makes: the invocation that interceptors see, what takes the answer, and what ends it early, in
 * one object. It goes as far as it can without waiting: a call to a known node over an open link makes no promise, no
 * timer and no AbortController of its own, whatever its options are.
 *
 * @module
 */

import type { CallOptions } from "../call.ts";
import type { Marshal } from "../codec/codec.ts";
import { Values } from "../context.ts";
import type { Kind } from "../definition.ts";
import { type Attempt, MuonError, type Where } from "../errors.ts";
import { isStream } from "../eventual.ts";
import type { Invocation } from "../interceptor.ts";
import { Metadata } from "../metadata.ts";
import { backoff, type CallPolicy } from "../policy.ts";
import type { Node } from "../record.ts";
import type { Outcome, Pick } from "../selector/selector.ts";
import { WheelTimer } from "../timer_wheel.ts";
import type { CallHandle, CallHead, Exchange, Link, ReplySink } from "../transport/transport.ts";
import { decodeAnswers, unreadable } from "./answers.ts";
import type { CallPlan, ClientCore } from "./client_core.ts";
import { pickOfAddress, schemeOf } from "./given_address.ts";
import { encodeInput, pump } from "./inputs.ts";
import { type Answers, canceled } from "./pending_call.ts";
import { mayRetry } from "./retries.ts";
import { type Route, whereOf } from "./target.ts";

/** How inputs are written where nobody says. */
const CONTENT_TYPE = "application/cbor";
/** The longest time a timer can be set for, in ms. */
const MAX_TIMER = 2 ** 31 - 1;
const NONE: CallOptions = {};

/** A call that is being made. */
export class ClientCall extends WheelTimer implements Invocation, ReplySink, CallHandle {
  readonly side = "client";
  readonly context = undefined;
  kind: Kind | undefined = undefined;
  input: unknown;
  metadata: Metadata;
  deadline: number | undefined = undefined;
  attempt = 0;
  node: Node | undefined = undefined;
  readonly #core: ClientCore;
  readonly #plan: CallPlan;
  #timeout = 0;
  #began = 0;
  /** Whether it is being started, and it is as late as it was when it began. */
  #fresh = true;
  timed = false;
  #policy: CallPolicy;
  #pick: Pick | undefined = undefined;
  #picked = 0;
  /** When the link had the answer, if it has said so. */
  #answered: number | undefined = undefined;
  #route: Route | undefined = undefined;
  #marshal: Marshal | undefined = undefined;
  #handle: CallHandle | undefined = undefined;
  #answers: Answers | undefined = undefined;
  #trailer: Metadata = Metadata.EMPTY;
  #inputUsed = false;
  #attempts: Attempt[] | undefined = undefined;
  #tried: string[] | undefined = undefined;
  #canceled: MuonError | undefined = undefined;
  #controller: AbortController | undefined = undefined;
  #values: Values | undefined = undefined;
  /** Whom the call's outcome goes to, where interceptors stand around it. */
  #outcome: PromiseWithResolvers<unknown> | undefined = undefined;
  /** Whom an attempt's outcome goes to, where interceptors stand around it. */
  #tryOutcome: PromiseWithResolvers<unknown> | undefined = undefined;

  constructor(core: ClientCore, plan: CallPlan) {
    super();
    this.#core = core;
    this.#plan = plan;
    this.#policy = core.policy.call(plan.target.service, plan.target.endpoint);
    this.input = plan.input;
    this.metadata = Metadata.EMPTY;
  }

  get service(): string {
    return this.#plan.target.service;
  }

  get endpoint(): string {
    return this.#plan.target.endpoint;
  }

  get values(): Values {
    return this.#values ??= new Values();
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#canceled !== undefined) this.#controller.abort(this.#canceled);
    }
    return this.#controller.signal;
  }

  /**
   * Makes the call. What comes of it goes to the pending call.
   *
   * @throws {TypeError} If the metadata is none.
   */
  start(): void {
    const { options, parent } = this.#plan;
    if (options?.metadata !== undefined) this.metadata = this.#plan.target.metadata(options.metadata);
    try {
      if (parent !== undefined) this.metadata = parent.forwarded.with(this.metadata);
      this.#began = this.#now();
      this.#limit(options?.timeout ?? this.#policy.timeout);
      this.#listen(options?.signal);
      this.#listen(parent?.signal);
      if (this.#canceled !== undefined) return;
      if (this.#core.whole === undefined) return this.#try();
      this.#mayWait();
      Promise.resolve(this.#core.whole(this)).then(
        (output) => this.#deliver(output),
        (error) => this.#lose(error),
      );
    } catch (error) {
      this.#lose(error);
    } finally {
      this.#fresh = false;
    }
  }

  /** Makes attempts until one succeeds or no other may be made: what a whole call's interceptors stand around. */
  run(): Promise<unknown> {
    if (this.#canceled !== undefined) throw this.#canceled;
    if (this.#outcome !== undefined) throw again("A call's interceptor");
    if (this.#inputUsed) throw used();
    const { promise } = this.#outcome = Promise.withResolvers();
    this.attempt = 0;
    this.#attempts = this.#tried = undefined;
    this.#try();
    return promise;
  }

  /** Makes one attempt at the node that was picked: what an attempt's interceptors stand around. */
  send(): Promise<unknown> {
    if (this.#canceled !== undefined) throw this.#canceled;
    if (this.#tryOutcome !== undefined) throw again("An attempt's interceptor");
    if (this.#inputUsed) throw used();
    const { promise } = this.#tryOutcome = Promise.withResolvers();
    this.#dispatch();
    return promise;
  }

  reply(body: Uint8Array | undefined, trailer: Metadata, stream: Exchange | undefined, at?: number): void {
    this.#handle = undefined;
    this.#answered = at;
    if (this.#canceled !== undefined) return stream?.cancel(this.#canceled);
    this.#trailer = trailer;
    if (stream !== undefined) return this.#succeeded(this.#takeStream(stream));
    let value: unknown;
    try {
      value = this.#marshal!.decode(body!);
    } catch (error) {
      return this.#failed(unreadable(error));
    }
    this.#succeeded(value);
  }

  /** The input is written: its bytes may be used again. */
  reclaim(input: Uint8Array): void {
    this.#marshal!.reclaim?.(input);
  }

  /** How many bytes in front of the input's are nobody's. */
  front(input: Uint8Array): number {
    return this.#marshal!.front?.(input) ?? 0;
  }

  fail(error: MuonError): void {
    this.#handle = undefined;
    this.#failed(error);
  }

  /** Ends the call on both sides; the caller learns it at once. */
  cancel(error: MuonError): void {
    if (this.#canceled !== undefined) return;
    this.#canceled = error;
    this.#controller?.abort(error);
    if (this.#answers !== undefined) return this.#answers.cancel(error);
    if (this.#handle !== undefined) this.#handle.cancel(error);
    else this.#failed(error);
    this.#lose(error);
  }

  /** One of the signals was aborted. */
  handleEvent(event: Event): void {
    this.cancel(canceled((event.target as AbortSignal).reason));
  }

  /** Time is up while something other than the answer is waited for. */
  fire(): void {
    const unknown = this.attempt > 0 && this.node === undefined;
    this.cancel(
      new MuonError(
        "deadline_exceeded",
        `No answer within ${Math.round(this.#timeout)} ms` +
          (unknown ? `: the registry has not said who serves "${this.service}"` : ""),
        { id: "muon.client" },
      ),
    );
  }

  #try(): void {
    this.attempt++;
    this.#pick = this.#answered = undefined;
    this.node = undefined;
    try {
      const { options, target } = this.#plan;
      if (options?.address !== undefined) return this.#at(pickOfAddress(options.address, options.transport));
      const ready = this.#core.selector.ready(target.service);
      if (ready === undefined) return this.#pickNode();
      this.#await(ready, () => this.#pickNode());
    } catch (error) {
      this.#attemptFailed(error);
    }
  }

  #pickNode(): void {
    const { options, target } = this.#plan;
    const { pick } = target;
    const tried = this.#tried;
    const { filters, weights, strategy, ejection, explain } = options ?? NONE;
    const usual = tried === undefined && filters === undefined && weights === undefined &&
      strategy === undefined && ejection === undefined && explain === undefined;
    this.#at(this.#core.selector.pick(
      usual ? pick : {
        ...pick,
        filters: filters ?? pick.filters,
        tried: tried ?? pick.tried,
        weights,
        strategy,
        ejection,
        explain,
      },
    ));
  }

  #at(pick: Pick): void {
    const { target, options } = this.#plan;
    const { node, service } = pick.candidate;
    this.#pick = pick;
    this.#picked = this.#fresh ? this.#began : this.#now();
    this.node = node;
    const route = this.#route = target.route(service);
    this.kind = route.kind;
    this.#policy = this.#core.policy.call(target.service, route.endpoint);
    if (options?.timeout === undefined && this.attempt === 1) {
      this.#limit(route.timeout ?? this.#policy.timeout);
    }
    const { single } = this.#core;
    if (single === undefined) return this.#dispatch();
    this.#mayWait();
    Promise.resolve(single(this)).then(
      (output) => this.#attemptSucceeded(output),
      (error) => this.#attemptFailed(error),
    );
  }

  #dispatch(): void {
    try {
      const { options } = this.#plan;
      const { links } = this.#core;
      const name = options?.transport ??
        (options?.address === undefined ? undefined : schemeOf(options.address));
      const link = links.open(this.node!, name);
      if (link !== undefined) return this.#over(link);
      this.#await(links.connect(this.node!, { name, signal: this.signal }), (dialled) => this.#over(dialled));
    } catch (error) {
      this.#failed(error);
    }
  }

  #over(link: Link): void {
    const { target, options } = this.#plan;
    const { codecs } = this.#core;
    const contentType = options?.contentType ?? this.#core.contentType ?? link.contentType ?? CONTENT_TYPE;
    const marshal = this.#marshal = codecs.find(contentType);
    if (marshal === undefined) throw codecs.unknown(contentType);
    const head = this.#head(contentType);
    const { input } = this;
    if (isStream(input)) return this.#open(link, head, input);
    this.#handle = link.unary(head, encodeInput(marshal, input, target.endpoint), this);
  }

  #head(contentType: string): CallHead {
    const { target } = this.#plan;
    let timeout = 0;
    if (this.deadline !== undefined) {
      // A call that did not wait has all its time: the same head serves the next one.
      timeout = this.#fresh ? this.#timeout : Math.ceil(this.deadline - this.#now());
      if (timeout <= 0) {
        throw new MuonError("deadline_exceeded", "The time for the call was over before it was sent", {
          id: "muon.client",
          notRun: true,
        });
      }
    }
    return target.head(this.#route!, { contentType, timeout, metadata: this.metadata });
  }

  /** A call whose input is a stream: it is read once, so that no other attempt can be made. */
  #open(link: Link, head: CallHead, input: AsyncIterable<unknown>): void {
    this.#inputUsed = true;
    const exchange = link.open(head, this.signal);
    let broken: MuonError | undefined;
    void pump(input, {
      exchange,
      marshal: this.#marshal!,
      endpoint: this.#plan.target.endpoint,
      failed: (error) => {
        broken = MuonError.from(error, { status: "canceled", id: "muon.client" });
        exchange.cancel(broken);
      },
    });
    const answer = async (): Promise<unknown> => {
      const stream = await exchange.streaming;
      const answers = this.#takeStream(exchange);
      if (stream) return answers;
      let value: unknown;
      for await (const item of answers) value = item;
      this.#trailer = await answers.trailer;
      this.#answers = undefined;
      return value;
    };
    answer().then((value) => this.#succeeded(value), (error) => this.#failed(broken ?? error));
  }

  #takeStream(exchange: Exchange): Answers {
    const where = whereOf(this.#plan.target, this.node);
    return this.#answers = decodeAnswers(
      exchange,
      this.#marshal!,
      (error) => MuonError.from(error, { where }),
    );
  }

  #succeeded(value: unknown): void {
    const outcome = this.#tryOutcome;
    if (outcome === undefined) return this.#attemptSucceeded(value);
    this.#tryOutcome = undefined;
    outcome.resolve(value);
  }

  #failed(error: unknown): void {
    const outcome = this.#tryOutcome;
    if (outcome === undefined) return this.#attemptFailed(error);
    this.#tryOutcome = undefined;
    outcome.reject(error);
  }

  #attemptSucceeded(value: unknown): void {
    const at = this.#answered ?? this.#now();
    const duration = at - this.#picked;
    if (this.#answers === undefined) {
      this.#done({ duration, at });
    } else {
      // The node is busy with the call until its stream ends.
      const pick = this.#pick;
      this.#pick = undefined;
      this.#answers.trailer.then(
        () => pick?.done({ duration }),
        (error) => pick?.done({ error: MuonError.from(error), duration }),
      );
    }
    const outcome = this.#outcome;
    if (outcome === undefined) return this.#deliver(value);
    this.#outcome = undefined;
    outcome.resolve(value);
  }

  #attemptFailed(thrown: unknown): void {
    const { target, options } = this.#plan;
    const error = this.#canceled ?? MuonError.from(thrown, { id: "muon.client" });
    const { node } = this;
    const unpicked = this.#pick === undefined;
    this.#done({ error, duration: this.#now() - this.#picked });
    const retries = options?.retries ?? this.#policy.retries;
    const made = this.#attempts?.length ?? 0;
    const left = this.deadline === undefined ? Infinity : this.deadline - this.#now();
    if (
      unpicked || this.#canceled !== undefined || this.#inputUsed || made >= retries ||
      left <= 0 ||
      !mayRetry(error, this.#route?.idempotent === true) ||
      (error.status === "not_found" && options?.address !== undefined)
    ) {
      const where: Where = {
        ...whereOf(target, node),
        ...(this.#attempts === undefined ? {} : { attempts: this.#attempts }),
      };
      const outcome = this.#outcome;
      if (outcome === undefined) return this.#lose(error.at(where));
      this.#outcome = undefined;
      outcome.reject(error.at(where));
      return;
    }
    (this.#tried ??= []).push(node!.id);
    (this.#attempts ??= []).push({
      node: node!.id,
      address: node!.address,
      error: `[${error.status}] ${error.detail}`,
    });
    const { clock, random } = this.#core.system;
    const wait = Promise.withResolvers<void>();
    // Somebody waits for the answer: the process must not end meanwhile.
    clock.after(backoff(this.#policy, made + 1, random.next()), wait.resolve, { background: false });
    this.#await(wait.promise, () => this.#try());
  }

  /** Tells the pick what came of it: once, though a call that is canceled may be answered by an interceptor, too. */
  #done(outcome: Outcome): void {
    const pick = this.#pick;
    this.#pick = undefined;
    pick?.done(outcome);
  }

  /** Goes on when something is there, unless the call is over by then. */
  #await<T>(promise: Promise<T>, proceed: (value: T) => void): void {
    this.#mayWait();
    promise.then(
      (value) => {
        if (this.#canceled !== undefined) return;
        try {
          proceed(value);
        } catch (error) {
          this.#failed(error);
        }
      },
      (error) => {
        if (this.#canceled === undefined) this.#failed(error);
      },
    );
  }

  #deliver(output: unknown): void {
    const { pending } = this.#plan;
    const answers = this.#answers;
    this.#core.wheel.cancel(this);
    if (answers === undefined || !isStream(output)) {
      answers?.cancel(canceled());
      this.#unlisten();
      return pending.succeed(output, this.#trailer);
    }
    answers.trailer.finally(() => this.#unlisten()).catch(() => {});
    // The interceptors may have put another iterable in place; cancelling and the trailer remain the wire's.
    pending.stream(
      output === answers ? answers : {
        trailer: answers.trailer,
        cancel: (error) => answers.cancel(error),
        [Symbol.asyncIterator]: () => output[Symbol.asyncIterator](),
      },
    );
  }

  #lose(error: unknown): void {
    const { pending, target } = this.#plan;
    this.#core.wheel.cancel(this);
    this.#unlisten();
    if (pending.settled) return;
    pending.fail(MuonError.from(error, { id: "muon.client", where: whereOf(target, this.node) }));
  }

  /** Sets the time for the call, counted from its beginning. */
  #limit(timeout: number): void {
    const ceiling = this.#plan.parent?.deadline;
    let wait = ceiling === undefined ? timeout : Math.min(timeout, Math.ceil(ceiling - this.#began));
    if (wait === Infinity) {
      this.deadline = undefined;
      return;
    }
    wait = Math.min(wait, MAX_TIMER);
    if (this.#timeout === wait) return;
    this.#timeout = wait;
    this.deadline = this.#began + wait;
    if (this.timed) this.#watchTime();
  }

  /** Something other than the answer may take of the call's time, or all of it. */
  #mayWait(): void {
    this.timed = true;
    this.#watchTime();
  }

  #watchTime(): void {
    if (this.deadline !== undefined) this.#core.wheel.set(this, this.deadline);
  }

  #listen(signal: AbortSignal | undefined): void {
    if (signal === undefined) return;
    if (signal.aborted) this.cancel(canceled(signal.reason));
    else signal.addEventListener("abort", this, { once: true });
  }

  #unlisten(): void {
    const { options, parent } = this.#plan;
    options?.signal?.removeEventListener("abort", this);
    if (parent !== undefined) parent.signal.removeEventListener("abort", this);
  }

  #now(): number {
    return this.#core.system.clock.now();
  }
}

function used(): MuonError {
  return new MuonError(
    "failed_precondition",
    "An interceptor called next again for a call whose input is a stream, which has been read",
    { id: "muon.client" },
  );
}

function again(who: string): MuonError {
  return new MuonError(
    "failed_precondition",
    `${who} called next again before the first call of it was done`,
    {
      id: "muon.client",
      notRun: true,
    },
  );
}
