/**
 * What a service tells people when it has started.
 *
 * @module
 */

import type { EndpointDefinition, ServiceDefinition } from "../definition.ts";

/** What the banner says. */
export interface Banner {
  /** What is served. */
  readonly definitions: readonly ServiceDefinition[];
  /** Where it is reached. */
  readonly address: string;
  /** What it speaks there. */
  readonly protocols: readonly string[];
  /** Registry, and its address if one was given. */
  readonly registry: string;
  /** Broker, and its address if one was given. */
  readonly broker: string;
}

/**
 * The lines for people: name, version, address, what it speaks, registry, broker, endpoints.
 *
 * @example
 * ```ts
 * platform.writeError(banner({ definitions, address, protocols: ["muon.v1"], registry: "file", broker: "http" }));
 * ```
 */
export function banner(what: Banner): string {
  const lines = [
    `muon: ${what.definitions.map(({ name, version }) => `${name} ${version}`).join(", ")}`,
    `  address   ${what.address} (${what.protocols.join(", ")})`,
    `  registry  ${what.registry}`,
    `  broker    ${what.broker}`,
  ];
  for (const definition of what.definitions) {
    const names = definition.endpoints.map(({ name }) => name.length);
    const width = Math.max(20, ...names);
    for (const endpoint of definition.endpoints) {
      lines.push(
        `  endpoint  ${definition.name} ${endpoint.name.padEnd(width)} ${traits(endpoint)}`.trimEnd(),
      );
    }
    for (const { topic, queue } of definition.subscriptions) {
      lines.push(`  topic     ${definition.name} ${topic}${queue === undefined ? "" : ` (queue ${queue})`}`);
    }
  }
  return `${lines.join("\n")}\n`;
}

const KINDS = { unary: "", server: "server stream", client: "client stream", bidi: "both stream" } as const;

function traits(endpoint: EndpointDefinition): string {
  const words = [
    endpoint.kind === undefined ? "" : KINDS[endpoint.kind],
    endpoint.idempotent ? "idempotent" : "",
  ];
  return words.filter((word) => word !== "").join(", ");
}
