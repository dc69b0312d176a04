/**
 * The `http` broker: an inbox at every subscriber, found through the registry, in Go Micro's form.
 *
 * @module
 */

import { checkTopicName } from "../../definition.ts";
import { uuid } from "../../entropy.ts";
import { MuonError } from "../../errors.ts";
import type { Protocol } from "../../host.ts";
import { type Logger, SILENT } from "../../log.ts";
import type { System } from "../../platform.ts";
import { LIMITS } from "../../policy.ts";
import { below } from "../../random.ts";
import type { Registry } from "../../registry/registry.ts";
import type {
  Broker,
  DeadLetters,
  Delivery,
  Message,
  Receipt,
  SubscribeOptions,
  Subscription,
  Verdict,
} from "../broker.ts";
import { MemoryDeadLetters } from "../dead_letters.ts";
import { checkSubscribe, DELIVERY_POLICY, type DeliveryPolicy, INBOX_ABILITIES } from "../delivery_policy.ts";
import { type Handed, type History, Inbox, NEW, type Passing } from "../inbox.ts";
import { Directory } from "./directory.ts";
import { Lease } from "./lease.ts";
import { receiver } from "./receiver.ts";
import { type Outcome, type Posted, type PostWindow, Sender } from "./sender.ts";
import { BROADCAST, deliveryLimit, encodeMessage, type Inlet, inletAt, recordOf } from "./wire.ts";

/** Options of {@link createHttpBroker}. */
export interface HttpBrokerOptions {
  /** Time, jitter, picks and ids. */
  readonly system: Pick<System, "clock" | "random" | "entropy">;
  /** Where subscriptions are registered and found. It is not closed with the broker. */
  readonly registry: Registry;
  /**
   * Where this process is reached, `host:port`; `undefined` before it listens. Asked at each `subscribe`. A process
   * that only publishes needs none.
   *
   * @default {none: it only publishes}
   */
  readonly address?: () => string | undefined;
  /** Whether this process is reached over TLS. @default {false} */
  readonly secure?: boolean;
  /** Told of subscribers that cannot be reached or do not answer, and of what is given up. @default {SILENT} */
  readonly log?: Logger;
  /** Makes requests; one of your own can trust a private authority. @default {globalThis.fetch} */
  readonly fetch?: typeof globalThis.fetch;
  /** Largest body of a message that is sent or taken, in bytes. @default {4_194_304} */
  readonly maxMessage?: number;
  /** Longest wait for a subscriber to take a message, in ms. @default {5000} */
  readonly timeout?: number;
  /** Queueing and retries at this process's subscribers. @default {DELIVERY_POLICY} */
  readonly policy?: Partial<DeliveryPolicy>;
}

/** A broker whose subscribers take deliveries on the port their process has anyway. */
export interface HttpBroker extends Broker {
  /** What takes deliveries: to be mounted on the host whose address {@link HttpBrokerOptions.address} tells. */
  readonly protocol: Protocol;
  /** The latest messages that this process's subscribers could not handle. */
  readonly deadLetters: DeadLetters;
}

/**
 * A broker without a broker: publishers find subscribers through the registry and post messages to them.
 *
 * Order of things: mount `protocol` on a host, let `address` tell where it listens, then subscribe; `subscribe` before
 * that is an error. `publish` resolves when each queue has handed the message to one member, and every subscription
 * without a queue has it; handlers run later. A subscriber that cannot be reached is passed over and logged; where one
 * is reached and does not take the message, and no other member of its queue does, `publish` rejects. What fails is
 * tried again at the subscriber, then handed over to the other members of its queue, as is what a subscription has not
 * handled when it ends.
 *
 * @example
 * ```ts
 * const broker = createHttpBroker({ system, registry, address: () => host.addresses[0] });
 * host.mount(broker.protocol);
 * await broker.subscribe("user.created", async ({ message }) => console.log(message.id), { queue: "mail" });
 * await broker.publish("user.created", { id: "1", header: {}, body: utf8("{}") }); // { id: "1", accepted: 1 }
 * ```
 */
