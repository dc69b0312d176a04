/**
 * Checks what code gives as options: a name that is written wrong, or a part that lacks a method, is a mistake that would
 * otherwise pass unseen, or fail at some call.
 *
 * @module
 */

import { textOf } from "../errors.ts";
import { MAX_DURATION } from "./flag_values.ts";
import { didYouMean } from "./nearest.ts";
import type { ServiceOptions } from "./options.ts";

/** What muon calls of a part that it is given. */
const METHODS = {
  registry: ["register", "deregister", "getService", "listServices", "watch"],
  broker: ["publish", "subscribe"],
  transport: ["speaks", "dial"],
  selector: ["pick"],
} as const;

const HOOKS = ["beforeStart", "afterStart", "beforeStop", "afterStop"] as const;

/**
 * Checks the names of options, and the parts among them.
 *
 * @param options As code gave them.
 * @param known `of`: whose they are, for the error. `names`: a record with every option as a key.
 * @throws {TypeError} That names the option, and what there is or what is missing.
 *
 * @example
 * ```ts
 * checkOptions({ regstry: "file" }, { of: "connect", names: MESH_OPTIONS }); // throws
 * ```
 */
export function checkOptions(
  options: object,
  known: { readonly of: string; readonly names: Readonly<Record<string, true>> },
): void {
  const names = Object.keys(known.names);
  for (const name of Object.keys(options)) {
    if (Object.hasOwn(known.names, name)) continue;
    throw new TypeError(
      `Unknown option "${name}" of ${known.of}; there are ${names.join(", ")}${didYouMean(name, names)}`,
    );
  }
  const parts = options as Readonly<Record<string, unknown>>;
  for (const [name, methods] of Object.entries(METHODS)) {
    const part = parts[name];
    if (part === undefined || typeof part === "string") continue;
    if (typeof part !== "object" || part === null) {
      throw new TypeError(`Option "${name}" must be a name or an object: current value is ${textOf(part)}`);
    }
    for (const method of methods) {
      if (typeof (part as Readonly<Record<string, unknown>>)[method] === "function") continue;
      throw new TypeError(
        `The ${name} that is given has no method "${method}"; it must have ${methods.join(", ")}`,
      );
    }
  }
}

/**
 * Checks the values of a service's options that would otherwise be found wrong when it stops, or not at all.
 *
 * @throws {RangeError} That names the option, if a time is out of range.
 * @throws {TypeError} That names the option, if a hook is no function.
 */
export function checkServiceOptions({ stopTimeout = 0, ...options }: ServiceOptions): void {
  if (!(stopTimeout >= 0 && stopTimeout <= MAX_DURATION)) {
    throw new RangeError(
      `stopTimeout must be from 0 to ${MAX_DURATION} ms: current value is ${stopTimeout}`,
    );
  }
  for (const name of HOOKS) {
    const given: unknown = options[name] ?? [];
    for (const hook of Array.isArray(given) ? given : [given]) {
      if (typeof hook === "function") continue;
      throw new TypeError(
        `${name} must be a function, or an array of them: current value is ${textOf(hook)}`,
      );
    }
  }
}
