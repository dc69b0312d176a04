/**
 * From pushes to an AsyncIterable: what watches and subscriptions hand to their readers.
 *
 * @module
 */

import { MuonError } from "./errors.ts";

/** Options of {@link PushIterator}. */
export interface PushIteratorOptions<T> {
  /** Values that may wait for the reader. @default {1024} */
  readonly limit?: number;
  /**
   * Called when `limit` values wait and one more comes, with all of them: gives what shall wait in their place, at
   * most `limit` values. @default {the iterator ends with `resource_exhausted` after the values that wait}
   */
  readonly overflow?: (waiting: readonly T[]) => readonly T[];
  /** Ends the iteration at once, without an error; what waits is let go. */
  readonly signal?: AbortSignal | undefined;
  /** Called once when the iteration is over, whichever side ended it. It must not throw. */
  readonly closed?: () => void;
}

interface Reader<T> {
  resolve(result: IteratorResult<T, undefined>): void;
  reject(error: unknown): void;
}

/**
 * An AsyncIterable of the values that are pushed into it, for one reader, with a bound on what waits for that reader.
 *
 * @example
 * ```ts
 * const numbers = new PushIterator<number>();
 * numbers.push(1);
 * numbers.end();
 * for await (const n of numbers) console.log(n); // 1
 * ```
 */
export class PushIterator<T> implements AsyncIterableIterator<T, undefined>, AsyncDisposable {
  #waiting: T[] = [];
  #readers: Reader<T>[] = [];
  #ended = false;
  #error: { readonly value: unknown } | undefined;
  readonly #limit: number;
  readonly #options: PushIteratorOptions<T>;
  readonly #abort = () => this.#close();

  /** @throws {RangeError} If `limit` is no whole number from 1. */
  constructor(options: PushIteratorOptions<T> = {}) {
    this.#limit = options.limit ?? 1024;
    if (!Number.isInteger(this.#limit) || this.#limit < 1) {
      throw new RangeError(
        `Limit of a push iterator must be a whole number from 1: current value is ${this.#limit}`,
      );
    }
    this.#options = options;
    if (options.signal?.aborted) this.#close();
    else options.signal?.addEventListener("abort", this.#abort, { once: true });
  }

  /** How many values wait for the reader. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Whether nothing more can be pushed. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Hands a value to the reader, or lets it wait. Gives whether it was taken: not once the iteration is over. */
  push(value: T): boolean {
    if (this.#ended) return false;
    const reader = this.#readers.shift();
    if (reader !== undefined) {
      reader.resolve({ done: false, value });
      return true;
    }
    if (this.#waiting.length < this.#limit) {
      this.#waiting.push(value);
      return true;
    }
    const { overflow } = this.#options;
    if (overflow === undefined) {
      this.end(new MuonError("resource_exhausted", `The reader is ${this.#limit} values behind`));
      return false;
    }
    this.#waiting = [...overflow([...this.#waiting, value])];
    return true;
  }

  /** Says that nothing more comes. The reader still gets what waits, and then the error, if there is one. */
  end(error?: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error === undefined ? undefined : { value: error };
    for (const reader of this.#readers.splice(0)) this.#finish(reader);
    this.#released();
  }

  /** The next value. */
  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#waiting.length > 0) {
      return Promise.resolve({ done: false, value: this.#waiting.shift() as T });
    }
    return new Promise((resolve, reject) => {
      const reader = { resolve, reject };
      if (this.#ended) this.#finish(reader);
      else this.#readers.push(reader);
    });
  }

  /** Ends the iteration from the reader's side; what waits is let go. */
  return(): Promise<IteratorResult<T, undefined>> {
    this.#close();
    return Promise.resolve({ done: true, value: undefined });
  }

  /** This. */
  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Ends the iteration. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  #close(): void {
    this.#waiting = [];
    this.#error = undefined;
    this.end();
  }

  #finish(reader: Reader<T>): void {
    const error = this.#error;
    this.#error = undefined;
    if (error === undefined) reader.resolve({ done: true, value: undefined });
    else reader.reject(error.value);
  }

  #released(): void {
    this.#options.signal?.removeEventListener("abort", this.#abort);
    this.#options.closed?.();
  }
}
