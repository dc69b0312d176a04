/**
 * A service as plain data: what decorators make, what code generation makes, what the server's handler table is
 * built from. And the rules by which names are made.
 *
 * @module
 */

import type { AnySchema } from "./schema.ts";

/** Which side of a call is a stream: neither, the server's, the client's, or both. */
export type Kind = "unary" | "server" | "client" | "bidi";

/** One endpoint of a service. */
export interface EndpointDefinition {
  /** Its name on the wire: `Greeter.Hello`. */
  readonly name: string;
  /** The member of the implementation that serves it: `hello`. */
  readonly member: string;
  /**
   * What it is, where that is known: said by `@Method({ kind })`, or seen in an async generator. `undefined` means
   * that the caller and the handler's return value show it.
   */
  readonly kind?: Kind | undefined;
  /** Schema of the input, or of each item of an input stream. */
  readonly input?: AnySchema | undefined;
  /** Schema of the output, or of each item of an output stream. */
  readonly output?: AnySchema | undefined;
  /** Whether a second run does no more than the first, so that a call may be retried. */
  readonly idempotent: boolean;
  /** Time for a call in ms, if the service says so. */
  readonly timeout?: number | undefined;
  /** For people and tools. */
  readonly description?: string | undefined;
  /** Goes into the record. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

/** One subscription of a service. */
export interface SubscriptionDefinition {
  /** The topic. */
  readonly topic: string;
  /** The member of the implementation that takes its events. */
  readonly member: string;
  /** Schema of an event. */
  readonly input?: AnySchema | undefined;
  /** Group of subscribers of which one gets each event; every node gets it where there is none. */
  readonly queue?: string | undefined;
}

/**
 * A service as plain data. `T` is the implementation's type and exists for the compiler alone.
 *
 * @example
 * ```ts
 * const definition: ServiceDefinition = {
 *   name: "greeter", version: "1.0.0", handler: "Greeter", metadata: {}, forward: [],
 *   endpoints: [{ name: "Greeter.Hello", member: "hello", idempotent: true }],
 *   subscriptions: [],
 * };
 * ```
 */
export interface ServiceDefinition<T = unknown> {
  /** Name under which it is registered and called. */
  readonly name: string;
  /** Version. */
  readonly version: string;
  /** First part of its endpoints' names: `Greeter`. */
  readonly handler: string;
  /** Goes into the record of the service and of its node. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Keys of metadata that flow from an inbound call to the calls its handler makes. */
  readonly forward: readonly string[];
  /** Its endpoints. */
  readonly endpoints: readonly EndpointDefinition[];
  /** Its subscriptions. */
  readonly subscriptions: readonly SubscriptionDefinition[];
  /** Carries the implementation's type; no value is ever there. */
  readonly "~type"?: T;
}

/** The version of a service that names none, as in Go Micro. */
export const DEFAULT_VERSION = "latest";

/** The handler's name that muon keeps for itself. */
export const RESERVED_HANDLER = "Debug";

/**
 * PascalCase as muon means it: split at `-`, `_` and space, raise each part's first letter, leave the rest.
 *
 * @example
 * ```ts
 * pascalCase("getURL"); // "GetURL"
 * pascalCase("v2-list"); // "V2List"
 * ```
 */
export function pascalCase(name: string): string {
  return name.split(/[-_ ]+/).map((part) => part.charAt(0).toUpperCase() + part.slice(1)).join("");
}

/**
 * The handler's name of a service: the PascalCase of its name's last dotted part.
 *
 * @example
 * ```ts
 * handlerOf("acme.user-ledger"); // "UserLedger"
 * ```
 */
export function handlerOf(service: string): string {
  return pascalCase(service.slice(service.lastIndexOf(".") + 1));
}

/**
 * The endpoint's name that a client computes from the two strings it has.
 *
 * @example
 * ```ts
 * endpointOf("greeter", "hello"); // "Greeter.Hello"
 * ```
 */
export function endpointOf(service: string, member: string): string {
  return `${handlerOf(service)}.${pascalCase(member)}`;
}

const SERVICE_NAME = /^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$/;
const HANDLER_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/**
 * Checks a service's name: letters, digits, `.`, `_` and `-`, at most 128 characters.
 *
 * @throws {TypeError} If it is not so; the message names the value.
 */
export function checkServiceName(name: string): void {
  if (typeof name !== "string" || name.length > 128 || !SERVICE_NAME.test(name)) {
    throw new TypeError(
      `Service name must be 1 to 128 letters, digits, ".", "_" or "-", the first and last a letter or digit: ` +
        `current value is ${JSON.stringify(name)}`,
    );
  }
}

/**
 * Checks a handler's name, the part before the dot of an endpoint: a letter or `_`, then letters, digits, `_`.
 *
 * @throws {TypeError} If it is not so, or if it is {@link RESERVED_HANDLER}.
 */
export function checkHandlerName(name: string, service: string): void {
  if (!HANDLER_NAME.test(name)) {
    throw new TypeError(
      `Handler name of service "${service}" must be a letter followed by letters and digits: current value is ` +
        `${JSON.stringify(name)}; give one with @Service("${service}", { handler: "…" })`,
    );
  }
  if (name === RESERVED_HANDLER) {
    throw new TypeError(
      `Handler name "${RESERVED_HANDLER}" is muon's own; give service "${service}" another with ` +
        `@Service("${service}", { handler: "…" })`,
    );
  }
}

// deno-lint-ignore no-control-regex
const TOPIC_NAME = /^[^\s\u0000-\u001f\u007f]{1,255}$/;

/**
 * Checks a topic's name: 1 to 255 characters, none of them white space or a control character.
 *
 * @throws {TypeError} If it is not so; the message names the value.
 */
export function checkTopicName(name: string): void {
  if (typeof name !== "string" || !TOPIC_NAME.test(name)) {
    throw new TypeError(
      `Topic name must be 1 to 255 characters without white space: current value is ${JSON.stringify(name)}`,
    );
  }
}

/**
 * Why options of a subscription or a publication are refused that ask for a durable one, which looks as if the event
 * were safe; `undefined`: they do not. Who writes TypeScript hears of it from the compiler.
 */
export function durableRefusal(options: object): string | undefined {
  if ((options as { readonly durable?: unknown }).durable !== true) return undefined;
  return "durable: true is not to be had: events are kept in memory, and no broker writes them on a disk; leave it out";
}

const METHOD_NAME = /^[A-Za-z][A-Za-z0-9]*$/;

/**
 * Checks a method's name, the part after the dot of an endpoint: a letter, then letters and digits.
 *
 * @throws {TypeError} If it is not so.
 */
export function checkMethodName(name: string, member: string): void {
  if (!METHOD_NAME.test(name)) {
    throw new TypeError(
      `Method name of member "${member}" must be a letter followed by letters and digits: current value is ` +
        `${JSON.stringify(name)}; give one with @Method({ name: "…" })`,
    );
  }
}
