/**
 * The selector: picks among the nodes that a registry tells of.
 *
 * @module
 */

import type { Timer } from "../clock.ts";
import { MuonError } from "../errors.ts";
import { untilAborted } from "../eventual.ts";
import { type Logger, SILENT } from "../log.ts";
import type { System } from "../platform.ts";
import type { Registry } from "../registry/registry.ts";
import { leftOutBy, NodeState } from "./candidates.ts";
import { ejectionOf, type EjectionPolicy } from "./ejection.ts";
import { decided, nobodyKnown, noneFits, type RegistryState } from "./decision.ts";
import type {
  Candidate,
  Decision,
  Filter,
  Outcome,
  Pick as Picked,
  PickContext,
  Selector,
  Strategy,
  Weight,
} from "./selector.ts";
import { ServiceWatch } from "./service_watch.ts";
import { createStrategy } from "./strategies.ts";
import { drawByWeight, weightOf } from "./weights.ts";

/** For how long the names of the services that exist may be repeated in errors, in ms. */
const NAMES_FRESH = 5_000;
/** Longest wait for those names, in ms. */
const NAMES_WAIT = 1_000;

/** Options of {@link createSelector}. */
export interface SelectorOptions {
  /** Who tells of nodes. It stays the caller's: the selector does not dispose it. */
  readonly registry: Registry;
  /** Time and chance. */
  readonly system: Pick<System, "clock" | "random">;
  /** How to choose: a name (`random`, `roundrobin`, `leastconn`) or a strategy. @default {"random"} */
  readonly strategy?: string | Strategy;
  /** Filters for every call, ahead of the call's own. @default {[]} */
  readonly filters?: readonly Filter[];
  /** Weights for every call, beside the call's own. @default {[]} */
  readonly weights?: readonly Weight[];
  /** When a node to which calls fail is left out; `false`: never. @default {EJECTION} */
  readonly ejection?: Partial<EjectionPolicy> | false;
  /** Time without a call after which a service is no longer watched, in ms. @default {300_000} */
  readonly idle?: number;
  /** Told when the registry goes away and comes back. @default {nobody} */
  readonly log?: Logger;
}

/**
 * A selector over a registry. It watches each service that is called, from the first call on, and no other: what it
 * holds grows with what a process calls, not with the mesh. A service of which no node is known is not watched: each
 * call of it asks the registry, so that it is seen as soon as it is there.
 *
 * @throws {TypeError} If there is no strategy of that name.
 * @throws {RangeError} If a number of `ejection`, or `idle`, is out of range.
 *
 * @example
 * ```ts
 * await using selector = createSelector({ registry, system, strategy: "leastconn" });
 * await selector.ready("greeter");
 * const pick = selector.pick({ service: "greeter", endpoint: "Greeter.Hello", filters: [], tried: [] });
 * pick.done({ duration: 2 });
 * ```
 */
export function createSelector(options: SelectorOptions): Selector {
  return new RegistrySelector(options);
}

class RegistrySelector implements Selector {
  readonly name: string;
  readonly #options: SelectorOptions;
  readonly #strategy: Strategy;
  /** By name: those that calls asked for, and its own. */
  readonly #strategies: Map<string, Strategy>;
  readonly #ejection: EjectionPolicy;
  readonly #filters: readonly Filter[];
  readonly #weights: readonly Weight[];
  readonly #log: Logger;
  readonly #idle: number;
  readonly #watches = new Map<string, ServiceWatch>();
  readonly #loading = new Map<string, Promise<void>>();
  readonly #controller = new AbortController();
  #names: readonly string[] | undefined;
  #namesAt = -Infinity;
  #sweep: Timer | undefined;

