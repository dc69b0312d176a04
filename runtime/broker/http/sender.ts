/**
 * Posts a message to one subscription.
 *
 * @module
 */

import type { Clock, Timer } from "../../clock.ts";
import { textOf } from "../../errors.ts";
import type { Logger } from "../../log.ts";
import type { Inlet } from "./wire.ts";

const HEADERS = { "content-type": "application/json" };
const ACCEPTED = { type: "accepted" } as const;

/** What became of a delivery. */
export type Outcome =
  /** The subscription has it. */
  | { readonly type: "accepted" }
  /** Nobody answers at its address, or the process there does not know it any more. */
  | { readonly type: "gone"; readonly reason: string }
  /** It has no room. */
  | { readonly type: "full"; readonly reason: string }
  /** It was refused, or there was no answer in time. */
  | { readonly type: "failed"; readonly reason: string };

/** What is posted to some subscriptions. */
export interface Posted {
  /** Gives the delivery's bytes; asked once a window, and not at all where nothing is posted. */
  readonly encode: () => Uint8Array;
  /** End the posts. */
  readonly signals: readonly AbortSignal[];
}

/** What a {@link Sender} is made of. */
export interface SenderOptions {
  /** Makes requests, and keeps connections for the next ones. */
  readonly fetch: typeof globalThis.fetch;
  /** Time. */
  readonly clock: Clock;
  /** Told of subscriptions that cannot be reached, or do not answer. */
  readonly log: Logger;
  /** Longest wait for an answer, in ms. */
  readonly timeout: number;
}

/**
 * What posts that begin together share: the request, the time they have, and what ends them. A signal and a timer of its
 * own would cost each a tenth more. Disposed when the posts are over.
 */
export class PostWindow implements Disposable {
  /** Whether there was no answer in time. */
  late = false;
  readonly #options: SenderOptions;
  readonly #what: Posted;
  #abort: AbortController | undefined;
  #timer: Timer | undefined;
  #request: RequestInit | undefined;

  /** @param options Time, and how much of it. */
  constructor(options: SenderOptions, what: Posted) {
    this.#options = options;
    this.#what = what;
  }

  /**
   * The request. The time begins when it is first asked for, with the first post.
   *
   * @throws The reason of one of the signals, if it is aborted; what `encode` throws.
   */
  get request(): RequestInit {
    return this.#request ??= this.#begin();
  }

  #begin(): RequestInit {
    const body = this.#what.encode() as Uint8Array<ArrayBuffer>;
    this.throwIfAborted();
    const abort = this.#abort = new AbortController();
    const { clock, timeout } = this.#options;
    for (const one of this.#what.signals) one.addEventListener("abort", this, { once: true });
    this.#timer = clock.after(timeout, () => {
      this.late = true;
      abort.abort();
    });
    return { method: "POST", headers: HEADERS, body, redirect: "error", signal: abort.signal };
  }

  handleEvent({ target }: Event): void {
    this.#abort?.abort((target as AbortSignal).reason);
  }

  throwIfAborted(): void {
    for (const one of this.#what.signals) one.throwIfAborted();
  }

  [Symbol.dispose](): void {
    this.#timer?.cancel();
    for (const one of this.#what.signals) one.removeEventListener("abort", this);
  }
}

/** Posts messages, and remembers which subscriptions could not be reached, or did not answer. */
export class Sender {
  readonly #options: SenderOptions;
  readonly #away = new Map<string, string>();

  constructor(options: SenderOptions) {
    this.#options = options;
  }

  /** Whether the last delivery to a subscription did not reach it, or was not answered in time. */
  isAway(id: string): boolean {
    return this.#away.has(id);
  }

  /** The request and the time of posts that begin together. */
  window(what: Posted): PostWindow {
    return new PostWindow(this.#options, what);
  }

  /**
   * Posts a delivery.
   *
   * @throws The reason of one of the window's signals, once it is aborted.
   */
  async post(inlet: Inlet, window: PostWindow): Promise<Outcome> {
    const { fetch, timeout } = this.#options;
    const { request } = window;
    for (let again = true;; again = false) {
      try {
        const response = await fetch(inlet.url, request);
        // The body is read to its end, so that the connection can be used again.
        const answer = await response.text();
        const outcome = response.ok ? ACCEPTED : outcomeOf(response.status, answer);
        if (outcome.type === "gone") this.#missed(inlet, "subscriber cannot be reached", outcome.reason);
        else this.#away.delete(inlet.id);
        return outcome;
      } catch (error) {
        window.throwIfAborted();
        if (window.late) {
          // It may have the message all the same.
          const reason = `no answer within ${timeout} ms`;
          this.#missed(inlet, "subscriber does not answer", reason);
          return { type: "failed", reason };
        }
        // The first failure may be that of a kept connection which the other side closed meanwhile.
        if (again) continue;
        const reason = reasonOf(error);
        this.#missed(inlet, "subscriber cannot be reached", reason);
        return { type: "gone", reason };
      }
    }
  }

  #missed({ id, topic, address }: Inlet, what: string, reason: string): void {
    if (this.#away.has(id)) return;
    this.#away.set(id, address);
    // A process that comes back has new ids, so old ones are of no use for long.
    if (this.#away.size > 1_000) this.#away.delete(this.#away.keys().next().value!);
    this.#options.log.warn(what, { topic, id, address, reason });
  }
}

function outcomeOf(status: number, text: string): Outcome {
  const reason = `HTTP ${status}: ${detailOf(text)}`;
  if (status === 404) return { type: "gone", reason };
  if (status === 429) return { type: "full", reason };
  return { type: "failed", reason };
}

/** The detail of an error in Go Micro's form, or what there is instead. */
function detailOf(text: string): string {
  try {
    const { detail } = JSON.parse(text) as { detail?: unknown };
    if (typeof detail === "string") return detail;
  } catch {
    // No JSON: shown as it is.
  }
  return text.slice(0, 200);
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return textOf(error);
  // Node's fetch says "fetch failed", and why in the cause.
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
