/**
 * Values that come later, once or one by one: promises and streams, told apart, and promises joined with signals.
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

/**
 * The values of an iterable, until a signal. What gives them is told that nobody reads on, and is not waited for: it may
 * not heed the signal.
 *
 * @throws The signal's reason, once it is aborted.
 */
export async function* iterateUntil<T>(
  values: AsyncIterable<T>,
  signal: AbortSignal,
): AsyncGenerator<T, void> {
  const iterator = values[Symbol.asyncIterator]();
  let ended = false;
  try {
    for (;;) {
      const result = await untilAborted(Promise.resolve(iterator.next()), signal);
      if (result.done) {
        ended = true;
        return;
      }
      yield result.value;
    }
  } finally {
    if (!ended) (async () => await iterator.return?.())().catch(() => {});
  }
}
