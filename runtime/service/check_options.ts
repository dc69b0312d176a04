/**
 * Checks what code gives as options: a name that is written wrong, or a part that lacks a method, is a mistake that would
 * otherwise pass unseen, or fail at some call.
 *
 * @module
 */

import { didYouMean } from "./nearest.ts";

/** What muon calls of a part that it is given. */
const METHODS = {
  registry: ["register", "deregister", "getService", "listServices", "watch"],
  broker: ["publish", "subscribe"],
  transport: ["speaks", "dial"],
  selector: ["pick"],
} as const;

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
      throw new TypeError(`Option "${name}" must be a name or an object: current value is ${String(part)}`);
    }
    for (const method of methods) {
      if (typeof (part as Readonly<Record<string, unknown>>)[method] === "function") continue;
      throw new TypeError(
        `The ${name} that is given has no method "${method}"; it must have ${methods.join(", ")}`,
      );
    }
  }
}
