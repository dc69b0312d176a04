/**
 * A subscription's entry in the registry, kept alive.
 *
 * @module
 */

import type { Timer } from "../../clock.ts";
import type { Logger } from "../../log.ts";
import type { System } from "../../platform.ts";
import type { ServiceRecord } from "../../record.ts";
import type { Registry } from "../../registry/registry.ts";
import { LEASE } from "./wire.ts";

/** Longest time between two renewals in ms; the shortest is two thirds of it. */
const INTERVAL = 30_000;
/** Wait after a renewal that failed, in ms. */
const RETRY = 5_000;

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

/** Registers a record, renews it every 20 to 30 s, and takes it out again. */
export class Lease {
  readonly #options: LeaseOptions;
  #timer: Timer | undefined;
  #renewing: Promise<void> = Promise.resolve();
  #held = true;

  private constructor(options: LeaseOptions) {
    this.#options = options;
  }

  /** Registers; rejects as the registry does. */
  static async take(options: LeaseOptions): Promise<Lease> {
    const lease = new Lease(options);
    await options.registry.register(options.record, { ttl: LEASE });
    lease.#schedule(lease.#interval());
    return lease;
  }

  /** Takes the record out. If the registry cannot, that is logged, and the record expires. */
  async release(): Promise<void> {
    if (!this.#held) return;
    this.#held = false;
    this.#timer?.cancel();
    const { registry, record, log } = this.#options;
    // A renewal that is still under way would bring it back.
    await this.#renewing;
    try {
      await registry.deregister(record);
    } catch (error) {
      log.warn("subscription not deregistered, it expires by itself", { id: record.nodes[0]?.id, error });
    }
  }

  #interval(): number {
    return INTERVAL * (2 + this.#options.system.random.next()) / 3;
  }

  #schedule(ms: number): void {
    if (!this.#held) return;
    this.#timer = this.#options.system.clock.after(ms, () => {
      this.#renewing = this.#renew();
    });
  }

  async #renew(): Promise<void> {
    const { registry, record, log } = this.#options;
    try {
      await registry.register(record, { ttl: LEASE });
      this.#schedule(this.#interval());
    } catch (error) {
      log.warn("subscription not renewed", { id: record.nodes[0]?.id, error });
      this.#schedule(RETRY);
    }
  }
}
