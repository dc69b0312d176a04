/**
 * A registry that does what a test says.
 *
 * @module
 */

import { PushIterator } from "../../runtime/push_iterator.ts";
import type { ServiceRecord } from "../../runtime/record.ts";
import type { Registry, RegistryEvent, WatchOptions } from "../../runtime/registry/registry.ts";

/** A registry whose watches a test feeds and cuts, and which notes what is registered. */
export class ScriptedRegistry implements Registry {
  readonly name = "scripted";
  /** Every watch there has been, open or not. */
  readonly watches: { readonly service: string | undefined; readonly events: PushIterator<RegistryEvent> }[] =
    [];
  /** How often services were listed. */
  lists = 0;
  /** What it lists. */
  services: { name: string; version: string }[] = [];
  /** What everything fails with while the registry is away. */
  down: Error | undefined;
  /** What was done, as `register a` and `deregister a`, with the node's id; what failed is in it too. */
  readonly done: string[] = [];
  /** When set, registering and deregistering wait for it. */
  late: Promise<void> | undefined;

  /** The events of the latest watch. */
  get last(): PushIterator<RegistryEvent> {
    return this.watches.at(-1)!.events;
  }

  watch({ service, signal }: WatchOptions = {}): AsyncIterable<RegistryEvent> {
    const events = new PushIterator<RegistryEvent>({ signal });
    if (this.down !== undefined) events.end(this.down);
    this.watches.push({ service, events });
    return events;
  }

  listServices(): Promise<{ name: string; version: string }[]> {
    this.lists++;
    return this.down === undefined ? Promise.resolve(this.services) : Promise.reject(this.down);
  }

  getService(): Promise<never> {
    return Promise.reject(new Error("not asked for"));
  }

  register(service: ServiceRecord): Promise<void> {
    return this.#do("register", service);
  }

  deregister(service: ServiceRecord): Promise<void> {
    return this.#do("deregister", service);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }

  async #do(what: string, service: ServiceRecord): Promise<void> {
    this.done.push(`${what} ${service.nodes.map(({ id }) => id).join(" ")}`);
    const { down } = this;
    await this.late;
    if (down !== undefined) throw down;
  }
}
