/**
 * The sockets of the `mdns` registry, and who hears what is sent through each.
 *
 * @module
 */

import { MuonError } from "../../errors.ts";
import type { Logger } from "../../log.ts";
import type { Datagrams, DatagramSocket, DatagramSource } from "../../platform.ts";
import { decodeDns, type DnsMessage, encodeDns } from "./dns.ts";
import { GROUP } from "./form.ts";
import type { Outgoing } from "./responder.ts";

const LOOPBACK = "127.0.0.1";

/** Options of {@link openSockets}. */
export interface SocketsOptions {
  /** The machine's datagrams. */
  readonly datagrams: Datagrams;
  /** Takes a message. It must not throw. */
  readonly receive: (message: DnsMessage, from: DatagramSource) => void;
  /** Told of what cannot be sent, once until something can. */
  readonly log: Logger;
}

/**
 * Opens the sockets: one of the group, on the port that all programs share, which hears what is sent to all and
 * answers; one that asks, and hears the answers; and one whose messages to all stay on this machine.
 *
 * @throws {MuonError} `unavailable`, if one cannot be opened.
 */
export async function openSockets(options: SocketsOptions): Promise<Sockets> {
  const { datagrams } = options;
  const receive = (data: Uint8Array, from: DatagramSource) => {
    const message = decodeDns(data);
    if (message !== undefined) options.receive(message, from);
  };
  const opened: DatagramSocket[] = [];
  try {
    opened.push(await datagrams.bind({ port: GROUP.port, group: GROUP.address, receive }));
    opened.push(await datagrams.bind({ port: 0, receive }));
    opened.push(await datagrams.bind({ port: 0, through: LOOPBACK, receive }));
  } catch (cause) {
    await Promise.allSettled(opened.map((socket) => socket[Symbol.asyncDispose]()));
    throw new MuonError(
      "unavailable",
      `The mdns registry cannot listen on UDP port ${GROUP.port} in the group ${GROUP.address}: ${
        messageOf(cause)
      }; ` +
        `see who has the port, whether the machine has a network, or choose another --registry`,
      { id: "muon.registry", cause },
    );
  }
  return new Sockets(opened as [DatagramSocket, DatagramSocket, DatagramSocket], options.log);
}

/** The sockets, opened. */
export class Sockets implements AsyncDisposable {
  readonly #group: DatagramSocket;
  readonly #asking: DatagramSocket;
  readonly #inside: DatagramSocket;
  readonly #log: Logger;
  #failing = false;

  /** @param sockets That of the group, that which asks, and that whose messages stay on this machine. */
  constructor(sockets: readonly [DatagramSocket, DatagramSocket, DatagramSocket], log: Logger) {
    [this.#group, this.#asking, this.#inside] = sockets;
    this.#log = log;
  }

  /**
   * Asks all on the link or, while nothing leaves this machine, all on it.
   *
   * @throws {MuonError} `unavailable`, if neither can be done.
   */
  async ask(message: DnsMessage): Promise<void> {
    const data = encodeDns(message);
    try {
      await this.#asking.send(data, GROUP);
    } catch {
      try {
        await this.#inside.send(data, GROUP);
      } catch (cause) {
        throw new MuonError(
          "unavailable",
          `The mdns registry cannot ask the group ${GROUP.address}: ${messageOf(cause)}`,
          { id: "muon.registry", cause },
        );
      }
    }
  }

  /** Says something. What cannot be sent is told to the log: whoever misses it will ask again. */
  async say({ message, to }: Outgoing): Promise<void> {
    const data = encodeDns(message);
    try {
      if (to === "host") await this.#inside.send(data, GROUP);
      else if (to === "link") await this.#group.send(data, GROUP).catch(() => this.#inside.send(data, GROUP));
      else await this.#group.send(data, to);
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) this.#log.warn("mdns registry cannot send", { bytes: data.length, error });
      this.#failing = true;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      [this.#group, this.#asking, this.#inside].map((socket) => socket[Symbol.asyncDispose]()),
    );
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
