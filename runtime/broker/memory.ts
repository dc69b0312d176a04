/**
 * The `memory` broker: for one process, and for tests that play several in one.
 *
 * @module
 */

import { checkTopicName } from "../definition.ts";
import { MuonError } from "../errors.ts";
import { type Logger, SILENT } from "../log.ts";
import type { System } from "../platform.ts";
import type {
  Broker,
  Delivery,
  Message,
  Receipt,
  SubscribeOptions,
  Subscription,
  Verdict,
} from "./broker.ts";
import { type DeadLetter, DeadLetters } from "./dead_letters.ts";
import { checkSubscribe, DELIVERY_POLICY, type DeliveryPolicy, Inbox, INBOX_ABILITIES } from "./inbox.ts";

/** Subscribers of which one gets each message: those of a queue, or one alone that gets every message. */
interface Group {
  readonly members: Inbox[];
  next: number;
}

/**
 * What one or more memory brokers publish to. Brokers that share one reach each other's subscribers, as processes
 * that share a backend do.
 *
 * @example
 * ```ts
 * const bus = new MemoryBus();
 * const here = createMemoryBroker({ system, bus });
 * const there = createMemoryBroker({ system, bus });
 * ```
 */
export class MemoryBus {
  readonly #topics = new Map<string, Map<string | Inbox, Group>>();

  /** Lets an inbox have a topic's messages, as a member of a queue if one is named. */
  add(inbox: Inbox, { topic, queue }: { readonly topic: string; readonly queue: string | undefined }): void {
    let groups = this.#topics.get(topic);
    if (groups === undefined) this.#topics.set(topic, groups = new Map());
    const group = groups.get(queue ?? inbox);
    if (group === undefined) groups.set(queue ?? inbox, { members: [inbox], next: 0 });
    else group.members.push(inbox);
  }

  /** Takes an inbox out. */
  remove(
    inbox: Inbox,
    { topic, queue }: { readonly topic: string; readonly queue: string | undefined },
  ): void {
    const groups = this.#topics.get(topic);
    const group = groups?.get(queue ?? inbox);
    if (groups === undefined || group === undefined) return;
    const at = group.members.indexOf(inbox);
    if (at >= 0) group.members.splice(at, 1);
    if (group.members.length === 0) groups.delete(queue ?? inbox);
    if (groups.size === 0) this.#topics.delete(topic);
  }

  /**
   * Hands a message to every group of a topic, or to none.
   *
   * @returns How many groups there are.
   * @throws {MuonError} `resource_exhausted`, if one of them has no room.
   */
  publish(topic: string, message: Message): number {
    const groups = this.#topics.get(topic);
    if (groups === undefined) return 0;
    const chosen = [...groups.values()].map(choose);
    for (const inbox of chosen) inbox.offer(message);
    return chosen.length;
  }

  /** Hands a message that a leaving member had to another of its queue; gives whether one took it. */
  pass(
    message: Message,
    to: { readonly topic: string; readonly queue: string; readonly attempt: number },
  ): boolean {
    const group = this.#topics.get(to.topic)?.get(to.queue);
    return group?.members.some((inbox) => inbox.offer(message, to.attempt)) ?? false;
  }
}

/** The member whose turn it is; one that has no room is passed over. */
function choose(group: Group): Inbox {
  const { members } = group;
  for (let i = 0; i < members.length; i++) {
    const inbox = members[(group.next + i) % members.length]!;
    if (!inbox.hasRoom) continue;
    group.next = (group.next + i + 1) % members.length;
    return inbox;
  }
  throw members[0]!.full();
}

/** Options of {@link createMemoryBroker}. */
export interface MemoryBrokerOptions {
  /** Time, and jitter. */
  readonly system: Pick<System, "clock" | "random">;
  /** What it publishes to, to share it with other brokers. @default {a bus of its own} */
  readonly bus?: MemoryBus;
  /** Told of what is given up. @default {SILENT} */
  readonly log?: Logger;
  /** Queueing and retries. @default {DELIVERY_POLICY} */
  readonly policy?: Partial<DeliveryPolicy>;
}

/** A broker that lives in this process. */
export interface MemoryBroker extends Broker {
  /** The latest messages that its subscribers could not handle. */
  readonly deadLetters: Iterable<DeadLetter>;
}

/**
 * A broker that lives in this process. A message is handed to every subscription without a queue and to one member of
 * each queue in turn, or, where one of them has no room, to nobody: `publish` then rejects with `resource_exhausted`.
 * What waits for a member of a queue that closes goes to another member.
 *
 * @example
 * ```ts
 * await using broker = createMemoryBroker({ system });
 * await broker.subscribe("user.created", async ({ message }) => console.log(message.id));
 * await broker.publish("user.created", { id: "1", header: {}, body: utf8("{}") }); // { id: "1", accepted: 1 }
 * ```
 */
export function createMemoryBroker(options: MemoryBrokerOptions): MemoryBroker {
  return new Memory(options);
}

class Memory implements MemoryBroker {
  readonly name = "memory";
  readonly can = INBOX_ABILITIES;
  readonly deadLetters: DeadLetters;
  readonly #options: MemoryBrokerOptions;
  readonly #bus: MemoryBus;
  readonly #subscriptions = new Set<Subscription>();
  #open = true;

  constructor(options: MemoryBrokerOptions) {
    this.#options = options;
    this.#bus = options.bus ?? new MemoryBus();
    this.deadLetters = new DeadLetters({ clock: options.system.clock, log: options.log ?? SILENT });
  }

  async publish(
    topic: string,
    message: Message,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<Receipt> {
    checkTopicName(topic);
    options.signal?.throwIfAborted();
    this.#mustBeOpen("publish");
    await undefined;
    return { id: message.id, accepted: this.#bus.publish(topic, message) };
  }

  async subscribe(
    topic: string,
    handle: (delivery: Delivery) => Promise<Verdict> | Verdict,
    options: SubscribeOptions = {},
  ): Promise<Subscription> {
    checkTopicName(topic);
    checkSubscribe(this.name, options);
    this.#mustBeOpen("subscribe");
    const at = { topic, queue: options.queue };
    const { queue } = options;
    const inbox = new Inbox({
      broker: this.name,
      topic,
      handle,
      subscribe: options,
      policy: { ...DELIVERY_POLICY, ...this.#options.policy },
      system: this.#options.system,
      dead: this.deadLetters,
      pass: (message, attempt) => queue !== undefined && this.#bus.pass(message, { topic, queue, attempt }),
    });
    const leave = () => {
      this.#bus.remove(inbox, at);
      this.#subscriptions.delete(subscription);
    };
    const subscription: Subscription = {
      closed: inbox.closed,
      drain: (signal) => {
        this.#bus.remove(inbox, at);
        return inbox.drain(signal).finally(leave);
      },
      [Symbol.asyncDispose]: () => {
        leave();
        inbox.close();
        return Promise.resolve();
      },
    };
    await undefined;
    this.#bus.add(inbox, at);
    this.#subscriptions.add(subscription);
    return subscription;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#open = false;
    for (const subscription of [...this.#subscriptions]) await subscription[Symbol.asyncDispose]();
  }

  #mustBeOpen(doing: string): void {
    if (this.#open) return;
    throw new MuonError("failed_precondition", `The memory broker is closed: ${doing} cannot be done`, {
      id: "muon.broker",
    });
  }
}
