/**
 * Which IPv4 addresses are this machine's, and which are on a link that it is on.
 *
 * @module
 */

/** An IPv4 address of this machine. */
export interface Interface {
  /** The address. */
  readonly address: string;
  /** Which of its bits name the link. */
  readonly netmask: string;
}

/**
 * Where an address is, seen from this machine: its own, on the link of one of its interfaces
 * ({@link https://www.rfc-editor.org/rfc/rfc6762#section-11 | RFC 6762 §11}), or elsewhere.
 *
 * @param address An IPv4 address.
 * @param interfaces Those of this machine.
 *
 * @example
 * ```ts
 * locate("10.0.0.9", [{ address: "10.0.0.1", netmask: "255.255.255.0" }]); // "link"
 * ```
 */
export function locate(address: string, interfaces: readonly Interface[]): "here" | "link" | "elsewhere" {
  const bits = toBits(address);
  if (bits === undefined) return "elsewhere";
  // A machine that has but its loopback address sends to groups as 0.0.0.0, and what is sent there stays on it.
  if (bits >>> 24 === 127 || bits === 0) return "here";
  let found: "link" | "elsewhere" = "elsewhere";
  for (const own of interfaces) {
    if (own.address === address) return "here";
    const ownBits = toBits(own.address);
    const mask = toBits(own.netmask);
    if (ownBits === undefined || mask === undefined) continue;
    if (((bits ^ ownBits) & mask) === 0) found = "link";
  }
  return found;
}

function toBits(address: string): number | undefined {
  const parts = address.split(".");
  if (parts.length !== 4) return undefined;
  let bits = 0;
  for (const part of parts) {
    const byte = Number(part);
    if (part === "" || !Number.isInteger(byte) || byte < 0 || byte > 255) return undefined;
    bits = (bits << 8) | byte;
  }
  return bits;
}
