/**
 * Who subscribes to what, as the registry says.
 *
 * @module
 */

import type { Clock } from "../../clock.ts";
import { sleep } from "../../clock.ts";
import { MuonError } from "../../errors.ts";
import type { Logger } from "../../log.ts";
import { applyChange } from "../../record_set.ts";
import type { ServiceRecord } from "../../record.ts";
import type { Registry } from "../../registry/registry.ts";
import { BROKER_SERVICE, type Inlet, inletOf } from "./wire.ts";

/** Wait before a watch that failed is opened again, in ms. */
const REOPEN = 1_000;

/** What a {@link Directory} is made of. */
export interface DirectoryOptions {
  /** Where subscriptions are registered. */
  readonly registry: Registry;
  /** Time. */
  readonly clock: Clock;
  /** Told when the watch fails. */
  readonly log: Logger;
  /** Longest wait for the registry's first answer, in ms. */
  readonly timeout: number;
}

/**
 * The subscriptions there are, by topic. From the first question on, one watch keeps them up to date; while the
 * registry is away, what was known last counts.
 */
export class Directory {
  readonly #options: DirectoryOptions;
  readonly #abort = new AbortController();
  readonly #first = Promise.withResolvers<void>();
  #records: readonly ServiceRecord[] = [];
  #topics: ReadonlyMap<string, readonly Inlet[]> | undefined;
  #watching = false;
  #ready = false;
  #failure: unknown;

  constructor(options: DirectoryOptions) {
    this.#options = options;
  }

  /** The subscriptions to a topic; a promise only until the registry has answered once. */
  find(topic: string, signal?: AbortSignal): readonly Inlet[] | Promise<readonly Inlet[]> {
    if (!this.#watching) {
      this.#watching = true;
      void this.#watch();
    }
    if (this.#ready) return this.#at(topic);
    return this.#wait(signal).then(() => this.#at(topic));
  }

  /** Ends the watch. */
  close(): void {
    this.#abort.abort();
  }

  #at(topic: string): readonly Inlet[] {
    this.#topics ??= byTopic(this.#records);
    return this.#topics.get(topic) ?? [];
  }

  #wait(signal: AbortSignal | undefined): Promise<void> {
    const { clock, timeout, registry } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const abort = () => reject(signal!.reason);
    const closed = () =>
      reject(new MuonError("canceled", "the http broker was closed", { id: "muon.broker" }));
    const timer = clock.after(timeout, () => {
      const why = this.#failure instanceof Error ? `: ${this.#failure.message}` : "";
      reject(
        new MuonError(
          "unavailable",
          `the ${registry.name} registry has not said within ${timeout} ms who subscribes${why}`,
          { id: "muon.broker", cause: this.#failure, notRun: true },
        ),
      );
    });
    if (signal?.aborted) abort();
    signal?.addEventListener("abort", abort, { once: true });
    this.#abort.signal.addEventListener("abort", closed, { once: true });
    void this.#first.promise.then(resolve);
    return promise.finally(() => {
      timer.cancel();
      signal?.removeEventListener("abort", abort);
      this.#abort.signal.removeEventListener("abort", closed);
    });
  }

  async #watch(): Promise<void> {
    const { registry, clock, log } = this.#options;
    const { signal } = this.#abort;
    while (!signal.aborted) {
      try {
        for await (const event of registry.watch({ service: BROKER_SERVICE, signal })) {
          this.#records = event.type === "sync" ? event.services : applyChange(this.#records, event);
          this.#topics = undefined;
          this.#ready = true;
          this.#failure = undefined;
          this.#first.resolve();
        }
      } catch (error) {
        if (signal.aborted) return;
        this.#failure = error;
        log.warn("watch on subscriptions failed", { registry: registry.name, error });
      }
      await sleep(clock, REOPEN, { signal, background: true }).catch(() => {});
    }
  }
}

function byTopic(records: readonly ServiceRecord[]): Map<string, Inlet[]> {
  const topics = new Map<string, Inlet[]>();
  for (const record of records) {
    if (record.name !== BROKER_SERVICE) continue;
    for (const node of record.nodes) {
      const inlet = inletOf(record, node);
      if (inlet === undefined) continue;
      const known = topics.get(inlet.topic);
      if (known === undefined) topics.set(inlet.topic, [inlet]);
      else known.push(inlet);
    }
  }
  return topics;
}
