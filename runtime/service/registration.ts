/**
 * Registration: puts records into a registry and renews them until it is stopped.
 *
 * @module
 */

import { type Clock, sleep } from "../clock.ts";
import { MuonError, textOf } from "../errors.ts";
import type { Logger } from "../log.ts";
import { backoff } from "../policy.ts";
import type { Random } from "../random.ts";
import type { ServiceRecord } from "../record.ts";
import type { Registry } from "../registry/registry.ts";
import { SERVICE_DEFAULTS, type ServiceOptions } from "./options.ts";
import type { Origins } from "./origins.ts";
import { deadlineIn, until } from "./phases.ts";

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

/**
 * What is wrong with the times of a registration; `undefined`: nothing.
 *
 * @param times In ms.
 * @param names How they are called, for the text.
 */
function complaintOfTimes(
  { ttl, interval }: Pick<RegistrationOptions, "ttl" | "interval">,
  names = { ttl: "registerTtl", interval: "registerInterval" },
): string | undefined {
  const current = `current values are ${interval} ms and ${ttl} ms`;
  if (!(interval > 0 && Number.isFinite(ttl))) {
    return `${names.interval} must be above 0 ms, and ${names.ttl} finite: ${current}`;
  }
  if (interval * 2 <= ttl) return undefined;
  return `${names.interval} must be at most half of ${names.ttl}, so that a lost renewal harms nobody: ${current}`;
}

/**
 * Checks the times of flags and variables; those of code are checked where they are used.
 *
 * @throws {UsageError} That names the flag or variable, if a time is out of range.
 */
export function checkTimes(options: ServiceOptions, origins: Origins): void {
  if (!origins.has("registerTtl") && !origins.has("registerInterval")) return;
  const ttl = options.registerTtl ?? SERVICE_DEFAULTS.registerTtl;
  const interval = options.registerInterval ?? SERVICE_DEFAULTS.registerInterval;
  const complaint = complaintOfTimes({ ttl, interval }, {
    ttl: options.registerTtl === undefined ? "the default of --register_ttl" : origins.nameOf("registerTtl"),
    interval: options.registerInterval === undefined
      ? "the default of --register_interval"
      : origins.nameOf("registerInterval"),
  });
  if (complaint !== undefined) throw origins.wrong(["registerTtl", "registerInterval"], complaint);
}

const TRIES = 3;
/** How long the registry always has to take a record out, whatever else has used up the time, in ms. */
const WITHDRAWAL = 1_000;

/**
 * Keeps records registered. Each renewal registers them whole, so that a registry which has lost them, or lets them
 * expire while it is away, has them again with the first renewal that reaches it. A registry that does not answer is
 * waited for no longer than an interval: what it may answer later neither holds up the next renewal nor outlives
 * {@link stop}.
 */
export class Registration {
  readonly #options: RegistrationOptions;
  readonly #stopped = new AbortController();
  /** Registrations the registry has not answered yet. */
  readonly #underWay = new Set<Promise<void>>();
  #loop: Promise<void> = Promise.resolve();
  /** Whether the registry has ever taken the records. */
  #registered = false;
  #stopping: Promise<void> | undefined;
  #awaySince: number | undefined;

  constructor(options: RegistrationOptions) {
    const complaint = complaintOfTimes(options);
    if (complaint !== undefined) throw new RangeError(complaint);
    this.#options = options;
  }

  /** For how long the registry has not taken a renewal, in ms; 0: it took the last one. */
  get away(): number {
    return this.#awaySince === undefined ? 0 : this.#options.clock.now() - this.#awaySince;
  }

