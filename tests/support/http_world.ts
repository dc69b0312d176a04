/**
 * Processes with http brokers, on a turned clock and a network that is a map.
 *
 * @module
 */

import { createHttpBroker, type HttpBroker, type HttpBrokerOptions } from "../../runtime/broker/http/http.ts";
import { seeded } from "../../runtime/random.ts";
import type { ServiceRecord } from "../../runtime/record.ts";
import { createMemoryRegistry, MemoryRegistryStore } from "../../runtime/registry/memory.ts";
import type { Registry } from "../../runtime/registry/registry.ts";
import { VirtualClock } from "../../runtime/virtual_clock.ts";

/** What a broker's requests find at an address, in place of a network. */
export type Network = Map<string, (request: Request) => Promise<Response> | Response>;

/** A clock that lets streams and requests go on between two timers. */
function ioClock(): VirtualClock {
  return new VirtualClock({
    settle: async () => {
      for (let i = 0; i < 4; i++) await new Promise<void>((resolve) => setImmediate(resolve));
    },
  });
}

/** Processes that share a clock, a registry and a network, none of them real. */
export interface World {
  /** Their time. */
  readonly clock: VirtualClock;
  /** What is registered. */
  readonly store: MemoryRegistryStore;
  /** Who serves at an address. */
  readonly network: Network;
  /** Every request that was made. */
  readonly requests: { readonly url: string; readonly body: string }[];
}

/** A world without a process. */
export function world(): World {
  const clock = ioClock();
  return { clock, store: new MemoryRegistryStore(clock), network: new Map(), requests: [] };
}

let joined = 0;

/** A broker at an address of that world, with a registry of its own. */
export function join(
  { clock, store, network, requests }: World,
  address: string,
  options: Partial<HttpBrokerOptions> = {},
): HttpBroker & { readonly registry: Registry } {
  const registry = options.registry ?? createMemoryRegistry({ system: { clock }, store });
  const random = seeded(++joined);
  const broker = createHttpBroker({
    system: { clock, random, entropy: { fill: (bytes) => bytes.map(() => Math.floor(random.next() * 256)) } },
    address: () => address,
    fetch: async (input, init) => {
      const request = new Request(input as string, init);
      const { host } = new URL(request.url);
      requests.push({ url: request.url, body: await request.clone().text() });
      const serve = network.get(host);
      if (serve === undefined) throw new TypeError("fetch failed", { cause: new Error("ECONNREFUSED") });
      return await new Promise((resolve, reject) => {
        init?.signal?.addEventListener("abort", () => reject(init.signal!.reason));
        Promise.resolve(serve(request)).then(resolve, reject);
      });
    },
    ...options,
    registry,
  });
  network.set(address, (request) => {
    const url = new URL(request.url);
    const head = {
      method: request.method,
      path: url.pathname + url.search,
      header: (name: string) => request.headers.get(name),
    };
    if (!broker.protocol.matches(head)) return new Response("nobody", { status: 404 });
    return broker.protocol.fetch!(request, { address: "127.0.0.1:1" });
  });
  return Object.assign(broker, { registry });
}

/** The subscriptions that a process sees in the registry. */
export async function recordsOf(broker: { readonly registry: Registry }): Promise<ServiceRecord[]> {
  return await broker.registry.getService("micro.http.broker");
}
