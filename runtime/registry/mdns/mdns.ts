/**
 * The `mdns` registry: the processes of a link find each other, and Go Micro's, without a server. It is Go Micro's
 * own default registry, spoken in its form; see `form.ts`.
 *
 * @module
 */

import { sleep, type Timer } from "../../clock.ts";
import { MuonError } from "../../errors.ts";
import { type Logger, SILENT } from "../../log.ts";
import type { Datagrams, DatagramSource, System } from "../../platform.ts";
import { below } from "../../random.ts";
import { mergeRecords } from "../../record_set.ts";
import { sameRecord, type ServiceRecord } from "../../record.ts";
import { RecordHub } from "../hub.ts";
import { checkDeregistration, checkRegistration } from "../registration.ts";
import type { Registry, RegistryEvent, WatchOptions } from "../registry.ts";
import type { DnsMessage } from "./dns.ts";
import {
  checkEntry,
  type Entry,
  hostName,
  isServiceName,
  keyOf,
  LIST,
  query,
  serviceName,
  sizeOf,
} from "./form.ts";
import { type Inquiry, Listener } from "./listener.ts";
import { Neighbours } from "./neighbours.ts";
import { encodePayload, webZlib, type Zlib } from "./payload.ts";
import { type Outgoing, Responder } from "./responder.ts";
import { openSockets, type Sockets } from "./sockets.ts";

/** Messages larger than this one should not send (RFC 6762 §17), in bytes. */
const LARGE = 9_000;
/** The first polls of a watch come sooner: after 1, 2, 4 … s, until that is longer than its interval. */
const FIRST_POLL = 1_000;
/** Shortest time between two polls, in ms, whatever nodes say of how long they may be believed. */
const MIN_POLL = 500;

/** Options of {@link createMdnsRegistry}. */
export interface MdnsRegistryOptions {
  /** Time, chance and the machine. */
  readonly system: Pick<System, "clock" | "random" | "platform">;
  /** How long answers to a question are waited for, in ms; all of it, since nobody knows how many will come. @default {100} */
  readonly timeout?: number;
  /** Time between two questions of a watch, in ms, give or take a fifth: Go Micro announces nodes but once. @default {10000} */
  readonly poll?: number;
  /** Told of what cannot be sent, and of large records. @default {nobody} */
  readonly log?: Logger;
  /** Deflates and inflates. @default {the web platform's CompressionStream} */
  readonly zlib?: Zlib;
}

/**
 * A registry in multicast DNS, over IPv4. A node is announced when it is registered and answers as long as it is
 * renewed; whoever looks asks all and waits 100 ms (`listServices`, and a watch of all: twice that).
 *
 * A node that listens on loopback is told to its own machine alone. Names that DNS cannot carry are refused when they
 * are registered. What is heard is believed: everyone on the link may say anything.
 *
 * Disposing it says goodbye for what it registered, and ends its watches.
 *
 * @throws {MuonError} `unimplemented`, where the runtime has no datagrams.
 * @throws {RangeError} If `timeout` or `poll` is not above 0 and finite.
 *
 * @example
 * ```ts
 * await using registry = createMdnsRegistry({ system });
 * await registry.register(record, { ttl: 60_000 });
 * await registry.getService("greeter"); // of muon and Go Micro alike
 * ```
 */
export function createMdnsRegistry(options: MdnsRegistryOptions): Registry {
  return new MdnsRegistry(options);
}

type Abortable = { readonly signal?: AbortSignal | undefined };

class MdnsRegistry implements Registry {
  readonly name = "mdns";
  readonly #system: MdnsRegistryOptions["system"];
  readonly #datagrams: Datagrams;
  readonly #timeout: number;
  readonly #poll: number;
  readonly #log: Logger;
  readonly #zlib: Zlib;
  readonly #host: string;
  readonly #responder: Responder;
  readonly #listener: Listener;
  readonly #neighbours: Neighbours;
  readonly #hub: RecordHub;
  #sockets: Promise<Sockets> | undefined;
  readonly #ending = new AbortController();
  #timer: Timer | undefined;
  /** What the timer is set for, on the steady clock. */
  #armed = Infinity;
  /** The watches' inquiry, while there is one. */
  #watching: (Inquiry & { readonly end: Disposable }) | undefined;
  #polls = 0;
  #lastPoll = -Infinity;
  #nextPoll = Infinity;
  #full = false;

