/**
 * What stands behind a flag: text, a service's name, an address to listen on, a place to be reached at, yes or no, a
 * number, a count (one that is positive), a duration, pairs, one of some words.
 *
 * @module
 */

import { checkServiceName } from "../definition.ts";
import { isHostPort } from "../host_port.ts";
import { ejectionOf, type EjectionPolicy } from "../selector/ejection.ts";
import { parseAddress } from "./address.ts";
import { didYouMean } from "./nearest.ts";
import { UsageError } from "./origins.ts";
import { parseFilters, parseWeights } from "./selector_flags.ts";

/** What a flag's value must be. */
export type FlagKind =
  | "text"
  | "name"
  | "address"
  | "place"
  | "boolean"
  | "number"
  | "count"
  | "positive"
  | "duration"
  | "pairs"
  | "filters"
  | "weights"
  | "ejection"
  | readonly string[];

/** Whether a flag may be given more than once, and a variable has several values with commas between them. */
export function isList(kind: FlagKind): boolean {
  return kind === "pairs" || kind === "filters" || kind === "weights";
}

/** The longest duration, in ms: a timer cannot be set for longer. */
export const MAX_DURATION: number = 2 ** 31 - 1;

/**
 * Reads a value.
 *
 * @param kind What it must be.
 * @param values What was written: one text; for what {@link isList} one or more.
 * @param from Flag, variable or file it comes from, for the error.
 * @throws {UsageError} That names where it comes from, what it must be and the current value.
 *
 * @example
 * ```ts
 * parseValue("duration", ["1m30s"], "--register_ttl"); // 90000
 * ```
 */
export function parseValue(kind: FlagKind, values: readonly string[], from: string): unknown {
  const [value = ""] = values;
  switch (kind) {
    case "text":
      return value;
    case "name":
      return checked(() => checkServiceName(value), { value, from });
    case "address":
      return checked(() => void parseAddress(value, from), { value, from });
    case "place":
      if (!isHostPort(value) || !portOf(value)) {
        throw wrong(from, "host:port, as 10.0.0.1:8080 or [fd00::1]:8080", value);
      }
      if (EVERY_ADDRESS.test(value)) {
        throw wrong(from, "an address that others can call, and not every address of this machine", value);
      }
      return value;
    case "boolean":
      if (value === "true" || value === "1") return true;
      if (value === "false" || value === "0") return false;
      throw wrong(from, "true or false", value);
    case "number":
      // Number("") is 0, and so is Number(" "): neither is what somebody wrote.
      if (value.trim() === "" || !Number.isFinite(Number(value))) throw wrong(from, "a number", value);
      return Number(value);
    case "count":
      if (!/^\d{1,9}$/.test(value)) throw wrong(from, "a whole number from 0", value);
      return Number(value);
    case "positive":
      if (!/^\d{1,9}$/.test(value) || Number(value) === 0) throw wrong(from, "a whole number from 1", value);
      return Number(value);
    case "duration":
      return duration(value, from);
    case "pairs":
      return pairs(values, from);
    case "filters":
      return parseFilters(values, from);
    case "weights":
      return parseWeights(values, from);
    case "ejection":
      return ejection(value, from);
    default:
      if (!kind.includes(value)) {
        throw new UsageError(
          `${from} must be one of ${kind.join(", ")}: current value is ${JSON.stringify(value)}${
            didYouMean(value, kind)
          }`,
        );
      }
      return value;
  }
}

/** What can be listened on, and not called. */
const EVERY_ADDRESS = /^(?:0\.0\.0\.0|\[[0:]+\]):/;

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
const PART = /(\d+(?:\.\d+)?)(ms|s|m|h)/g;

/** Milliseconds of a duration in Go's form, `500ms`, `5s`, `1m30s`; a bare number is seconds. */
function duration(value: string, from: string): number {
  let ms = 0;
  if (/^\d+(?:\.\d+)?$/.test(value)) {
    ms = Number(value) * 1_000;
  } else if (/^(?:\d+(?:\.\d+)?(?:ms|s|m|h))+$/.test(value)) {
    for (const [, amount, unit] of value.matchAll(PART)) ms += Number(amount) * UNITS[unit!]!;
  } else {
    throw wrong(from, "a duration as 500ms, 5s or 1m30s (a bare number is seconds)", value);
  }
  if (ms > MAX_DURATION) throw wrong(from, "a duration of at most 596h", value);
  return ms;
}

/** `off`, or `5:10s:2m`: failures in a row, the first time, the longest. */
function ejection(value: string, from: string): Partial<EjectionPolicy> | false {
  if (value === "off" || value === "false") return false;
  const [failures = "", base, max, ...more] = value.split(":");
  if (!/^\d{1,9}$/.test(failures) || more.length > 0) {
    throw wrong(from, "off, or FAILURES[:TIME[:LONGEST]] as 3:5s:60s", value);
  }
  const policy = {
    consecutiveFailures: Number(failures),
    ...(base === undefined ? {} : { baseTime: duration(base, from) }),
    ...(max === undefined ? {} : { maxTime: duration(max, from) }),
  };
  try {
    ejectionOf(policy);
  } catch (cause) {
    throw new UsageError(`${from}: ${(cause as Error).message}`, { cause });
  }
  return policy;
}

function pairs(values: readonly string[], from: string): Record<string, string> {
  const map = new Map<string, string>();
  for (const value of values) {
    const at = value.indexOf("=");
    if (at < 1) throw wrong(from, "key=value", values.join(","));
    const key = value.slice(0, at).trim();
    const text = value.slice(at + 1);
    const before = map.get(key);
    if (before !== undefined) {
      throw new UsageError(
        `${from} gives ${JSON.stringify(key)} twice: ${JSON.stringify(before)}, then ${JSON.stringify(text)}`,
      );
    }
    map.set(key, text);
  }
  return Object.fromEntries(map);
}

/** The value, if a check that throws TypeErrors has nothing against it. */
function checked(
  check: () => void,
  { value, from }: { readonly value: string; readonly from: string },
): string {
  try {
    check();
    return value;
  } catch (error) {
    const { message } = error as Error;
    throw new UsageError(message.startsWith(from) ? message : `${from}: ${message}`);
  }
}

function portOf(place: string): number | undefined {
  const port = Number(place.slice(place.lastIndexOf(":") + 1));
  return port >= 1 && port <= 65_535 ? port : undefined;
}

function wrong(from: string, what: string, value: string): UsageError {
  return new UsageError(`${from} must be ${what}: current value is ${JSON.stringify(value)}`);
}
