/**
 * The handler table: what a server looks a call up in. Built when a service is added, read at every call.
 *
 * @module
 */

import { type Handler, intercept, type Interceptor, type Invocation } from "../interceptor.ts";
import type { EndpointDefinition, ServiceDefinition } from "../definition.ts";
import { isPromise, isStream } from "../eventual.ts";
import { Items } from "../items.ts";
import { validate } from "../schema.ts";
import type { Context } from "../context.ts";
import { Latency } from "./latency.ts";
import { streamInput } from "./stream_input.ts";

/** Counts of one endpoint. */
export interface EndpointStats {
  /** Calls that came. */
  requests: number;
  /** Calls that ended with an error, those that were canceled included. */
  errors: number;
  /** Calls whose caller gave up before their end. */
  canceled: number;
  /** Calls that are not over. */
  inflight: number;
  /** How long those took that are over. */
  readonly latency: Latency;
}

/** Counts that begin at nothing. */
export function newStats(): EndpointStats {
  return { requests: 0, errors: 0, canceled: 0, inflight: 0, latency: new Latency() };
}

/** One endpoint, ready to be called. */
export interface TableEntry {
  /** Its definition. */
  readonly definition: EndpointDefinition;
  /** Service it belongs to. */
  readonly service: ServiceDefinition;
  /** Interceptors, validation and the handler itself, as one function. */
  readonly handle: Handler;
  /** What it was called for so far. */
  readonly stats: EndpointStats;
}

/** The endpoints of one service. */
export interface ServiceEntry {
  /** Its definition. */
  readonly definition: ServiceDefinition;
  /** Its endpoints by name, `Debug` ones included. */
  readonly endpoints: ReadonlyMap<string, TableEntry>;
}

/**
 * Builds the table of one service.
 *
 * @param definition What can be called.
 * @param implementation The object whose members serve it.
 * @param options `interceptors` that stand around every handler, outermost first.
 * @throws {TypeError} If a member is missing or no function.
 *
 * @example
 * ```ts
 * serviceEntry(definition, { hello: ({ name }) => ({ greeting: `Hello ${name}` }) });
 * ```
 */
export function serviceEntry(
  definition: ServiceDefinition,
  implementation: object,
  options: { readonly interceptors?: readonly Interceptor[] } = {},
): ServiceEntry {
  const endpoints = new Map<string, TableEntry>();
  for (const endpoint of definition.endpoints) {
    const method = memberOf(definition, implementation, endpoint.member);
    endpoints.set(endpoint.name, {
      definition: endpoint,
      service: definition,
      handle: intercept(options.interceptors ?? [], checked(endpoint, method)),
      stats: newStats(),
    });
  }
  return { definition, endpoints };
}

/**
 * The member of an implementation that a definition names, bound to it.
 *
 * @throws {TypeError} If it is missing or no function.
 */
export function memberOf(
  definition: ServiceDefinition,
  implementation: object,
  member: string,
): (input: unknown, context: Context) => unknown {
  const method = (implementation as Record<string, unknown>)[member];
  if (typeof method !== "function") {
    throw new TypeError(
      `Cannot serve "${definition.name}": its definition names the member "${member}", and the implementation has ` +
        `${method === undefined ? "none of that name" : `a ${typeof method} there`}`,
    );
  }
  return method.bind(implementation);
}

/** The handler with its schemas around it: input and items in, output and items out. */
function checked(
  endpoint: EndpointDefinition,
  method: (input: unknown, context: Context) => unknown,
): Handler {
  const { input, output } = endpoint;
  const inputName = `input of ${endpoint.name}`;
  const outputName = `output of ${endpoint.name}`;
  const takesStream = endpoint.kind === "client" || endpoint.kind === "bidi";

  const checkOutput = output === undefined ? identity : (value: unknown): unknown => {
    if (isStream(value)) return eachOutput(value);
    return validate(output, value, outputName, "internal");
  };
  const eachOutput = (items: AsyncIterable<unknown>) =>
    new Items(items, (item) => validate(output!, item, outputName, "internal"));

  const run = (value: unknown, context: Context): unknown => {
    const result = method(value, context);
    return isPromise(result) ? result.then(checkOutput) : checkOutput(result);
  };

  if (input === undefined) return (invocation) => run(invocation.input, invocation.context!);
  return (invocation: Invocation) => {
    const context = invocation.context!;
    if (isStream(invocation.input)) {
      const items = new Items(invocation.input, (item) => validate(input, item, inputName));
      return run(takesStream ? items : streamInput(items, endpoint.name), context);
    }
    const value = validate(input, invocation.input, inputName);
    return isPromise(value) ? value.then((parsed) => run(parsed, context)) : run(value, context);
  };
}

function identity(value: unknown): unknown {
  return value;
}
