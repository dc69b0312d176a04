/**
 * The life of a service: how it is started, run and stopped.
 *
 * @module
 */

import type { DeadLetters } from "../broker/broker.ts";
import type { CallOptions, Client, PublishOptions, Receipt, UntypedCall } from "../call.ts";
import type { Context, Topic } from "../context.ts";
import { checkServiceName, checkTopicName, durableRefusal, type ServiceDefinition } from "../definition.ts";
import { MuonError } from "../errors.ts";
import { formatFor, redact } from "../log.ts";
import type { System } from "../platform.ts";
import type { Registry } from "../registry/registry.ts";
import type { StandardSchemaV1 } from "../schema.ts";
import { StartError } from "../start_error.ts";
import { parseAddress } from "./address.ts";
import { banner } from "./banner.ts";
import { checkOptions, checkServiceOptions } from "./check_options.ts";
import type { Assembler } from "./components.ts";
import { asksForHelp, checkOwn, readSettings, type Settings, withSettings } from "./flags.ts";
import { formatAsked, giveUp } from "./give_up.ts";
import { type Handled, NOTHING_SERVED, servedBy, servesNothing, type Subscribed } from "./handled.ts";
import { helpText } from "./help.ts";
import { meshOf } from "./mesh.ts";
import { type Hook, SERVICE_DEFAULTS, SERVICE_OPTIONS, type ServiceOptions } from "./options.ts";
import { Parts } from "./parts.ts";
import { type Deadline, deadlineIn, Phases, until } from "./phases.ts";
import { checkTimes } from "./registration.ts";
import { UsageError } from "./origins.ts";
import type { Routes } from "./routes.ts";
import type { Service, SubscribeToOptions } from "./service.ts";
import { checkExposure, checkTls, listenTls } from "./tls.ts";

/** How long a process lives on after `run` was ended by a signal, when something keeps it alive, in ms. */
const LEFTOVER = 3_000;

type State = "idle" | "starting" | "running" | "stopping" | "stopped";

/** A service that was put together. */
interface Running {
  readonly system: System;
  readonly parts: Parts;
  readonly options: ServiceOptions;
}

/** The one implementation of {@link Service}. */
export class ServiceCore implements Service {
  readonly #assembler: Assembler;
  readonly #options: ServiceOptions;
  readonly #handled: Handled[] = [];
  readonly #subscribed: Subscribed[] = [];
  readonly #routes: Routes[] = [];
  readonly #halt = new AbortController();
  readonly #ended = Promise.withResolvers<void>();
  #state: State = "idle";
  #running: Running | undefined;
  #starting: Promise<void> | undefined;
  /** The hooks of afterStart, while they run: it can be found by then, and be stopped. */
  #afterStart: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;

  constructor(assembler: Assembler, options: ServiceOptions) {
    checkOptions(options, { of: "createService", names: SERVICE_OPTIONS });
    if (options.name !== undefined) checkServiceName(options.name);
    checkServiceOptions(options);
    checkOwn(options.flags ?? {});
    this.#assembler = assembler;
    this.#options = options;
    this.#ended.promise.catch(() => {}); // Whoever waits for it is told.
  }

  handle(target: object, implementation?: object): this {
    this.#mustBeIdle("handle");
    const handled = implementation === undefined
      ? this.#assembler.scan(target)
      : { definition: target as ServiceDefinition, implementation };
    checkServiceName(handled.definition.name);
    if (this.#handled.some(({ definition }) => definition.name === handled.definition.name)) {
      throw new TypeError(
        `Cannot serve "${handled.definition.name}" twice in one process; a second version needs a process of its own`,
      );
    }
    this.#handled.push(handled);
    return this;
  }

