/**
 * How a node was picked, or why none was: for people in words, for programs as a {@link Decision}.
 *
 * @module
 */

import { MuonError } from "../errors.ts";
import type { Candidate, Decision, Filter, PickContext } from "./selector.ts";

/** Type of the error's detail that carries a {@link Decision}. */
export const DECISION = "muon.Decision";

/** What the refusal of a pick says about the registry. */
export interface RegistryState {
  /** Its name. */
  readonly name: string;
  /** For how long it has been away, in ms; 0: it is there. */
  readonly away: number;
  /** Names of the services it was last seen to know; `undefined`: nobody asked. */
  readonly services: readonly string[] | undefined;
  /** Name of the strategy that chooses among its nodes. */
  readonly strategy: string;
}

const NODES_SHOWN = 16;
const SERVICES_SHOWN = 8;

/** The error of a call to a service of which no node is known. */
export function nobodyKnown(call: PickContext, registry: RegistryState): MuonError {
  const { service, endpoint } = call;
  const names = registry.services?.filter((name) => name !== service);
  const others = names === undefined
    ? ""
    : names.length === 0
    ? "; it knows no other service either"
    : `; it knows ${listed(names, SERVICES_SHOWN)}`;
  return refusal(
    "not_found",
    `No node of service "${service}" is known to the ${registry.name} registry${
      awayText(registry)
    }${others}. ` +
      `Start the service, or check its name and that both sides use the same registry`,
    {
      service,
      endpoint,
      registry: registry.name,
      strategy: registry.strategy,
      picked: undefined,
      known: 0,
      nodes: [],
      services: (names ?? []).slice(0, SERVICES_SHOWN),
      registryAway: registry.away,
    },
  );
}

/** The error of a call for which the filters leave no node. */
export function noneFits(
  call: PickContext,
  filters: readonly Filter[],
  candidates: readonly Candidate[],
  registry: RegistryState,
): MuonError {
  const { service, endpoint } = call;
  const all = [...filters, ...call.filters];
  const counts = new Map<string, number>();
  const nodes: { id: string; address: string; version: string; leftOutBy: string }[] = [];
  for (const candidate of candidates) {
    const leftOutBy = all.find((filter) => !filter.keep(candidate, call))?.name ?? "";
    counts.set(leftOutBy, (counts.get(leftOutBy) ?? 0) + 1);
    const { id, address } = candidate.node;
    nodes.push({ id, address, version: candidate.service.version, leftOutBy });
  }
  const why = [...counts].map(([filter, count]) => {
    const those = nodes.filter(({ leftOutBy }) => leftOutBy === filter)
      .map(({ id, address, version }) => `${id} at ${address}, version ${version}`);
    return `filter "${filter}" leaves out ${count}: ${listed(those, 3, "; ")}`;
  });
  return refusal(
    "unavailable",
    `No node of service "${service}" fits the call of ${endpoint}: ${candidates.length} known to the ` +
      `${registry.name} registry${awayText(registry)}; ${why.join("; ")}`,
    {
      service,
      endpoint,
      registry: registry.name,
      strategy: registry.strategy,
      picked: undefined,
      known: candidates.length,
      nodes: nodes.slice(0, NODES_SHOWN),
      services: [],
      registryAway: registry.away,
    },
  );
}

/** How a pick went that found a node. */
export function decided(
  call: PickContext,
  picked: Candidate,
  how: {
    readonly candidates: readonly Candidate[];
    readonly leftOut: (candidate: Candidate) => string;
    /** What the weights give a candidate that is not left out, if there are any. */
    readonly weight: ((candidate: Candidate) => number) | undefined;
    readonly registry: RegistryState;
  },
): Decision {
  const { candidates, leftOut, weight, registry } = how;
  return {
    service: call.service,
    endpoint: call.endpoint,
    registry: registry.name,
    strategy: registry.strategy,
    picked: picked.node.id,
    known: candidates.length,
    nodes: candidates.slice(0, NODES_SHOWN).map((candidate) => {
      const leftOutBy = leftOut(candidate);
      return {
        id: candidate.node.id,
        address: candidate.node.address,
        version: candidate.service.version,
        leftOutBy,
        ...(weight === undefined ? {} : { weight: weight(candidate) }),
      };
    }),
    services: [],
    registryAway: registry.away,
  };
}

/**
 * A decision record for people, a line a node.
 *
 * @example
 * ```ts
 * await greeter.hello({ name: "John" }, { explain: (decision) => console.log(formatDecision(decision)) });
 * ```
 */
export function formatDecision(decision: Decision): string {
  const { service, endpoint, registry, strategy, picked, known, nodes, services } = decision;
  const lines = [
    `${service} ${endpoint}: ${known} ${known === 1 ? "node" : "nodes"} known to the ${registry} registry` +
    awayText({ away: decision.registryAway }) +
    `, ${picked === undefined ? "none fits" : `picked by ${strategy}`}`,
  ];
  for (const { id, address, version, leftOutBy, weight } of nodes) {
    const fate = id === picked ? "picked" : leftOutBy === "" ? "might have been" : `left out: ${leftOutBy}`;
    const weighed = weight === undefined ? "" : `, weight ${weight}`;
    lines.push(printable(`  ${id} at ${address}, version ${version}${weighed}: ${fate}`));
  }
  if (known > nodes.length) lines.push(`  and ${known - nodes.length} more`);
  if (services.length > 0) lines.push(`  the registry knows ${services.join(", ")}`);
  return lines.join("\n");
}

function refusal(status: "not_found" | "unavailable", detail: string, decision: Decision): MuonError {
  return new MuonError(status, detail, {
    id: "muon.selector",
    details: [{ type: DECISION, value: decision }],
    where: { service: decision.service, endpoint: decision.endpoint },
    notRun: true,
  });
}

/** A line that stays one: records are written by any program. */
function printable(line: string): string {
  return line.replaceAll(/[\p{Cc}\u2028\u2029]/gu, "\ufffd");
}

function awayText({ away }: { readonly away: number }): string {
  return away === 0 ? "" : ` (away for ${Math.round(away)} ms)`;
}

function listed(items: readonly string[], most: number, between = ", "): string {
  const shown = items.slice(0, most).join(between);
  return items.length > most ? `${shown} and ${items.length - most} more` : shown;
}
