/**
 * A service on the edge: it has no port and no process of its own. Requests are handed in, and nothing but the handler
 * table outlives one, because a runtime as workerd ends timers and connections with the request that made them.
 *
 * @module
 */

import type { Broker } from "../broker/broker.ts";
import type { CallOptions, Client, PublishOptions, Receipt, UntypedCall } from "../call.ts";
import type { Codecs } from "../codec/codecs.ts";
import type { Topic } from "../context.ts";
import type { ServiceDefinition } from "../definition.ts";
import { uuid } from "../entropy.ts";
import type { Peer, RequestHead } from "../host.ts";
import type { Handler, Interceptor } from "../interceptor.ts";
import type { Logger } from "../log.ts";
import { failed, Mounts, nobody, toResponse } from "../mounts.ts";
import type { System } from "../platform.ts";
import type { ServiceRecord } from "../record.ts";
import type { Registry } from "../registry/registry.ts";
import type { Strategy } from "../selector/selector.ts";
import { createServer } from "../server/server.ts";
import type { Outgoing, Parent } from "../server/server_call.ts";
import { isPromise, isStream } from "../eventual.ts";
import type { Transport } from "../transport/transport.ts";
import { checkOptions } from "./check_options.ts";
import type { Components } from "./components.ts";
import { NOTHING_SERVED, servesNothing } from "./handled.ts";
import { MeshCore } from "./mesh.ts";
import type { MeshOptions } from "./options.ts";
import { recordOf } from "./records.ts";

/** Options of `edge`: those of a service that make sense without a port. */
export interface EdgeOptions extends
  Pick<
    MeshOptions,
    | "filters"
    | "policy"
    | "limits"
    | "contentType"
    | "codecs"
    | "callInterceptors"
    | "attemptInterceptors"
    | "onUnobservedError"
    | "log"
    | "system"
  > {
  /**
   * Finds the services that handlers call, and is told of this one if `advertise` says where it is reached. It must
   * work on the edge, by `fetch` for instance.
   *
   * @default {none: handlers call by the option `address` alone}
   */
  readonly registry?: Registry;
  /** Takes the events that handlers publish. @default {"http": to the subscribers that the registry knows} */
  readonly broker?: Broker;
  /** `random`, `roundrobin`, `leastconn`, or a strategy. @default {"random"} */
  readonly selector?: string | Strategy;
  /** URL under which others reach this service, as `https://greeter.example.com`. @default {none: it is not registered} */
  readonly advertise?: string;
  /** Id of the node in the registry. @default {the advertised host, so that all isolates are one node} */
  readonly id?: string;
  /** Notes in the node's record. @default {{}} */
  readonly metadata?: Readonly<Record<string, string>>;
  /**
   * How long the record lives unless it is renewed, in ms. It is renewed by the first request after half of that, and
   * by `scheduled`.
   *
   * @default {86_400_000}
   */
  readonly registerTtl?: number;
  /**
   * Origins whose pages may call from a browser, as `https://app.example`; others are answered 403. What is no browser
   * tells no origin.
   *
   * @default {[]}
   */
  readonly origins?: readonly string[];
  /** Stand around each handler. @default {[]} */
  readonly interceptors?: readonly Interceptor[];
}

/** Every option of the edge. */
const EDGE_OPTIONS: Readonly<Record<keyof EdgeOptions, true>> = {
  registry: true,
  broker: true,
  selector: true,
  advertise: true,
  id: true,
  metadata: true,
  registerTtl: true,
  origins: true,
  interceptors: true,
  filters: true,
  policy: true,
  limits: true,
  contentType: true,
  codecs: true,
  callInterceptors: true,
  attemptInterceptors: true,
  onUnobservedError: true,
  log: true,
  system: true,
};

