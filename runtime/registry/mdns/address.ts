/**
 * Addresses of nodes, `host:port`, as the records A, AAAA and SRV carry them: IP literals only.
 *
 * @module
 */

/** An address in bytes. */
export interface SocketAddress {
  /** The IP address: 4 bytes, or 16. One of IPv4 that is written as IPv6 (`::ffff:10.0.0.1`) has 4. */
  readonly ip: Uint8Array;
  /** The port. */
  readonly port: number;
}

const IPV4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/;
const ADDRESS = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):(\d{1,5})$/;

/**
 * Reads `127.0.0.1:8080` or `[::1]:8080`.
 *
 * @returns `undefined`, if the host is a name, or the port none from 1 to 65,535.
 */
export function parseSocketAddress(address: string): SocketAddress | undefined {
  const found = ADDRESS.exec(address);
  if (found === null) return undefined;
  const port = Number(found[3]);
  const ip = found[1] === undefined ? parseIpv4(found[2]!) : parseIpv6(found[1]);
  return ip === undefined || port < 1 || port > 65_535 ? undefined : { ip, port };
}

/** Writes an address as it is dialled: `127.0.0.1:8080`, `[::1]:8080`. */
export function formatSocketAddress({ ip, port }: SocketAddress): string {
  if (ip.length === 4) return `${ip.join(".")}:${port}`;
  const groups = [];
  for (let i = 0; i < 16; i += 2) groups.push((ip[i]! << 8 | ip[i + 1]!).toString(16));
  // The URL standard knows the short form.
  return `${new URL(`http://[${groups.join(":")}]`).hostname}:${port}`;
}

/** Whether only processes of the same machine can reach it. */
export function isLoopbackIp(ip: Uint8Array): boolean {
  return ip.length === 4 ? ip[0] === 127 : ip[15] === 1 && ip.subarray(0, 15).every((byte) => byte === 0);
}

/** Whether it is no address that one could dial: unspecified, multicast or broadcast. */
export function isNobodysIp(ip: Uint8Array): boolean {
  if (ip.every((byte) => byte === 0)) return true;
  return ip.length === 4 ? ip[0]! >= 224 : ip[0] === 0xff;
}

function parseIpv4(text: string): Uint8Array | undefined {
  const bytes = IPV4.exec(text)?.slice(1).map(Number);
  return bytes === undefined || bytes.some((byte) => byte > 255) ? undefined : Uint8Array.from(bytes);
}

function parseIpv6(text: string): Uint8Array | undefined {
  const url = `http://[${text}]`;
  if (!URL.canParse(url)) return undefined;
  const [head = "", tail] = new URL(url).hostname.slice(1, -1).split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const groups = [...left, ...new Array<string>(8 - left.length - right.length).fill("0"), ...right];
  const ip = new Uint8Array(16);
  for (const [i, group] of groups.entries()) {
    const value = Number.parseInt(group, 16);
    ip[2 * i] = value >>> 8;
    ip[2 * i + 1] = value & 0xff;
  }
  const mapped = ip.subarray(0, 10).every((byte) => byte === 0) && ip[10] === 0xff && ip[11] === 0xff;
  return mapped ? ip.slice(12) : ip;
}