  constructor(options: MdnsRegistryOptions) {
    const { platform, random } = options.system;
    if (platform.datagrams === undefined) {
      throw new MuonError(
        "unimplemented",
        `The mdns registry needs datagrams (UDP), and ${platform.runtime} has none: choose another with --registry`,
        { id: "muon.registry" },
      );
    }
    this.#datagrams = platform.datagrams;
    this.#timeout = above0("Timeout", options.timeout ?? 100);
    this.#poll = above0("Poll interval", options.poll ?? 10_000);
    this.#system = options.system;
    this.#log = options.log ?? SILENT;
    this.#zlib = options.zlib ?? webZlib;
    this.#host = hostName(platform.hostname);
    this.#responder = new Responder({ host: this.#host, random });
    this.#listener = new Listener({
      zlib: this.#zlib,
      ask: (service) => this.#askQuietly(serviceName(service)),
    });
    this.#hub = new RecordHub({ watched: () => this.#begin(), unwatched: () => this.#end() });
    this.#neighbours = new Neighbours((name, version, record) => this.#hub.set(name, version, record));
  }

  async register(service: ServiceRecord, { ttl }: { readonly ttl: number }): Promise<void> {
    this.#open("register");
    const record = checkRegistration(service, ttl);
    const entries = await Promise.all(record.nodes.map((node) => this.#entry({ ...record, nodes: [node] })));
    await this.#opened();
    this.#open("register");
    const now = this.#system.clock.now();
    for (const entry of entries) this.#responder.put(entry, { ttl, now });
    await this.#tick();
  }

  async deregister(service: ServiceRecord): Promise<void> {
    this.#open("deregister");
    const record = checkDeregistration(service);
    await this.#say(
      record.nodes.flatMap((node) => this.#responder.remove(keyOf({ ...record, nodes: [node] }))),
    );
    this.#arm();
  }

  async getService(name: string, options: Abortable = {}): Promise<ServiceRecord[]> {
    this.#open("getService");
    options.signal?.throwIfAborted();
    return isServiceName(name) ? await this.#inquire(name, options.signal) : [];
  }

  async listServices(
    options: Abortable = {},
  ): Promise<{ readonly name: string; readonly version: string }[]> {
    this.#open("listServices");
    options.signal?.throwIfAborted();
    const records = await this.#inquire(undefined, options.signal);
    return records.map(({ name, version }) => ({ name, version }));
  }

  watch(options: WatchOptions = {}): AsyncIterable<RegistryEvent> {
    return this.#hub.watch(options, async () => {
      const { service } = options;
      this.#want(service);
      if (service === undefined || isServiceName(service)) await this.#inquire(service, options.signal);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#hub.close();
    this.#ending.abort(
      new MuonError("failed_precondition", "The mdns registry is closed", { id: "muon.registry" }),
    );
    const goodbyes = this.#responder.clear();
    this.#timer?.cancel();
    const sockets = await this.#sockets?.catch(() => undefined);
    if (sockets === undefined) return;
    await Promise.all(goodbyes.map((goodbye) => sockets.say(goodbye)));
    await sockets[Symbol.asyncDispose]();
  }

  get #closed(): boolean {
    return this.#ending.signal.aborted;
  }

  #open(doing: string): void {
    if (!this.#closed) return;
    throw new MuonError("failed_precondition", `The mdns registry is closed: ${doing} cannot be done`, {
      id: "muon.registry",
    });
  }

  /** Opens the sockets when they are first wanted, and again where that failed. */
  #opened(): Promise<Sockets> {
    if (this.#closed) return Promise.reject(this.#ending.signal.reason);
    return this.#sockets ??= openSockets({
      datagrams: this.#datagrams,
      log: this.#log,
      receive: (message, from) => this.#receive(message, from),
    }).catch((error) => {
      this.#sockets = undefined;
      throw error;
    });
  }

  #receive(message: DnsMessage, from: DatagramSource): void {
    if (this.#closed) return;
    if (message.response) this.#listener.hear(message, from);
    else void this.#say(this.#responder.answer(message, { from }));
  }

  /** A node in the form of DNS; the same as before, if it has not changed. */
  async #entry(record: ServiceRecord): Promise<Entry> {
    const parts = checkEntry(record);
    const before = this.#responder.get(keyOf(record));
    if (before !== undefined && sameRecord(before.record, record)) return before;
    const texts = await encodePayload(record, this.#zlib);
    const entry: Entry = { record, host: this.#host, texts, ...parts };
    let size: number;
    try {
      size = sizeOf(entry);
    } catch (cause) {
      throw new RangeError(
        `Record of service "${record.name}" does not fit into a datagram: shorten its metadata, split its endpoints ` +
          `into several services, or choose another --registry`,
        { cause },
      );
    }
    if (size > LARGE) {
      this.#log.warn("mdns record is large, and some networks may not carry it", {
        service: record.name,
        bytes: size,
        advised: LARGE,
      });
    }
    return entry;
  }

  /** Asks for one service, or for all, and gives what is answered in time. */
  async #inquire(service: string | undefined, signal: AbortSignal | undefined): Promise<ServiceRecord[]> {
    const { clock } = this.#system;
    const found = new Map<string, ServiceRecord>();
    const end = this.#listener.add({
      all: service === undefined,
      services: new Set(service === undefined ? [] : [service]),
      hear: (record, ttl) => {
        if (ttl > 0) found.set(keyOf(record), record);
        else found.delete(keyOf(record));
      },
    });
    try {
      await (await this.#opened()).ask(this.#question(service === undefined ? LIST : serviceName(service)));
      // Of all: the list first, then each service on it.
      await sleep(clock, service === undefined ? 2 * this.#timeout : this.#timeout, {
        signal: signal === undefined ? this.#ending.signal : AbortSignal.any([signal, this.#ending.signal]),
      });
      await this.#listener.settled;
      return mergeRecords(found.values());
    } finally {
      end[Symbol.dispose]();
    }
  }

  #question(name: string): DnsMessage {
    return query(name, below(this.#system.random, 0x10000));
  }

  /** Asks where nobody waits for the answer: it is asked again later. */
  #askQuietly(name: string): void {
    if (this.#closed) return;
    this.#opened().then((sockets) => sockets.ask(this.#question(name))).catch((error) =>
      this.#log.debug("mdns registry cannot ask", { name, error })
    );
  }

  async #say(outgoing: readonly Outgoing[]): Promise<void> {
    if (outgoing.length === 0) return;
    const sockets = await this.#opened().catch(() => undefined);
    await Promise.all(outgoing.map((each) => sockets?.say(each)));
  }

  /** The first watch begins. */
  #begin(): void {
    this.#polls = 0;
    this.#lastPoll = this.#system.clock.now();
    this.#nextPoll = this.#lastPoll + FIRST_POLL;
    this.#full = false;
    this.#arm();
  }

  /** The last watch is over. */
  #end(): void {
    this.#watching?.end[Symbol.dispose]();
    this.#watching = undefined;
    this.#nextPoll = Infinity;
    this.#neighbours.retain(() => false);
    this.#arm();
  }

  /** Sees to it that what is said of a service, or of all, reaches the watches. */
  #want(service: string | undefined): void {
    const { services = new Set<string>(), all = false, end } = this.#watching ?? {};
    end?.[Symbol.dispose]();
    if (service !== undefined) services.add(service);
    const inquiry: Inquiry = {
      all: all || service === undefined,
      services,
      hear: (record, ttl) => this.#hear(record, ttl),
    };
    this.#watching = { ...inquiry, end: this.#listener.add(inquiry) };
  }

  #hear(record: ServiceRecord, ttl: number): void {
    const now = this.#system.clock.now();
    const kept = this.#neighbours.hear(record, { ttl, now });
    if (!kept && !this.#full) {
      this.#full = true;
      this.#log.warn("mdns registry knows too many nodes; more are passed over", { service: record.name });
    }
    if (now + ttl < this.#armed) this.#arm();
  }

  /** Asks for all that is watched, and no more for what is not. */
  #pollNow(now: number): void {
    const watched = this.#hub.watched();
    const all = watched.has(undefined);
    this.#neighbours.poll(now);
    this.#neighbours.retain((service) => all || watched.has(service));
    this.#watching?.end[Symbol.dispose]();
    this.#watching = undefined;
    for (const service of new Set([...watched, ...this.#neighbours.services])) {
      this.#want(service);
      if (service === undefined) this.#askQuietly(LIST);
      else if (isServiceName(service)) this.#askQuietly(serviceName(service));
    }
    this.#polls++;
    this.#lastPoll = now;
    const interval = Math.min(this.#poll, FIRST_POLL * 2 ** Math.min(this.#polls, 20));
    this.#nextPoll = now + interval * (0.8 + 0.4 * this.#system.random.next());
  }

  /** When to poll: at the interval, or sooner where a node would seem to be gone before. */
  #pollDue(): number {
    if (this.#nextPoll === Infinity) return Infinity;
    return Math.min(this.#nextPoll, Math.max(this.#neighbours.stale, this.#lastPoll + MIN_POLL));
  }

  /** Does what is due. */
  async #tick(): Promise<void> {
    const now = this.#system.clock.now();
    this.#neighbours.expire(now);
    if (this.#pollDue() <= now) this.#pollNow(now);
    const outgoing = this.#responder.tick(now);
    this.#arm();
    await this.#say(outgoing);
  }

  #arm(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#armed = Infinity;
    if (this.#closed) return;
    const { clock } = this.#system;
    const due = Math.min(this.#responder.due, this.#neighbours.due, this.#pollDue());
    if (due === Infinity) return;
    const delay = Math.min(2 ** 31 - 1, Math.max(0, due - clock.now()));
    this.#armed = due;
    this.#timer = clock.after(delay, () => void this.#tick());
  }
}

function above0(what: string, value: number): number {
  if (value > 0 && Number.isFinite(value)) return value;
  throw new RangeError(`${what} must be above 0 ms and finite: current value is ${value}`);
}
