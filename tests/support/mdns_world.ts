/**
 * Machines on a link in memory, each with `mdns` registries of its own, on a turned clock.
 *
 * @module
 */

import assert from "node:assert/strict";
import { deflateSync, inflateSync } from "node:zlib";
import { lineLogger } from "../../runtime/log.ts";
import type { DatagramSource } from "../../runtime/platform.ts";
import { decodeDns, type DnsMessage, encodeDns } from "../../runtime/registry/mdns/dns.ts";
import { GROUP } from "../../runtime/registry/mdns/form.ts";
import { createMdnsRegistry, type MdnsRegistryOptions } from "../../runtime/registry/mdns/mdns.ts";
import type { Zlib } from "../../runtime/registry/mdns/payload.ts";
import type { Registry, RegistryEvent } from "../../runtime/registry/registry.ts";
import { VirtualClock } from "../../runtime/virtual_clock.ts";
import { VirtualNetwork } from "../../runtime/virtual_network.ts";
import { createVirtualSystem } from "../../runtime/virtual_platform.ts";

/** zlib that answers in the same turn, so that only the clock makes time pass. */
export const zlib: Zlib = {
  deflate: (bytes) => Promise.resolve(new Uint8Array(deflateSync(bytes))),
  inflate: (bytes, limit) =>
    Promise.resolve().then(() => new Uint8Array(inflateSync(bytes, { maxOutputLength: limit }))),
};

/** A message that was on the link. */
export interface Heard {
  /** When, in ms since the world began. */
  readonly at: number;
  /** What it said. */
  readonly message: DnsMessage;
  /** Who said it. */
  readonly from: DatagramSource;
}

/** The machines and what they share. */
export class MdnsWorld implements AsyncDisposable {
  /** Time. */
  readonly clock: VirtualClock = new VirtualClock({
    settle: async () => {
      for (let i = 0; i < 1_000; i++) await undefined;
    },
  });
  /** What the machines are on. */
  readonly network: VirtualNetwork = new VirtualNetwork();
  /** What the registries wrote to their log. */
  readonly lines: string[] = [];
  readonly #opened: AsyncDisposable[] = [];
  #seed = 1;
  #turning: Promise<void> = Promise.resolve();

  /** A registry in a process of a machine. */
  open(hostname = "virtual", options: Partial<MdnsRegistryOptions> = {}): Registry {
    const { clock, network } = this;
    const system = createVirtualSystem({ clock, network, hostname, seed: this.#seed++ });
    const log = lineLogger((line) => this.lines.push(line), { level: "debug" });
    const registry = createMdnsRegistry({ system, log, zlib, ...options });
    this.#opened.push(registry);
    return registry;
  }

  /** What is said to all from now on, as a machine hears it. */
  async listen(hostname = "listener"): Promise<readonly Heard[]> {
    const heard: Heard[] = [];
    const began = this.clock.now();
    const socket = await this.network.link.bind(hostname, {
      port: GROUP.port,
      group: GROUP.address,
      receive: (data, from) => {
        const message = decodeDns(data);
        assert.ok(message, "only whole messages are on the link");
        heard.push({ at: this.clock.now() - began, message, from });
      },
    });
    this.#opened.push(socket);
    return heard;
  }

  /** Sends a datagram to all and gives what comes back to it, until the world ends. */
  async send(data: DnsMessage | Uint8Array, hostname = "stranger"): Promise<readonly Heard[]> {
    const heard: Heard[] = [];
    const socket = await this.network.link.bind(hostname, {
      port: 0,
      receive: (bytes, from) => heard.push({ at: this.clock.now(), message: decodeDns(bytes)!, from }),
    });
    this.#opened.push(socket);
    await socket.send(data instanceof Uint8Array ? data : encodeDns(data), GROUP);
    await this.advance(0);
    return heard;
  }

  /** Turns the clock on, after whoever is turning it already. */
  advance(ms: number): Promise<void> {
    return this.#turning = this.#turning.then(() => this.clock.advance(ms));
  }

  /** Turns the clock on until something is done, and gives its result. */
  async during<T>(work: Promise<T>): Promise<T> {
    let done = false;
    const finish = () => void (done = true);
    work.then(finish, finish);
    for (let i = 0; i < 100 && !done; i++) await this.advance(5);
    assert.ok(done, "it is done within half a second");
    return work;
  }

  /** A registry for those who know of no clock: it is turned on while an answer is waited for. */
  turned(registry: Registry): Registry {
    return {
      name: registry.name,
      register: (service, options) => registry.register(service, options),
      deregister: (service) => registry.deregister(service),
      getService: (name, options) => this.during(registry.getService(name, options)),
      listServices: (options) => this.during(registry.listServices(options)),
      watch: (options) => ({ [Symbol.asyncIterator]: () => this.#first(registry.watch(options)) }),
      [Symbol.asyncDispose]: () => registry[Symbol.asyncDispose](),
    };
  }

  async *#first(events: AsyncIterable<RegistryEvent>): AsyncGenerator<RegistryEvent, void, undefined> {
    const iterator = events[Symbol.asyncIterator]();
    try {
      for (let next = await this.during(iterator.next()); !next.done; next = await iterator.next()) {
        yield next.value;
      }
    } finally {
      await iterator.return?.();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const each of this.#opened) await each[Symbol.asyncDispose]();
    assert.equal(this.clock.pending, 0, "no timer is left");
    assert.equal(this.network.link.open, 0, "no socket is left");
  }
}
