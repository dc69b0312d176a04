/**
 * The phases of a service's life: what is done in each, how long it took, and how it is ended when it takes too long.
 *
 * @module
 */

import type { Clock } from "../clock.ts";
import type { Logger } from "../log.ts";

/** How long a phase waits for others before that is said, in ms. */
const SILENCE = 3_000;

/** Time that runs out. */
export interface Deadline extends Disposable {
  /** Aborted when it has. */
  readonly signal: AbortSignal;
}

/**
 * A signal that is aborted after a time, unless it is disposed before.
 *
 * @param clock Whose time.
 * @param ms How long.
 */
export function deadlineIn(clock: Clock, ms: number): Deadline {
  const controller = new AbortController();
  const timer = clock.after(ms, () => controller.abort(), { background: false });
  return { signal: controller.signal, [Symbol.dispose]: () => timer.cancel() };
}

/**
 * Waits for work, until a signal.
 *
 * @param late Told of what the work gave after the signal, so that it can be closed.
 * @throws What the work throws; the signal's reason, once it is aborted.
 */
export async function until<T>(
  signal: AbortSignal,
  work: Promise<T>,
  late?: (value: T) => unknown,
): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([work, aborted.promise]);
  } catch (error) {
    if (signal.aborted) work.then(late).catch(() => {});
    throw error;
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** Does the phases of a start or a stop, and logs how long each took. */
export class Phases {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #began: number;

  /** @param options Whose time, and where to. */
  constructor(options: { readonly clock: Clock; readonly log: Logger }) {
    this.#clock = options.clock;
    this.#log = options.log;
    this.#began = options.clock.now();
  }

  /**
   * Does one phase.
   *
   * @param waitsFor What it waits for, to be said when that takes long. @default {nothing is said}
   */
  async do<T>(name: string, work: () => T | Promise<T>, waitsFor?: string): Promise<T> {
    const began = this.#clock.now();
    const timer = waitsFor === undefined
      ? undefined
      : this.#clock.after(SILENCE, () => this.#log.warn(`still waiting for ${waitsFor}`, { ms: SILENCE }));
    try {
      return await work();
    } finally {
      timer?.cancel();
      this.#log.debug(name, { ms: since(this.#clock, began) });
    }
  }

  /** Says that all is done. */
  done(what: string, fields: Readonly<Record<string, unknown>> = {}): void {
    this.#log.info(what, { ...fields, ms: since(this.#clock, this.#began) });
  }
}

function since(clock: Clock, began: number): number {
  return Math.round((clock.now() - began) * 10) / 10;
}

/**
 * Closes parts, the last first, whatever one of them throws.
 *
 * @returns What they threw.
 */
export async function closeAll(parts: readonly AsyncDisposable[]): Promise<unknown[]> {
  const errors: unknown[] = [];
  for (const part of parts.toReversed()) {
    try {
      await part[Symbol.asyncDispose]();
    } catch (error) {
      errors.push(error);
    }
  }
  return errors;
}
