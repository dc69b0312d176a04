/**
 * Addresses: what a service listens on and what it tells others.
 *
 * @module
 */

/** A `host:port` taken apart. */
export interface HostPort {
  /** Name or address; IPv6 without its brackets. */
  readonly hostname: string;
  /** Port; 0 lets the system choose. */
  readonly port: number;
}

/** Loopback: where a service listens unless it is told otherwise. */
export const LOOPBACK = "127.0.0.1";

/**
 * Takes `host:port` apart. `:8080` is loopback, `host` alone leaves the port to the system. A number alone is refused:
 * it may be meant as a port of loopback, or of all addresses.
 *
 * @param address `host:port`, `host`, `:port` or nothing; IPv6 in brackets.
 * @param from What said it, for the error.
 * @throws {TypeError} That names the value and what is wrong with it.
 *
 * @example
 * ```ts
 * parseAddress("[::1]:8080"); // { hostname: "::1", port: 8080 }
 * ```
 */
export function parseAddress(address: string, from = "Address"): HostPort {
  const match = /^(?:\[(?<ip6>[\da-f:.]*:[\da-f:.]*(?:%\w+)?)\]|(?<name>[\w.-]*))(?::(?<port>\d+))?$/i.exec(
    address,
  );
  const { ip6, name = "", port = "0" } = match?.groups ?? {};
  const why = match === null
    ? complaint(address)
    : Number(port) > 65_535
    ? "ports end at 65535"
    : /^\d+$/.test(name)
    ? `a number alone is no host; write :${name} for that port on loopback, or 0.0.0.0:${name} for it on every address`
    : /^[\d.]+$/.test(name) && !isIPv4(name)
    ? "that is no IP address"
    : undefined;
  if (why !== undefined) {
    throw new TypeError(
      `${from} must be host:port, as 127.0.0.1:8080 or [::1]:8080: current value is ${
        JSON.stringify(address)
      }; ${why}`,
    );
  }
  return { hostname: ip6 ?? (name === "" ? LOOPBACK : name), port: Number(port) };
}

function complaint(address: string): string {
  if (address.includes("://")) return "leave out what stands before the host, and any path";
  if (/^[\da-f:.]+$/i.test(address) && address.split(":").length > 2) {
    return "an IPv6 address stands in brackets";
  }
  return "that is no such thing";
}

function isIPv4(text: string): boolean {
  const parts = text.split(".");
  return parts.length === 4 && parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) <= 255);
}

/** Whether a host can be reached from this machine alone. */
export function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "::1" || /^127(?:\.\d{1,3}){3}$/.test(hostname);
}