  constructor(options: SelectorOptions) {
    const { strategy = "random", system } = options;
    this.#options = options;
    this.#strategy = typeof strategy === "string" ? createStrategy(strategy, system.random) : strategy;
    this.#strategies = new Map([[this.#strategy.name, this.#strategy]]);
    this.#ejection = ejectionOf(options.ejection);
    this.#filters = options.filters ?? [];
    this.#weights = options.weights ?? [];
    this.#log = options.log ?? SILENT;
    this.#idle = options.idle ?? 300_000;
    if (!(this.#idle > 0 && Number.isFinite(this.#idle))) {
      throw new RangeError(
        `Idle time of a selector must be above 0 ms and finite: current value is ${this.#idle}`,
      );
    }
    this.name = this.#strategy.name;
  }

  get away(): number {
    let longest = 0;
    for (const { away } of this.#watches.values()) longest = Math.max(longest, away);
    return longest;
  }

  ready(service: string, options?: { readonly signal?: AbortSignal | undefined }): Promise<void> | undefined {
    if (this.#watches.get(service)?.known === true) return undefined;
    let loading = this.#loading.get(service);
    if (loading === undefined) {
      loading = this.#load(service).finally(() => this.#loading.delete(service));
      // Whoever waits gets the error; that nobody does, is no fault.
      loading.catch(() => {});
      this.#loading.set(service, loading);
    }
    return untilAborted(loading, options?.signal);
  }

  pick(call: PickContext): Picked {
    const watch = this.#watches.get(call.service);
    if (watch === undefined || watch.nodes.all.length === 0) {
      if (this.#controller.signal.aborted) throw closed(call);
      throw this.#refused(call, nobodyKnown(call, this.#registryState(watch)));
    }
    watch.used = true;
    const from = watch.nodes.eligible(call, this.#filters);
    if (from.length === 0) {
      throw this.#refused(call, noneFits(call, this.#filters, watch.nodes.all, this.#registryState(watch)));
    }
    const strategy = call.strategy === undefined ? this.#strategy : this.#strategyOf(call);
    const candidate: Candidate | undefined = from.length === 1
      ? from[0]
      : strategy.pick(this.#weighed(from, call), call);
    if (!(candidate instanceof NodeState)) {
      throw new MuonError(
        "internal",
        `Strategy "${strategy.name}" gave none of the ${from.length} candidates it had`,
        { id: "muon.selector", where: { service: call.service, endpoint: call.endpoint }, notRun: true },
      );
    }
    if (call.explain !== undefined) this.#explain(call, candidate, { watch, from, strategy });
    return new NodePick(candidate);
  }

  /** The strategy that a call asks for. One that goes by name remembers from call to call. */
  #strategyOf({ strategy, service, endpoint }: PickContext): Strategy {
    if (typeof strategy !== "string") return strategy!;
    let known = this.#strategies.get(strategy);
    if (known === undefined) {
      try {
        known = createStrategy(strategy, this.#options.system.random);
      } catch (cause) {
        throw new MuonError("invalid_argument", (cause as Error).message, {
          id: "muon.selector",
          where: { service, endpoint },
          notRun: true,
          cause,
        });
      }
      this.#strategies.set(strategy, known);
    }
    return known;
  }

  #weightsOf({ weights: own = [] }: PickContext): readonly Weight[] {
    return own.length === 0 ? this.#weights : [...this.#weights, ...own];
  }

  #weighed(from: readonly NodeState[], call: PickContext): readonly NodeState[] {
    const weights = this.#weightsOf(call);
    if (weights.length === 0) return from;
    return drawByWeight(from, weights, { call, random: this.#options.system.random });
  }

  /** The error, once the call was told what it says of the nodes. */
  #refused(call: PickContext, error: MuonError): MuonError {
    call.explain?.(error.details![0]!.value as Decision);
    return error;
  }

  #explain(
    call: PickContext,
    picked: Candidate,
    { watch, from, strategy }: {
      readonly watch: ServiceWatch;
      readonly from: readonly NodeState[];
      readonly strategy: Strategy;
    },
  ): void {
    const how = { filters: this.#filters, from, now: this.#options.system.clock.now() };
    const weights = this.#weightsOf(call);
    const weight = (candidate: Candidate) => weightOf(weights, candidate, call);
    const somebodyWeighs = weights.length > 0 && from.some((candidate) => weight(candidate) > 0);
    call.explain!(decided(call, picked, {
      candidates: watch.nodes.all,
      leftOut: (candidate) =>
        leftOutBy(candidate, call, how) || (somebodyWeighs && weight(candidate) === 0 ? "weight" : ""),
      weight: weights.length === 0 ? undefined : weight,
      registry: { ...this.#registryState(watch), strategy: strategy.name },
    }));
  }

  candidates(service: string): readonly Candidate[] {
    return this.#watches.get(service)?.nodes.all ?? [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#controller.abort();
    this.#sweep?.cancel();
    const watches = [...this.#watches.values()];
    this.#watches.clear();
    await Promise.all(watches.map((watch) => watch[Symbol.asyncDispose]()));
    await Promise.allSettled(this.#loading.values());
  }

  async #load(service: string): Promise<void> {
    if (this.#controller.signal.aborted) throw closed({ service });
    const { registry, system: { clock, random } } = this.#options;
    const watch = new ServiceWatch({
      service,
      registry,
      ejection: this.#ejection,
      clock,
      random,
      log: this.#log,
    });
    this.#watches.set(service, watch);
    try {
      await watch.first;
    } catch (error) {
      this.#drop(service, watch);
      throw error;
    }
    if (watch.nodes.all.length === 0) {
      this.#drop(service, watch);
      await this.#learnNames();
    } else if (this.#sweep === undefined) {
      this.#scheduleSweep();
    }
  }

  #drop(service: string, watch: ServiceWatch): void {
    if (this.#watches.get(service) === watch) this.#watches.delete(service);
    void watch[Symbol.asyncDispose]();
  }

  /** So that an error can say what there is instead. */
  async #learnNames(): Promise<void> {
    const { registry, system: { clock } } = this.#options;
    if (clock.now() - this.#namesAt < NAMES_FRESH) return;
    const { signal } = this.#controller;
    // Names are for errors only, and whoever is to get that error does not wait long for them.
    const late = new AbortController();
    const timer = clock.after(NAMES_WAIT, () => late.abort(new Error(`no answer within ${NAMES_WAIT} ms`)));
    try {
      const services = await untilAborted(
        registry.listServices({ signal }),
        AbortSignal.any([signal, late.signal]),
      );
      this.#names = [...new Set(services.map(({ name }) => String(name)))].sort();
      this.#namesAt = clock.now();
    } catch (error) {
      this.#names = undefined;
      this.#log.debug("services cannot be listed", { registry: registry.name, error });
    } finally {
      timer.cancel();
    }
  }

  #registryState(watch: ServiceWatch | undefined): RegistryState {
    const { registry, system: { clock } } = this.#options;
    const fresh = clock.now() - this.#namesAt < NAMES_FRESH;
    return {
      name: registry.name,
      away: watch?.away ?? 0,
      services: fresh ? this.#names : undefined,
      strategy: this.name,
    };
  }

  #scheduleSweep(): void {
    this.#sweep = this.#options.system.clock.after(this.#idle, () => {
      this.#sweep = undefined;
      for (const [service, watch] of this.#watches) {
        // While the registry is away, what is known of its nodes could not be had again.
        if (!watch.known || watch.away > 0) continue;
        if (!watch.used && !watch.nodes.busy) this.#drop(service, watch);
        watch.used = false;
      }
      if (this.#watches.size > 0) this.#scheduleSweep();
    });
  }
}

class NodePick implements Picked {
  readonly candidate: NodeState;
  readonly #probe: boolean;
  #open = true;

  constructor(candidate: NodeState) {
    this.candidate = candidate;
    this.#probe = candidate.begin();
  }

  done(outcome: Outcome): void {
    if (!this.#open) return;
    this.#open = false;
    this.candidate.end(outcome, this.#probe);
  }
}

function closed({ service, endpoint }: { readonly service: string; readonly endpoint?: string }): MuonError {
  return new MuonError(
    "failed_precondition",
    `The selector is closed, with the mesh or service it belongs to: service "${service}" cannot be looked up`,
    {
      id: "muon.selector",
      where: endpoint === undefined ? { service } : { service, endpoint },
      notRun: true,
    },
  );
}
