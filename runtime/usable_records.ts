/**
 * The one check of what a registry gives: selectors, the cache and the http broker read no record that has not passed
 * it. muon's own registries check what they read themselves; one that somebody brought may give anything.
 *
 * @module
 */

import { textOf } from "./errors.ts";
import type { Logger } from "./log.ts";
import {
  isObject,
  isRecord,
  parseEndpoint,
  parseNode,
  parseRecord,
  type ServiceRecord,
  shown,
} from "./record.ts";
import type { RecordChange } from "./record_set.ts";

/** What a watch says: all there is, or a change of it. A registry's events are such. */
export type RecordEvent =
  | { readonly type: "sync"; readonly services: readonly ServiceRecord[] }
  | RecordChange;

/** Who gives records, and who is told of those that are left out. */
export interface RecordGiver {
  /** The registry, or what stands behind it. What is wrong with its records is said once for each such object. */
  readonly from: { readonly name: string };
  /** Told what is left out. */
  readonly log: Logger;
}

/** Faults that are remembered of a registry, so as to say each once; with more, all are forgotten. */
const REMEMBERED = 1_000;
const said = new WeakMap<object, Set<string>>();

/**
 * What is of use in an event: `null` stands for an empty list or map, as in Go; a record, a node or an endpoint that
 * cannot be used is left out, and the log says once which field is wrong.
 *
 * @param event What the watch gave.
 * @param service The one service of interest; `undefined`: all.
 * @returns `undefined` if nothing of a change is of use.
 * @throws {TypeError} If it is no event at all.
 */
export function usableEvent(
  event: unknown,
  { service, ...giver }: RecordGiver & { readonly service?: string | undefined },
): RecordEvent | undefined {
  const { type, services, service: changed } = Object(event) as Record<string, unknown>;
  const wanted = (value: unknown) => {
    const name = (value as { name?: unknown } | null)?.name;
    return service === undefined || typeof name !== "string" || name === service;
  };
  switch (type) {
    case "sync": {
      if (services !== null && services !== undefined && !Array.isArray(services)) {
        throw new TypeError(
          `A sync's services must be a list of records: current value is ${shown(services)}`,
        );
      }
      return { type, services: usableRecords((services ?? []).filter(wanted), giver) };
    }
    case "create":
    case "update":
    case "delete": {
      if (!wanted(changed)) return undefined;
      const record = usable(changed, { ...giver, gone: type === "delete" });
      return record === undefined ? undefined : { type, service: record };
    }
  }
  throw new TypeError(
    `An event's type must be sync, create, update or delete: current value of the event is ${shown(event)}`,
  );
}

/** The records that are of use, those that are well-formed as they are. */
export function usableRecords(values: readonly unknown[], giver: RecordGiver): ServiceRecord[] {
  const records: ServiceRecord[] = [];
  for (const value of values) {
    const record = usable(value, { ...giver, gone: false });
    if (record !== undefined) records.push(record);
  }
  return records;
}

/** What is of use in a record. Of nodes that are gone, their ids are enough. */
function usable(
  value: unknown,
  { gone, ...giver }: RecordGiver & { readonly gone: boolean },
): ServiceRecord | undefined {
  if (isRecord(value)) return value;
  const { name, version, metadata, endpoints, nodes } = Object(value) as Partial<Record<string, unknown>>;
  const refuse = (error: unknown, node?: unknown) => say(giver, { name, version, node, error });
  const each = <T>(list: unknown, field: string, read: (item: unknown, at: string) => T): T[] => {
    if (list === null || list === undefined) return [];
    if (!Array.isArray(list)) throw wrong(field, `must be a list: current value is ${shown(list)}`);
    return list.flatMap((item: unknown, i) => {
      try {
        return [read(item, `${field}[${i}]`)];
      } catch (error) {
        refuse(error, field === "nodes" ? (item as { id?: unknown } | null)?.id : undefined);
        return [];
      }
    });
  };
  const node = (item: unknown, at: string) => {
    const read = parseNode(gone ? { address: "-", ...Object(item) } : item, at);
    if (read.id === "") throw wrong(`${at}.id`, "must not be empty");
    if (read.address === "" && !gone) throw wrong(`${at}.address`, "must not be empty");
    return read;
  };
  try {
    const head = parseRecord(isObject(value) ? { name, version, metadata } : value);
    if (head.name === "") throw wrong("name", "must not be empty");
    const record = {
      ...head,
      endpoints: each(endpoints, "endpoints", parseEndpoint),
      nodes: each(nodes, "nodes", node),
    };
    // Without its nodes a change would say something else: a `delete`, that the whole version is gone.
    return record.nodes.length === 0 && (nodes as unknown[] | null)?.length ? undefined : record;
  } catch (error) {
    refuse(error);
    return undefined;
  }
}

function wrong(field: string, what: string): TypeError {
  return new TypeError(`Registry record's ${field} ${what}`);
}

function say(
  { from, log }: RecordGiver,
  { name, version, node, error }: {
    readonly name: unknown;
    readonly version: unknown;
    readonly node: unknown;
    readonly error: unknown;
  },
): void {
  const text = (value: unknown) => typeof value === "string" ? value : undefined;
  const fields = { service: text(name), version: text(version), node: text(node) };
  const why = error instanceof Error ? error.message : textOf(error);
  let faults = said.get(from);
  if (faults === undefined) said.set(from, faults = new Set());
  // The same node may stand at another place the next time.
  const key = JSON.stringify([fields, why.replace(/\[\d+\]/g, "[]")]);
  if (faults.has(key)) return;
  if (faults.size >= REMEMBERED) faults.clear();
  faults.add(key);
  log.warn("what cannot be used of a registry's record is left out", { registry: from.name, ...fields, why });
}
