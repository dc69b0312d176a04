/**
 * Go Micro's form of a registry in multicast DNS: which names it asks for, and which records a node is made of.
 * Source: go-micro v5 `registry/mdns_registry.go`, `util/mdns/zone.go`.
 *
 * | name | record |
 * | --- | --- |
 * | `<service>.micro` | PTR to each node's instance |
 * | `<node id>.<service>.micro` (instance) | SRV with host and port, TXT with the payload |
 * | `<host>` | A or AAAA: the node's address |
 * | `_services.micro` | PTR to `<service>._services.micro` of each service |
 *
 * @module
 */

import type { ServiceRecord } from "../../record.ts";
import { formatSocketAddress, isLoopbackIp, isNobodysIp, parseSocketAddress } from "./address.ts";
import { type DnsMessage, type DnsRecord, encodeDns, nameLength, type Question, TYPE } from "./dns.ts";

/** The group and port of multicast DNS. */
export const GROUP = { address: "224.0.0.251", port: 5353 } as const;
/** The domain that all names are in. */
export const DOMAIN = "micro";
/** The name under which all services are listed. */
export const LIST = `_services.${DOMAIN}`;

/** What Go Micro gives the entries of its list for a port; nobody dials it. */
const LIST_PORT = 9999;

/** A node in the form of DNS records. */
export interface Entry {
  /** The service with this one node. */
  readonly record: ServiceRecord;
  /** `<node id>.<service>.micro`. */
  readonly instance: string;
  /** Name of its machine. */
  readonly host: string;
  /** Its IP address, 4 or 16 bytes. */
  readonly ip: Uint8Array;
  /** Its port. */
  readonly port: number;
  /** Its payload. */
  readonly texts: readonly string[];
  /** Who is told of it: all on the link or, if it listens on loopback, the processes of its own machine. */
  readonly scope: "link" | "host";
}

/** The name that is asked for a service's nodes. */
export function serviceName(service: string): string {
  return `${service}.${DOMAIN}`;
}

/** The key of a node among others: service, version and id. */
export function keyOf(record: ServiceRecord): string {
  return JSON.stringify([record.name, record.version, record.nodes[0]?.id]);
}

/**
 * Whether a service of that name can be asked for: its parts between dots have 1 to 63 bytes, and all of it fits.
 */
export function isServiceName(service: string): boolean {
  try {
    nameLength(`${service}.${LIST}`);
  } catch {
    return false;
  }
  return service !== "_services" && !service.endsWith("._services");
}

/**
 * Checks that a node can be told of in multicast DNS.
 *
 * @param record A service with one node.
 * @returns The parts of its records that do not need its payload.
 * @throws {RangeError} If the name of the service, or of the node within it, has no form in DNS, or the node's
 * address is no IP address with a port.
 */
export function checkEntry(record: ServiceRecord): Pick<Entry, "instance" | "ip" | "port" | "scope"> {
  const node = record.nodes[0]!;
  const refuse = (what: string) => new RangeError(`The mdns registry cannot hold ${what}`);
  if (!isServiceName(record.name)) {
    throw refuse(
      `a service named ${
        JSON.stringify(record.name)
      }: each part between dots must have 1 to 63 bytes, all of it ` +
        `at most ${
          255 - LIST.length - 3
        }, and none may be "_services"; choose another name, or another --registry`,
    );
  }
  const instance = `${node.id}.${serviceName(record.name)}`;
  try {
    nameLength(instance);
  } catch (cause) {
    throw Object.assign(
      refuse(
        `the node id ${
          JSON.stringify(node.id)
        } of service "${record.name}": each of its parts between dots must have ` +
          `1 to 63 bytes. With a UUID in it, 26 bytes are left for the name behind the service's last dot: shorten it, ` +
          `put dots into it, or choose another --registry`,
      ),
      { cause },
    );
  }
  const address = parseSocketAddress(node.address);
  if (address === undefined || isNobodysIp(address.ip)) {
    throw refuse(
      `the address ${
        JSON.stringify(node.address)
      } of service "${record.name}": it must be an IP address and a port, ` +
        `like 192.168.1.7:8080; set it with --server_advertise, or choose another --registry`,
    );
  }
  return { instance, ...address, scope: isLoopbackIp(address.ip) ? "host" : "link" };
}

/** The host's name as a name in DNS; `muon` where it is none. */
export function hostName(hostname: string): string {
  try {
    nameLength(hostname);
    return hostname;
  } catch {
    return "muon";
  }
}

/** SRV, A or AAAA, and TXT of a node. */
export function nodeRecords(entry: Entry, ttl: number): DnsRecord[] {
  const { instance: name, host, ip, port, texts } = entry;
  return [
    { name, ttl, type: TYPE.SRV, priority: 10, weight: 1, port, target: host },
    { name: host, ttl, type: ip.length === 4 ? TYPE.A : TYPE.AAAA, address: ip },
    { name, ttl, type: TYPE.TXT, strings: texts },
  ];
}

