/**
 * Records of many nodes put together, one a service and version, and the changes from one such set to the next.
 *
 * @module
 */

import { type EndpointRecord, type Node, sameRecord, type ServiceRecord } from "./record.ts";

/** A change of one service in one version: the nodes that are new, changed or gone. */
export interface RecordChange {
  /** What happened to the nodes. */
  readonly type: "create" | "update" | "delete";
  /** The service in that version, with those nodes. */
  readonly service: ServiceRecord;
}

/**
 * Puts together what the nodes of a service said one by one: a record for each service and version, sorted by name
 * and version, with its nodes sorted by id. Whatever the order in which the records come, the result is the same:
 * an endpoint is taken from the first node that lists it, and metadata from the first node.
 *
 * @param records Records of one or more nodes. Of two with the same node, the later one counts.
 *
 * @example
 * ```ts
 * mergeRecords([{ ...greeter, nodes: [a] }, { ...greeter, nodes: [b] }]); // one record with two nodes
 * ```
 */
export function mergeRecords(records: Iterable<ServiceRecord>): ServiceRecord[] {
  const groups = new Map<string, Map<string, ServiceRecord>>();
  for (const record of records) {
    const key = JSON.stringify([record.name, record.version]);
    let nodes = groups.get(key);
    if (nodes === undefined) groups.set(key, nodes = new Map());
    for (const node of record.nodes) {
      nodes.set(node.id, record.nodes.length === 1 ? record : { ...record, nodes: [node] });
    }
  }
  const merged: ServiceRecord[] = [];
  for (const nodes of groups.values()) {
    const parts = [...nodes.values()].sort((a, b) => compare(a.nodes[0]!.id, b.nodes[0]!.id));
    const first = parts[0];
    if (first === undefined) continue;
    const endpoints = new Map<string, EndpointRecord>();
    for (const part of parts) {
      for (const endpoint of part.endpoints) {
        if (!endpoints.has(endpoint.name)) endpoints.set(endpoint.name, endpoint);
      }
    }
    merged.push({ ...first, endpoints: [...endpoints.values()], nodes: parts.map((part) => part.nodes[0]!) });
  }
  return merged.sort(byVersion);
}

/**
 * What has to be said so that whoever knows `before` knows `after`: at most a `delete`, an `update` and a `create`.
 * When the service's own metadata or endpoints change, every node that stays is updated.
 *
 * @param before A service in one version; `undefined`: it was not there.
 * @param after The same service and version later; `undefined`: it is gone.
 */
export function diffRecord(
  before: ServiceRecord | undefined,
  after: ServiceRecord | undefined,
): RecordChange[] {
  if (before === after) return [];
  const old = new Map(before?.nodes.map((node) => [node.id, node]));
  const sameHead = before !== undefined && after !== undefined &&
    sameRecord({ ...before, nodes: [] }, { ...after, nodes: [] });
  const created: Node[] = [];
  const updated: Node[] = [];
  for (const node of after?.nodes ?? []) {
    const known = old.get(node.id);
    old.delete(node.id);
    if (known === undefined) created.push(node);
    else if (!sameHead || !sameNode(known, node)) updated.push(node);
  }
  const changes: RecordChange[] = [];
  if (old.size > 0) changes.push({ type: "delete", service: { ...before!, nodes: [...old.values()] } });
  if (updated.length > 0) changes.push({ type: "update", service: { ...after!, nodes: updated } });
  if (created.length > 0) changes.push({ type: "create", service: { ...after!, nodes: created } });
  return changes;
}

/**
 * The records of a service after a change that a watch told of. A `delete` that names no node takes the whole version.
 *
 * @param records Records before, one a version.
 * @param change The change.
 * @returns Records after, sorted by name and version, with their nodes sorted by id; `records` itself is not touched.
 */
export function applyChange(records: readonly ServiceRecord[], change: RecordChange): ServiceRecord[] {
  const { type, service } = change;
  const rest: ServiceRecord[] = [];
  let known: ServiceRecord | undefined;
  for (const record of records) {
    if (record.name === service.name && record.version === service.version) known = record;
    else rest.push(record);
  }
  const nodes = new Map(known?.nodes.map((node) => [node.id, node]));
  if (type === "delete") {
    for (const node of service.nodes) nodes.delete(node.id);
    if (service.nodes.length === 0) nodes.clear();
  } else {
    for (const node of service.nodes) nodes.set(node.id, node);
  }
  if (nodes.size > 0) {
    const head = type === "delete" ? known! : service;
    rest.push({ ...head, nodes: [...nodes.values()].sort((a, b) => compare(a.id, b.id)) });
  }
  return rest.sort(byVersion);
}

/** Compares by code unit, the same on every machine whatever its locale. */
export function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function byVersion(a: ServiceRecord, b: ServiceRecord): number {
  return compare(a.name, b.name) || compare(a.version, b.version);
}

function sameNode(a: Node, b: Node): boolean {
  return a === b || a.address === b.address && sameMap(a.metadata, b.metadata);
}

function sameMap(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && a[key] === b[key]);
}
