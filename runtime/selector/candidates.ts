/**
 * The nodes known of one service, with what calls to them have shown.
 *
 * @module
 */

import type { Clock } from "../clock.ts";
import { isMisdirected, type MuonError } from "../errors.ts";
import { compare } from "../record_set.ts";
import type { Node, ServiceRecord } from "../record.ts";
import type { EjectionPolicy } from "./ejection.ts";
import type { Candidate, Filter, Outcome, PickContext } from "./selector.ts";

/** Time constant of a node's latency, in ms: an answer this long ago counts for 37 % of what it did. */
export const LATENCY_WINDOW = 10_000;
/** What an answer counts that comes within 1 ms of another. */
const AT_ONCE = 1 - Math.exp(-1 / LATENCY_WINDOW);

/**
 * A node that may be picked, and its health.
 *
 * A node to which so many calls in a row fail as {@link EjectionPolicy} says, because it cannot be reached, does not answer
 * in time or turns out to be another service's process, is left out. When its time is over one call goes there to see;
 * while that is under way no other follows, and if it fails, the node is left out for twice as long. Any other answer, a
 * handler's error too, shows that the node lives.
 */
export class NodeState implements Candidate {
  node: Node;
  service: ServiceRecord;
  inflight = 0;
  latency = 0;
  ejectedUntil = 0;
  #failures = 0;
  #ejections = 0;
  #answeredAt = -Infinity;
  readonly #group: CandidateGroup;
  readonly #clock: Clock;

  constructor(node: Node, service: ServiceRecord, group: CandidateGroup, clock: Clock) {
    this.node = node;
    this.service = service;
    this.#group = group;
    this.#clock = clock;
  }

  /** Takes note that it was picked; gives whether this call is the one that finds out whether it is back. */
  begin(): boolean {
    this.inflight++;
    if (this.#ejections === 0) return false;
    const now = this.#clock.now();
    if (now < this.ejectedUntil) return false;
    this.ejectedUntil = now + this.#span();
    return true;
  }

  /** Takes note that a call is over. `probe` is what {@link NodeState.begin} gave. */
  end({ error, duration, at }: Outcome, probe: boolean): void {
    this.inflight--;
    if (error?.status === "canceled") return;
    if (error === undefined || !isFailure(error)) {
      this.#answered(error === undefined ? duration : undefined, at);
      return;
    }
    if (this.#ejections > 0) {
      // Calls that were under way when it was ejected say nothing new.
      if (probe) this.#eject();
    } else if (++this.#failures >= this.#group.ejection.consecutiveFailures) {
      this.#eject();
    }
  }

  #eject(): void {
    this.#ejections++;
    this.ejectedUntil = this.#clock.now() + this.#span();
    this.#group.healthChanged();
  }

  #span(): number {
    const { baseTime, maxTime } = this.#group.ejection;
    return Math.min(maxTime, baseTime * 2 ** (this.#ejections - 1));
  }

  #answered(duration: number | undefined, at: number | undefined): void {
    this.#failures = 0;
    if (this.#ejections > 0) {
      this.#ejections = 0;
      this.ejectedUntil = 0;
      this.#group.healthChanged();
    }
    if (duration === undefined) return;
    const now = at ?? this.#clock.now();
    // At least 1 ms, so that answers of one turn count too.
    const since = now - this.#answeredAt;
    const weight = since <= 1 ? AT_ONCE : 1 - Math.exp(-since / LATENCY_WINDOW);
    this.latency += weight * (duration - this.latency);
    this.#answeredAt = now;
  }
}

/** Whether an error says something of the node, and not of the call: what a handler throws itself shows that it lives. */
function isFailure(error: MuonError): boolean {
  if (isMisdirected(error)) return true;
  if (error.answered && !error.notRun) return false;
  return error.status === "unavailable" || error.status === "deadline_exceeded";
}

interface Listing {
  readonly nodes: readonly NodeState[];
  readonly records: ReadonlySet<ServiceRecord>;
}

