/**
 * A node's record as registries that others can write to keep it: who serves, when that was last said, and for how
 * long it counts. One form for files and for key-value stores.
 *
 * @module
 */

import { looseText, utf8 } from "../bytes.ts";
import { parseRecord, type ServiceRecord } from "../record.ts";

/** The largest envelope that is read or written, in bytes: as much as Deno KV takes for a value. */
export const MAX_ENVELOPE = 65_536;

/** How long after its expiry a record that nobody renewed is removed, in ms. */
export const SWEEP_AFTER = 3_600_000;

/** When a node's heart last beat. */
export interface Beat {
  /** When it was written, in ms since the epoch on the writer's wall clock. */
  readonly written: number;
  /** For how long from then the node counts as living, in ms. */
  readonly ttl: number;
}

/** What an envelope says. */
export interface Envelope extends Beat {
  /** A service in one version, with exactly one node. */
  readonly service: ServiceRecord;
}

const FORMAT = 1;

/**
 * The name of a node's envelope: service and version for whoever looks into the store, and a hash of the whole key, so
 * that it is short, holds no path, and differs where the keys do, where there is no upper case too.
 *
 * @example
 * ```ts
 * envelopeName("greeter", "1.0.0", "greeter-2f1c"); // "greeter@1.0.0~…"
 * ```
 */
export function envelopeName(service: string, version: string, node: string): string {
  const hash = fnv1a64(JSON.stringify([service, version, node])).toString(16).padStart(16, "0");
  const label = slug(service, 64).replace(/^[^a-z0-9]/, "_");
  return `${label === "" ? "_" : label}@${slug(version, 32)}~${hash}`;
}

/**
 * The bytes of an envelope: JSON. `pid` and `host` are there for whoever looks into the store; no reader asks for them.
 *
 * @throws {RangeError} If the record is larger than {@link MAX_ENVELOPE} allows.
 */
export function encodeEnvelope(
  envelope: Envelope,
  writer: { readonly pid: number; readonly hostname: string },
): Uint8Array {
  const { service, written, ttl } = envelope;
  const bytes = utf8(
    JSON.stringify({
      "muon.registry": FORMAT,
      written,
      ttl,
      pid: writer.pid,
      host: writer.hostname,
      service,
    }),
  );
  if (bytes.length > MAX_ENVELOPE) {
    throw new RangeError(
      `Record of service "${service.name}" must fit into ${MAX_ENVELOPE} bytes: it has ${bytes.length}; ` +
        `shorten its metadata, or split its endpoints into several services`,
    );
  }
  return bytes;
}

/**
 * What an envelope says.
 *
 * @param name Name under which it lies, as {@link envelopeName} gives it.
 * @param bytes Its bytes.
 * @throws {TypeError | SyntaxError} That says why it is none of the registry's.
 */
export function decodeEnvelope(name: string, bytes: Uint8Array): Envelope {
  if (bytes.length > MAX_ENVELOPE) throw new TypeError(`it has more than ${MAX_ENVELOPE} bytes`);
  const value: unknown = JSON.parse(looseText(bytes));
  if (typeof value !== "object" || value === null) throw new TypeError("it holds no JSON object");
  const envelope = value as Readonly<Record<string, unknown>>;
  if (envelope["muon.registry"] !== FORMAT) throw new TypeError(`it is not of format ${FORMAT}`);
  const { written, ttl } = envelope;
  if (!isTime(written) || !isTime(ttl) || ttl === 0) throw new TypeError("its times make no sense");
  const service = parseRecord(envelope.service);
  const [node, ...more] = service.nodes;
  if (node === undefined || more.length > 0) {
    throw new TypeError(`it must hold one node, and holds ${service.nodes.length}`);
  }
  if (service.name === "" || node.id === "" || node.address === "") {
    throw new TypeError("its service has no name, or its node no id or address");
  }
  const expected = envelopeName(service.name, service.version, node.id);
  if (name !== expected) throw new TypeError(`what it holds belongs into ${expected}`);
  return { service, written, ttl };
}

/**
 * Whether an envelope is another process's by now, which has the same node id, so that it is not this one's to remove:
 * its node has another address. What cannot be read is nobody's.
 *
 * @param name Name under which it lies.
 * @param bytes Its bytes.
 * @param address Address of the node that is to be removed; empty: any.
 */
export function isAnothers(name: string, bytes: Uint8Array, address: string): boolean {
  try {
    const { service } = decodeEnvelope(name, bytes);
    return address !== "" && service.nodes[0]!.address !== address;
  } catch {
    return false;
  }
}

/** Whether two readings are the same beat of the same node's heart. */
export function sameBeat(a: Beat | undefined, b: Beat | undefined): boolean {
  return a !== undefined && b !== undefined && a.written === b.written && a.ttl === b.ttl;
}

/**
 * Until when a node counts as living, on the steady clock, after a beat that was not seen before.
 *
 * Whether a node is alive is a matter of the wall clock only for a beat that is seen for the first time: written at
 * `t`, it counts until `t + ttl`; a time in the future counts as now. A node that was known and has beaten again has
 * done so since the last look, and lives for its `ttl` from that look on the steady clock, whatever the wall clock did.
 *
 * @param beat The beat; `undefined`: there is none to be read.
 * @param times `now` and `wall` of the reader's clock, and `lastLook`, when it looked before, on its steady clock.
 */
export function deadlineOf(
  beat: Beat | undefined,
  times: { readonly now: number; readonly wall: number; readonly lastLook: number },
): number {
  if (beat === undefined) return -Infinity;
  const age = Math.max(0, times.wall - beat.written);
  return Math.max(times.now + beat.ttl - age, times.lastLook + beat.ttl);
}

function isTime(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value) && value >= 0;
}

function slug(text: string, length: number): string {
  return text.slice(0, length).toLowerCase().replaceAll(/[^a-z0-9._-]/g, "_").slice(0, length);
}

/**
 * FNV-1a over the UTF-8 bytes, 64 bits. Source: Fowler, Noll, Vo,
 * {@link https://www.rfc-editor.org/rfc/rfc9923 | RFC 9923}.
 */
function fnv1a64(text: string): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of utf8(text)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  return hash;
}
