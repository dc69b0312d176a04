/**
 * The links a client has: one a transport and address, dialled when first wanted, shared by every service behind it.
 *
 * @module
 */

import { MuonError, textOf } from "../errors.ts";
import { untilAborted } from "../eventual.ts";
import type { Node } from "../record.ts";
import type { Accept, Link, Transport } from "../transport/transport.ts";

interface Dialling {
  readonly link: Promise<Link>;
  readonly controller: AbortController;
  waiting: number;
}

/** Keeps links open. */
export class Links implements AsyncDisposable {
  readonly #transports: readonly Transport[];
  readonly #accept: Accept | undefined;
  readonly #open = new Map<string, Link>();
  /** What `open` found, so that the hot path asks no transport and makes no key. */
  readonly #byNode = new WeakMap<Node, Link>();
  readonly #all = new Set<Link>();
  readonly #dialling = new Map<string, Dialling>();
  #closed = false;

  /**
   * @param transports In the order they are preferred.
   * @param accept Takes the calls that the other ends make.
   */
  constructor(transports: readonly Transport[], accept?: Accept) {
    this.#transports = transports;
    this.#accept = accept;
  }

  /**
   * The transport by which a node is called: the first that speaks what the node does.
   *
   * @throws {MuonError} `unavailable`, if none does; the detail names both sides.
   */
  transport(node: Node, name: string | undefined): Transport {
    const usable = name === undefined
      ? this.#transports
      : this.#transports.filter((transport) => transport.name === name);
    if (usable.length === 0) {
      throw new MuonError("invalid_argument", `There is no transport "${name}"; there is ${this.#names()}`, {
        id: "muon.client",
        notRun: true,
      });
    }
    const { muon, protocol } = node.metadata;
    // An address that the caller gave, with the transport to take; and a record that says nothing.
    const trusted = name !== undefined &&
      (muon === name || (muon === undefined && protocol === undefined));
    const found = trusted ? usable[0] : usable.find((transport) => transport.speaks(node));
    if (found !== undefined) return found;
    throw new MuonError(
      "unavailable",
      `No transport reaches the node: it speaks ${
        muon ?? protocol ?? "nothing muon knows"
      }, and this process has ${usable.map((transport) => transport.name).join(", ")}`,
      { id: "muon.client", notRun: true, where: { node: node.id, address: node.address } },
    );
  }

  /**
   * The open link to a node; `undefined` if it has to be dialled.
   *
   * @param name Transport to use, whatever the node prefers.
   * @throws {MuonError} As {@link Links.transport}.
   */
  open(node: Node, name?: string): Link | undefined {
    if (name === undefined) {
      const known = this.#byNode.get(node);
      if (known !== undefined && known.accepting) return known;
    }
    const link = this.#open.get(keyOf(node, this.transport(node, name)));
    if (link === undefined || !link.accepting) return undefined;
    if (name === undefined) this.#byNode.set(node, link);
    return link;
  }

  /** A link to a node, dialled if there is none. All who want it at a time share one attempt; a failure is not kept. */
  async connect(
    node: Node,
    options: { readonly name?: string | undefined; readonly signal?: AbortSignal },
  ): Promise<Link> {
    const { name, signal } = options;
    const existing = this.open(node, name);
    if (existing !== undefined) return existing;
    if (this.#closed) {
      throw new MuonError("unavailable", "The client is closed", { id: "muon.client", notRun: true });
    }
    const transport = this.transport(node, name);
    const key = keyOf(node, transport);
    let dialling = this.#dialling.get(key);
    if (dialling === undefined) {
      const controller = new AbortController();
      dialling = { link: this.#dial(key, { node, transport, controller }), controller, waiting: 0 };
      // Those who wait see a failure; this keeps it from counting as unhandled when all of them have gone.
      dialling.link.catch(() => {});
      this.#dialling.set(key, dialling);
    }
    dialling.waiting++;
    try {
      return await untilAborted(dialling.link, signal);
    } finally {
      dialling.waiting--;
      if (dialling.waiting === 0) {
        // Nobody wants it any more: who comes now must not join an attempt that is given up.
        this.#forget(key, dialling.controller);
        dialling.controller.abort();
      }
    }
  }

  async #dial(
    key: string,
    { node, transport, controller }: {
      readonly node: Node;
      readonly transport: Transport;
      readonly controller: AbortController;
    },
  ): Promise<Link> {
    try {
      const link = await transport.dial(node, { signal: controller.signal, accept: this.#accept });
      if (this.#closed) {
        await link[Symbol.asyncDispose]();
        throw new MuonError("unavailable", "The client is closed", { id: "muon.client", notRun: true });
      }
      this.#open.set(key, link);
      this.#all.add(link);
      void link.closed.then(() => {
        this.#all.delete(link);
        if (this.#open.get(key) === link) this.#open.delete(key);
      });
      return link;
    } catch (error) {
      const where = { node: node.id, address: node.address };
      if (error instanceof MuonError) throw error.at(where);
      throw new MuonError(
        "unavailable",
        `Cannot connect: ${error instanceof Error ? error.message : textOf(error)}`,
        {
          id: "muon.client",
          where,
          notRun: true,
          cause: error,
        },
      );
    } finally {
      this.#forget(key, controller);
    }
  }

  #forget(key: string, controller: AbortController): void {
    if (this.#dialling.get(key)?.controller === controller) this.#dialling.delete(key);
  }

  #names(): string {
    return this.#transports.map((transport) => transport.name).join(", ") || "none";
  }

  /** Lets the calls finish that are under way, until the signal. */
  async drain(signal: AbortSignal): Promise<void> {
    await Promise.all([...this.#all].map((link) => link.drain(signal)));
  }

  /** Closes every link. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    for (const { controller } of this.#dialling.values()) controller.abort();
    await Promise.all([...this.#all].map((link) => link[Symbol.asyncDispose]()));
  }
}

function keyOf({ address, metadata }: Node, transport: Transport): string {
  const { secure, muon, protocol } = metadata;
  // At one address, a node whose record names no protocol is spoken to differently: as Go Micro's oldest.
  const silent = muon === undefined && !protocol ? "silent " : "";
  return `${transport.name} ${silent}${secure === "true" ? "tls " : ""}${address}`;
}
