/**
 * The record of a service: its definition in Go Micro's form.
 *
 * @module
 */

import { utf8 } from "../bytes.ts";
import { type EndpointDefinition, pascalCase, type ServiceDefinition } from "../definition.ts";
import { jsonSchema } from "../schema.ts";
import type { EndpointRecord, ServiceRecord } from "../record.ts";

/**
 * The record of one node of a service. Schemas stay out of it: values in a registry are small, and `Debug.Describe`
 * on the node has them.
 *
 * @param definition The service.
 * @param node The process that serves it.
 *
 * @example
 * ```ts
 * recordOf(definition, { id: "2f1c", address: "127.0.0.1:8080", metadata: { muon: "muon.v1" } });
 * ```
 */
export function recordOf(
  definition: ServiceDefinition,
  node: {
    readonly id: string;
    readonly address: string;
    readonly metadata: Readonly<Record<string, string>>;
  },
): ServiceRecord {
  return {
    name: definition.name,
    version: definition.version,
    metadata: definition.metadata,
    endpoints: [
      ...definition.endpoints.map(endpointRecord),
      ...definition.subscriptions.map((subscription) => ({
        name: `${definition.handler}.${pascalCase(subscription.member)}`,
        request: null,
        response: null,
        metadata: { subscriber: "true", topic: subscription.topic },
      })),
    ],
    nodes: [{
      id: `${definition.name}-${node.id}`,
      address: node.address,
      metadata: { ...definition.metadata, ...protocolOf(node.metadata.muon), ...node.metadata },
    }],
  };
}

/** What Go Micro's clients look for: a node without `protocol` they take for one of their first generation. */
function protocolOf(muon: string | undefined): Readonly<Record<string, string>> {
  return muon?.split(",").includes("mucp") ? { protocol: "mucp" } : {};
}

function endpointRecord(endpoint: EndpointDefinition): EndpointRecord {
  const { kind, timeout } = endpoint;
  return {
    name: endpoint.name,
    request: null,
    response: null,
    metadata: {
      ...endpoint.metadata,
      member: endpoint.member,
      ...(kind === undefined ? {} : { kind }),
      ...(kind === undefined || kind === "unary" ? {} : { stream: "true" }),
      ...(endpoint.idempotent ? { idempotent: "true" } : {}),
      ...(timeout === undefined ? {} : { timeout: String(timeout) }),
      schema: schemaHash(endpoint),
    },
  };
}

/**
 * A hash of what goes in and out, by which two versions of an endpoint can be told apart: FNV-1a of 64 bits
 * (Fowler, Noll and Vo) over the JSON Schemas. It is no proof of anything, and nobody is kept out by it.
 */
function schemaHash(endpoint: EndpointDefinition): string {
  const schemas = JSON.stringify([
    jsonSchema(endpoint.input, "input").schema,
    jsonSchema(endpoint.output, "output").schema,
  ]);
  let hash = 0xcbf29ce484222325n;
  for (const byte of utf8(schemas)) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash.toString(16).padStart(16, "0");
}
