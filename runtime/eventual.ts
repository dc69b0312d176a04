/**
 * Values that come later, once or one by one: promises and streams, told apart and joined with signals.
 *
 * @module
 */

/** Whether a value is an AsyncIterable: the sign of a stream, on its way in or out. */
export function isStream(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === "object" && value !== null && Symbol.asyncIterator in value;
}

/** Whether a value is a promise or behaves like one. */
export function isPromise(value: unknown): value is Promise<unknown> {
  return typeof value === "object" && value !== null &&
    typeof (value as { then?: unknown }).then === "function";
}

/** A stream of what a function makes of each item. Closing it closes the source. */
export function mapStream(
  source: AsyncIterable<unknown>,
  transform: (item: unknown) => unknown,
): AsyncIterableIterator<unknown> {
  const items = source[Symbol.asyncIterator]();
  let done = false;
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      if (done) return { done: true, value: undefined };
      const item = await items.next();
      if (item.done) {
        done = true;
        return item;
      }
      try {
        const value = transform(item.value);
        return { done: false, value: isPromise(value) ? await value : value };
      } catch (error) {
        // The consumer sees the error; the source must learn that nobody reads on.
        done = true;
        await items.return?.();
        throw error;
      }
    },
    async return(value?: unknown) {
      done = true;
      await items.return?.();
      return { done: true, value };
    },
  };
}

/** A promise's outcome, or the signal's reason if that comes first. */
export function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
    void promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
