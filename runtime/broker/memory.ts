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
  DeadLetters,
  Delivery,
  Message,
  Receipt,
  SubscribeOptions,
  Subscription,
  Verdict,
} from "./broker.ts";
import { MemoryDeadLetters } from "./dead_letters.ts";
import { checkSubscribe, DELIVERY_POLICY, type DeliveryPolicy, INBOX_ABILITIES } from "./delivery_policy.ts";
import { type Handed, type History, Inbox } from "./inbox.ts";

/** Subscribers of which one gets each message: those of a queue, or one alone that gets every message. */
interface Group {
  readonly members: Member[];
  next: number;
}

interface Member {
  readonly id: string;
  readonly inbox: Inbox;
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
  readonly #topics = new Map<string, Map<string, Group>>();
  #subscriptions = 0;

  /** An id for a subscription, its own among all of this bus. */
  nextId(): string {
    return `${++this.#subscriptions}`;
  }

  /** Lets an inbox have a topic's messages, as a member of a queue if one is named. */
  add(inbox: Inbox, at: Place): void {
    let groups = this.#topics.get(at.topic);
    if (groups === undefined) this.#topics.set(at.topic, groups = new Map());
    const group = groups.get(keyOf(at));
    if (group === undefined) groups.set(keyOf(at), { members: [{ id: at.id, inbox }], next: 0 });
    else group.members.push({ id: at.id, inbox });
  }

  /** Takes an inbox out. */
  remove(at: Place): void {
    const groups = this.#topics.get(at.topic);
    const group = groups?.get(keyOf(at));
    if (groups === undefined || group === undefined) return;
    const index = group.members.findIndex(({ id }) => id === at.id);
    if (index >= 0) group.members.splice(index, 1);
    if (group.members.length === 0) groups.delete(keyOf(at));
    if (groups.size === 0) this.#topics.delete(at.topic);
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
    const chosen = [...groups.values()].map((group) => {
      const inbox = choose(group, { from: group.members, message });
      if (inbox === undefined) throw group.members[0]!.inbox.full();
      return inbox;
    });
    for (const inbox of chosen) inbox.offer(message);
    return chosen.length;
  }

  /** Offers a message that a member of a queue could not handle to those that have not had it. */
  pass(message: Message, { at, history }: { readonly at: Place; readonly history: History }): Handed {
    const group = this.#topics.get(at.topic)?.get(keyOf(at));
    const others = group?.members.filter(({ id }) => !history.tried.includes(id)) ?? [];
    if (group === undefined || others.length === 0) return "none";
    return choose(group, { from: others, message })?.offer(message, history) ? "taken" : "busy";
  }
}

/** A subscription's place on a {@link MemoryBus}. */
export interface Place {
  /** Its id, by {@link MemoryBus.nextId}. */
  readonly id: string;
  /** Its topic. */
  readonly topic: string;
  /** Its queue; `undefined`: it gets every message. */
  readonly queue: string | undefined;
}

function keyOf({ id, queue }: Place): string {
  return queue === undefined ? `b ${id}` : `q ${queue}`;
}

/** The inbox of the member whose turn it is; one that has no room for the message is passed over. */
function choose(
  group: Group,
  { from, message }: { readonly from: readonly Member[]; readonly message: Message },
): Inbox | undefined {
  for (let i = 0; i < from.length; i++) {
    const { inbox } = from[(group.next + i) % from.length]!;
    if (!inbox.hasRoomFor(message)) continue;
    group.next = (group.next + i + 1) % from.length;
    return inbox;
  }
  return undefined;
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
  readonly deadLetters: DeadLetters;
}

/**
 * A broker that lives in this process. A message is handed to every subscription without a queue and to one member of
 * each queue in turn, or, where one of them has no room, to nobody: `publish` then rejects with `resource_exhausted`.
 * What a member of a queue cannot handle, or has not handled when its subscription ends, goes to another member.
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
  readonly deadLetters: MemoryDeadLetters;
  readonly #options: MemoryBrokerOptions;
  readonly #bus: MemoryBus;
  readonly #subscriptions = new Set<Subscription>();
  #open = true;

  constructor(options: MemoryBrokerOptions) {
    this.#options = options;
    this.#bus = options.bus ?? new MemoryBus();
    this.deadLetters = new MemoryDeadLetters({ clock: options.system.clock, log: options.log ?? SILENT });
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
    const at: Place = { id: this.#bus.nextId(), topic, queue: options.queue };
    const inbox = new Inbox({
      id: at.id,
      topic,
      handle,
      subscribe: options,
      policy: { ...DELIVERY_POLICY, ...this.#options.policy },
      system: this.#options.system,
      dead: this.deadLetters,
      pass: at.queue === undefined
        ? undefined
        : (message, { history }) => this.#bus.pass(message, { at, history }),
    });
    const leave = () => {
      this.#bus.remove(at);
      this.#subscriptions.delete(subscription);
    };
    const subscription: Subscription = {
      closed: inbox.closed,
      drain: (signal) => {
        this.#bus.remove(at);
        return inbox.drain(signal).finally(leave);
      },
      [Symbol.asyncDispose]: () => {
        leave();
        return inbox.close();
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
