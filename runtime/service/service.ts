/**
 * Service: server, client, registry and broker in one, with a beginning and an end.
 *
 * @module
 */

import type { Subscription } from "../broker/broker.ts";
import type { CallOptions, Client, PublishOptions, Receipt, UntypedCall } from "../call.ts";
import type { Context, Topic } from "../context.ts";
import {
  checkServiceName,
  checkTopicName,
  DEFAULT_VERSION,
  handlerOf,
  type ServiceDefinition,
} from "../definition.ts";
import { uuid } from "../entropy.ts";
import { MuonError } from "../errors.ts";
import type { Host, TlsOptions } from "../host.ts";
import type { Logger } from "../log.ts";
import type { System } from "../platform.ts";
import type { Registry } from "../registry/registry.ts";
import type { AnySchema, StandardSchemaV1 } from "../schema.ts";
import { createServer, type Server } from "../server/server.ts";
import type { Listener, ServedProtocol } from "../transport/transport.ts";
import { isLoopback, parseAddress } from "./address.ts";
import { banner } from "./banner.ts";
import type { Assembler, Components } from "./components.ts";
import { eventHandler } from "./events.ts";
import { helpText, readSettings, type Settings } from "./flags.ts";
import { type Mesh, MeshCore } from "./mesh.ts";
import { SERVICE_DEFAULTS, type ServiceOptions } from "./options.ts";
import { recordOf } from "./records.ts";
import { Registration } from "./registration.ts";
import { text } from "../bytes.ts";

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
  /** Listens, registers, takes calls. Resolves when others can find it. */
  start(): Promise<void>;
  /** Deregisters, lets what is under way finish, closes. Nothing happens if it does not run. */
  stop(): Promise<void>;
  /** Reads the command line, starts, and resolves when SIGINT or SIGTERM has stopped it. */
  run(): Promise<void>;
  /** Where it listens, `host:port`, while it runs. */
  readonly address: string | undefined;
}

interface Handled {
  readonly definition: ServiceDefinition;
  readonly implementation: object;
}

/** What a started service holds. */
interface Running {
  readonly system: System;
  readonly log: Logger;
  readonly components: Components;
  readonly mesh: MeshCore;
  readonly server: Server;
  readonly host: Host | undefined;
  readonly listeners: readonly Listener[];
  readonly protocols: readonly ServedProtocol[];
  readonly subscriptions: readonly Subscription[];
  readonly registration: Registration;
  readonly address: string;
  readonly stopTimeout: number;
}

type State = "idle" | "starting" | "running" | "stopping" | "stopped";

/** The one implementation of {@link Service}. */
export class ServiceCore implements Service {
  readonly #assembler: Assembler;
  readonly #options: ServiceOptions;
  readonly #handled: Handled[] = [];
  readonly #subscribed: { topic: string; schema?: AnySchema; queue?: string; handler: unknown }[] = [];
  #state: State = "idle";
  #running: Running | undefined;
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;

