/**
 * What is called: from the strings a client has to the endpoint's name on the wire.
 *
 * @module
 */

import type { CallOptions } from "../call.ts";
import { endpointOf, type Kind, type ServiceDefinition } from "../definition.ts";
import type { Where } from "../errors.ts";
import type { PickContext } from "../filter.ts";
import { Metadata, type MetadataInit } from "../metadata.ts";
import type { Node, ServiceRecord } from "../record.ts";
import type { CallHead } from "../transport/transport.ts";

/** An endpoint as a call needs it. */
export interface Route {
  /** Its name on the wire. */
  readonly endpoint: string;
  /** Whether it may be run twice. */
  readonly idempotent: boolean;
  /** Which side streams, where that is known. */
  readonly kind: Kind | undefined;
  /** Time for a call in ms, if the definition says so. */
  readonly timeout: number | undefined;
}

/**
 * An endpoint that a client calls, by the member's name or by the endpoint's. A type-only client knows two strings,
 * the service and the member; an overridden name, and whether the endpoint is idempotent, stand in the record.
 */
export class Target {
  /** Service that is called. */
  readonly service: string;
  /** The endpoint's name as far as it can be told without the record. */
  readonly endpoint: string;
  /** What a pick is told where a call has no options of its own. */
  readonly pick: PickContext;
  readonly #member: string | undefined;
  readonly #known: Route | undefined;
  readonly #routes = new WeakMap<ServiceRecord, Route>();
  #record: ServiceRecord | undefined;
  #route: Route | undefined;
  #head: CallHead | undefined;
  #metadata: Metadata | undefined;

  /** @param what The service with a `member`, or with the `endpoint`'s own name; a definition, where there is one. */
  constructor(
    what: {
      readonly service: string;
      readonly member?: string;
      readonly endpoint?: string;
      readonly definition?: ServiceDefinition;
    },
  ) {
    this.service = what.service;
    this.#member = what.member;
    const defined = what.definition?.endpoints.find((endpoint) =>
      what.member === undefined ? endpoint.name === what.endpoint : endpoint.member === what.member
    );
    this.endpoint = defined?.name ?? what.endpoint ?? endpointOf(what.service, what.member ?? "");
    if (defined !== undefined) {
      this.#known = {
        endpoint: defined.name,
        idempotent: defined.idempotent,
        kind: defined.kind,
        timeout: defined.timeout,
      };
    }
    this.pick = { service: this.service, endpoint: this.endpoint, filters: [], tried: [] };
  }

  /** The endpoint as the record of the picked node tells it. */
  route(record: ServiceRecord | undefined): Route {
    if (this.#known !== undefined) return this.#known;
    if (record === undefined) return this.#computed();
    if (record === this.#record) return this.#route!;
    let route = this.#routes.get(record);
    if (route === undefined) {
      route = this.#lookUp(record);
      this.#routes.set(record, route);
    }
    this.#record = record;
    return this.#route = route;
  }

  /** Metadata of what a caller gave; the same object again where it is the same. */
  metadata(init: MetadataInit): Metadata {
    return this.#metadata = Metadata.from(init, this.#metadata);
  }

  /** The head of a call; the same object again where it is the same. */
  head(
    route: Route,
    { contentType, timeout, metadata }: Pick<CallHead, "contentType" | "timeout" | "metadata">,
  ): CallHead {
    const head = this.#head;
    if (
      head !== undefined && head.endpoint === route.endpoint && head.timeout === timeout &&
      head.metadata === metadata &&
      head.contentType === contentType && head.idempotent === route.idempotent && head.kind === route.kind
    ) {
      return head;
    }
    return this.#head = {
      service: this.service,
      endpoint: route.endpoint,
      metadata,
      contentType,
      timeout,
      idempotent: route.idempotent,
      kind: route.kind,
    };
  }

  #lookUp(record: ServiceRecord): Route {
    const { endpoints } = record;
    // Records of others, Go Micro's among them, know no members: there the name that is computed is looked up.
    const found =
      (this.#member === undefined
        ? undefined
        : endpoints.find(({ metadata }) => metadata.member === this.#member)) ??
        endpoints.find(({ name }) => name === this.endpoint);
    if (found === undefined) return this.#computed();
    const { kind, stream, idempotent, timeout } = found.metadata;
    return {
      endpoint: found.name,
      idempotent: idempotent === "true",
      // Go Micro says no more of an endpoint than that it streams, and its streams go both ways.
      kind: isKind(kind) ? kind : stream === "true" ? "bidi" : undefined,
      timeout: timeout === undefined || !(Number(timeout) > 0) ? undefined : Number(timeout),
    };
  }

  #computed(): Route {
    return { endpoint: this.endpoint, idempotent: false, kind: undefined, timeout: undefined };
  }
}

function isKind(kind: string | undefined): kind is Kind {
  return kind === "unary" || kind === "server" || kind === "client" || kind === "bidi";
}

/**
 * Checks a call's options: an unknown one, or one of the wrong type, is a mistake that would otherwise pass unseen.
 *
 * @throws {TypeError | RangeError} That names the option and its value.
 */
export function checkOptions(options: CallOptions): void {
  for (const key of Object.keys(options)) {
    if (!OPTIONS.has(key)) {
      throw new TypeError(`Unknown call option "${key}"; there are ${[...OPTIONS].join(", ")}`);
    }
  }
  const { timeout, retries, strategy, ejection } = options;
  if (timeout !== undefined && !(typeof timeout === "number" && timeout > 0)) {
    throw new RangeError(`Call option "timeout" must be a number of ms above 0: current value is ${timeout}`);
  }
  if (retries !== undefined && !(Number.isInteger(retries) && retries >= 0)) {
    throw new RangeError(`Call option "retries" must be a whole number from 0: current value is ${retries}`);
  }
  if (strategy !== undefined && typeof strategy !== "string" && typeof strategy?.pick !== "function") {
    throw new TypeError(`Call option "strategy" must be a name or a strategy: current value is ${strategy}`);
  }
  if (ejection !== undefined && ejection !== false) {
    throw new TypeError(
      `Call option "ejection" must be false, when nodes are left out is an option of the mesh: current value is ${
        JSON.stringify(ejection)
      }`,
    );
  }
}

/** Every option there is, so that the compiler misses one that is not in the list. */
const EVERY: Readonly<Record<keyof CallOptions, true>> = {
  timeout: true,
  signal: true,
  metadata: true,
  retries: true,
  address: true,
  filters: true,
  weights: true,
  strategy: true,
  ejection: true,
  explain: true,
  contentType: true,
  transport: true,
};
const OPTIONS: ReadonlySet<string> = new Set(Object.keys(EVERY));

/** Where an error of a call to a target happened. */
export function whereOf(target: Target, node?: Node): Where {
  return {
    service: target.service,
    endpoint: target.endpoint,
    ...(node === undefined ? {} : { node: node.id, address: node.address }),
  };
}
