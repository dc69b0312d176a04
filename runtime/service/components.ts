/**
 * What a mesh or a service is put together from, and who puts it together.
 *
 * @module
 */

import type { Broker } from "../broker/broker.ts";
import type { Codecs } from "../codec/codecs.ts";
import type { ServiceDefinition } from "../definition.ts";
import type { Protocol } from "../host.ts";
import type { Logger } from "../log.ts";
import type { System } from "../platform.ts";
import type { Registry } from "../registry/registry.ts";
import type { Selector } from "../selector/selector.ts";
import type { Transport } from "../transport/transport.ts";
import type { MeshOptions } from "./options.ts";
import type { Origins } from "./origins.ts";

/** One of each concept, chosen and made. */
export interface Components {
  /** Time, chance and the machine. */
  readonly system: System;
  /** Log. */
  readonly log: Logger;
  /** Who serves what. */
  readonly registry: Registry;
  /** Which node serves a call. */
  readonly selector: Selector;
  /** Ways of calling, in the order they are preferred. */
  readonly transports: readonly Transport[];
  /** Events. */
  readonly broker: Broker;
  /** What the broker wants on the shared port. */
  readonly brokerProtocol?: Protocol | undefined;
  /** Ways of writing. */
  readonly codecs: Codecs;
  /** What was made here and is closed with the mesh, in the order of closing. What the user gave is the user's. */
  readonly owned: readonly AsyncDisposable[];
}

/** Tells where this process can be reached, once it listens. */
export interface Advertised {
  /** `host:port`; `undefined` before it listens and in a process that does not. */
  address(): string | undefined;
  /** Whether it is reached over TLS. */
  readonly secure: boolean;
}

/** Names under which implementations are chosen. */
export interface ImplementationNames {
  /** Of `--registry`. */
  readonly registry: readonly string[];
  /** Of `--broker`. */
  readonly broker: readonly string[];
  /** Of `--transport`. */
  readonly transport: readonly string[];
  /** Of `--selector`. */
  readonly selector: readonly string[];
}

/** Makes components of options: the preset, which is the one place where defaults are chosen. */
export interface Assembler {
  /** What there is to choose from, for `--help`. */
  readonly names: ImplementationNames;
  /** Which of them is taken where nobody chooses. */
  readonly defaults: Readonly<Record<keyof ImplementationNames, string>>;
  /** The runtime's own system. */
  system(): Promise<System>;
  /**
   * Makes one of each. `origins` says which flag or variable chose what, for errors.
   *
   * @throws {TypeError} If a name is unknown; the message lists those there are.
   */
  assemble(
    options: MeshOptions,
    context: {
      readonly system: System;
      readonly advertised: Advertised;
      readonly origins?: Origins;
    },
  ): Components;
  /** A class or instance, as a definition and the object that serves it. */
  scan(target: object): { readonly definition: ServiceDefinition; readonly implementation: object };
}
