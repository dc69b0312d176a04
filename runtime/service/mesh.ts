/**
 * Mesh: what a process that only calls has. Typed clients, untyped calls, publications, and the registry.
 *
 * @module
 */

import type { CallOptions, Client, PublishOptions, Receipt, UntypedCall } from "../call.ts";
import { RpcClient } from "../client/client.ts";
import { createProxy } from "../client/proxy.ts";
import { Target } from "../client/target.ts";
import type { Caller, Topic } from "../context.ts";
import { checkServiceName, type ServiceDefinition } from "../definition.ts";
import { fixedPolicy, type PolicyProvider } from "../policy.ts";
import type { System } from "../platform.ts";
import type { Registry } from "../registry/registry.ts";
import type { StandardSchemaV1 } from "../schema.ts";
import type { Outgoing, Parent } from "../server/server_call.ts";
import type { Accept } from "../transport/transport.ts";
import { checkOptions } from "./check_options.ts";
import type { Assembler, Components } from "./components.ts";
import { Publisher } from "./events.ts";
import { readSettings, type Settings, withSettings } from "./flags.ts";
import { MESH_OPTIONS, type MeshOptions } from "./options.ts";
import { checkTls } from "./tls.ts";

/**
 * Calls services and publishes events. Disposing it ends what is under way and closes its links.
 *
 * @example
 * ```ts
 * await using mesh = await connect();
 * const greeter = mesh.client<Greeter>("greeter");
 * ```
 */
export interface Mesh extends Caller, AsyncDisposable {
  /** The registry in use. */
  readonly registry: Registry;
}

/** Endpoints remembered by name: more than any mesh has, and a bound for a gateway that is asked for anything. */
const MAX_TARGETS = 10_000;

/** The one implementation of {@link Mesh}; a service has one inside. */
export class MeshCore implements Mesh, Outgoing {
  readonly #components: Components;
  readonly #client: RpcClient;
  readonly #publisher: Publisher;
  readonly #targets = new Map<string, Target>();

  constructor(components: Components, options: MeshOptions, accept?: Accept) {
    this.#components = components;
    const { system, codecs, broker, log } = components;
    this.#client = new RpcClient({
      system,
      codecs,
      selector: components.selector,
      transports: components.transports,
      policy: policyOf(options.policy),
      interceptors: options.callInterceptors ?? [],
      attemptInterceptors: options.attemptInterceptors ?? [],
      onUnobservedError: options.onUnobservedError ??
        ((error) => log.error("a call failed and nobody awaited it", { error: error.message })),
      ...(options.contentType === undefined ? {} : { contentType: options.contentType }),
      ...(accept === undefined ? {} : { accept }),
    });
    this.#publisher = new Publisher({ broker, codecs, system, interceptors: options.callInterceptors ?? [] });
  }

  get registry(): Registry {
    return this.#components.registry;
  }

  client<T>(service: string | ServiceDefinition<T>, parent?: Parent): Client<T> {
    checkServiceName(typeof service === "string" ? service : service.name);
    return createProxy<T>(service, {
      target: (name, member, definition) =>
        definition === undefined
          ? this.#target(`${name} .${member}`, { service: name, member })
          : new Target({ service: name, member, definition }),
      call: (target, input, options) => this.#client.call(target, input, { options, parent }),
    });
  }

  call<T = unknown>(
    service: string,
    endpoint: string,
    input?: unknown,
    options?: CallOptions,
  ): UntypedCall<T> {
    return this.callFrom<T>(undefined, { service, endpoint, input, options });
  }

  callFrom<T>(parent: Parent | undefined, call: {
    readonly service: string;
    readonly endpoint: string;
    readonly input: unknown;
    readonly options: CallOptions | undefined;
  }): UntypedCall<T> {
    const { service, endpoint, input, options } = call;
    checkServiceName(service);
    if (typeof endpoint !== "string" || !/^[^.\s]+\.[^.\s]+$/.test(endpoint)) {
      throw new TypeError(
        `Endpoint must be Handler.Method, as "Greeter.Hello": current value is ${String(endpoint)}`,
      );
    }
    const target = this.#target(`${service} ${endpoint}`, { service, endpoint });
    return this.#client.call(target, input, { options, parent });
  }

  publish<S extends StandardSchemaV1>(
    topic: Topic<S> | string,
    event: unknown,
    options?: PublishOptions & { readonly parent?: Parent },
  ): Promise<Receipt> {
    return this.#publisher.publish(topic as string | Topic, event, options);
  }

  /** Lets the calls under way finish, until the signal. */
  drain(signal: AbortSignal): Promise<void> {
    return this.#client.drain(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // What fails to close must not keep the rest open.
    const failures: unknown[] = [];
    for (const part of [this.#client, ...this.#components.owned]) {
      await Promise.resolve(part[Symbol.asyncDispose]()).catch((error) => failures.push(error));
    }
    if (failures.length === 1) throw failures[0];
    if (failures.length > 1) throw new AggregateError(failures, "Parts of the mesh failed to close");
  }

  #target(key: string, what: ConstructorParameters<typeof Target>[0]): Target {
    let target = this.#targets.get(key);
    if (target === undefined) {
      if (this.#targets.size >= MAX_TARGETS) this.#targets.clear();
      target = new Target(what);
      this.#targets.set(key, target);
    }
    return target;
  }
}

/**
 * Connects a process that only calls. It reads the environment (`MICRO_REGISTRY` …), not the command line.
 *
 * @param assembler Chooses the defaults.
 * @param options What code chooses.
 * @throws {TypeError} If an option is unknown, or a part that is given lacks a method.
 */
export async function connectMesh(assembler: Assembler, options: MeshOptions): Promise<Mesh> {
  checkOptions(options, { of: "connect", names: MESH_OPTIONS });
  const system = options.system ?? await assembler.system();
  const settings = await readSettings(system.platform, {
    args: false,
    scope: "mesh",
    names: assembler.names,
  });
  return meshOf(assembler, { system, options: withSettings(options, settings), settings });
}

/**
 * A mesh by options that are settled.
 *
 * @throws {TypeError} If an implementation's name is unknown.
 * @throws {StartError} If a key or a certificate cannot be used.
 * @param assembler Makes what it is put together from.
 * @param how `settings` is what the options were settled with.
 */
export function meshOf(
  assembler: Assembler,
  how: { readonly system: System; readonly options: MeshOptions; readonly settings: Settings },
): Mesh {
  const { system, options, settings: { notes, origins } } = how;
  const warnings = checkTls(system, { tls: options.tls, origins });
  const components = assembler.assemble(options, {
    system,
    advertised: { address: () => undefined, secure: false },
    origins,
  });
  for (const note of notes) components.log.info(note);
  for (const warning of warnings) components.log.warn(warning);
  return new MeshCore(components, options);
}

function policyOf(policy: MeshOptions["policy"]): PolicyProvider {
  if (policy === undefined) return fixedPolicy();
  return "call" in policy ? policy as PolicyProvider : fixedPolicy(policy);
}
