/**
 * One file of the `file` registry: its name, and what stands in it.
 *
 * @module
 */

import { looseText, utf8 } from "../../bytes.ts";
import { parseRecord, type ServiceRecord } from "../../record.ts";

/** The largest file that is read or written, in bytes: as much as the backends of other registries take. */
export const MAX_RECORD_FILE = 65_536;

/** What a file of the registry says. */
export interface RecordFile {
  /** A service in one version, with exactly one node. */
  readonly service: ServiceRecord;
  /** When it was written, in ms since the epoch on the writer's wall clock. */
  readonly written: number;
  /** For how long from then the node counts as living, in ms. */
  readonly ttl: number;
}

const FORMAT = 1;
const NAME = /^[a-z0-9_][a-z0-9._-]{0,63}@[a-z0-9._-]{0,32}~[0-9a-f]{16}\.json$/;

/**
 * The name of a node's file: service and version for whoever looks into the directory, and a hash of the whole key,
 * so that it is short, holds no path, and differs where the keys do, on file systems without upper case too.
 *
 * @example
 * ```ts
 * fileNameOf("greeter", "1.0.0", "greeter-2f1c"); // "greeter@1.0.0~….json"
 * ```
 */
export function fileNameOf(service: string, version: string, node: string): string {
  const hash = fnv1a64(JSON.stringify([service, version, node])).toString(16).padStart(16, "0");
  const label = slug(service, 64).replace(/^[^a-z0-9]/, "_");
  return `${label === "" ? "_" : label}@${slug(version, 32)}~${hash}.json`;
}

/** Whether a name in the directory could be one of the registry's. */
export function isRecordFileName(name: string): boolean {
  return NAME.test(name);
}

/**
 * The bytes of a file. `pid` and `host` are there for whoever looks into the directory; no reader asks for them.
 *
 * @throws {RangeError} If the record is larger than {@link MAX_RECORD_FILE} allows.
 */
export function encodeRecordFile(
  file: RecordFile,
  writer: { readonly pid: number; readonly hostname: string },
): Uint8Array {
  const { service, written, ttl } = file;
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
  if (bytes.length > MAX_RECORD_FILE) {
    throw new RangeError(
      `Record of service "${service.name}" must fit into ${MAX_RECORD_FILE} bytes: it has ${bytes.length}; ` +
        `shorten its metadata, or split its endpoints into several services`,
    );
  }
  return bytes;
}

/**
 * What a file says.
 *
 * @param name Name under which it lies.
 * @param bytes Its bytes.
 * @throws {TypeError | SyntaxError} That says why it is none of the registry's files.
 */
export function decodeRecordFile(name: string, bytes: Uint8Array): RecordFile {
  if (bytes.length > MAX_RECORD_FILE) throw new TypeError(`it has more than ${MAX_RECORD_FILE} bytes`);
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
  const expected = fileNameOf(service.name, service.version, node.id);
  if (name !== expected) throw new TypeError(`what it holds belongs into ${expected}`);
  return { service, written, ttl };
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
