/**
 * Why no node was picked: for people in the error's detail, for programs in its details.
 *
 * @module
 */

import { MuonError } from "../errors.ts";
import type { Candidate, Filter, PickContext } from "./selector.ts";

/** Type of the error's detail that carries a {@link Decision}. */
export const DECISION = "muon.Decision";

/** How a pick went that found no node. */
export interface Decision {
  /** Service that was called. */
  readonly service: string;
  /** Endpoint that was called. */
  readonly endpoint: string;
  /** Name of the registry that was asked. */
  readonly registry: string;
  /** How many nodes of the service were known. */
  readonly known: number;
  /** The first 16 of them, and which filter left each out. */
  readonly nodes: readonly {
    readonly id: string;
    readonly address: string;
    readonly version: string;
    readonly leftOutBy: string;
  }[];
  /** Names of services that the registry knew, where nobody of this name was known; at most 8. */
  readonly services: readonly string[];
  /** For how long the registry has been away, in ms; 0: it is there. */
  readonly registryAway: number;
}

/** What the refusal of a pick says about the registry. */
export interface RegistryState {
  /** Its name. */
  readonly name: string;
  /** For how long it has been away, in ms; 0: it is there. */
  readonly away: number;
  /** Names of the services it was last seen to know; `undefined`: nobody asked. */
  readonly services: readonly string[] | undefined;
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
      known: candidates.length,
      nodes: nodes.slice(0, NODES_SHOWN),
      services: [],
      registryAway: registry.away,
    },
  );
}

function refusal(status: "not_found" | "unavailable", detail: string, decision: Decision): MuonError {
  return new MuonError(status, detail, {
    id: "muon.selector",
    details: [{ type: DECISION, value: decision }],
    where: { service: decision.service, endpoint: decision.endpoint },
    notRun: true,
  });
}

function awayText({ away }: RegistryState): string {
  return away === 0 ? "" : ` (away for ${Math.round(away)} ms)`;
}

function listed(items: readonly string[], most: number, between = ", "): string {
  const shown = items.slice(0, most).join(between);
  return items.length > most ? `${shown} and ${items.length - most} more` : shown;
}
