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
 * Takes `host:port` apart. `:8080` is loopback, `host` alone leaves the port to the system.
 *
 * @throws {TypeError} That names the value.
 *
 * @example
 * ```ts
 * parseAddress("[::1]:8080"); // { hostname: "::1", port: 8080 }
 * ```
 */
export function parseAddress(address: string): HostPort {
  const match = /^(?:\[([^\]]+)\]|([^:\s]*))(?::(\d{1,5}))?$/.exec(address);
  const port = Number(match?.[3] ?? 0);
  if (match === null || port > 65_535) {
    throw new TypeError(
      `Address must be host:port, as 127.0.0.1:8080 or [::1]:8080: current value is ${
        JSON.stringify(address)
      }`,
    );
  }
  return { hostname: match[1] ?? (match[2] === "" ? LOOPBACK : match[2]!), port };
}

/** Whether a host can be reached from this machine alone. */
export function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "::1" || /^127(?:\.\d{1,3}){3}$/.test(hostname);
}
