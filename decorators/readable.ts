/**
 * A service's definition for people: as JSON and in `console.log`.
 *
 * @module
 */

import type { EndpointDefinition, ServiceDefinition, SubscriptionDefinition } from "../runtime/definition.ts";
import type { AnySchema } from "../runtime/schema.ts";

/**
 * Freezes a definition and makes `JSON.stringify` and `console.log`, on Deno, Bun and Node, show the name of its
 * schemas' library where the schemas' insides would stand.
 *
 * @param definition Changed in place: what it gains is not enumerable, and not copied when it is spread.
 *
 * @example
 * ```ts
 * console.log(readable(definition));
 * ```
 */
export function readable<T>(definition: ServiceDefinition<T>): ServiceDefinition<T> {
  for (const endpoint of definition.endpoints) show(endpoint, () => shownEndpoint(endpoint));
  for (const subscription of definition.subscriptions) {
    show(subscription, () => shownSubscription(subscription));
  }
  Object.freeze(definition.endpoints);
  Object.freeze(definition.subscriptions);
  return show(definition, () => ({
    ...definition,
    endpoints: definition.endpoints.map(shownEndpoint),
    subscriptions: definition.subscriptions.map(shownSubscription),
  }));
}

// Source: https://nodejs.org/api/util.html#utilinspectcustom, which Bun has too.
const NODE_INSPECT = Symbol.for("nodejs.util.inspect.custom");
// Source: https://docs.deno.com/api/deno/~/Deno.inspect; it must give a string.
const DENO_INSPECT = Symbol.for("Deno.customInspect");

function show<T extends object>(value: T, shown: () => object): T {
  const inspected = (inspect: (value: object, options: unknown) => string, options: unknown) =>
    inspect(shown(), options);
  Object.defineProperties(value, {
    toJSON: { value: shown },
    [NODE_INSPECT]: { value: shown },
    [DENO_INSPECT]: { value: inspected },
  });
  return Object.freeze(value);
}

function shownEndpoint(endpoint: EndpointDefinition): object {
  return shownSchemas(endpoint, ["input", "output"]);
}

function shownSubscription(subscription: SubscriptionDefinition): object {
  return shownSchemas(subscription, ["input"]);
}

function shownSchemas(value: object, keys: readonly string[]): object {
  const shown: Record<string, unknown> = { ...value };
  for (const key of keys) {
    const schema = shown[key] as AnySchema | undefined;
    if (schema !== undefined) shown[key] = schema["~standard"].vendor;
  }
  return shown;
}
