/**
 * A link in memory, where the datagrams of several virtual machines meet.
 *
 * @module
 */

import type { DatagramOptions, DatagramSocket } from "./platform.ts";
import type { Turns } from "./virtual_network.ts";

/** The largest datagram that UDP over IPv4 carries, in bytes. */
const MAX_DATAGRAM = 65_507;
const LOOPBACK = "127.0.0.1";

interface Bound {
  readonly machine: string;
  readonly port: number;
  readonly options: DatagramOptions;
}

/**
 * Carries datagrams between machines. Each machine has an address, 10.0.0.1 and onward in the order in which they
 * come, and 127.0.0.1 for itself. Nothing is lost or swapped unless a test says so.
 *
 * @example
 * ```ts
 * const socket = await network.link.bind("a", { port: 0, receive: (data, from) => console.log(from.address) });
 * await socket.send(data, { address: network.link.addressOf("b"), port: 5353 });
 * ```
 */
export class VirtualLink {
  readonly #turns: Turns;
  readonly #bound = new Set<Bound>();
  readonly #addresses = new Map<string, string>();
  #nextPort = 49_152;
  /** Asked of every datagram that is about to arrive: whether it is lost. */
  loses: (data: Uint8Array, to: { readonly machine: string }) => boolean = () => false;
  /** Machines that nothing but loopback works on. */
  readonly unplugged: Set<string> = new Set();

  /** @param turns How datagrams are delivered. */
  constructor(turns: Turns) {
    this.#turns = turns;
  }

  /** How many sockets are open. */
  get open(): number {
    return this.#bound.size;
  }

  /** The address of a machine. */
  addressOf(machine: string): string {
    let address = this.#addresses.get(machine);
    if (address === undefined) this.#addresses.set(machine, address = `10.0.0.${this.#addresses.size + 1}`);
    return address;
  }

  /** Opens a socket on a machine; rejects if its port is taken and not shared. */
  bind(machine: string, options: DatagramOptions): Promise<DatagramSocket> {
    const port = options.port === 0 ? this.#nextPort++ : options.port;
    for (const other of this.#bound) {
      if (other.machine !== machine || other.port !== port) continue;
      if (options.group === undefined || other.options.group === undefined) {
        return Promise.reject(new Error(`bind EADDRINUSE 0.0.0.0:${port}`));
      }
    }
    const bound: Bound = { machine, port, options };
    this.#bound.add(bound);
    return Promise.resolve({
      port,
      send: (data, to) => this.#send(bound, data, to),
      [Symbol.asyncDispose]: () => {
        this.#bound.delete(bound);
        return Promise.resolve();
      },
    });
  }

  #send(
    from: Bound,
    data: Uint8Array,
    to: { readonly address: string; readonly port: number },
  ): Promise<void> {
    const refuse = (code: string) => Promise.reject(new Error(`send ${code} ${to.address}:${to.port}`));
    if (!this.#bound.has(from)) return refuse("EBADF");
    if (data.length > MAX_DATAGRAM) return refuse("EMSGSIZE");
    const own = this.addressOf(from.machine);
    const inside = to.address === LOOPBACK || from.options.through === LOOPBACK || to.address === own;
    if (!inside && this.unplugged.has(from.machine)) return refuse("ENETUNREACH");
    const copy = data.slice();
    this.#turns.post(() => {
      for (const target of [...this.#bound]) {
        const here = target.machine === from.machine;
        if (target.port !== to.port || (inside && !here)) continue;
        if (!here && this.unplugged.has(target.machine)) continue;
        const meant = target.options.group === to.address || this.addressOf(target.machine) === to.address ||
          (here && to.address === LOOPBACK);
        if (!meant || this.loses(copy, target)) continue;
        const address = inside && to.address !== own ? LOOPBACK : own;
        target.options.receive(copy.slice(), { address, port: from.port, here });
      }
    });
    return Promise.resolve();
  }
}
