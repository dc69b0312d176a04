/**
 * The `memory` transport: muon.v1 over sockets within one process. What is simulated is what runs.
 *
 * @module
 */

import type { Clock, Timer } from "../../clock.ts";
import { MuonError } from "../../errors.ts";
import type { MessageSocket, Peer } from "../../host.ts";
import { LinkMaker, type MuonOptions, ServedLinks } from "../muon/links.ts";
import type { Link, Listener, Transport } from "../transport.ts";
import { socketPair } from "./socket_pair.ts";

const SCHEME = "memory://";
const PEER: Peer = { address: "memory" };

type Answer = (socket: MessageSocket) => void;

/** Who listens where, among the memory transports that share it. */
export class MemoryNetwork {
  readonly #listeners = new Map<string, Answer>();
  #count = 0;

  /**
   * Listens.
   *
   * @param address `memory://<id>`, or an id; one that nobody has, if none is given.
   * @returns The address, in full, and how to stop.
   * @throws {MuonError} `already_exists` if somebody listens there.
   */
  listen(address: string | undefined, answer: Answer): { readonly address: string } & Disposable {
    const at = inFull(address ?? `${++this.#count}`);
    if (this.#listeners.has(at)) {
      throw new MuonError("already_exists", `somebody listens on ${at} of this memory network already`, {
        id: "muon.memory",
      });
    }
    this.#listeners.set(at, answer);
    return { address: at, [Symbol.dispose]: () => void this.#listeners.delete(at) };
  }

  /** Who listens at an address. */
  at(address: string): Answer | undefined {
    return this.#listeners.get(inFull(address));
  }
}

/** Options of {@link createMemoryTransport}. */
export interface MemoryOptions extends MuonOptions {
  /** Who is reached: transports that share it reach each other. @default {a network of its own} */
  readonly network?: MemoryNetwork;
  /** Lets what was sent arrive: calls back later, never at once. @default {platform.endOfTurn} */
  readonly schedule?: (deliver: () => void) => void;
}

/**
 * A transport within one process.
 *
 * @throws {RangeError} That names the limit, if one is out of range.
 *
 * @example
 * ```ts
 * const network = new MemoryNetwork();
 * const transport = createMemoryTransport({ system, network });
 * const listener = await transport.listen!((call) => call.reply(call.body!));
 * const link = await transport.dial({ id: "echo-1", address: listener.address, metadata: {} });
 * ```
 */
export function createMemoryTransport(options: MemoryOptions): Transport {
  const { system, network = new MemoryNetwork() } = options;
  const schedule = options.schedule ?? ((deliver: () => void) => system.platform.endOfTurn(deliver));
  const maker = new LinkMaker(options);
  return {
    name: "memory",
    speaks: (node) => node.address.startsWith(SCHEME),
    dial(node, { signal, accept } = {}) {
      if (signal?.aborted) return Promise.reject(signal.reason);
      const answer = network.at(node.address);
      if (answer === undefined) {
        const error = new MuonError(
          "unavailable",
          `nobody listens on ${node.address} of this memory network`,
          {
            id: "muon.memory",
            notRun: true,
            where: { node: node.id, address: node.address },
          },
        );
        return Promise.reject(error);
      }
      const [near, far] = socketPair({ schedule });
      answer(far);
      const link = maker.dialled(near, { peer: { address: node.address }, accept });
      holdOpen(link, system.clock);
      return Promise.resolve(link);
    },
    // deno-lint-ignore require-await -- a refused address is a rejection
    async listen(accept, { address } = {}) {
      const links = new ServedLinks(maker, { accept, onLink: options.onLink });
      return listener(links, network.listen(address, (socket) => links.add(socket, PEER)));
    },
  };
}

/** An open link keeps the process alive, as a socket would: nothing else does while an answer is waited for. */
function holdOpen(link: Link, clock: Clock): void {
  let timer: Timer;
  const hold = () => void (timer = clock.after(2 ** 31 - 1, hold, { background: false }));
  hold();
  void link.closed.then(() => timer.cancel());
}

function listener(links: ServedLinks, place: { readonly address: string } & Disposable): Listener {
  return {
    address: place.address,
    drain: (signal) => links.drain(signal),
    async [Symbol.asyncDispose]() {
      place[Symbol.dispose]();
      await links[Symbol.asyncDispose]();
    },
  };
}

function inFull(address: string): string {
  return address.startsWith(SCHEME) ? address : SCHEME + address;
}
