/**
 * Client: makes calls. Around each: call interceptors, deadline, retries, pick, attempt interceptors, link.
 *
 * @module
 */

import type { CallOptions } from "../call.ts";
import type { Codecs } from "../codec/codecs.ts";
import type { Marshal } from "../codec/codec.ts";
import { type Attempt, MuonError, type Where } from "../errors.ts";
import { type Handler, intercept, type Interceptor } from "../interceptor.ts";
import { Metadata } from "../metadata.ts";
import type { System } from "../platform.ts";
import { sleep } from "../clock.ts";
import { backoff, type CallPolicy, type PolicyProvider } from "../policy.ts";
import type { Node } from "../record.ts";
import type { Pick, Selector } from "../selector/selector.ts";
import type { Accept, CallHead, Link, Transport } from "../transport/transport.ts";
import { decodeAnswers, pump } from "./answers.ts";
import { pickOfAddress, schemeOf } from "./given_address.ts";
import { ClientInvocation } from "./invocation.ts";
import { Links, untilAborted } from "./links.ts";
import { canceled, PendingCall } from "./pending_call.ts";
import { PromiseSink, type StraightCall, StraightSink } from "./sinks.ts";
import { checkOptions, type Route, type Target, whereOf } from "./target.ts";

/** Options of {@link RpcClient}. */
export interface RpcClientOptions {
  /** Time, chance and the machine. */
  readonly system: System;
  /** Picks nodes. */
  readonly selector: Selector;
  /** Ways of calling, in the order they are preferred. */
  readonly transports: readonly Transport[];
  /** Ways of writing. */
  readonly codecs: Codecs;
  /** How inputs are written where a call does not say. @default {the link's own, or "application/cbor"} */
  readonly contentType?: string;
  /** Timeouts and retries. */
  readonly policy: PolicyProvider;
  /** Stand around a whole call, outermost first. @default {[]} */
  readonly interceptors?: readonly Interceptor[];
  /** Stand around each attempt of it. @default {[]} */
  readonly attemptInterceptors?: readonly Interceptor[];
  /** Told of a failed call that nobody awaits. */
  readonly onUnobservedError: (error: MuonError) => void;
  /** Takes calls that nodes make over the links this client dialled. */
  readonly accept?: Accept;
}

/** What a call inherits from the call whose handler makes it. */
export interface CallParent {
  /** Ends it too. */
  readonly signal: AbortSignal;
  /** It ends no later. */
  readonly deadline: number | undefined;
  /** Metadata that flows on. */
  readonly forwarded: Metadata;
}

const NO_OPTIONS: CallOptions = {};
/** How inputs are written where nobody says. */
const CONTENT_TYPE = "application/cbor";

/** Makes calls. */
export class RpcClient implements AsyncDisposable {
  readonly #options: RpcClientOptions;
  readonly #system: System;
  readonly #selector: Selector;
  readonly #codecs: Codecs;
  readonly #contentType: string | undefined;
  readonly #links: Links;
  readonly #whole: Handler;
  readonly #single: Handler;
  /** Whether nothing stands around calls, so that a call may go straight to its link. */
  readonly #plain: boolean;

