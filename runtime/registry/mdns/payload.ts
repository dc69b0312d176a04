/**
 * What the TXT record of a node says, in Go Micro's form: JSON, deflated as zlib does, in hexadecimal, cut into texts
 * of at most 255 characters. Source: go-micro `registry/mdns_registry.go`.
 *
 * @module
 */

import { concat, text, utf8 } from "../../bytes.ts";
import type { ServiceRecord } from "../../record.ts";

/** The largest JSON that is written or read, in bytes: as much as the backends of other registries take. */
export const MAX_JSON = 65_536;
/** The longest text of a TXT record. */
const MAX_TEXT = 255;
const HEX = /^(?:[0-9a-fA-F]{2})+$/;

/** How payloads are deflated and inflated, in zlib's format (RFC 1950). */
export interface Zlib {
  /** Deflates. */
  deflate(bytes: Uint8Array): Promise<Uint8Array>;
  /** Inflates; rejects if the bytes are broken, or as soon as more than `limit` bytes come out. */
  inflate(bytes: Uint8Array, limit: number): Promise<Uint8Array>;
}

/** zlib as the web platform has it. */
export const webZlib: Zlib = {
  deflate: (bytes) => through(bytes, new CompressionStream("deflate"), Number.POSITIVE_INFINITY),
  inflate: (bytes, limit) => through(bytes, new DecompressionStream("deflate"), limit),
};

/** A node's payload: a service record without the node's id and address. */
export interface Payload {
  /** The record as JSON had it, its one node without id and address; not checked yet. */
  readonly service: string;
  /** Makes the value of a record, for `parseRecord` to check, with what else is known of the node. */
  record(node: { readonly id: string; readonly address: string }): unknown;
}

/**
 * The texts of a node's TXT record. Go Micro carries no metadata of the service; muon adds it in a field of its own,
 * which Go Micro passes over.
 *
 * @param record A service with one node.
 * @throws {RangeError} If its JSON has more than {@link MAX_JSON} bytes.
 */
export async function encodePayload(record: ServiceRecord, zlib: Zlib): Promise<string[]> {
  const json = utf8(JSON.stringify({
    Metadata: record.nodes[0]!.metadata,
    Service: record.name,
    Version: record.version,
    Endpoints: record.endpoints,
    ...(Object.keys(record.metadata).length === 0 ? {} : { muon: { metadata: record.metadata } }),
  }));
  if (json.length > MAX_JSON) {
    throw new RangeError(
      `Record of service "${record.name}" must fit into ${MAX_JSON} bytes: it has ${json.length}; ` +
        `shorten its metadata, or split its endpoints into several services`,
    );
  }
  const hex = toHex(await zlib.deflate(json));
  const texts = [];
  for (let at = 0; at < hex.length; at += MAX_TEXT) texts.push(hex.slice(at, at + MAX_TEXT));
  return texts;
}

/**
 * Reads the texts of a TXT record, joined.
 *
 * @returns `undefined`, if they are no payload of Go Micro's, or one that is too large.
 */
export async function decodePayload(joined: string, zlib: Zlib): Promise<Payload | undefined> {
  if (!HEX.test(joined)) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text(await zlib.inflate(fromHex(joined), MAX_JSON)));
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { Service: service, Version: version, Metadata: metadata, Endpoints: endpoints, muon } =
    value as Readonly<Record<string, unknown>>;
  if (typeof service !== "string" || service === "") return undefined;
  const own = typeof muon === "object" && muon !== null
    ? (muon as { readonly metadata?: unknown }).metadata
    : undefined;
  return {
    service,
    record: (node) => ({ name: service, version, metadata: own, endpoints, nodes: [{ ...node, metadata }] }),
  };
}

async function through(
  bytes: Uint8Array,
  stream: CompressionStream | DecompressionStream,
  limit: number,
): Promise<Uint8Array> {
  const reader = new Blob([bytes as Uint8Array<ArrayBuffer>]).stream().pipeThrough(stream).getReader();
  const parts: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return parts.length === 0 ? new Uint8Array(0) : concat(parts);
    length += value.length;
    if (length > limit) {
      await reader.cancel().catch(() => {});
      throw new RangeError(`More than ${limit} bytes come out`);
    }
    parts.push(value);
  }
}

function toHex(bytes: Uint8Array): string {
  let hex = "";
  for (const byte of bytes) hex += (byte + 0x100).toString(16).slice(1);
  return hex;
}

function fromHex(hex: string): Uint8Array {
  const bytes = new Uint8Array(hex.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}