/** The nodes of one service, in an order that depends on nothing but their versions and ids. */
export class CandidateGroup {
  #all: readonly NodeState[] = [];
  #listings = new Map<string, Listing>();
  #ejected = false;
  /** When one of them is left out. */
  readonly ejection: EjectionPolicy;
  readonly #clock: Clock;

  constructor(clock: Clock, ejection: EjectionPolicy) {
    this.#clock = clock;
    this.ejection = ejection;
  }

  /** Every node. */
  get all(): readonly NodeState[] {
    return this.#all;
  }

  /** Whether a call to one of them is under way. */
  get busy(): boolean {
    return this.#all.some(({ inflight }) => inflight > 0);
  }

  /** Says who the nodes are now. One that stays at its address keeps its health. */
  set(records: readonly ServiceRecord[]): void {
    const known = new Map(this.#all.map((state) => [keyOf(state.service, state.node), state]));
    const all: NodeState[] = [];
    const listings = new Map<string, { nodes: NodeState[]; records: Set<ServiceRecord> }>();
    for (const record of [...records].sort((a, b) => compare(a.version, b.version))) {
      const states: NodeState[] = [];
      for (const node of [...record.nodes].sort((a, b) => compare(a.id, b.id))) {
        let state = known.get(keyOf(record, node));
        if (state === undefined || state.node.address !== node.address) {
          state = new NodeState(node, record, this, this.#clock);
        }
        state.node = node;
        state.service = record;
        states.push(state);
      }
      all.push(...states);
      for (const name of new Set(record.endpoints.map((endpoint) => endpoint.name))) {
        let listing = listings.get(name);
        if (listing === undefined) listings.set(name, listing = { nodes: [], records: new Set() });
        listing.nodes.push(...states);
        listing.records.add(record);
      }
    }
    this.#all = all;
    this.#listings = listings;
    this.healthChanged();
  }

  /** A node was ejected, or is back. */
  healthChanged(): void {
    this.#ejected = this.#all.some(({ ejectedUntil }) => ejectedUntil > 0);
  }

  /**
   * The nodes that may serve a call; empty only if the filters leave none.
   *
   * Filters are obeyed. Of what they keep, the nodes whose record lists the endpoint are preferred (where none does,
   * a node will say so itself), of those the ones that are not ejected (unless the call says that it does not matter),
   * and of those the ones that this call has not tried; a preference that leaves none is dropped.
   */
  eligible(call: PickContext, filters: readonly Filter[]): readonly NodeState[] {
    const listing = this.#listings.get(call.endpoint);
    let from = this.#all;
    if (filters.length > 0 || call.filters.length > 0) {
      from = from.filter((state) =>
        filters.every((filter) => filter.keep(state, call)) &&
        call.filters.every((filter) => filter.keep(state, call))
      );
      if (listing !== undefined) from = prefer(from, (state) => listing.records.has(state.service));
    } else if (listing !== undefined) {
      from = listing.nodes;
    }
    if (this.#ejected && call.ejection !== false) {
      const now = this.#clock.now();
      from = prefer(from, (state) => state.ejectedUntil <= now);
    }
    if (call.tried.length > 0) from = prefer(from, (state) => !call.tried.includes(state.node.id));
    return from;
  }
}

/** Why a node was not among those that a strategy chose from: a filter's name, or what others were preferred for. */
export function leftOutBy(
  state: Candidate,
  call: PickContext,
  how: { readonly filters: readonly Filter[]; readonly from: readonly Candidate[]; readonly now: number },
): string {
  const filter = [...how.filters, ...call.filters].find((one) => !one.keep(state, call));
  if (filter !== undefined) return filter.name;
  if (how.from.includes(state)) return "";
  if (!state.service.endpoints.some(({ name }) => name === call.endpoint)) return "endpoint";
  return call.ejection !== false && state.ejectedUntil > how.now ? "ejected" : "tried";
}

function prefer(from: readonly NodeState[], is: (state: NodeState) => boolean): readonly NodeState[] {
  const preferred = from.filter(is);
  return preferred.length > 0 ? preferred : from;
}

function keyOf(record: ServiceRecord, node: Node): string {
  return JSON.stringify([record.version, node.id]);
}
