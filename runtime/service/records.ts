/**
 * The record of a service: its definition in Go Micro's form.
 *
 * @module
 */

import type { EndpointDefinition, ServiceDefinition } from "../definition.ts";
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
        name: `${definition.handler}.${subscription.member}`,
        request: null,
        response: null,
        metadata: { subscriber: "true", topic: subscription.topic },
      })),
    ],
    nodes: [{
      id: `${definition.name}-${node.id}`,
      address: node.address,
      metadata: { ...definition.metadata, ...node.metadata },
    }],
  };
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
    },
  };
}