  /**
   * Registers, three times if need be, then renews.
   *
   * @throws {MuonError} That names the registry and what it said: with its status if it gave one, else `unavailable`.
   * @throws {TypeError | RangeError} If the registry refuses a record for what it is: another try would not help.
   */
  async start(): Promise<void> {
    const { clock, random, registry, log } = this.#options;
    for (let attempt = 1;; attempt++) {
      try {
        await this.#register();
        break;
      } catch (cause) {
        this.#stopped.signal.throwIfAborted();
        const refused = cause instanceof TypeError || cause instanceof RangeError;
        if (refused || attempt === TRIES) {
          await this.stop(AbortSignal.abort());
          if (refused) throw cause;
          const known = cause instanceof MuonError;
          const message = known ? cause.detail : cause instanceof Error ? cause.message : textOf(cause);
          throw new MuonError(
            known ? cause.status : "unavailable",
            `Cannot register in the registry "${registry.name}": ${message}`,
            { id: "muon.service", cause },
          );
        }
        log.warn("cannot register yet; will try again", { registry: registry.name, error: cause });
        const wait = backoff({ backoff: 100, maxBackoff: 1_000 }, attempt, random.next());
        await sleep(clock, wait, { signal: this.#stopped.signal });
      }
    }
    this.#registered = true;
    this.#loop = this.#renew();
  }

  /**
   * Stops starting or renewing, and deregisters. A registry that does not answer is waited for until the signal is
   * aborted, and for a second in any case: whatever has used up the time, it gets its chance.
   */
  stop(signal: AbortSignal): Promise<void> {
    return this.#stopping ??= this.#stop(signal);
  }

  async #stop(signal: AbortSignal): Promise<void> {
    this.#stopped.abort();
    const { clock, registry, records, log } = this.#options;
    const fields = { registry: registry.name };
    // A record that never was is nobody's loss.
    const level = this.#registered ? "warn" : "debug";
    // After what is under way: a registration that arrived behind its own deregistration would stay.
    const deregistered = this.#loop
      .then(() => Promise.allSettled(this.#underWay))
      .then(() => Promise.all(records.map((record) => registry.deregister(record))));
    let late = false;
    deregistered.catch((error) => {
      if (late) log.debug("the registry refused to deregister, late", { ...fields, error });
      else log[level]("could not deregister; the record expires by itself", { ...fields, error });
    });
    using least = deadlineIn(clock, WITHDRAWAL);
    for (const limit of [least.signal, signal]) {
      late = false;
      await until(limit, deregistered).catch((error) => late = error === limit.reason);
      if (!late) return;
    }
    log[level]("could not deregister in time; the record expires by itself", fields);
  }

  /** Registers everything; rejects when the registry has not answered within an interval, or this is stopped. */
  async #register(): Promise<void> {
    const { registry, records, ttl, interval } = this.#options;
    const registering = Promise.all(records.map((record) => registry.register(record, { ttl }))).then(
      () => {},
    );
    this.#underWay.add(registering);
    const answered = () => void this.#underWay.delete(registering);
    registering.then(answered, answered);
    await this.#within(interval, registering);
  }

  async #within(ms: number, work: Promise<void>): Promise<void> {
    const { signal } = this.#stopped;
    const over = Promise.withResolvers<never>();
    const timer = this.#options.clock.after(ms, () => {
      over.reject(
        new MuonError("unavailable", `it has not answered within ${ms} ms`, { id: "muon.registry" }),
      );
    });
    const abort = () => over.reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    try {
      await Promise.race([work, over.promise]);
    } finally {
      timer.cancel();
      signal.removeEventListener("abort", abort);
    }
  }

  async #renew(): Promise<void> {
    const { clock, random, interval, registry, log } = this.#options;
    for (;;) {
      // Up to a tenth sooner, so that processes started together do not stay together.
      const wait = interval * (1 - random.next() / 10);
      try {
        await sleep(clock, this.#awaySince === undefined ? wait : wait / 4, {
          signal: this.#stopped.signal,
          background: true,
        });
      } catch {
        return;
      }
      try {
        await this.#register();
        if (this.#awaySince !== undefined) log.info("registry is back", { registry: registry.name });
        this.#awaySince = undefined;
      } catch (error) {
        if (this.#stopped.signal.aborted) return;
        if (this.#awaySince === undefined) {
          log.warn("cannot renew the registration; will try again", { registry: registry.name, error });
        }
        this.#awaySince ??= clock.now();
      }
    }
  }
}