  constructor(options: RpcClientOptions) {
    this.#options = options;
    this.#system = options.system;
    this.#selector = options.selector;
    this.#codecs = options.codecs;
    this.#contentType = options.contentType;
    this.#links = new Links(options.transports, options.accept);
    const { interceptors = [], attemptInterceptors = [] } = options;
    this.#plain = interceptors.length === 0 && attemptInterceptors.length === 0;
    this.#whole = intercept(interceptors, (invocation) => this.#attempts(invocation as ClientInvocation));
    this.#single = intercept(
      attemptInterceptors,
      (invocation) => this.#attempt(invocation as ClientInvocation),
    );
  }

  /**
   * Makes a call; it is sent before this returns wherever the node is known and a link to it is open.
   *
   * @throws {TypeError | RangeError} If an option is not what it must be.
   */
  call<T>(target: Target, input: unknown, context: {
    readonly options?: CallOptions | undefined;
    readonly parent?: CallParent | undefined;
  }): PendingCall<T> {
    const { options, parent } = context;
    if (options !== undefined) checkOptions(options);
    const pending = new PendingCall<T>(this.#unobserved);
    if (this.#plain && options === undefined && parent === undefined && !isAsyncIterable(input)) {
      if (this.#straight(target, input, pending as PendingCall)) return pending;
    }
    void this.#perform(target, input, {
      options: options ?? NO_OPTIONS,
      parent,
      pending: pending as PendingCall,
    });
    return pending;
  }

  /** Lets the calls under way finish, until the signal. */
  drain(signal: AbortSignal): Promise<void> {
    return this.#links.drain(signal);
  }

  /** Ends every call and closes every link. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#links[Symbol.asyncDispose]();
  }

  /** Waits to the end of the turn: who makes a call and awaits it does so by then. */
  readonly #unobserved = (call: PendingCall<unknown>, error: MuonError): void => {
    this.#system.platform.endOfTurn(() => {
      if (!call.observed) this.#options.onUnobservedError(error);
    });
  };

  /**
   * The hot path: a plain call to a known node over an open link, with no await, no timer and no signal of its own.
   *
   * @returns Whether it could be taken.
   */
  #straight(target: Target, input: unknown, pending: PendingCall): boolean {
    if (this.#selector.ready(target.service) !== undefined) return false;
    let pick: Pick | undefined;
    try {
      pick = this.#selector.pick(target.pick);
      const { node, service } = pick.candidate;
      const link = this.#links.open(node);
      if (link === undefined) {
        void this.#perform(target, input, { options: NO_OPTIONS, parent: undefined, pending, pick });
        return true;
      }
      const contentType = this.#contentType ?? link.contentType ?? CONTENT_TYPE;
      const marshal = this.#marshal(contentType);
      const body = encodeInput(marshal, input, target);
      const route = target.route(service);
      const timeout = route.timeout ?? this.#options.policy.call(target.service, route.endpoint).timeout;
      const head = target.head(route, contentType, timeout);
      const sink = new StraightSink(this, {
        target,
        input,
        pending,
        pick,
        marshal,
        route,
        started: this.now(),
      });
      pending.cancelWith(link.unary(head, body, sink));
    } catch (thrown) {
      const error = MuonError.from(thrown, {
        id: "muon.client",
        where: whereOf(target, pick?.candidate.node),
      });
      pick?.done({ error, duration: 0 });
      pending.fail(error);
    }
    return true;
  }

  /** A straight call failed: the same rules as for any attempt say whether another may be made. */
  retryStraight(call: StraightCall, error: MuonError): void {
    const { target, input, pending, route } = call;
    const policy = this.#options.policy.call(target.service, route.endpoint);
    if (pending.settled) return;
    if (policy.retries === 0 || !mayRetry(error, route)) {
      return pending.fail(error.at(whereOf(target, call.pick.candidate.node)));
    }
    void this.#perform(target, input, {
      options: NO_OPTIONS,
      parent: undefined,
      pending,
      failed: { call, error },
    });
  }

  async #perform(target: Target, input: unknown, call: {
    readonly options: CallOptions;
    readonly parent: CallParent | undefined;
    readonly pending: PendingCall;
    readonly pick?: Pick;
    readonly failed?: { readonly call: StraightCall; readonly error: MuonError };
  }): Promise<void> {
    const { options, parent, pending, failed } = call;
    let invocation: ClientInvocation | undefined;
    try {
      const policy = this.#options.policy.call(target.service, target.endpoint);
      const own = options.metadata === undefined ? Metadata.EMPTY : Metadata.from(options.metadata);
      let timeout = options.timeout ?? failed?.call.route.timeout ?? policy.timeout;
      if (failed !== undefined) timeout -= this.now() - failed.call.started;
      const signals: AbortSignal[] = [];
      if (options.signal !== undefined) signals.push(options.signal);
      if (parent !== undefined) signals.push(parent.signal);
      const made = invocation = new ClientInvocation({
        target,
        input,
        options,
        metadata: parent === undefined ? own : parent.forwarded.with(own),
        timeout,
        ceiling: parent?.deadline,
        signals,
        clock: this.#system.clock,
      });
      made.picked = call.pick;
      pending.cancelWith(made);
      made.signal.throwIfAborted();
      if (failed !== undefined) made.failures.push(failed);
      const output = await untilAborted(Promise.resolve(this.#whole(made)), made.signal);
      made.answered();
      const { answers } = made;
      if (answers !== undefined && isAsyncIterable(output)) {
        // The interceptors may have put another iterable in place; cancelling and the trailer remain the wire's.
        void answers.trailer.finally(() => made.finish()).catch(() => {});
        pending.stream(
          output === answers ? answers : {
            trailer: answers.trailer,
            cancel: (error) => answers.cancel(error),
            [Symbol.asyncIterator]: () => output[Symbol.asyncIterator](),
          },
        );
      } else {
        made.finish();
        pending.succeed(output, made.trailer);
      }
    } catch (error) {
      invocation?.finish();
      pending.fail(MuonError.from(error, { id: "muon.client", where: whereOf(target, invocation?.node) }));
    }
  }

  async #attempts(invocation: ClientInvocation): Promise<unknown> {
    const { target, options, signal } = invocation;
    const attempts: Attempt[] = [];
    const tried: string[] = [];
    let policy: CallPolicy = this.#options.policy.call(target.service, target.endpoint);
    const retries = options.retries ?? policy.retries;

    const failed = (error: MuonError, node: Node | undefined) => {
      if (node !== undefined) tried.push(node.id);
      attempts.push({
        node: node?.id ?? "none",
        address: node?.address ?? "none",
        error: `[${error.status}] ${error.detail}`,
      });
    };
    for (const { call, error } of invocation.failures) failed(error, call.pick.candidate.node);

    for (;;) {
      if (attempts.length > 0) {
        const wait = backoff(policy, attempts.length, this.#system.random.next());
        if (wait > 0) await sleep(this.#system.clock, wait, { signal });
      }
      let pick: Pick | undefined;
      const started = this.now();
      try {
        pick = await this.#pick(invocation, tried);
        const { node, service } = pick.candidate;
        const route = target.route(service);
        policy = this.#options.policy.call(target.service, route.endpoint);
        invocation.attempt = attempts.length + 1;
        invocation.node = node;
        invocation.route = route;
        invocation.kind = route.kind;
        if (options.timeout === undefined && route.timeout !== undefined && attempts.length === 0) {
          invocation.limit(route.timeout);
        }
        const output = await this.#single(invocation);
        this.#account(pick, invocation, started);
        return output;
      } catch (thrown) {
        const error = signal.aborted && signal.reason instanceof MuonError
          ? signal.reason
          : MuonError.from(thrown);
        const node = pick?.candidate.node;
        pick?.done({ error, duration: this.now() - started });
        const where: Where = { ...whereOf(target, node), ...(attempts.length === 0 ? {} : { attempts }) };
        const route = invocation.route;
        const again = pick !== undefined && !signal.aborted && attempts.length < retries &&
          !invocation.inputUsed &&
          mayRetry(error, route) && invocation.remaining() > 0;
        if (!again) throw error.at(where);
        failed(error, node);
      }
    }
  }

  /** Frees the pick when the call is over: now, or when its stream ends. */
  #account(pick: Pick, invocation: ClientInvocation, started: number): void {
    const duration = this.now() - started;
    const { answers } = invocation;
    if (answers === undefined) return pick.done({ duration });
    answers.trailer.then(
      () => pick.done({ duration }),
      (error) => pick.done({ error: MuonError.from(error), duration }),
    );
  }

  async #pick(invocation: ClientInvocation, tried: readonly string[]): Promise<Pick> {
    const { options, target, signal, picked } = invocation;
    if (picked !== undefined) {
      invocation.picked = undefined;
      return picked;
    }
    if (options.address !== undefined) return pickOfAddress(options.address, options.transport);
    const ready = this.#selector.ready(target.service, { signal });
    if (ready !== undefined) await untilAborted(ready, signal);
    return this.#selector.pick({ ...target.pick, filters: options.filters ?? [], tried });
  }

  async #attempt(invocation: ClientInvocation): Promise<unknown> {
    const { options, signal, target } = invocation;
    const node = invocation.node!;
    const route = invocation.route!;
    const name = options.transport ?? schemeOf(options.address);
    const link = this.#links.open(node, name) ?? await this.#links.connect(node, { name, signal });
    const contentType = options.contentType ?? this.#contentType ?? link.contentType ?? CONTENT_TYPE;
    const marshal = this.#marshal(contentType);
    const remaining = invocation.remaining();
    if (remaining <= 0) {
      throw new MuonError("deadline_exceeded", "The time for the call was over before it was sent", {
        id: "muon.client",
        notRun: true,
      });
    }
    const head: CallHead = {
      service: target.service,
      endpoint: route.endpoint,
      metadata: invocation.metadata,
      contentType,
      timeout: Number.isFinite(remaining) ? Math.max(1, Math.ceil(remaining)) : 0,
      idempotent: route.idempotent,
      kind: route.kind,
    };
    const place = (error: unknown) => MuonError.from(error, { where: whereOf(target, node) });
    if (isAsyncIterable(invocation.input)) {
      return await this.#exchange(invocation, { link, head, marshal, place, input: invocation.input });
    }
    const sink = new PromiseSink();
    const handle = link.unary(head, encodeInput(marshal, invocation.input, target), sink);
    const abort = () => handle.cancel(canceled(signal.reason));
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    const reply = await sink.answer.finally(() => signal.removeEventListener("abort", abort));
    invocation.trailer = reply.trailer;
    const { stream } = reply;
    if (stream === undefined) return marshal.decode(reply.body!);
    signal.addEventListener("abort", () => stream.cancel(canceled(signal.reason)), { once: true });
    return invocation.answers = decodeAnswers(stream, marshal, place);
  }

  async #exchange(
    invocation: ClientInvocation,
    call: {
      readonly link: Link;
      readonly head: CallHead;
      readonly marshal: Marshal;
      readonly place: (error: unknown) => MuonError;
      readonly input: AsyncIterable<unknown>;
    },
  ): Promise<unknown> {
    const { marshal, place } = call;
    invocation.inputUsed = true;
    const exchange = call.link.open(call.head, invocation.signal);
    const answers = decodeAnswers(exchange, marshal, place);
    let broken: MuonError | undefined;
    void pump(call.input, {
      exchange,
      marshal,
      failed: (error) => {
        broken = MuonError.from(error, { status: "canceled", id: "muon.client" });
        exchange.cancel(broken);
      },
    });
    try {
      if (await exchange.streaming) return invocation.answers = answers;
      let value: unknown;
      for await (const item of answers) value = item;
      invocation.trailer = await answers.trailer;
      return value;
    } catch (error) {
      throw broken ?? error;
    }
  }

  #marshal(contentType: string): Marshal {
    const marshal = this.#codecs.find(contentType);
    if (marshal === undefined) throw this.#codecs.unknown(contentType);
    return marshal;
  }

  /** The steady clock. */
  now(): number {
    return this.#system.clock.now();
  }
}

/**
 * Whether a call that failed so may be made again: it is known not to have run, or a second run does no harm and the
 * node was out of reach.
 */
function mayRetry(error: MuonError, route: Route | undefined): boolean {
  if (error.status !== "unavailable" && error.status !== "resource_exhausted") return false;
  return error.notRun || (error.status === "unavailable" && route?.idempotent === true);
}

function encodeInput(marshal: Marshal, input: unknown, target: Target): Uint8Array {
  try {
    return marshal.encode(input);
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new MuonError("invalid_argument", `Cannot encode the input of ${target.endpoint}: ${message}`, {
      id: "muon.client",
      notRun: true,
      cause,
    });
  }
}

function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === "object" && value !== null && Symbol.asyncIterator in value;
}
