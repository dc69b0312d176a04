/**
 * The HTTP broker's forms on the wire and in the registry, as Go Micro has them since v2.5.
 * Source: go-micro `broker/http.go`.
 *
 * @module
 */

import { fromBase64, text, toBase64, utf8 } from "../../bytes.ts";
import { MuonError } from "../../errors.ts";
import { isHostPort } from "../../host_port.ts";
import type { Node, ServiceRecord } from "../../record.ts";
import type { Message } from "../broker.ts";
import { type History, NEW } from "../inbox.ts";

/** Service under which every subscription is registered. */
export const BROKER_SERVICE = "micro.http.broker";
/** Version that stands for "no queue"; any other version is a queue's name. */
export const BROADCAST = "ff.http.broadcast";
/** For how long a subscription's entry lives if it is not renewed, in ms: Go Micro's own. */
export const LEASE = 60_000;

/** A subscription as the registry has it. */
export interface Inlet {
  /** Its id, `<topic>-<uuid>`: whoever knows it may deliver to it. */
  readonly id: string;
  /** Topic. */
  readonly topic: string;
  /** Queue; `undefined`: it gets every message. */
  readonly queue: string | undefined;
  /** Where its process listens, `host:port`. */
  readonly address: string;
  /** Whether it is reached over TLS. */
  readonly secure: boolean;
  /** Where its messages are posted. */
  readonly url: string;
}

/** A subscription, with its URL. */
export function inletAt(about: Omit<Inlet, "url">): Inlet {
  const { id, address, secure } = about;
  return { ...about, url: `${secure ? "https" : "http"}://${address}/?id=${encodeURIComponent(id)}` };
}

/** The record of a subscription. */
export function recordOf({ id, topic, queue, address, secure }: Inlet): ServiceRecord {
  return {
    name: BROKER_SERVICE,
    version: queue ?? BROADCAST,
    metadata: {},
    endpoints: [],
    nodes: [{ id, address, metadata: { broker: "http", topic, secure: String(secure) } }],
  };
}

/** The subscription that a node of a record stands for; `undefined` if it is another broker's, or has no `host:port`. */
export function inletOf({ version }: ServiceRecord, node: Node): Inlet | undefined {
  const { broker, topic, secure } = node.metadata;
  if (broker !== "http" || topic === undefined || !isHostPort(node.address)) return undefined;
  return inletAt({
    id: node.id,
    topic,
    queue: version === BROADCAST ? undefined : version,
    address: node.address,
    secure: secure === "true",
  });
}

/** Whether a request's path (with its query) is a delivery's, and to which subscription. */
export function idOf(path: string): string | undefined {
  if (!path.startsWith("/?")) return undefined;
  // As it is written, unless there is more in the query, or of it.
  if (path.startsWith("/?id=") && !/[&%+#]/.test(path)) return path.slice(5);
  return new URLSearchParams(path.slice(2)).get("id") ?? undefined;
}

/** Header in which a message that is handed over has the number of its next delivery. Go Micro ignores it. */
const ATTEMPT = "Muon-Attempt";
/** Header with the ids of the subscriptions that have had it, apart by spaces. Go Micro ignores it. */
const TRIED = "Muon-Tried";
/** Headers that say what is known beside them, or are about a delivery: what a publisher gives under them is dropped. */
const OWN: ReadonlySet<string> = new Set(["micro-topic", "micro-id", "muon-attempt", "muon-tried"]);

/** The body of a delivery. */
export function encodeMessage(
  topic: string,
  message: Message,
  { attempt, tried }: History = NEW,
): Uint8Array {
  const header: Record<string, string> = {};
  for (const [name, value] of Object.entries(message.header)) {
    if (!OWN.has(name.toLowerCase())) header[name] = value;
  }
  header["Micro-Topic"] = topic;
  header["Micro-Id"] = message.id;
  if (attempt > 1) header[ATTEMPT] = `${attempt}`;
  if (tried.length > 0) header[TRIED] = tried.join(" ");
  return utf8(JSON.stringify({ Header: header, Body: toBase64(message.body) }));
}

/** What a delivery holds. */
export interface Delivered {
  /** The message. Its id is that of `Micro-Id`, which Go Micro writes `Micro-ID`; the empty string if it has none. */
  readonly message: Message;
  /** What it has been through. */
  readonly history: History;
}

/**
 * The message of a delivery.
 *
 * @throws {MuonError} `invalid_argument`, if the body is no delivery.
 */
export function decodeMessage(body: Uint8Array): Delivered {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text(body));
  } catch (cause) {
    throw unreadable(cause instanceof Error ? cause.message : String(cause));
  }
  if (typeof parsed !== "object" || parsed === null) throw unreadable("it is no JSON object");
  const { Header, Body } = parsed as { Header?: unknown; Body?: unknown };
  const came = headersOf(Header);
  const header: Record<string, string> = {};
  let id = "";
  let { attempt, tried } = NEW;
  for (const name of Object.keys(came)) {
    const value = came[name];
    if (typeof value !== "string") {
      throw unreadable(`"Header" has ${JSON.stringify(name)}, which is no string`);
    }
    const key = name.toLowerCase();
    if (key === "muon-attempt") attempt = /^[1-9]\d{0,5}$/.test(value) ? Number(value) : 1;
    else if (key === "muon-tried") tried = value.split(" ").filter((one) => one !== "");
    else if (name !== "__proto__") header[name] = value;
    if (key === "micro-id") id = value;
  }
  return { message: { id, header, body: bodyOf(Body) }, history: { attempt, tried } };
}

function headersOf(value: unknown): Readonly<Record<string, unknown>> {
  if (value === undefined || value === null) return {};
  if (typeof value !== "object" || Array.isArray(value)) throw unreadable('"Header" is no object');
  return value as Record<string, unknown>;
}

/** Go writes no bytes as `null`. */
function bodyOf(value: unknown): Uint8Array {
  if (value === undefined || value === null) return new Uint8Array(0);
  if (typeof value !== "string") throw unreadable('"Body" is no string');
  try {
    return fromBase64(value);
  } catch {
    throw unreadable('"Body" is no base64');
  }
}

function unreadable(why: string): MuonError {
  return new MuonError(
    "invalid_argument",
    `cannot read the delivery: ${why}; it must be JSON as {"Header":{"Micro-Topic":"…"},"Body":"<base64>"}`,
    { id: "muon.broker" },
  );
}

/** Largest delivery for messages of up to `maxMessage` bytes: base64 takes 4 bytes for 3, and there are headers. */
export function deliveryLimit(maxMessage: number): number {
  return Math.ceil(maxMessage / 3) * 4 + 65_536;
}
