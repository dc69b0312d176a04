/**
 * The parts of a running service: put together, set to work one after the other, and stopped in the order in which
 * not one call is lost.
 *
 * @module
 */

import type { Subscription } from "../broker/broker.ts";
import { uuid } from "../entropy.ts";
import { MuonError } from "../errors.ts";
import type { Host, TlsOptions } from "../host.ts";
import type { System } from "../platform.ts";
import { LIMITS } from "../policy.ts";
import { createServer, type Server } from "../server/server.ts";
import type { Listener, ServedProtocol } from "../transport/transport.ts";
import type { HostPort } from "./address.ts";
import type { Assembler, Components } from "./components.ts";
import { eventHandler } from "./events.ts";
import type { Handled } from "./handled.ts";
import { MeshCore } from "./mesh.ts";
import { createOps } from "./ops.ts";
import { SERVICE_DEFAULTS, type ServiceOptions } from "./options.ts";
import type { Origins, Setting } from "./origins.ts";
import { closeAll, deadlineIn, Phases, until } from "./phases.ts";
import { recordOf } from "./records.ts";
import { Registration } from "./registration.ts";
import { createRoutes, type Routes } from "./routes.ts";

/** What a service is put together from. */
export interface PartsOptions {
  /** Time, chance and the machine. */
  readonly system: System;
  /** Chooses the implementations. */
  readonly assembler: Assembler;
  /** The options in force. */
  readonly options: ServiceOptions;
  /** Which flags and variables they come from. */
  readonly origins: Origins;
  /** Where to listen. */
  readonly listen: HostPort;
  /** Key and certificate to listen with. */
  readonly tls: TlsOptions | undefined;
  /** What is served. */
  readonly handled: readonly Handled[];
  /** Routes of the user's own. */
  readonly routes: readonly Routes[];
  /** How the service is, for `Debug.Health` and operators. */
  readonly health: () => string;
}

/** What a record is made of: if a registry refuses one, it may be for these. */
const IN_RECORD: readonly Setting[] = ["name", "version", "id", "address", "advertise", "metadata"];

/** How long a stop waits for the registry before callers are told to go elsewhere: a quarter of its time, within these ms. */
const LEAVING = { least: 100, most: 1_000 };

/** The parts of one service. */
export class Parts {
  /** One of each concept. */
  readonly components: Components;
  /** Makes this process's calls. */
  readonly mesh: MeshCore;
  /** Takes the calls of others. */
  readonly server: Server;
  readonly #how: PartsOptions;
  readonly #id: string;
  readonly #closing: AsyncDisposable[] = [];
  readonly #listeners: Listener[] = [];
  readonly #protocols: ServedProtocol[] = [];
  readonly #subscriptions: Subscription[] = [];
  #registration: Registration | undefined;
  #host: Host | undefined;
  #address: string | undefined;

