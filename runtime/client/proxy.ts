/**
 * The typed client: an object whose members are the service's methods.
 *
 * @module
 */

import type { CallOptions, Client } from "../call.ts";
import type { ServiceDefinition } from "../definition.ts";
import type { Target } from "./target.ts";

/** What a typed client is made over. */
export interface ProxyOptions {
  /** The endpoint behind a member. */
  target(service: string, member: string, definition: ServiceDefinition | undefined): Target;
  /** Makes a call. */
  call(target: Target, input: unknown, options: CallOptions | undefined): unknown;
}

/**
 * A client of a service. The Proxy stands on its prototype: at a member's first use the method becomes an own
 * property, and later calls never meet the Proxy. The client is not thenable: `then`, `toJSON` and symbols are
 * `undefined`, so that it may be awaited, printed and compared.
 *
 * @param service Name of the service, or its definition.
 * @param options Makes the calls.
 *
 * @example
 * ```ts
 * const greeter = createProxy<Greeter>("greeter", { target, call });
 * await greeter.hello({ name: "John" });
 * ```
 */
export function createProxy<T>(service: string | ServiceDefinition<T>, options: ProxyOptions): Client<T> {
  const name = typeof service === "string" ? service : service.name;
  const definition = typeof service === "string" ? undefined : service;
  const lookup = new Proxy(Object.create(null) as object, {
    get(_target, member, receiver) {
      if (
        typeof member === "symbol" || member === "then" || member === "toJSON" || member === "constructor"
      ) {
        return undefined;
      }
      const target = options.target(name, member, definition);
      const method = (input?: unknown, callOptions?: CallOptions) => options.call(target, input, callOptions);
      Object.defineProperty(receiver, member, { value: method });
      return method;
    },
    has: () => false,
  });
  return Object.create(lookup) as Client<T>;
}