  subscribe(
    topic: string | Topic,
    handler: (event: never, context: Context) => unknown,
    options: SubscribeToOptions = {},
  ): this {
    this.#mustBeIdle("subscribe");
    const name = typeof topic === "string" ? topic : topic.name;
    checkTopicName(name);
    if (typeof handler !== "function") {
      throw new TypeError(
        `The handler of topic "${name}" must be a function: current value is ${String(handler)}`,
      );
    }
    const refusal = durableRefusal(options);
    if (refusal !== undefined) throw new TypeError(`subscribe to "${name}": ${refusal}`);
    const schema = typeof topic === "string" ? options.input : topic.schema;
    this.#subscribed.push({
      topic: name,
      handler,
      ...(schema === undefined ? {} : { schema }),
      ...(options.queue === undefined ? {} : { queue: options.queue }),
    });
    return this;
  }

  app(routes: Routes): this {
    this.#mustBeIdle("app");
    if (typeof routes !== "function" && typeof routes?.fetch !== "function") {
      throw new TypeError(
        `app takes a function that adds routes, or an application with "fetch": current value is ${
          String(routes)
        }`,
      );
    }
    this.#routes.push(routes);
    return this;
  }

  get registry(): Registry {
    const given = this.#options.registry;
    if (this.#running === undefined && typeof given === "object") return given;
    return this.#parts().components.registry;
  }

  get address(): string | undefined {
    return this.#state === "stopped" ? undefined : this.#running?.parts.address;
  }

  get deadLetters(): DeadLetters {
    // Not #parts(): a service that has stopped may save what is left.
    const { broker } = (this.#running?.parts ?? this.#parts()).components;
    if (broker.deadLetters !== undefined) return broker.deadLetters;
    throw new MuonError(
      "unimplemented",
      `The broker "${broker.name}" keeps no dead letters where this process can see them`,
      { id: "muon.service" },
    );
  }

  client<T>(service: string | ServiceDefinition<T>): Client<T> {
    return this.#parts().mesh.client(service);
  }

  call<T = unknown>(
    service: string,
    endpoint: string,
    input?: unknown,
    options?: CallOptions,
  ): UntypedCall<T> {
    return this.#parts().mesh.call<T>(service, endpoint, input, options);
  }

  publish<S extends StandardSchemaV1>(
    topic: Topic<S> | string,
    event: unknown,
    options?: PublishOptions,
  ): Promise<Receipt> {
    return this.#parts().mesh.publish(topic, event, options);
  }

  start(): Promise<void> {
    return this.#startOnce(undefined);
  }

  stop(): Promise<void> {
    return this.#stopping ??= this.#stop().then(
      () => this.#ended.resolve(),
      (error) => {
        this.#ended.reject(error);
        throw error;
      },
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async run(): Promise<void> {
    const system = this.#options.system ?? await this.#assembler.system();
    const { platform } = system;
    const { flags: own = {} } = this.#options;
    const { names, defaults } = this.#assembler;
    if (asksForHelp(platform.args)) {
      platform.write(helpText({ own, names, options: { ...defaults, ...this.#options } }));
      return platform.exit(0);
    }
    const { logFormat } = this.#options;
    let settings: Settings;
    try {
      const words = this.#options.action !== undefined;
      settings = await readSettings(platform, { args: true, scope: "service", own, words, names });
    } catch (error) {
      return giveUp(error, { system, format: formatAsked(platform) ?? logFormat });
    }
    const format = settings.options.logFormat ?? logFormat;
    try {
      if (await this.#act(system, settings) === false) return;
    } catch (error) {
      // Else it is the action's own.
      if (error instanceof UsageError || error instanceof StartError) {
        return giveUp(error, { system, format });
      }
      throw error;
    }

    let signals = 0;
    const onSignal = () => {
      if (++signals > 1) return platform.exit(130);
      this.stop().catch(() => {}); // What it throws is thrown below.
    };
    using _interrupt = platform.onSignal("SIGINT", onSignal);
    using _terminate = platform.onSignal("SIGTERM", onSignal);
    try {
      await this.#startOnce(settings);
    } catch (error) {
      if (!this.#halt.signal.aborted) return giveUp(error, { system, format });
    }
    try {
      await this.#ended.promise;
    } finally {
      if (signals > 0) this.#leave(system);
    }
  }

  /** Who sends a signal wants the process to end, whatever a handler that was given up, or the program, left open. */
  #leave({ clock, platform }: System): void {
    clock.after(LEFTOVER, () => {
      this.#running?.parts.components.log.warn("something keeps the process alive; it is ended");
      platform.exit();
    });
  }

  async #act(system: System, settings: Settings): Promise<unknown> {
    const options = withSettings(this.#options, settings);
    return await options.action?.(settings.own, {
      service: this,
      args: settings.words,
      // deno-lint-ignore require-await -- what is wrong rejects
      connect: async () => meshOf(this.#assembler, { system, options, settings }),
    });
  }

  #startOnce(settings: Settings | undefined): Promise<void> {
    if (this.#state !== "idle") {
      throw new MuonError("failed_precondition", `The service is ${this.#state}; a service is started once`, {
        id: "muon.service",
      });
    }
    this.#state = "starting";
    return this.#starting = this.#start(settings).catch((error) => {
      if (this.#state === "starting") this.#state = "stopped";
      throw error;
    });
  }

  /** @param line What the command line said; `undefined` if it does not count. */
  async #start(line: Settings | undefined): Promise<void> {
    const system = this.#options.system ?? await this.#assembler.system();
    const settings = line ?? await readSettings(system.platform, {
      args: false,
      scope: "service",
      names: this.#assembler.names,
    });
    const { origins } = settings;
    const options = withSettings(this.#options, settings);
    const listen = parseAddress(options.address ?? "");
    const tls = listenTls(options.tls, { enabled: settings.tls.enabled, origins });
    checkExposure(listen.hostname, { tls, options, origins });
    checkTimes(options, origins);
    const warnings = checkTls(system, { tls: options.tls, origins });
    const handled = servedBy({ handled: this.#handled, subscribed: this.#subscribed }, {
      ...options,
      named: settings.options.name,
      origins,
    });

    const halted = this.#halt.signal;
    const parts = new Parts({
      system,
      assembler: this.#assembler,
      options,
      origins,
      listen,
      tls,
      handled,
      routes: this.#routes,
      health: () => this.#state === "running" ? "ok" : this.#state,
    });
    this.#running = { system, parts, options };
    const { log } = parts.components;
    for (const note of settings.notes) log.info(note);
    for (const warning of warnings) log.warn(warning);
    const given = new Set(this.#handled.map(({ implementation }) => implementation));
    for (const { definition, implementation } of handled) {
      // A name without a class is a service that has routes alone.
      if (!given.has(implementation) || !servesNothing(definition)) continue;
      log.warn(NOTHING_SERVED, { service: definition.name });
    }
    const phases = new Phases({ clock: system.clock, log });
    try {
      await phases.do("beforeStart", () => until(halted, this.#hooks("beforeStart", options)));
      await parts.start(halted);
      halted.throwIfAborted();
    } catch (error) {
      for (const further of await parts.close()) log.warn("failed while closing", { error: further });
      throw error;
    }
    this.#state = "running";
    try {
      // A hook may stop the service, which then is to know of the hooks.
      const hooks = this.#afterStart = Promise.resolve().then(() => this.#hooks("afterStart", options));
      await phases.do("afterStart", () => until(halted, hooks));
      halted.throwIfAborted();
      this.#afterStart = undefined;
    } catch (error) {
      if (halted.aborted) throw error; // Whoever stops it waits for the hooks.
      this.#afterStart = undefined;
      await this.stop().catch((further) => log.warn("failed while stopping", { error: further }));
      throw error;
    }
    phases.done("started", {
      services: handled.map(({ definition: { name, version } }) => `${name} ${version}`),
      address: parts.address,
    });
    // A machine that reads the log has it from the line above.
    if (line !== undefined && formatFor(system.platform, options.logFormat) === "text") {
      this.#greet(this.#running);
    }
  }

  #greet({ system, parts, options }: Running): void {
    const { registry, broker } = parts.components;
    system.platform.writeError(banner({
      definitions: parts.server.services.map(({ definition }) => definition),
      address: parts.address!,
      protocols: parts.protocols,
      registry: withAddress(registry.name, options.registryAddress),
      broker: withAddress(broker.name, options.brokerAddress),
    }));
  }

  async #stop(): Promise<void> {
    if (this.#state === "starting" || this.#afterStart !== undefined) {
      this.#halt.abort(
        new MuonError("canceled", "The service was stopped while it started", { id: "muon.service" }),
      );
      await this.#starting?.catch(() => {});
    }
    if (this.#state !== "running") {
      this.#state = "stopped";
      return;
    }
    this.#state = "stopping";
    const { system, parts, options } = this.#running!;
    const { log } = parts.components;
    const stopTimeout = options.stopTimeout ?? SERVICE_DEFAULTS.stopTimeout;
    const phases = new Phases({ clock: system.clock, log });
    const errors: unknown[] = [];
    const hooks = (which: "beforeStop" | "afterStop", deadline: Deadline) =>
      phases.do(which, () => this.#stopHooks(which, { options, deadline, errors }));

    using deadline = deadlineIn(system.clock, stopTimeout);
    if (this.#afterStart !== undefined) {
      // What is to be opened is open before it is closed; half of the time is left for what comes then.
      using half = deadlineIn(system.clock, stopTimeout / 2);
      await until(half.signal, this.#afterStart).catch((error) => {
        if (error === half.signal.reason) log.warn("stopping while a hook of afterStart is not done");
        else if (error !== this.#halt.signal.reason) errors.push(error);
      });
    }
    await hooks("beforeStop", deadline);
    errors.push(...await parts.stop(deadline.signal));
    this.#state = "stopped";
    // Calls that took all the time must not take it from what closes the database.
    using last = deadlineIn(system.clock, stopTimeout);
    await hooks("afterStop", last);
    if (deadline.signal.aborted) {
      log.warn("stopped before everything was finished", { after: `${stopTimeout} ms` });
    }
    phases.done("stopped");
    if (errors.length === 1) throw errors[0];
    if (errors.length > 1) {
      throw new AggregateError(errors, "Several things failed while the service stopped");
    }
  }

  async #hooks(which: "beforeStart" | "afterStart", options: ServiceOptions): Promise<void> {
    for (const hook of listOf(options[which])) {
      this.#halt.signal.throwIfAborted();
      await hook(this);
    }
  }

  /** Does hooks of a stop: it goes on whatever they do, and waits for them no longer than until the deadline. */
  async #stopHooks(
    which: "beforeStop" | "afterStop",
    { options, deadline, errors }: {
      readonly options: ServiceOptions;
      readonly deadline: Deadline;
      readonly errors: unknown[];
    },
  ): Promise<void> {
    for (const hook of listOf(options[which])) {
      try {
        await until(deadline.signal, Promise.resolve(hook(this)));
      } catch (error) {
        errors.push(
          error === deadline.signal.reason
            ? new MuonError("deadline_exceeded", `A hook of ${which} was not done in time`, {
              id: "muon.service",
            })
            : error,
        );
      }
    }
  }

  #parts(): Parts {
    if (this.#running === undefined || this.#state === "stopped") {
      const why = this.#state === "stopped"
        ? "The service is stopped"
        : "The service is not started: await start() first";
      throw new MuonError("failed_precondition", why, { id: "muon.service" });
    }
    return this.#running.parts;
  }

  #mustBeIdle(what: string): void {
    if (this.#state !== "idle") {
      throw new MuonError(
        "failed_precondition",
        `Call ${what} before the service is started; it is ${this.#state}`,
        { id: "muon.service" },
      );
    }
  }
}

function listOf(hooks: Hook | readonly Hook[] | undefined): readonly Hook[] {
  if (hooks === undefined) return [];
  return typeof hooks === "function" ? [hooks] : hooks;
}

function withAddress(name: string, address: string | undefined): string {
  return address === undefined ? name : `${name} ${redact(address)}`;
}
