/**
 * The one object a call returns: it serves `await`, `for await` and `.then`, and does not know beforehand whether the
 * answer is a value or a stream. The reply decides.
 *
 * @module
 */

import type { Stream, UntypedCall } from "../call.ts";
import { MuonError } from "../errors.ts";
import { Items } from "../items.ts";
import { Metadata } from "../metadata.ts";
import type { CallHandle } from "../transport/transport.ts";

/** The answer of a call that is a stream, decoded. */
export interface Answers extends AsyncIterable<unknown> {
  /** Metadata after the last one. */
  readonly trailer: Promise<Metadata>;
  /** Ends the call. */
  cancel(error: MuonError): void;
}

const END: IteratorReturnResult<undefined> = Object.freeze({ done: true, value: undefined });

const PENDING = 0;
const VALUE = 1;
const STREAM = 2;
const FAILED = 3;

/**
 * A call under way. Not a subclass of Promise: one that is made eagerly ends the process when a stream fails before
 * anyone iterates. The inner promise is made at the first `then`.
 */
export class PendingCall<T = unknown> implements UntypedCall<T> {
  readonly [Symbol.toStringTag] = "PendingCall";
  #state: 0 | 1 | 2 | 3 = PENDING;
  #value: unknown;
  #trailer: Metadata = Metadata.EMPTY;
  #observed = false;
  #promise: Promise<T> | undefined;
  #resolve: ((value: T) => void) | undefined;
  #reject: ((error: unknown) => void) | undefined;
  #handle: CallHandle | undefined;
  readonly #unobserved: (call: PendingCall<unknown>, error: MuonError) => void;

  /** @param unobserved Told of a failure that nobody has looked at yet when it happens. */
  constructor(unobserved: (call: PendingCall<unknown>, error: MuonError) => void) {
    this.#unobserved = unobserved;
  }

  /** Whether somebody awaits or iterates the call, so that a failure has somewhere to go. */
  get observed(): boolean {
    return this.#observed;
  }

  /** Whether the call is over, or has become a stream. */
  get settled(): boolean {
    return this.#state !== PENDING;
  }

  /** Says what ends the call early. */
  cancelWith(handle: CallHandle): void {
    this.#handle = handle;
  }

  /** The answer: one value. */
  succeed(value: unknown, trailer: Metadata): void {
    if (this.#state !== PENDING) return;
    this.#state = VALUE;
    this.#value = value;
    this.#trailer = trailer;
    this.#resolve?.(value as T);
  }

  /** The answer: a stream. */
  stream(answers: Answers): void {
    if (this.#state !== PENDING) return answers.cancel(canceled());
    this.#state = STREAM;
    this.#value = new AnswerStream(answers);
    this.#resolve?.(this.#value as T);
  }

  /** The call failed. */
  fail(error: MuonError): void {
    if (this.#state !== PENDING) return;
    this.#state = FAILED;
    this.#value = error;
    this.#reject?.(error);
    if (!this.#observed) this.#unobserved(this as PendingCall<unknown>, error);
  }

  #settle(): Promise<T> {
    this.#observed = true;
    if (this.#promise !== undefined) return this.#promise;
    if (this.#state === PENDING) {
      return this.#promise = new Promise<T>((resolve, reject) => {
        this.#resolve = resolve;
        this.#reject = reject;
      });
    }
    return this.#promise = this.#state === FAILED
      ? Promise.reject(this.#value)
      : Promise.resolve(this.#value as T);
  }

  then<A = T, B = never>(
    fulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    rejected?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#settle().then(fulfilled, rejected);
  }

  catch<B = never>(rejected?: ((error: unknown) => B | PromiseLike<B>) | null): Promise<T | B> {
    return this.#settle().catch(rejected);
  }

  finally(callback?: (() => void) | null): Promise<T> {
    return this.#settle().finally(callback);
  }

  get trailer(): Promise<Metadata> {
    return this.#settle().then((value) => value instanceof AnswerStream ? value.trailer : this.#trailer);
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<T, undefined> {
    return new CallItems(this);
  }

  cancel(reason?: unknown): void {
    this.#observed = true;
    if (this.#state === STREAM) return (this.#value as AnswerStream).cancel(reason);
    if (this.#state !== PENDING) return;
    const error = canceled(reason);
    this.#handle?.cancel(error);
    this.fail(error);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.cancel();
    return Promise.resolve();
  }
}

/**
 * The items of a call's answer: those of its stream, or its one value. A generator would take several promises an item
 * beside those of the stream.
 */
class CallItems<T> implements AsyncIterableIterator<T, undefined> {
  readonly #call: PendingCall<T>;
  #items: Items<T, T> | undefined = undefined;
  #over = false;

  constructor(call: PendingCall<T>) {
    this.#call = call;
  }

  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#items !== undefined) return this.#items.next();
    if (this.#over) return Promise.resolve(END);
    return this.#call.then(this.#answered, this.#failed);
  }

  /** Leaving the loop cancels. */
  async return(): Promise<IteratorResult<T, undefined>> {
    this.#over = true;
    await this.#items?.return();
    this.#call.cancel();
    return END;
  }

  async throw(error: unknown): Promise<IteratorResult<T, undefined>> {
    await this.return();
    throw error;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  readonly #answered = (
    answer: T,
  ): IteratorResult<T, undefined> | Promise<IteratorResult<T, undefined>> => {
    // Who did not wait for the first item and asked for the next one comes here, too.
    if (this.#items !== undefined) return this.#items.next();
    if (this.#over) return END;
    if (answer instanceof AnswerStream) return (this.#items = this.#itemsOf(answer)).next();
    this.#over = true;
    return { done: false, value: answer };
  };

  readonly #failed = (error: unknown): IteratorResult<T, undefined> => {
    if (this.#over) return END;
    this.#over = true;
    throw error;
  };

  #itemsOf(stream: AnswerStream): Items<T, T> {
    const items = stream[Symbol.asyncIterator]();
    if (items instanceof Items) return items;
    // An interceptor's: where it fails, nobody reads on.
    const place = (error: unknown) => {
      this.#call.cancel();
      return error;
    };
    return new Items({ [Symbol.asyncIterator]: () => items as AsyncIterator<T> }, (item) => item, { place });
  }
}

/** The stream that awaiting a call gives: iterable, and not thenable, so that an async function may return it. */
class AnswerStream implements Stream<unknown> {
  readonly #answers: Answers;

  constructor(answers: Answers) {
    this.#answers = answers;
  }

  get trailer(): Promise<Metadata> {
    return this.#answers.trailer;
  }

  [Symbol.asyncIterator](): AsyncIterator<unknown> {
    return this.#answers[Symbol.asyncIterator]();
  }

  cancel(reason?: unknown): void {
    this.#answers.cancel(canceled(reason));
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.cancel();
    return Promise.resolve();
  }
}

/** The error of a call that its caller ended, with the caller's reason as cause. */
export function canceled(reason?: unknown): MuonError {
  if (reason instanceof MuonError) return reason;
  const detail = reason instanceof Error && reason.message !== ""
    ? `The caller canceled the call: ${reason.message}`
    : "The caller canceled the call";
  const status = reason instanceof Error && reason.name === "TimeoutError" ? "deadline_exceeded" : "canceled";
  return new MuonError(status, detail, { id: "muon.client", cause: reason });
}