export function createHttpBroker(options: HttpBrokerOptions): HttpBroker {
  return new Http(options);
}

/** A member of a queue, or a subscription that gets every message. */
type Group = readonly Inlet[];

class Http implements HttpBroker {
  readonly name = "http";
  readonly can = INBOX_ABILITIES;
  readonly protocol: Protocol;
  readonly deadLetters: MemoryDeadLetters;
  readonly #options: HttpBrokerOptions;
  readonly #log: Logger;
  readonly #maxMessage: number;
  readonly #directory: Directory;
  readonly #sender: Sender;
  readonly #abort = new AbortController();
  readonly #inboxes = new Map<string, Inbox>();
  readonly #inlets = new Map<string, Inlet>();
  readonly #groups = new WeakMap<readonly Inlet[], readonly Group[]>();
  readonly #subscriptions = new Set<Subscription>();

  constructor(options: HttpBrokerOptions) {
    const { system, registry } = options;
    const { clock } = system;
    const timeout = options.timeout ?? 5_000;
    this.#options = options;
    this.#log = options.log ?? SILENT;
    this.#maxMessage = options.maxMessage ?? LIMITS.maxMessage;
    this.deadLetters = new MemoryDeadLetters({ clock, log: this.#log });
    this.#directory = new Directory({ registry, system, log: this.#log, timeout });
    this.#sender = new Sender({
      fetch: options.fetch ?? ((input, init) => globalThis.fetch(input, init)),
      clock,
      log: this.#log,
      timeout,
    });
    this.protocol = receiver({ inboxes: this.#inboxes, system, maxMessage: this.#maxMessage });
  }

  async publish(
    topic: string,
    message: Message,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<Receipt> {
    checkTopicName(topic);
    const { signal } = options;
    const signals = signal === undefined ? [this.#abort.signal] : [this.#abort.signal, signal];
    signal?.throwIfAborted();
    this.#mustBeOpen("publish");
    if (message.body.length > this.#maxMessage) {
      throw new MuonError(
        "resource_exhausted",
        `the message for "${topic}" has ${message.body.length} bytes: at most ${this.#maxMessage} are sent`,
        { id: "muon.broker", notRun: true },
      );
    }
    const groups = this.#groupsOf(topic, await this.#directory.find(topic, signal));
    if (groups.length === 0) return { id: message.id, accepted: 0 };

    let encoded: Uint8Array | undefined;
    const posted: Posted = { encode: () => encoded ??= this.#encode(topic, message), signals };
    using window = this.#sender.window(posted);
    const what = { message, history: NEW, posted, window };
    const outcomes = await Promise.all(groups.map((group) => this.#deliver(group, what)));
    let accepted = 0;
    const refused: Outcome[] = [];
    for (const outcome of outcomes) {
      if (outcome.type === "accepted") accepted++;
      else if (outcome.type !== "gone") refused.push(outcome);
    }
    if (refused.length > 0) throw this.#refused(topic, { refused, accepted, of: groups.length });
    return { id: message.id, accepted };
  }

  async subscribe(
    topic: string,
    handle: (delivery: Delivery) => Promise<Verdict> | Verdict,
    options: SubscribeOptions = {},
  ): Promise<Subscription> {
    checkTopicName(topic);
    checkSubscribe(this.name, options);
    if (options.queue === BROADCAST) {
      throw new TypeError(`Queue "${BROADCAST}" is Go Micro's sign for no queue: leave the queue out`);
    }
    this.#mustBeOpen("subscribe");
    const { system, registry } = this.#options;
    const inlet = inletAt({
      id: `${topic}-${uuid(system.entropy)}`,
      topic,
      queue: options.queue,
      address: this.#address(topic),
      secure: this.#options.secure ?? false,
    });
    const inbox = new Inbox({
      id: inlet.id,
      topic,
      handle,
      subscribe: options,
      policy: { ...DELIVERY_POLICY, ...this.#options.policy },
      system,
      dead: this.deadLetters,
      pass: inlet.queue === undefined ? undefined : (message, how) => this.#pass(inlet, { message, ...how }),
    });
    // Deliveries may come as soon as it is registered.
    this.#inboxes.set(inlet.id, inbox);
    let lease: Lease;
    try {
      lease = await Lease.take({ registry, record: recordOf(inlet), system, log: this.#log });
    } catch (error) {
      this.#inboxes.delete(inlet.id);
      await inbox.close();
      throw error;
    }
    if (this.#abort.signal.aborted) {
      await Promise.all([inbox.close(), lease.release()]);
      this.#inboxes.delete(inlet.id);
      this.#mustBeOpen("subscribe");
    }
    this.#inlets.set(inlet.id, inlet);
    return this.#subscription({ inlet, inbox, lease });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#abort.signal.aborted) return;
    this.#abort.abort(new MuonError("canceled", "the http broker was closed", { id: "muon.broker" }));
    // None of them is to hand over to another.
    this.#inlets.clear();
    await Promise.all([...this.#subscriptions].map((subscription) => subscription[Symbol.asyncDispose]()));
    await this.#directory[Symbol.asyncDispose]();
  }

  #subscription({ inlet, inbox, lease }: {
    readonly inlet: Inlet;
    readonly inbox: Inbox;
    readonly lease: Lease;
  }): Subscription {
    // The inbox stays known until the registry has been told, so that nothing is posted from here to here.
    const leave = () => {
      this.#inboxes.delete(inlet.id);
      this.#subscriptions.delete(subscription);
    };
    const subscription: Subscription = {
      closed: inbox.closed,
      drain: async (signal) => {
        this.#inlets.delete(inlet.id);
        // Whoever has not heard yet may deliver until it is deregistered, if the registry does that in time.
        await lease.release(signal);
        await inbox.drain(signal);
        leave();
      },
      [Symbol.asyncDispose]: async () => {
        this.#inlets.delete(inlet.id);
        await Promise.all([inbox.close(), lease.release()]);
        leave();
      },
    };
    this.#subscriptions.add(subscription);
    return subscription;
  }

  /** Offers what a member of a queue has left to those that have not had it. */
  async #pass(
    { topic, queue }: Inlet,
    { message, history, signal }: Passing & { readonly message: Message },
  ): Promise<Handed> {
    const found = await this.#directory.find(topic, signal);
    const others = this.#inletsOf(topic, found).filter((inlet) =>
      inlet.queue === queue && !history.tried.includes(inlet.id)
    );
    let encoded: Uint8Array | undefined;
    const posted: Posted = {
      encode: () => encoded ??= this.#encode(topic, message, history),
      signals: [signal],
    };
    using window = this.#sender.window(posted);
    const { type } = await this.#deliver(others, { message, history, posted, window });
    if (type === "gone") return "none";
    if (type !== "accepted") return "busy";
    this.#log.debug("event handed over", { topic, queue, id: message.id, attempt: history.attempt });
    return "taken";
  }

  /** The subscriptions to a topic. What this process subscribes to, it knows before the registry. */
  #inletsOf(topic: string, found: readonly Inlet[]): readonly Inlet[] {
    if (this.#inboxes.size === 0) return found;
    const own = [...this.#inlets.values()].filter((inlet) => inlet.topic === topic);
    // Of this process's own, those that drain are still in the registry's answer.
    return [...own, ...found.filter(({ id }) => !this.#inboxes.has(id))];
  }

  /** The same in groups. Those of others are put together once, as the directory gives the same list until it changes. */
  #groupsOf(topic: string, found: readonly Inlet[]): readonly Group[] {
    const inlets = this.#inletsOf(topic, found);
    if (inlets.length !== found.length || inlets.some((inlet, at) => inlet !== found[at])) {
      return groupsOf(inlets);
    }
    let groups = this.#groups.get(found);
    if (groups === undefined) this.#groups.set(found, groups = groupsOf(inlets));
    return groups;
  }

  /** Hands a message to one member of a group: at random, those last that were not reached, or silent, the last time. */
  async #deliver(
    group: Group,
    what: {
      readonly message: Message;
      readonly history: History;
      readonly posted: Posted;
      /** That of the first post. Each further one has its own, as it begins later. */
      readonly window: PostWindow;
    },
  ): Promise<Outcome> {
    let outcome: Outcome = { type: "gone", reason: "it has no member" };
    let posts = 0;
    for (const inlet of this.#order(group)) {
      const own = this.#inboxes.get(inlet.id);
      const next: Outcome = own === undefined
        ? await (posts++ === 0 ? this.#sender.post(inlet, what.window) : this.#postLater(inlet, what.posted))
        : own.offer(what.message, what.history)
        ? { type: "accepted" }
        : own.open
        ? { type: "full", reason: own.full().detail }
        : { type: "gone", reason: "it was closed" };
      if (next.type === "accepted") return next;
      if (next.type !== "gone" || outcome.type === "gone") outcome = next;
    }
    return outcome;
  }

  async #postLater(inlet: Inlet, posted: Posted): Promise<Outcome> {
    using window = this.#sender.window(posted);
    return await this.#sender.post(inlet, window);
  }

  #order(group: Group): Group {
    if (group.length < 2) return group;
    const from = below(this.#options.system.random, group.length);
    const turned = [...group.slice(from), ...group.slice(0, from)];
    const reachable = turned.filter(({ id }) => !this.#sender.isAway(id));
    return reachable.length === group.length
      ? turned
      : [...reachable, ...turned.filter(({ id }) => this.#sender.isAway(id))];
  }

  #encode(topic: string, message: Message, history: History = NEW): Uint8Array {
    const encoded = encodeMessage(topic, message, history);
    const limit = deliveryLimit(this.#maxMessage);
    if (encoded.length <= limit) return encoded;
    throw new MuonError(
      "resource_exhausted",
      `the message for "${topic}" has ${encoded.length} bytes with its headers: at most ${limit} are sent`,
      { id: "muon.broker", notRun: true },
    );
  }

  #refused(
    topic: string,
    { refused, accepted, of }: {
      readonly refused: readonly Outcome[];
      readonly accepted: number;
      readonly of: number;
    },
  ): MuonError {
    const reasons = refused.map((outcome) => outcome.type === "accepted" ? "" : outcome.reason);
    return new MuonError(
      refused.every(({ type }) => type === "full") ? "resource_exhausted" : "unavailable",
      `${refused.length} of ${of} subscribers (each queue counts as one) to "${topic}" did not take the message, ` +
        `${accepted} have it: ${[...new Set(reasons)].slice(0, 3).join("; ")}`,
      { id: "muon.broker", notRun: accepted === 0 && refused.every(({ type }) => type === "full") },
    );
  }

  #address(topic: string): string {
    const address = this.#options.address?.();
    if (address !== undefined) return address;
    throw new MuonError(
      "failed_precondition",
      `cannot subscribe to "${topic}" with the http broker: this process does not listen (yet), so nothing can be ` +
        `delivered to it. Subscribe in a service, once it has started, or choose another broker`,
      { id: "muon.broker" },
    );
  }

  #mustBeOpen(doing: string): void {
    if (!this.#abort.signal.aborted) return;
    throw new MuonError("failed_precondition", `The http broker is closed: ${doing} cannot be done`, {
      id: "muon.broker",
    });
  }
}

/** The groups of which each is to get a message. */
function groupsOf(inlets: readonly Inlet[]): Group[] {
  const groups = new Map<string, Inlet[]>();
  for (const inlet of inlets) {
    const key = inlet.queue === undefined ? `b ${inlet.id}` : `q ${inlet.queue}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [inlet]);
    else group.push(inlet);
  }
  return [...groups.values()];
}
