/**
 * Who subscribes to what, as the registry says.
 *
 * @module
 */

import { sleep } from "../../clock.ts";
import { MuonError } from "../../errors.ts";
import type { Logger } from "../../log.ts";
import type { System } from "../../platform.ts";
import type { ServiceRecord } from "../../record.ts";
import { RecordWatch } from "../../record_watch.ts";
import type { Registry } from "../../registry/registry.ts";
import type { RecordEvent } from "../../usable_records.ts";
import { BROKER_SERVICE, type Inlet, inletOf, LEASE } from "./wire.ts";

/** Longest wait before a registry that has never answered is asked again, in ms; the shortest is half of it. */
const REOPEN = 1_000;

/** What a {@link Directory} is made of. */
export interface DirectoryOptions {
  /** Where subscriptions are registered. */
  readonly registry: Registry;
  /** Time, and jitter. */
  readonly system: Pick<System, "clock" | "random">;
  /** Told when the watch fails. */
  readonly log: Logger;
  /** Longest wait for the registry's first answer, in ms. */
  readonly timeout: number;
}

/**
 * The subscriptions there are, by topic. From the first question on, one watch keeps them up to date.
 *
 * While the registry is away, what was known last counts. When it comes back without a subscription, as one does that
 * was restarted, that one counts for as long as an entry lives: whoever is still there has renewed it by then.
 */
export class Directory implements AsyncDisposable {
  readonly #options: DirectoryOptions;
  readonly #abort = new AbortController();
  readonly #first = Promise.withResolvers<void>();
  /** By the id of the subscription. */
  readonly #known = new Map<string, readonly Inlet[]>();
  #topics: ReadonlyMap<string, readonly Inlet[]> | undefined;
  #watching: Promise<void> | undefined;
  #watch: RecordWatch | undefined;
  #ready = false;
  #failure: unknown;

  constructor(options: DirectoryOptions) {
    this.#options = options;
  }

  /** The subscriptions to a topic; a promise only until the registry has answered once. */
  find(topic: string, signal?: AbortSignal): readonly Inlet[] | Promise<readonly Inlet[]> {
    this.#watching ??= this.#open();
    if (this.#ready) return this.#at(topic);
    return this.#wait(signal).then(() => this.#at(topic));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
    // First: it may be waited for.
    await this.#watch?.[Symbol.asyncDispose]();
    await this.#watching;
  }

  #at(topic: string): readonly Inlet[] {
    this.#topics ??= byTopic(this.#known.values());
    return this.#topics.get(topic) ?? [];
  }

  #wait(signal: AbortSignal | undefined): Promise<void> {
    const { system: { clock }, timeout, registry } = this.#options;
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

  /** Asks until the registry answers; from then on the watch looks after itself. */
  async #open(): Promise<void> {
    const { registry, system: { clock, random }, log } = this.#options;
    const { signal } = this.#abort;
    while (!signal.aborted) {
      const watch = this.#watch = new RecordWatch({
        registry,
        service: BROKER_SERVICE,
        told: (event) => this.#oneByOne(event),
        grace: LEASE,
        changed: (id, records) => this.#changed(id, records),
        clock,
        random,
        log,
      });
      try {
        await watch.first;
        this.#ready = true;
        this.#first.resolve();
        return;
      } catch (error) {
        await watch[Symbol.asyncDispose]();
        if (signal.aborted) return;
        this.#failure = error;
        log.warn("watch on subscriptions failed", { registry: registry.name, error });
      }
      await sleep(clock, REOPEN * (1 + random.next()) / 2, { signal, background: true }).catch(() => {});
    }
  }

  /**
   * Tells of each subscription as if it were a service of its own. All are registered under one name, and what is
   * missing of a service that is there counts as gone: the first to renew at an empty registry would end all others.
   */
  #oneByOne(event: RecordEvent): RecordEvent[] {
    if (event.type === "sync") return [{ type: "sync", services: event.services.flatMap(apart) }];
    const { type, service } = event;
    const parts = type === "delete" && service.nodes.length === 0
      ? [...this.#known.keys()].map((id) => ({ ...service, name: id }))
      : apart(service);
    return parts.map((part) => ({ type, service: part }));
  }

  #changed(id: string, records: readonly ServiceRecord[]): void {
    const inlets = records.flatMap((record) => record.nodes.map((node) => inletOf(record, node)))
      .filter((inlet) => inlet !== undefined);
    if (inlets.length > 0) this.#known.set(id, inlets);
    else this.#known.delete(id);
    this.#topics = undefined;
  }
}

/** A record for each of its nodes, named after it. */
function apart(record: ServiceRecord): ServiceRecord[] {
  return record.nodes.map((node) => ({ ...record, name: node.id, nodes: [node] }));
}

function byTopic(known: Iterable<readonly Inlet[]>): Map<string, Inlet[]> {
  const topics = new Map<string, Inlet[]>();
  for (const inlets of known) {
    for (const inlet of inlets) {
      const at = topics.get(inlet.topic);
      if (at === undefined) topics.set(inlet.topic, [inlet]);
      else at.push(inlet);
    }
  }
  return topics;
}
