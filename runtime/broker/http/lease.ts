/**
 * A subscription's entry in the registry, kept alive.
 *
 * @module
 */

import type { Timer } from "../../clock.ts";
import { untilAborted } from "../../eventual.ts";
import { MuonError } from "../../errors.ts";
import type { Logger } from "../../log.ts";
import type { System } from "../../platform.ts";
import type { ServiceRecord } from "../../record.ts";
import type { Registry } from "../../registry/registry.ts";
import { LEASE } from "./wire.ts";

/** Longest time between two renewals in ms; the shortest is two thirds of it. */
const INTERVAL = 30_000;
/** Wait after a renewal that failed, in ms. */
const RETRY = 5_000;
/** Longest wait for a registry that is to take a record out where nobody says how long, in ms. */
const RELEASE = 1_000;

/** What a {@link Lease} is made of. */
export interface LeaseOptions {
  /** Where it is registered. */
  readonly registry: Registry;
  /** What is registered. */
  readonly record: ServiceRecord;
  /** Time, and jitter. */
  readonly system: Pick<System, "clock" | "random">;
  /** Told when a renewal fails. */
  readonly log: Logger;
}

/**
 * Registers a record, renews it every 20 to 30 s, and takes it out again. A registry that does not answer within 30 s
 * has failed.
 */
export class Lease {
  readonly #options: LeaseOptions;
  #timer: Timer | undefined;
  /** What the registry has not answered yet: a renewal that came behind its own end would bring the record back. */
  readonly #underWay = new Set<Promise<void>>();
  #released: Promise<void> | undefined;
  /** Whether the registry has ever taken the record: one that never was is nobody's loss. */
  #taken = false;
  #over = false;

  private constructor(options: LeaseOptions) {
    this.#options = options;
  }

  /** Registers; rejects as the registry does. */
  static async take(options: LeaseOptions): Promise<Lease> {
    const lease = new Lease(options);
    try {
      await lease.#register();
    } catch (error) {
      // What is answered too late is not wanted any more.
      void lease.release();
      throw error;
    }
    lease.#taken = true;
    lease.#schedule(lease.#interval());
    return lease;
  }

  /**
   * Takes the record out. If the registry cannot, or not in time, that is logged, and the record expires.
   *
   * @param signal Until when it is waited for. @default {for 1 s}
   */
  async release(signal?: AbortSignal): Promise<void> {
    if (this.#over) return;
    this.#timer?.cancel();
    const { registry, record, log } = this.#options;
    this.#released ??= Promise.allSettled(this.#underWay).then(() => registry.deregister(record));
    let failure: { readonly error: unknown } | undefined;
    try {
      await this.#until(this.#released, signal ?? RELEASE);
    } catch (error) {
      failure = { error };
    }
    // Whoever waited less has said it.
    if (!this.#over && failure !== undefined) {
      log[this.#taken ? "warn" : "debug"]("subscription not deregistered, it expires by itself", {
        registry: registry.name,
        id: record.nodes[0]?.id,
        error: signal?.aborted ? "the time to stop was over" : failure.error,
      });
    }
    this.#over = true;
  }

  async #register(): Promise<void> {
    const { registry, record } = this.#options;
    const registering = (async () => await registry.register(record, { ttl: LEASE }))();
    this.#underWay.add(registering);
    const answered = () => void this.#underWay.delete(registering);
    registering.then(answered, answered);
    await this.#until(registering, INTERVAL);
  }

  /** What the registry says, if it does so in time: until a signal, or for so many ms. */
  async #until(answer: Promise<void>, limit: AbortSignal | number): Promise<void> {
    if (typeof limit !== "number") return await untilAborted(answer, limit);
    const late = new AbortController();
    const timer = this.#options.system.clock.after(limit, () => {
      late.abort(
        new MuonError(
          "unavailable",
          `the ${this.#options.registry.name} registry has not answered within ${limit} ms`,
          { id: "muon.broker" },
        ),
      );
    }, { background: false });
    try {
      await untilAborted(answer, late.signal);
    } finally {
      timer.cancel();
    }
  }

  #interval(): number {
    return INTERVAL * (2 + this.#options.system.random.next()) / 3;
  }

  #schedule(ms: number): void {
    if (this.#released !== undefined) return;
    this.#timer = this.#options.system.clock.after(ms, () => void this.#renew());
  }

  async #renew(): Promise<void> {
    const { record, log } = this.#options;
    try {
      await this.#register();
      this.#schedule(this.#interval());
    } catch (error) {
      if (this.#released !== undefined) return;
      log.warn("subscription not renewed", { id: record.nodes[0]?.id, error });
      this.#schedule(RETRY);
    }
  }
}
