/**
 * Tells of the nodes that are registered here: probes, announcements, answers, goodbyes. It takes messages and the
 * time, and gives messages; it does no I/O.
 *
 * @module
 */

import type { DatagramSource } from "../../platform.ts";
import type { Random } from "../../random.ts";
import { below } from "../../random.ts";
import { type DnsMessage, TYPE } from "./dns.ts";
import {
  announcement,
  answerTo,
  type Entry,
  keyOf,
  LIST,
  listRecords,
  nodeRecords,
  probe,
  serviceName,
} from "./form.ts";

/** Probes before the first announcement. */
const PROBES = 3;
/** Longest time between two probes, in ms. */
const PROBE_GAP = 250;
/** Waits after each announcement but the last, in ms: each twice as long (RFC 6762 §8.3). */
const ANNOUNCE_GAPS = [1_000, 2_000];
/** Questions of one message that are answered. */
const MAX_QUESTIONS = 16;

/** A message to send, and to whom: all on the link, all on this machine, or who asked. */
export interface Outgoing {
  /** What is sent. */
  readonly message: DnsMessage;
  /** To whom. */
  readonly to: "link" | "host" | { readonly address: string; readonly port: number };
}

interface Live {
  readonly entry: Entry;
  /** When it ends unless it is renewed, on the steady clock. */
  readonly expires: number;
  /** What is said of how long it may be believed, in seconds. */
  readonly ttl: number;
  /** Probes and announcements that were sent. */
  readonly step: number;
  /** When the next one is due; `Infinity`: all were sent. */
  readonly due: number;
}

/**
 * The nodes that are registered here.
 *
 * @example
 * ```ts
 * const responder = new Responder({ host: "here", random });
 * responder.put(entry, { ttl: 60_000, now });
 * for (const { message, to } of responder.tick(now)) send(message, to); // the first probe
 * ```
 */
export class Responder {
  readonly #host: string;
  readonly #random: Random;
  readonly #live = new Map<string, Live>();

  /** @param options `host`: name of this machine in DNS; `random`: spreads the probes. */
  constructor(options: { readonly host: string; readonly random: Random }) {
    this.#host = options.host;
    this.#random = options.random;
  }

  /** When {@link Responder.tick} has something to do. */
  get due(): number {
    let due = Infinity;
    for (const live of this.#live.values()) due = Math.min(due, live.due, live.expires);
    return due;
  }

  /** The node registered under a key. */
  get(key: string): Entry | undefined {
    return this.#live.get(key)?.entry;
  }

  /**
   * Adds a node, or says how it is now. It is probed for and announced; one that changes is announced again; one that
   * stays as it is (the same entry) lives on.
   *
   * @param options `ttl`: for how long, in ms; `now`: the time.
   */
  put(entry: Entry, options: { readonly ttl: number; readonly now: number }): void {
    const { ttl, now } = options;
    const key = keyOf(entry.record);
    const before = this.#live.get(key);
    const same = before?.entry === entry;
    this.#live.set(key, {
      entry,
      expires: now + ttl,
      ttl: Math.min(2 ** 31 - 1, Math.max(1, Math.ceil(ttl / 1_000))),
      step: same ? before.step : before === undefined ? 0 : PROBES,
      due: same ? before.due : now,
    });
  }

  /** Takes a node out; what is to be said of it. */
  remove(key: string): Outgoing[] {
    const live = this.#live.get(key);
    if (live === undefined) return [];
    this.#live.delete(key);
    return [{ message: announcement(live.entry, 0), to: live.entry.scope }];
  }

  /** Takes all nodes out. */
  clear(): Outgoing[] {
    return [...this.#live.keys()].flatMap((key) => this.remove(key));
  }

  /** What is due: probes, announcements, and goodbyes of nodes that were not renewed. */
  tick(now: number): Outgoing[] {
    const outgoing: Outgoing[] = [];
    for (const [key, live] of this.#live) {
      if (live.expires <= now) outgoing.push(...this.remove(key));
      else if (live.due <= now) outgoing.push(this.#next(key, live, now));
    }
    return outgoing;
  }

  /**
   * Answers a question, one message a node, as Go Micro does. A node on loopback is told to its own machine alone.
   *
   * @param asked The message that asks.
   * @param options `from`: who asks.
   */
  answer(asked: DnsMessage, options: { readonly from: DatagramSource }): Outgoing[] {
    const { from } = options;
    const outgoing: Outgoing[] = [];
    for (const question of asked.questions.slice(0, MAX_QUESTIONS)) {
      const { name, type } = question;
      const pointer = type === TYPE.PTR || type === TYPE.ANY;
      const services = new Map<string, number>();
      const say = (answers: Parameters<typeof answerTo>[1]["answers"]) =>
        outgoing.push({ message: answerTo(question, { id: asked.id, answers }), to: from });
      for (const { entry, ttl } of this.#live.values()) {
        if (entry.scope === "host" && !from.here) continue;
        const service = serviceName(entry.record.name);
        if (name === LIST && pointer) {
          services.set(entry.record.name, ttl);
        } else if (name === service && pointer) {
          say([{ name, ttl, type: TYPE.PTR, target: entry.instance }, ...nodeRecords(entry, ttl)]);
        } else if (name === entry.instance && type !== TYPE.PTR) {
          say(nodeRecords(entry, ttl));
        }
      }
      for (const [service, ttl] of services) say(listRecords(service, { host: this.#host, ttl }));
    }
    return outgoing;
  }

  #next(key: string, live: Live, now: number): Outgoing {
    const { entry, step, ttl } = live;
    const gap = step < PROBES ? this.#random.next() * PROBE_GAP : ANNOUNCE_GAPS[step - PROBES] ?? Infinity;
    this.#live.set(key, { ...live, step: step + 1, due: now + gap });
    return {
      message: step < PROBES
        ? probe(entry, { id: below(this.#random, 0x10000), ttl })
        : announcement(entry, ttl),
      to: entry.scope,
    };
  }
}
