/**
 * One file of the `file` registry: its name. What stands in it is an envelope (`../envelope.ts`).
 *
 * @module
 */

import { decodeEnvelope, type Envelope, envelopeName, isAnothers } from "../envelope.ts";

const NAME = /^[a-z0-9_][a-z0-9._-]{0,63}@[a-z0-9._-]{0,32}~[0-9a-f]{16}\.json$/;
const END = ".json";

/**
 * The name of a node's file.
 *
 * @example
 * ```ts
 * fileNameOf("greeter", "1.0.0", "greeter-2f1c"); // "greeter@1.0.0~….json"
 * ```
 */
export function fileNameOf(service: string, version: string, node: string): string {
  return envelopeName(service, version, node) + END;
}

/** Whether a name in the directory could be one of the registry's. */
export function isRecordFileName(name: string): boolean {
  return NAME.test(name);
}

/**
 * What a file says.
 *
 * @param name Name under which it lies.
 * @param bytes Its bytes.
 * @throws {TypeError | SyntaxError} That says why it is none of the registry's files.
 */
export function decodeRecordFile(name: string, bytes: Uint8Array): Envelope {
  return decodeEnvelope(name.slice(0, -END.length), bytes);
}

/** Whether a file is another process's by now: that of a node at another address. */
export function isAnothersFile(name: string, bytes: Uint8Array, address: string): boolean {
  return isAnothers(name.slice(0, -END.length), bytes, address);
}
