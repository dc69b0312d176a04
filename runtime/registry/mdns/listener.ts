/**
 * From answers on the link to records: who wants to know of which services, and what the payloads say.
 *
 * @module
 */

import type { DatagramSource } from "../../platform.ts";
import { parseRecord, type ServiceRecord } from "../../record.ts";
import type { DnsMessage } from "./dns.ts";
import { serviceName, type Sighting, sightings } from "./form.ts";
import { decodePayload, type Payload, type Zlib } from "./payload.ts";

/** Nodes that may wait for their payload to be read; more are lost, as datagrams are. */
const MAX_WAITING = 4_096;
/** Payloads that are remembered, and the longest one, in characters: a node says the same again and again. */
const MAX_REMEMBERED = 256;
const MAX_REMEMBERED_TEXT = 4_096;
/** Services that one question for all may lead to. */
const MAX_SERVICES = 4_096;

/** Who wants to know of services. */
export interface Inquiry {
  /** Whether it wants to know of all. */
  readonly all: boolean;
  /** Names of the services it wants to know of; of all: those it has asked for. */
  readonly services: Set<string>;
  /** Takes a node: a service's record with one node, and for how long it may be believed, in ms; 0: it is gone. */
  readonly hear: (record: ServiceRecord, ttl: number) => void;
}

/** Options of {@link Listener}. */
export interface ListenerOptions {
  /** Inflates payloads. */
  readonly zlib: Zlib;
  /** Asks for a service that was listed, and that an inquiry for all has not asked for yet. */
  readonly ask: (service: string) => void;
}

/** Reads answers, in their order, for those who inquire. */
export class Listener {
  readonly #options: ListenerOptions;
  readonly #inquiries = new Set<Inquiry>();
  readonly #payloads = new Map<string, Payload | undefined>();
  #reading: Promise<void> = Promise.resolve();
  #waiting = 0;

  constructor(options: ListenerOptions) {
    this.#options = options;
  }

  /** Resolves when all that was heard so far is read. */
  get settled(): Promise<void> {
    return this.#reading;
  }

  /** Adds someone who wants to know, until the result is disposed. */
  add(inquiry: Inquiry): Disposable {
    this.#inquiries.add(inquiry);
    return { [Symbol.dispose]: () => void this.#inquiries.delete(inquiry) };
  }

  /** Reads an answer, as far as anybody wants to know. */
  hear(message: DnsMessage, from: DatagramSource): void {
    if (this.#inquiries.size === 0) return;
    const { nodes, listed } = sightings(message, from.here);
    for (const service of listed) this.#listed(service);
    for (const node of nodes) {
      if (!this.#wanted(node) || this.#waiting >= MAX_WAITING) continue;
      this.#waiting++;
      // One after the other: inflated side by side, a goodbye could overtake what it takes back.
      this.#reading = this.#reading.then(() => this.#read(node)).finally(() => this.#waiting--);
    }
  }

  #listed(service: string): void {
    let isNew = false;
    for (const { all, services } of this.#inquiries) {
      if (!all || services.has(service) || services.size >= MAX_SERVICES) continue;
      services.add(service);
      isNew = true;
    }
    if (isNew) this.#options.ask(service);
  }

  #wanted({ instance }: Sighting): boolean {
    for (const { all, services } of this.#inquiries) {
      if (all) return true;
      for (const service of services) if (instance.endsWith(`.${serviceName(service)}`)) return true;
    }
    return false;
  }

  async #read(node: Sighting): Promise<void> {
    const payload = await this.#payload(node.text);
    if (payload === undefined) return;
    const { service } = payload;
    const end = `.${serviceName(service)}`;
    const id = node.instance.slice(0, -end.length);
    if (id === "" || !node.instance.endsWith(end)) return;
    let record: ServiceRecord;
    try {
      record = parseRecord(payload.record({ id, address: node.address ?? "" }));
    } catch {
      return;
    }
    for (const { all, services, hear } of [...this.#inquiries]) {
      if (all || services.has(service)) hear(record, node.ttl * 1_000);
    }
  }

  async #payload(text: string): Promise<Payload | undefined> {
    if (this.#payloads.has(text)) return this.#payloads.get(text);
    const payload = await decodePayload(text, this.#options.zlib);
    if (text.length <= MAX_REMEMBERED_TEXT) {
      if (this.#payloads.size >= MAX_REMEMBERED) {
        for (const oldest of this.#payloads.keys()) {
          this.#payloads.delete(oldest);
          break;
        }
      }
      this.#payloads.set(text, payload);
    }
    return payload;
  }
}
