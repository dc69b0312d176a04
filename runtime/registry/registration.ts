/**
 * The checks that every registry makes of what it is asked to hold.
 *
 * @module
 */

import { parseRecord, type ServiceRecord } from "../record.ts";

/**
 * A copy of a record that is about to be registered.
 *
 * @param service The record.
 * @param ttl For how long its nodes count as living if they are not renewed, in ms.
 * @throws {TypeError} If it has no name, no node, or a node without id or address.
 * @throws {RangeError} If the time to live is not above 0 and finite: a node that dies must vanish.
 *
 * @example
 * ```ts
 * async register(service: ServiceRecord, { ttl }: { ttl: number }) {
 *   const record = checkRegistration(service, ttl);
 *   for (const node of record.nodes) await this.#put({ ...record, nodes: [node] }, ttl);
 * }
 * ```
 */
export function checkRegistration(service: ServiceRecord, ttl: number): ServiceRecord {
  const record = checkDeregistration(service);
  for (const node of record.nodes) {
    if (node.address === "") {
      throw new TypeError(`Node ${JSON.stringify(node.id)} of service "${record.name}" has no address`);
    }
  }
  if (!(ttl > 0 && Number.isFinite(ttl))) {
    throw new RangeError(
      `Time to live of service "${record.name}" must be above 0 ms and finite: current value is ${ttl}`,
    );
  }
  return record;
}

/**
 * A copy of a record whose nodes are about to be taken out.
 *
 * @throws {TypeError} If it has no name, no node, or a node without id.
 *
 * @example
 * ```ts
 * async deregister(service: ServiceRecord) {
 *   for (const { id } of checkDeregistration(service).nodes) await this.#delete(id);
 * }
 * ```
 */
export function checkDeregistration(service: ServiceRecord): ServiceRecord {
  const record = parseRecord(service);
  if (record.name === "") throw new TypeError("Service record has no name");
  if (record.nodes.length === 0) {
    throw new TypeError(`Record of service "${record.name}" has no node: there is nothing to register`);
  }
  for (const node of record.nodes) {
    if (node.id === "") throw new TypeError(`A node of service "${record.name}" has no id`);
  }
  return record;
}