  constructor(assembler: Assembler, options: ServiceOptions) {
    if (options.name !== undefined) checkServiceName(options.name);
    this.#assembler = assembler;
    this.#options = options;
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
    const schema = typeof topic === "string" ? options.input : topic.schema;
    this.#subscribed.push({
      topic: name,
      handler,
      ...(schema === undefined ? {} : { schema }),
      ...(options.queue === undefined ? {} : { queue: options.queue }),
    });
    return this;
  }

  get registry(): Registry {
    const given = this.#options.registry;
    if (this.#running === undefined && typeof given === "object") return given;
    return this.#runs().components.registry;
  }

  get address(): string | undefined {
    return this.#running?.address;
  }

  client<T>(service: string | ServiceDefinition<T>): Client<T> {
    return this.#runs().mesh.client(service);
  }

  call<T = unknown>(
    service: string,
    endpoint: string,
    input?: unknown,
    options?: CallOptions,
  ): UntypedCall<T> {
    return this.#runs().mesh.call<T>(service, endpoint, input, options);
  }

  publish<S extends StandardSchemaV1>(
    topic: Topic<S> | string,
    event: unknown,
    options?: PublishOptions,
  ): Promise<Receipt> {
    return this.#runs().mesh.publish(topic, event, options);
  }

  start(): Promise<void> {
    return this.#startOnce(false);
  }

  stop(): Promise<void> {
    return this.#stopping ??= this.#stop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async run(): Promise<void> {
    const system = this.#options.system ?? await this.#assembler.system();
    const { platform } = system;
    let settings: Settings;
    try {
      settings = readSettings(platform, { args: true, scope: "service" });
    } catch (error) {
      platform.writeError(`${error instanceof Error ? error.message : error}\n`);
      return platform.exit(2);
    }
    if (settings.help) {
      platform.writeError(helpText());
      return platform.exit(0);
    }
    const stopped = Promise.withResolvers<void>();
    let signals = 0;
    const onSignal = () => {
      if (++signals > 1) return platform.exit(130);
      // A service that is still starting is stopped as soon as it has.
      void (this.#starting ?? Promise.resolve()).catch(() => {}).then(() => this.stop()).then(
        stopped.resolve,
        stopped.reject,
      );
    };
    using _interrupt = platform.onSignal("SIGINT", onSignal);
    using _terminate = platform.onSignal("SIGTERM", onSignal);
    await this.#startOnce(true);
    await stopped.promise;
  }

  #startOnce(args: boolean): Promise<void> {
    if (this.#state !== "idle") {
      throw new MuonError("failed_precondition", `The service is ${this.#state}; a service is started once`, {
        id: "muon.service",
      });
    }
    this.#state = "starting";
    return this.#starting = this.#start(args).catch((error) => {
      this.#state = "stopped";
      throw error;
    });
  }

  async #start(args: boolean): Promise<void> {
    const system = this.#options.system ?? await this.#assembler.system();
    const settings = readSettings(system.platform, { args, scope: "service" });
    const options: ServiceOptions = { ...this.#options, ...settings.options };
    const tls = await tlsOf(options, settings, system);
    const listen = parseAddress(options.address ?? "");
    if (!isLoopback(listen.hostname) && tls === undefined && options.insecure !== true) {
      throw new MuonError(
        "failed_precondition",
        `Will not listen on ${options.address} without TLS, where everyone on that network could read and make calls: ` +
          `give --tls_cert_file and --tls_key_file (or the option tls), or say --insecure`,
        { id: "muon.service" },
      );
    }

    const closing: AsyncDisposable[] = [];
    try {
      this.#running = await this.#assemble({
        system,
        options,
        tls,
        listen,
        closing,
        named: settings.options.name,
      });
      this.#state = "running";
    } catch (error) {
      for (const part of closing.reverse()) await part[Symbol.asyncDispose]();
      throw error;
    }
    const { components, address, server, protocols } = this.#running;
    if (args) {
      system.platform.writeError(banner({
        definitions: server.services.map(({ definition }) => definition),
        address,
        protocols: protocols.length > 0
          ? protocols.map(({ name }) => name)
          : components.transports.map(({ name }) => name),
        registry: withAddress(components.registry.name, options.registryAddress),
        broker: withAddress(components.broker.name, options.brokerAddress),
      }));
    }
  }

  /** Puts the parts together and sets them to work, each noting how it is closed in case a later one fails. */
  async #assemble(how: {
    readonly system: System;
    readonly options: ServiceOptions;
    readonly tls: TlsOptions | undefined;
    readonly listen: { readonly hostname: string; readonly port: number };
    readonly closing: AsyncDisposable[];
    readonly named: string | undefined;
  }): Promise<Running> {
    const { system, options, tls, listen, closing } = how;
    const { clock, platform } = system;
    let address: string | undefined;
    const components = this.#assembler.assemble(options, {
      system,
      advertised: { address: () => address, secure: tls !== undefined },
    });
    const { codecs, log, transports, broker, registry } = components;
    const id = options.id ?? uuid(system.entropy);
    const handled = this.#all(options, how.named);

    const started = clock.wall();
    const mesh: MeshCore = new MeshCore(components, options, (call) => server.accept(call));
    closing.push(mesh);
    const server = createServer({
      clock,
      codecs,
      outgoing: mesh,
      log,
      interceptors: options.interceptors ?? [],
      debug: { node: id, started, now: () => clock.wall(), health: () => this.#health() },
    });
    for (const { definition, implementation } of handled) server.handle(definition, implementation);

    const listeners: Listener[] = [];
    const protocols: ServedProtocol[] = [];
    for (const transport of transports) {
      const protocol = transport.protocol?.(server.accept);
      if (protocol !== undefined) protocols.push(protocol);
      else if (transport.listen !== undefined) {
        const listener = await transport.listen(server.accept);
        closing.push(listener);
        listeners.push(listener);
      }
    }
    const mounted = components.brokerProtocol === undefined
      ? protocols
      : [...protocols, components.brokerProtocol];
    let host: Host | undefined;
    if (mounted.length > 0) {
      host = await platform.serve({ ...listen, ...(tls === undefined ? {} : { tls }) });
      closing.push(host);
      for (const protocol of mounted) host.mount(protocol);
    }
    address = options.advertise ?? host?.addresses[0] ?? listeners[0]?.address;
    if (address === undefined) {
      throw new MuonError("failed_precondition", "No transport of this service can be listened on", {
        id: "muon.service",
      });
    }

    const subscriptions: Subscription[] = [];
    const serverHost = { clock, outgoing: mesh, log };
    for (const { definition, implementation } of handled) {
      for (const subscription of definition.subscriptions) {
        const made = await broker.subscribe(
          subscription.topic,
          eventHandler({
            definition,
            subscription,
            implementation,
            codecs,
            host: serverHost,
            interceptors: options.interceptors ?? [],
          }),
          { queue: subscription.queue },
        );
        closing.push(made);
        subscriptions.push(made);
      }
    }

    const speaks = protocols.map(({ name }) => name);
    const registration = new Registration({
      registry,
      records: handled.map(({ definition }) =>
        recordOf(definition, {
          id,
          address: address!,
          metadata: {
            ...options.metadata,
            broker: broker.name,
            registry: registry.name,
            server: "muon",
            transport: transports[0]?.name ?? "",
            muon: speaks.length > 0 ? speaks.join(",") : transports.map(({ name }) => name).join(","),
            secure: String(tls !== undefined),
          },
        })
      ),
      ttl: options.registerTtl ?? SERVICE_DEFAULTS.registerTtl,
      interval: options.registerInterval ?? SERVICE_DEFAULTS.registerInterval,
      clock,
      random: system.random,
      log,
    });
    await registration.start();
    return {
      system,
      log,
      components,
      mesh,
      server,
      host,
      listeners,
      protocols,
      subscriptions,
      registration,
      address,
      stopTimeout: options.stopTimeout ?? SERVICE_DEFAULTS.stopTimeout,
    };
  }

  /** What is served: what was handed over, and what `subscribe` was given, under the service's own name. */
  #all(options: ServiceOptions, named: string | undefined): readonly Handled[] {
    let handled: readonly Handled[] = this.#handled;
    if (named !== undefined && handled.length > 0) {
      if (handled.length > 1) {
        throw new TypeError(
          `--server_name names one service, and this process serves ${
            handled.map(({ definition }) => definition.name).join(", ")
          }`,
        );
      }
      checkServiceName(named);
      handled = handled.map(({ definition, implementation }) => ({
        definition: { ...definition, name: named },
        implementation,
      }));
    }
    if (handled.length > 0 && this.#subscribed.length === 0) return handled;
    if (options.name === undefined && handled.length === 0) {
      throw new TypeError(
        "The service has nothing to serve: give it a name, or call handle with a decorated class",
      );
    }
    const implementation: Record<string, unknown> = {};
    const subscriptions = this.#subscribed.map(({ topic, schema, queue, handler }, index) => {
      const member = `on${index + 1}`;
      implementation[member] = handler;
      return { topic, member, input: schema, queue };
    });
    const name = options.name ?? `${handled[0]!.definition.name}.events`;
    if (handled.some(({ definition }) => definition.name === name)) {
      // The name is a class's already: its record carries these subscriptions, too.
      return handled.map((one) =>
        one.definition.name === name
          ? {
            definition: {
              ...one.definition,
              subscriptions: [...one.definition.subscriptions, ...subscriptions],
            },
            implementation: withMembers(one.implementation, implementation),
          }
          : one
      );
    }
    return [...handled, {
      definition: {
        name,
        version: options.version ?? DEFAULT_VERSION,
        handler: handlerOf(name),
        metadata: {},
        forward: [],
        endpoints: [],
        subscriptions,
      },
      implementation,
    }];
  }

  async #stop(): Promise<void> {
    if (this.#state === "starting") await this.#starting?.catch(() => {});
    const running = this.#running;
    if (this.#state !== "running" || running === undefined) {
      this.#state = "stopped";
      return;
    }
    this.#state = "stopping";
    const { system, log, mesh, host, listeners, protocols, subscriptions, registration } = running;
    const deadline = new AbortController();
    const timer = system.clock.after(running.stopTimeout, () => deadline.abort());
    const { signal } = deadline;
    try {
      // The order is the point: nobody may find the node any more before it stops taking calls, and it takes calls
      // until every caller has been told to go elsewhere.
      await registration.stop(signal);
      await Promise.all(subscriptions.map((subscription) => subscription.drain(signal)));
      await Promise.all([...protocols, ...listeners].map((part) => part.drain(signal)));
      await mesh.drain(signal);
      await host?.drain(signal);
      if (signal.aborted) {
        log.warn("stopped before everything was finished", { after: `${running.stopTimeout} ms` });
      }
    } finally {
      timer.cancel();
      for (const part of [...subscriptions, ...listeners]) await part[Symbol.asyncDispose]();
      await host?.[Symbol.asyncDispose]();
      await mesh[Symbol.asyncDispose]();
      this.#state = "stopped";
    }
  }

  #health(): string {
    return this.#state === "running" ? "ok" : this.#state;
  }

  #runs(): Running {
    if (this.#running === undefined) {
      throw new MuonError("failed_precondition", "The service is not started: await start() first", {
        id: "muon.service",
      });
    }
    return this.#running;
  }

  #mustBeIdle(what: string): void {
    if (this.#state !== "idle") {
      throw new MuonError(
        "failed_precondition",
        `Call ${what} before the service is started; it is ${this.#state}`,
        {
          id: "muon.service",
        },
      );
    }
  }
}

/** An object with more members, which leaves the class instance it stands before as it is. */
function withMembers(implementation: object, members: Record<string, unknown>): object {
  return new Proxy(implementation, {
    get(target, member) {
      if (typeof member === "string" && Object.hasOwn(members, member)) return members[member];
      const value = Reflect.get(target, member, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

async function tlsOf(
  options: ServiceOptions,
  settings: Settings,
  system: System,
): Promise<TlsOptions | undefined> {
  const { tlsCert, tlsKey } = settings;
  if (tlsCert === undefined && tlsKey === undefined) return options.tls;
  if (tlsCert === undefined || tlsKey === undefined) {
    throw new TypeError("--tls_cert_file and --tls_key_file belong together: one of them is missing");
  }
  const [cert, key] = await Promise.all([readPem(tlsCert, system), readPem(tlsKey, system)]);
  return { ...options.tls, cert, key };
}

async function readPem(path: string, system: System): Promise<string> {
  const bytes = await system.platform.files?.read(path);
  if (bytes === undefined) throw new TypeError(`Cannot read the TLS file ${path}: there is none`);
  return text(bytes);
}

function withAddress(name: string, address: string | undefined): string {
  return address === undefined ? name : `${name} ${address}`;
}