/** What lives as long as the isolate. */
export interface EdgeParts {
  /** Time, chance and the machine. */
  readonly system: System;
  /** Log. */
  readonly log: Logger;
  /** What is spoken. */
  readonly transports: readonly Transport[];
  /** Ways of writing. */
  readonly codecs: Codecs;
}

/** Makes the parts of a service on the edge. */
export interface EdgeAssembler {
  /** What lives as long as the isolate. */
  parts(options: EdgeOptions): EdgeParts;
  /** What a request's own calls are made with. */
  assemble(options: EdgeOptions, parts: EdgeParts): Components;
  /** A class or instance, as a definition and the object that serves it. */
  scan(target: object): { readonly definition: ServiceDefinition; readonly implementation: object };
}

/** A request, and what is known beside it. */
export interface EdgeRequest {
  /** The request. */
  readonly request: Request;
  /** Its head. */
  readonly head: RequestHead;
  /** Who sent it. */
  readonly peer: Peer;
  /** Keeps the isolate until a promise is settled. */
  waitUntil(promise: Promise<unknown>): void;
}

/** How long until a failed registration is tried again, at the next request, in ms. */
const RETRY = 1_000;
const REGISTER_TTL = 86_400_000;

/** Serves what is handed in. */
export class EdgeCore {
  readonly #parts: EdgeParts;
  readonly #options: EdgeOptions;
  readonly #mounts = new Mounts({ raw: false });
  readonly #records: readonly ServiceRecord[];
  #due = -Infinity;

  /**
   * @param assembler Makes the parts.
   * @param what `services` as scanned; `options` of the user.
   * @throws {TypeError} If `advertise` is no URL, an option is unknown, or a part that is given lacks a method.
   */
  constructor(
    assembler: EdgeAssembler,
    what: { readonly services: readonly ReturnType<EdgeAssembler["scan"]>[]; readonly options: EdgeOptions },
  ) {
    const { services, options } = what;
    checkOptions(options, { of: "edge", names: EDGE_OPTIONS });
    const parts = assembler.parts(options);
    const { clock, entropy } = parts.system;
    this.#parts = parts;
    this.#options = options;
    const outgoing = new MeshOfEachCall(() => new MeshCore(assembler.assemble(options, parts), options));
    const place = placeOf(options.advertise);
    const node = options.id ?? place?.address ?? uuid(entropy);
    const started = clock.wall();
    const server = createServer({
      clock,
      codecs: parts.codecs,
      outgoing,
      log: parts.log,
      interceptors: [outgoing.interceptor, ...options.interceptors ?? []],
      debug: {
        node,
        started,
        now: () => clock.wall(),
        health: () => "ok",
        registryAway: () => options.registry?.away ?? 0,
      },
    });
    for (const { definition, implementation } of services) {
      server.handle(definition, implementation);
      if (servesNothing(definition)) parts.log.warn(NOTHING_SERVED, { service: definition.name });
      for (const { topic } of definition.subscriptions) {
        parts.log.warn("the edge takes no events: handle them in a service that has a process", {
          service: definition.name,
          topic,
        });
      }
    }
    const spoken: string[] = [];
    for (const transport of parts.transports) {
      const protocol = transport.protocol?.(server.accept);
      if (protocol === undefined) continue;
      this.#mounts.mount(protocol);
      spoken.push(protocol.name);
    }
    this.#records = place === undefined
      ? []
      : services.map(({ definition }) =>
        recordOf({ ...definition, subscriptions: [] }, {
          id: node,
          address: place.address,
          metadata: {
            ...options.metadata,
            registry: options.registry?.name ?? "",
            server: "muon",
            transport: parts.transports[0]?.name ?? "",
            muon: spoken.join(","),
            secure: String(place.secure),
          },
        })
      );
  }

