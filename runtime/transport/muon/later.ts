/**
 * A promise that is made when somebody asks for it.
 *
 * @module
 */

/**
 * A value that comes later. Most calls never ask for their header or trailer: they make no promise, and a failure
 * that nobody asked about is no unhandled rejection.
 */
export class Later<T> {
  #state: "waits" | "has" | "failed" = "waits";
  #value: unknown;
  #promise: Promise<T> | undefined;
  #resolve: ((value: T) => void) | undefined;
  #reject: ((error: unknown) => void) | undefined;

  /** The promise. */
  get promise(): Promise<T> {
    if (this.#promise === undefined) {
      this.#promise = this.#state === "has"
        ? Promise.resolve(this.#value as T)
        : this.#state === "failed"
        ? Promise.reject(this.#value)
        : new Promise((resolve, reject) => {
          this.#resolve = resolve;
          this.#reject = reject;
        });
      // The same failure is told through the call's messages.
      this.#promise.catch(ignore);
    }
    return this.#promise;
  }

  /** Gives the value; nothing happens the second time. */
  resolve(value: T): void {
    if (this.#state !== "waits") return;
    this.#state = "has";
    this.#value = value;
    this.#resolve?.(value);
  }

  /** Fails; nothing happens the second time. */
  reject(error: unknown): void {
    if (this.#state !== "waits") return;
    this.#state = "failed";
    this.#value = error;
    this.#reject?.(error);
  }
}

/** A rejected promise whose failure is told elsewhere too, so that it need not be awaited. */
export function rejected(error: unknown): Promise<never> {
  const promise = Promise.reject(error);
  promise.catch(ignore);
  return promise;
}

function ignore(): void {}