  /**
   * Puts the parts together; nothing is opened.
   *
   * @throws {TypeError} If an implementation's name is unknown or a definition's member is missing.
   */
  constructor(how: PartsOptions) {
    this.#how = how;
    const { system, assembler, options, origins, tls, handled } = how;
    const { clock } = system;
    this.components = assembler.assemble(options, {
      system,
      advertised: { address: () => this.#address, secure: tls !== undefined },
      origins,
    });
    const { codecs, log } = this.components;
    this.#id = options.id ?? uuid(system.entropy);
    this.mesh = new MeshCore(this.components, options, (call) => this.server.accept(call));
    this.#closing.push(this.mesh);
    this.server = createServer({
      clock,
      codecs,
      outgoing: this.mesh,
      log,
      interceptors: options.interceptors ?? [],
      maxConcurrentCalls: options.maxConcurrentCalls,
      debug: {
        node: this.#id,
        started: clock.wall(),
        now: () => clock.wall(),
        health: how.health,
        registryAway: () => this.#registryAway(),
      },
    });
    for (const { definition, implementation } of handled) this.server.handle(definition, implementation);
  }

  /** What others reach it by, `host:port`, once it listens. */
  get address(): string | undefined {
    return this.#address;
  }

  /** What it speaks there. */
  get protocols(): readonly string[] {
    const { transports } = this.components;
    return (this.#protocols.length > 0 ? this.#protocols : transports).map(({ name }) => name);
  }

  /**
   * Listens, subscribes, registers.
   *
   * @param signal Ends it. Then, and when a phase fails, all that was opened is to be closed with {@link Parts.close}.
   */
  async start(signal: AbortSignal): Promise<void> {
    const phases = new Phases({ clock: this.#how.system.clock, log: this.components.log });
    await phases.do("listening", () => this.#listen(signal));
    const { broker, registry } = this.components;
    const subscribe = () => this.#subscribe(signal);
    await phases.do("subscribed", subscribe, `the broker "${broker.name}" to take the subscriptions`);
    const register = () => this.#register(signal);
    await phases.do("registered", register, `the registry "${registry.name}" to take the record`);
    this.#host?.started?.();
  }

  /** Stops in order, until the signal, and closes. */
  async stop(signal: AbortSignal): Promise<unknown[]> {
    const { log } = this.components;
    const { clock } = this.#how.system;
    const phases = new Phases({ clock, log });
    const errors: unknown[] = [];
    const left = this.#registration?.stop(signal);
    try {
      // The order is the point: nobody may find the node any more before it stops taking calls, and it takes calls
      // until every caller has been told to go elsewhere. Subscriptions leave the registry too, and may wait for it.
      await phases.do("deregistered", () => this.#leave(left));
      await Promise.all([
        phases.do("events handled", () => this.#drain(this.#subscriptions, signal)),
        phases.do("calls answered", () => this.#drain([...this.#protocols, ...this.#listeners], signal)),
      ]);
      await phases.do("own calls done", () => this.mesh.drain(signal));
      await phases.do("connections gone", () => this.#host?.drain(signal));
    } catch (error) {
      errors.push(error);
    }
    await left;
    return [...errors, ...await this.close()];
  }

  /** Waits for the registry, for no more of the time than leaves enough for calls. */
  async #leave(left: Promise<void> | undefined): Promise<void> {
    if (left === undefined) return;
    const { system: { clock }, options: { stopTimeout = SERVICE_DEFAULTS.stopTimeout } } = this.#how;
    using share = deadlineIn(clock, Math.min(LEAVING.most, Math.max(LEAVING.least, stopTimeout / 4)));
    const { log, registry } = this.components;
    await until(share.signal, left).catch(() => {
      log.warn("the registry has not answered; callers are told without it", { registry: registry.name });
    });
  }

  /** Closes everything at once. */
  async close(): Promise<unknown[]> {
    return await closeAll(this.#closing.splice(0));
  }

  /** Whoever reads the registry or writes to it may be the first to see that it is away. */
  #registryAway(): number {
    const { registry, selector } = this.components;
    return Math.max(registry.away ?? 0, selector.away, this.#registration?.away ?? 0);
  }

  async #drain(
    parts: readonly { drain(signal: AbortSignal): Promise<void> }[],
    signal: AbortSignal,
  ): Promise<void> {
    await Promise.all(parts.map((part) => part.drain(signal)));
  }

  async #listen(signal: AbortSignal): Promise<void> {
    const { system, options, listen, tls, routes } = this.#how;
    const { clock, platform } = system;
    const { transports, brokerProtocol, log } = this.components;
    const { accept } = this.server;
    for (const transport of transports) {
      const protocol = transport.protocol?.(accept);
      if (protocol !== undefined) this.#protocols.push(protocol);
      else if (transport.listen !== undefined) {
        const listener = await until(signal, transport.listen(accept), dispose);
        this.#closing.push(listener);
        this.#listeners.push(listener);
      }
    }
    // The broker sees from the path alone what is for it, the transports look at the headers, too.
    const mounted = brokerProtocol === undefined
      ? [...this.#protocols]
      : [brokerProtocol, ...this.#protocols];
    if (mounted.length > 0 || routes.length > 0) {
      if (options.ops !== false) {
        mounted.push(createOps({
          clock,
          services: () => this.server.services,
          debug: this.server.debug,
          checks: options.checks ?? {},
        }));
      }
      if (routes.length > 0) mounted.push(await createRoutes(routes, { log }));
      const serve = platform.serve({
        ...listen,
        maxMessage: Math.max(LIMITS.maxMessage, ...mounted.map((protocol) => protocol.maxMessage ?? 0)),
        report: (message, error) => log.error(message, { error }),
        ...(tls === undefined ? {} : { tls }),
      });
      this.#host = await until(signal, serve, dispose);
      this.#closing.push(this.#host);
      for (const protocol of mounted) this.#host.mount(protocol);
    }
    this.#address = options.advertise ?? this.#host?.addresses[0] ?? this.#listeners[0]?.address;
    if (this.#address === undefined) {
      throw new MuonError("failed_precondition", "No transport of this service can be listened on", {
        id: "muon.service",
      });
    }
  }

  async #subscribe(signal: AbortSignal): Promise<void> {
    const { system, options, handled } = this.#how;
    const { broker, codecs, log } = this.components;
    const host = { clock: system.clock, outgoing: this.mesh, log };
    for (const { definition, implementation } of handled) {
      for (const subscription of definition.subscriptions) {
        const handle = eventHandler({
          definition,
          subscription,
          implementation,
          codecs,
          host,
          interceptors: options.interceptors ?? [],
        });
        const subscribing = broker.subscribe(subscription.topic, handle, { queue: subscription.queue });
        const made = await until(signal, subscribing, dispose);
        this.#closing.push(made);
        this.#subscriptions.push(made);
      }
    }
  }

  async #register(signal: AbortSignal): Promise<void> {
    const { system, options, origins, tls, handled } = this.#how;
    const { clock, random } = system;
    const { registry, transports, broker, log } = this.components;
    const address = this.#address!;
    const metadata = {
      ...options.metadata,
      broker: broker.name,
      registry: registry.name,
      server: "muon",
      transport: transports[0]?.name ?? "",
      muon: this.protocols.join(","),
      secure: String(tls !== undefined),
    };
    const registration = new Registration({
      registry,
      records: handled.map(({ definition }) => recordOf(definition, { id: this.#id, address, metadata })),
      ttl: options.registerTtl ?? SERVICE_DEFAULTS.registerTtl,
      interval: options.registerInterval ?? SERVICE_DEFAULTS.registerInterval,
      clock,
      random,
      log,
    });
    const registering = registration.start().catch((error) => {
      const refused = error instanceof TypeError || error instanceof RangeError;
      throw refused && IN_RECORD.some((setting) => origins.has(setting))
        ? origins.wrong(IN_RECORD, error.message)
        : error;
    });
    // Some records may be in when others are refused, or when the start is given up: what is not wanted any more
    // is taken out again, as soon as the registry has said what became of it.
    const undo = {
      [Symbol.asyncDispose]: async () => {
        using deadline = deadlineIn(clock, options.stopTimeout ?? SERVICE_DEFAULTS.stopTimeout);
        await registration.stop(deadline.signal);
      },
    };
    this.#closing.push(undo);
    await until(signal, registering);
    this.#closing.splice(this.#closing.indexOf(undo), 1);
    this.#registration = registration;
  }
}

function dispose(part: AsyncDisposable): Promise<void> {
  return Promise.resolve(part[Symbol.asyncDispose]());
}