  /** Answers a request. */
  async answer({ request, head, peer, waitUntil }: EdgeRequest): Promise<Response> {
    if (this.#parts.system.clock.now() >= this.#due) waitUntil(this.register());
    const protocol = this.#mounts.http(head);
    if (protocol === undefined) return toResponse(nobody(head));
    try {
      return await protocol.fetch(request, peer);
    } catch (error) {
      this.#parts.log.error("protocol failed", { protocol: protocol.name, path: head.path, error });
      return toResponse(failed(head, protocol));
    }
  }

  /** Registers, or renews, if there is a registry and an address to tell it. What fails is logged, and tried again. */
  async register(): Promise<void> {
    const { registry, registerTtl: ttl = REGISTER_TTL } = this.#options;
    const { clock } = this.#parts.system;
    // Before it is done: requests that come meanwhile need not do it too.
    this.#due = clock.now() + ttl / 2;
    if (registry === undefined) return;
    try {
      await Promise.all(this.#records.map((record) => registry.register(record, { ttl })));
    } catch (error) {
      this.#due = clock.now() + RETRY;
      this.#parts.log.warn("cannot register; the next request will try again", {
        registry: registry.name,
        error,
      });
    }
  }
}

/**
 * A mesh for each call that is handled and makes calls itself: made when the handler first wants it, closed when the
 * handler is done, a stream of answers included.
 */
class MeshOfEachCall implements Outgoing {
  readonly #make: () => MeshCore;
  readonly #of = new WeakMap<object, MeshCore>();

  constructor(make: () => MeshCore) {
    this.#make = make;
  }

  /** To stand outermost around every handler. */
  readonly interceptor: Interceptor = (next: Handler): Handler => (invocation) => {
    const done = () => this.#close(invocation.context!);
    const settled = (output: unknown) => {
      if (isStream(output)) return untilEnded(output, done);
      done();
      return output;
    };
    const failed = (error: unknown) => {
      done();
      throw error;
    };
    let output: unknown;
    try {
      output = next(invocation);
    } catch (error) {
      failed(error);
    }
    return isPromise(output) ? output.then(settled, failed) : settled(output);
  };

  client<T>(service: string | ServiceDefinition<T>, parent: Parent): Client<T> {
    return this.#mesh(parent).client<T>(service, parent);
  }

  callFrom<T>(parent: Parent, call: {
    readonly service: string;
    readonly endpoint: string;
    readonly input: unknown;
    readonly options: CallOptions | undefined;
  }): UntypedCall<T> {
    return this.#mesh(parent).callFrom<T>(parent, call);
  }

  publish(
    topic: string | Topic,
    event: unknown,
    options: PublishOptions & { parent: Parent },
  ): Promise<Receipt> {
    return this.#mesh(options.parent).publish(topic, event, options);
  }

  /** A handler's context is the parent of the calls it makes. */
  #mesh(context: object): MeshCore {
    let mesh = this.#of.get(context);
    if (mesh === undefined) {
      mesh = this.#make();
      this.#of.set(context, mesh);
    }
    return mesh;
  }

  #close(context: object): void {
    const mesh = this.#of.get(context);
    this.#of.delete(context);
    void mesh?.[Symbol.asyncDispose]();
  }
}

async function* untilEnded(items: AsyncIterable<unknown>, done: () => void): AsyncGenerator<unknown, void> {
  try {
    yield* items;
  } finally {
    done();
  }
}

/** What a record says of a URL: `host:port`, and whether it is reached over TLS. */
function placeOf(
  advertise: string | undefined,
): { readonly address: string; readonly secure: boolean } | undefined {
  if (advertise === undefined) return undefined;
  const url = URL.canParse(advertise) ? new URL(advertise) : undefined;
  if ((url?.protocol !== "https:" && url?.protocol !== "http:") || url.pathname !== "/") {
    throw new TypeError(
      `advertise must be the URL of a host, as https://greeter.example.com: current value is ${
        JSON.stringify(advertise)
      }`,
    );
  }
  const secure = url.protocol === "https:";
  return { address: `${url.hostname}:${url.port || (secure ? 443 : 80)}`, secure };
}
