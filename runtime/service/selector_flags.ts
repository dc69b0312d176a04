/**
 * Filters and weights as `--selector_filter` and `--selector_weight` write them.
 *
 * @module
 */

import { byAddress, byEndpoint, byLabel, byVersion } from "../selector/filters.ts";
import type { Filter, Weight } from "../selector/selector.ts";
import { byLabelWeight, byOwnWeight } from "../selector/weights.ts";
import { UsageError } from "./origins.ts";

const FILTERS = "version=V, label:KEY=VALUE, address=HOST[:PORT], endpoint or endpoint=NAME";
const WEIGHTS = "label:KEY=VALUE:SHARE, own or own=KEY";
const WEIGHT = /^(?<label>.+):(?<share>\d+(?:\.\d+)?)$/;

/**
 * Reads filters. A node must pass all; addresses are one filter, which keeps a node at any of them.
 *
 * @param values `version=1.0.0`, `label:zone=eu-1`, `address=10.0.0.1` (with or without a port), `endpoint` (the one that
 * is called) or `endpoint=Greeter.Hello`.
 * @param from Flag, variable or file they come from, for the error.
 * @throws {UsageError} That names where it comes from, what there is and the current value.
 *
 * @example
 * ```ts
 * parseFilters(["version=1.0.0", "label:zone=eu-1"], "--selector_filter");
 * ```
 */
export function parseFilters(values: readonly string[], from: string): Filter[] {
  const filters: Filter[] = [];
  const addresses: string[] = [];
  for (const value of values) {
    const { what, key, is } = split(value);
    if (what === "version" && is) filters.push(byVersion(is));
    else if (what === "label" && key && is !== undefined) filters.push(byLabel(key, is));
    else if (what === "address" && is) addresses.push(is);
    else if (what === "endpoint" && is !== "") filters.push(byEndpoint(is));
    else throw wrong(from, FILTERS, value);
  }
  if (addresses.length > 0) filters.push(byAddress(...addresses));
  return filters;
}

/**
 * Reads weights. Shares of one label are one weight; several weights are multiplied.
 *
 * @param values `label:zone=eu-1:9`, `own` (the number in the node's metadata `weight`) or `own=KEY`.
 * @param from Flag, variable or file they come from, for the error.
 * @throws {UsageError} That names where it comes from, what there is and the current value.
 *
 * @example
 * ```ts
 * parseWeights(["label:zone=eu-1:9", "own"], "--selector_weight");
 * ```
 */
export function parseWeights(values: readonly string[], from: string): Weight[] {
  const weights: Weight[] = [];
  const labels = new Map<string, Map<string, number>>();
  for (const value of values) {
    const { what, key, is } = split(value);
    const share = is === undefined ? null : WEIGHT.exec(is);
    if (what === "own" && is !== "") {
      weights.push(byOwnWeight(is));
    } else if (what === "label" && key && share !== null) {
      const shares = labels.get(key) ?? new Map<string, number>();
      labels.set(key, shares.set(share.groups!.label!, Number(share.groups!.share)));
    } else {
      throw wrong(from, WEIGHTS, value);
    }
  }
  for (const [key, shares] of labels) weights.push(byLabelWeight(key, Object.fromEntries(shares)));
  return weights;
}

/** The parts of `label:zone=eu-1`, `version=1.0.0`, `own`; `what` is empty where a key stands without a label. */
function split(value: string): { what: string; key?: string | undefined; is?: string | undefined } {
  const equals = value.indexOf("=");
  const left = (equals < 0 ? value : value.slice(0, equals)).trim();
  const is = equals < 0 ? undefined : value.slice(equals + 1).trim();
  if (left.startsWith("label:")) return { what: "label", key: left.slice("label:".length), is };
  return { what: left === "label" ? "" : left, is };
}

function wrong(from: string, what: string, value: string): UsageError {
  return new UsageError(`${from} must be ${what}: current value is ${JSON.stringify(value)}`);
}
