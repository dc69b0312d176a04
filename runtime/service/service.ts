/**
 * Service: server, client, registry and broker in one, with a beginning and an end.
 *
 * @module
 */

import type { DeadLetters } from "../broker/broker.ts";
import type { Context, Topic } from "../context.ts";
import type { ServiceDefinition } from "../definition.ts";
import type { AnySchema, StandardSchemaV1 } from "../schema.ts";
import type { Mesh } from "./mesh.ts";
import type { Routes } from "./routes.ts";

/** Options of {@link Service.subscribe}. */
export interface SubscribeToOptions {
  /** Group of subscribers of which one gets each event. @default {none: every node gets it} */
  readonly queue?: string;
  /** Schema of an event, for a topic given by its name. */
  readonly input?: AnySchema;
}

/** A service: serves handlers, takes events, calls and publishes. */
export interface Service extends Mesh {
  /** Serves a decorated class or an instance of one. */
  handle(service: object): this;
  /** Serves a definition by the members of an object. */
  handle<T>(definition: ServiceDefinition<T>, implementation: T & object): this;
  /** Has the events of a topic with a schema handled. */
  subscribe<S extends StandardSchemaV1>(
    topic: Topic<S>,
    handler: (event: S extends StandardSchemaV1<unknown, infer O> ? O : never, context: Context) => unknown,
    options?: SubscribeToOptions,
  ): this;
  /** Has the events of a topic handled. */
  subscribe(
    topic: string,
    handler: (event: unknown, context: Context) => unknown,
    options?: SubscribeToOptions,
  ): this;
  /**
   * Serves routes of your own on the same port, behind muon's: a function that is given a Hono application when the
   * service starts, or an application (or anything with its `fetch`).
   *
   * @example
   * ```ts
   * service.app((app) => app.get("/hello/:name", (c) => c.text(`Hello ${c.req.param("name")}`)));
   * ```
   */
  app(routes: Routes): this;
  /**
   * Listens, registers, takes calls. Resolves when others can find it. What was opened is closed again if it fails.
   *
   * @throws {TypeError | RangeError} If an option, variable or definition is wrong.
   * @throws {MuonError} `unavailable` if the registry does not take it; `canceled` if it is stopped meanwhile.
   */
  start(): Promise<void>;
  /**
   * Deregisters, lets what is under way finish until `stopTimeout`, closes. One that is starting stops starting;
   * nothing happens to one that has not begun or has ended.
   *
   * @throws What a hook threw, when all is closed.
   */
  stop(): Promise<void>;
  /**
   * Reads the command line, does the `action`, starts, and resolves when it has been stopped, by SIGINT, SIGTERM or
   * {@link Service.stop}. A second signal ends the process at once; after the first, it ends a second behind the stop at
   * the latest, whatever keeps it alive.
   */
  run(): Promise<void>;
  /** Where it listens, `host:port`, while it runs. */
  readonly address: string | undefined;
  /**
   * The events that the subscriptions of this process gave up: to look at, to remove, to have delivered again. They can
   * be read from the start on, and still in `afterStop`, when what nobody took over is among them.
   *
   * @throws {MuonError} `failed_precondition` before the start; `unimplemented` if the broker keeps none here.
   */
  readonly deadLetters: DeadLetters;
}
