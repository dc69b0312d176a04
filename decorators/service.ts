/**
 * `@Service`: a class is a service.
 *
 * @module
 */

import { isStandard, notesOfClass, notesOfContext } from "./bag.ts";
import type { ServiceDecorator } from "./types.ts";

/** Options of {@link Service}. */
export interface ServiceOptions {
  /** Version. @default {"latest"} */
  readonly version?: string;
  /** Notes that go into the records of the service and of its node. @default {none} */
  readonly metadata?: Readonly<Record<string, string>>;
  /**
   * First part of its endpoints' names, made PascalCase. Callers by type alone compute it from the service's name,
   * so say another only for callers that know it. @default {the PascalCase of the name's last dotted part}
   */
  readonly handler?: string;
  /** Keys of metadata that flow from an inbound call to the calls its handler makes. @default {none} */
  readonly forward?: readonly string[];
}

/**
 * Makes a class a service. What is wrong with it is told when it is scanned, at start, all at once.
 *
 * A subclass without `@Service` is its base's service; one with it is a service of its own, with the endpoints of
 * its base beside its own, and takes none of its base's options.
 *
 * @param name Name under which it is registered and called: `greeter`, `acme.user-ledger`.
 * @param options See {@link ServiceOptions}.
 * @throws {TypeError} If it stands anywhere but at a class, or without a name.
 *
 * @example
 * ```ts
 * @Service("greeter", { version: "1.0.0", metadata: { type: "helloworld" } })
 * class Greeter {
 *   @Method({ input: HelloRequest, output: HelloReply })
 *   hello({ name }: { name: string }) {
 *     return { greeting: `Hello ${name}` };
 *   }
 * }
 * ```
 */
export function Service(name: string, options: ServiceOptions = {}): ServiceDecorator {
  if (typeof name === "function") {
    throw new TypeError(
      `@Service at class "${(name as { name: string }).name}" must say the service's name: ` +
        `write @Service("name")`,
    );
  }
  const { version, metadata, handler, forward } = options;
  return (...args: unknown[]): void => {
    const [target, context] = args;
    const standard = isStandard(context);
    if (typeof target !== "function" || (standard ? context.kind !== "class" : context !== undefined)) {
      const member = String(standard ? context.name : context);
      throw new TypeError(
        `@Service("${name}") stands at member "${member}": it belongs at the class; a method takes @Method()`,
      );
    }
    const notes = standard ? notesOfContext(context) : notesOfClass(target);
    notes.services.push({ name, version, metadata, handler, forward });
  };
}