/** What is said without being asked: the node's records; with `ttl` 0, that it is gone. */
export function announcement(entry: Entry, ttl: number): DnsMessage {
  return message({ response: true, answers: nodeRecords(entry, ttl) });
}

/** Asks whether anybody else has the node's name, and says what it is meant to stand for. */
export function probe(entry: Entry, options: { readonly id: number; readonly ttl: number }): DnsMessage {
  const { instance: name, host, port, texts } = entry;
  const { id, ttl } = options;
  return message({
    id,
    questions: [{ name, type: TYPE.PTR }],
    authorities: [
      { name, ttl, type: TYPE.SRV, priority: 0, weight: 0, port, target: host },
      { name, ttl, type: TYPE.TXT, strings: texts },
    ],
  });
}

/** The answer that a service is there. Go Micro's reader wants all four records of it. */
export function listRecords(
  service: string,
  options: { readonly host: string; readonly ttl: number },
): DnsRecord[] {
  const { host, ttl } = options;
  const name = `${service}.${LIST}`;
  return [
    { name: LIST, ttl, type: TYPE.PTR, target: name },
    { name, ttl, type: TYPE.SRV, priority: 10, weight: 1, port: LIST_PORT, target: host },
    { name: host, ttl, type: TYPE.A, address: new Uint8Array(4) },
    { name, ttl, type: TYPE.TXT, strings: [] },
  ];
}

/** A question to all: who serves this, or (`LIST`) what is served. */
export function query(name: string, id: number): DnsMessage {
  return message({ id, questions: [{ name, type: TYPE.PTR }] });
}

/** An answer to a question. Go Micro's reader drops one that does not repeat the question. */
export function answerTo(
  question: Question,
  options: { readonly id: number; readonly answers: DnsRecord[] },
): DnsMessage {
  return message({ id: options.id, response: true, questions: [question], answers: options.answers });
}

/** The size of the largest message that tells of a node, in bytes. */
export function sizeOf(entry: Entry): number {
  const name = serviceName(entry.record.name);
  const pointer: DnsRecord = { name, ttl: 1, type: TYPE.PTR, target: entry.instance };
  return encodeDns(
    answerTo({ name, type: TYPE.PTR }, { id: 0, answers: [pointer, ...nodeRecords(entry, 1)] }),
  )
    .length;
}

/** A node that a message tells of. */
export interface Sighting {
  /** `<node id>.<service>.micro`. */
  readonly instance: string;
  /** Its address, `host:port`; `undefined` where it is gone and none was given. */
  readonly address: string | undefined;
  /** Its payload's texts, joined. */
  readonly text: string;
  /** For how long it may be believed, in seconds; 0: it is gone. */
  readonly ttl: number;
}

/**
 * The nodes that an answer tells of, and the services that it lists. A node's records must be in one message, as Go
 * Micro sends them.
 *
 * @param message The answer.
 * @param here Whether it was sent on this machine: what listens on another one's loopback is of no use.
 */
export function sightings(
  message: DnsMessage,
  here: boolean,
): { readonly nodes: readonly Sighting[]; readonly listed: readonly string[] } {
  const texts = new Map<string, string>();
  const ips = new Map<string, Uint8Array>();
  const listed: string[] = [];
  const records = [...message.answers, ...message.additionals];
  for (const record of records) {
    if (record.type === TYPE.TXT) texts.set(record.name, record.strings.join(""));
    else if (record.type === TYPE.A || (record.type === TYPE.AAAA && !ips.has(record.name))) {
      ips.set(record.name, record.address);
    } else if (record.type === TYPE.PTR && record.name === LIST && record.ttl > 0) {
      const service = record.target.slice(0, -LIST.length - 1);
      if (record.target === `${service}.${LIST}` && isServiceName(service)) listed.push(service);
    }
  }
  const nodes: Sighting[] = [];
  for (const record of records) {
    if (record.type !== TYPE.SRV || !record.name.endsWith(`.${DOMAIN}`) || record.name.endsWith(`.${LIST}`)) {
      continue;
    }
    const text = texts.get(record.name);
    if (text === undefined) continue;
    const ip = ips.get(record.target);
    const address = ip === undefined || record.port === 0 || isNobodysIp(ip) || (isLoopbackIp(ip) && !here)
      ? undefined
      : formatSocketAddress({ ip, port: record.port });
    if (address === undefined && record.ttl > 0) continue;
    nodes.push({ instance: record.name, address, text, ttl: record.ttl });
  }
  return { nodes, listed };
}

function message(parts: Partial<DnsMessage>): DnsMessage {
  return { id: 0, response: false, questions: [], answers: [], authorities: [], additionals: [], ...parts };
}
