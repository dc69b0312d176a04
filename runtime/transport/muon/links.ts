/**
 * What the transports over muon.v1 share: their options, and the links they serve.
 *
 * @module
 */

import { MuonError } from "../../errors.ts";
import type { MessageSocket, Peer } from "../../host.ts";
import type { Limits } from "../../policy.ts";
import type { System } from "../../platform.ts";
import { TimerWheel } from "../../timer_wheel.ts";
import type { Accept, Incoming, Link } from "../transport.ts";
import { type WireOptions, wireOptions } from "./limits.ts";
import { type LinkContext, MuonLink } from "./link.ts";

/** Options of a transport over muon.v1. */
export interface MuonOptions {
  /** Time and the machine. */
  readonly system: System;
  /** What this process takes in. @default {LIMITS} */
  readonly limits?: Partial<Limits>;
  /** More of what muon.v1 can be told, for those who measure. @default {WIRE} */
  readonly wire?: Partial<WireOptions>;
  /** Id of this process' node, told to the other end. @default {""} */
  readonly node?: string;
  /** The program, told to the other end, for people. @default {"muon (<runtime> <version>)"} */
  readonly agent?: string;
  /** Gets each link that somebody dialled to this end, to call back over it. */
  readonly onLink?: (link: Link) => void;
}

/** Makes links of one transport; they share a timer wheel. */
export class LinkMaker {
  /** Limits and how to send. */
  readonly options: WireOptions;
  readonly #context: LinkContext;

  /** @throws {RangeError} That names the option, if one is out of range. */
  constructor(from: MuonOptions) {
    const { platform, clock } = from.system;
    this.options = wireOptions({ ...from.limits, ...from.wire });
    this.#context = {
      system: from.system,
      wheel: new TimerWheel(clock),
      options: this.options,
      agent: from.agent ?? `muon (${platform.runtime} ${platform.version})`,
      node: from.node ?? "",
    };
  }

  /** A link over a socket that this end dialled. */
  dialled(
    socket: MessageSocket,
    options: { readonly peer: Peer; readonly accept?: Accept | undefined },
  ): MuonLink {
    const { peer, accept = unimplemented } = options;
    return new MuonLink(socket, this.#context, { peer, accept, dialler: true });
  }

  /** A link over a socket that the other end dialled. */
  accepted(
    socket: MessageSocket,
    options: { readonly peer: Peer; readonly accept: Accept; readonly gone: (link: MuonLink) => void },
  ): MuonLink {
    return new MuonLink(socket, this.#context, { ...options, dialler: false });
  }
}

/** The links that came in, and how they are drained. */
export class ServedLinks implements AsyncDisposable {
  readonly #links = new Set<MuonLink>();
  readonly #maker: LinkMaker;
  readonly #accept: Accept;
  readonly #onLink: ((link: Link) => void) | undefined;
  readonly #gone = (link: MuonLink) => void this.#links.delete(link);
  #draining = false;

  /** @param options `accept` takes the calls that come over them. */
  constructor(
    maker: LinkMaker,
    options: { readonly accept: Accept; readonly onLink: ((link: Link) => void) | undefined },
  ) {
    this.#maker = maker;
    this.#accept = options.accept;
    this.#onLink = options.onLink;
  }

  /** How many are open. */
  get size(): number {
    return this.#links.size;
  }

  /** Takes a socket that the other end dialled. While this drains, or has its fill, the other end is told to go elsewhere. */
  add(socket: MessageSocket, peer: Peer): void {
    const { maxLinks } = this.#maker.options;
    const link = this.#maker.accepted(socket, { peer, accept: this.#accept, gone: this.#gone });
    this.#links.add(link);
    if (this.#draining) void link.drain().then(() => link[Symbol.asyncDispose]());
    else if (this.#links.size > maxLinks) {
      void link.turnAway(`it has ${maxLinks} connections open, as many as it takes (its limit maxLinks)`);
    } else this.#onLink?.(link);
  }

  /** Takes no new call on any link, and closes each when its calls are over. Resolves when none is left, or at the signal. */
  async drain(signal: AbortSignal): Promise<void> {
    this.#draining = true;
    await Promise.all(Array.from(this.#links, async (link) => {
      await link.drain(signal);
      if (!signal.aborted) await link[Symbol.asyncDispose]();
    }));
  }

  /** Closes the links. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(Array.from(this.#links, (link) => link[Symbol.asyncDispose]()));
  }
}

function unimplemented(call: Incoming): void {
  const { service, endpoint } = call.head;
  call.fail(
    new MuonError("unimplemented", `this end of the connection serves no calls: ${service} ${endpoint}`, {
      id: "muon.wire",
      notRun: true,
    }),
  );
}
