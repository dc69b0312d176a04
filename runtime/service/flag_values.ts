/**
 * What stands behind a flag: text, yes or no, a number, a duration, pairs, one of some words.
 *
 * @module
 */

import { ejectionOf, type EjectionPolicy } from "../selector/ejection.ts";
import { didYouMean } from "./nearest.ts";
import { parseFilters, parseWeights } from "./selector_flags.ts";

/** What a flag's value must be. */
export type FlagKind =
  | "text"
  | "boolean"
  | "number"
  | "count"
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
 * @throws {TypeError} That names where it comes from, what it must be and the current value.
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
        throw new TypeError(
          `${from} must be one of ${kind.join(", ")}: current value is ${JSON.stringify(value)}${
            didYouMean(value, kind)
          }`,
        );
      }
      return value;
  }
}

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
    throw new TypeError(`${from}: ${(cause as Error).message}`, { cause });
  }
  return policy;
}

function pairs(values: readonly string[], from: string): Record<string, string> {
  const map = new Map<string, string>();
  for (const value of values) {
    const at = value.indexOf("=");
    if (at < 1) throw wrong(from, "key=value", value);
    map.set(value.slice(0, at).trim(), value.slice(at + 1));
  }
  return Object.fromEntries(map);
}

function wrong(from: string, what: string, value: string): TypeError {
  return new TypeError(`${from} must be ${what}: current value is ${JSON.stringify(value)}`);
}
