/**
 * Registration: puts records into a registry and renews them until it is stopped.
 *
 * @module
 */

import { type Clock, sleep } from "../clock.ts";
import { MuonError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { backoff } from "../policy.ts";
import type { Random } from "../random.ts";
import type { ServiceRecord } from "../record.ts";
import type { Registry } from "../registry/registry.ts";

/** Options of {@link Registration}. */
export interface RegistrationOptions {
  /** Where to register. */
  readonly registry: Registry;
  /** What to register. */
  readonly records: readonly ServiceRecord[];
  /** How long a record lives unless it is renewed, in ms. */
  readonly ttl: number;
  /** How often it is renewed, in ms. */
  readonly interval: number;
  /** Time. */
  readonly clock: Clock;
  /** Spreads the renewals of many processes. */
  readonly random: Random;
  /** Log. */
  readonly log: Logger;
}

const TRIES = 3;

/** Keeps records registered. */
export class Registration {
  readonly #options: RegistrationOptions;
  readonly #stopped = new AbortController();
  #loop: Promise<void> = Promise.resolve();

  constructor(options: RegistrationOptions) {
    if (options.interval * 2 > options.ttl) {
      throw new RangeError(
        `registerInterval must be at most half of registerTtl, so that a lost renewal harms nobody: current values are ` +
          `${options.interval} ms and ${options.ttl} ms`,
      );
    }
    this.#options = options;
  }

  /**
   * Registers, three times if need be, then renews.
   *
   * @throws {MuonError} `unavailable`, that names the registry and what it said.
   */
  async start(): Promise<void> {
    const { clock, random, registry } = this.#options;
    for (let attempt = 1;; attempt++) {
      try {
        await this.#register();
        break;
      } catch (cause) {
        if (attempt === TRIES) {
          const message = cause instanceof Error ? cause.message : String(cause);
          throw new MuonError(
            "unavailable",
            `Cannot register in the registry "${registry.name}": ${message}`,
            {
              id: "muon.service",
              cause,
            },
          );
        }
        await sleep(clock, backoff({ backoff: 100, maxBackoff: 1_000 }, attempt, random.next()));
      }
    }
    this.#loop = this.#renew();
  }

  /** Stops renewing and deregisters; a registry that is away is waited for no longer than the signal says. */
  async stop(signal: AbortSignal): Promise<void> {
    this.#stopped.abort();
    const { registry, records, log } = this.#options;
    const deregistered = this.#loop.then(() =>
      Promise.all(records.map((record) => registry.deregister(record)))
    );
    await new Promise<void>((resolve) => {
      const late = () => {
        log.warn("could not deregister in time; the record expires by itself", { registry: registry.name });
        resolve();
      };
      if (signal.aborted) return late();
      signal.addEventListener("abort", late, { once: true });
      deregistered.catch((error) => {
        log.warn("could not deregister; the record expires by itself", { registry: registry.name, error });
      }).finally(() => {
        signal.removeEventListener("abort", late);
        resolve();
      });
    });
  }

  async #register(): Promise<void> {
    const { registry, records, ttl } = this.#options;
    await Promise.all(records.map((record) => registry.register(record, { ttl })));
  }

  async #renew(): Promise<void> {
    const { clock, random, interval, registry, log } = this.#options;
    let away = false;
    for (;;) {
      // Up to a tenth sooner, so that processes started together do not stay together.
      const wait = interval * (1 - random.next() / 10);
      try {
        await sleep(clock, away ? wait / 4 : wait, { signal: this.#stopped.signal, background: true });
      } catch {
        return;
      }
      try {
        await this.#register();
        if (away) log.info("registry is back", { registry: registry.name });
        away = false;
      } catch (error) {
        if (!away) {
          log.warn("cannot renew the registration; will try again", { registry: registry.name, error });
        }
        away = true;
      }
    }
  }
}
