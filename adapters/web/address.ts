/**
 * Addresses as text.
 *
 * @module
 */

import { StartError } from "../../runtime/start_error.ts";

/**
 * `host:port`, an IPv6 address in brackets.
 *
 * @example
 * ```ts
 * hostPort("::1", 80); // "[::1]:80"
 * ```
 */
export function hostPort(host: string, port: number): string {
  // Joined: on Bun what a template makes of them keeps its parts, 54 bytes of each connection.
  return [host.includes(":") ? `[${host}]` : host, port].join(":");
}

/** Codes of the system's errors, as Node and Bun name them, and the names of Deno's error classes for the same. */
const IN_USE = new Set(["EADDRINUSE", "AddrInUse"]);
const DENIED = new Set(["EACCES", "EPERM", "PermissionDenied"]);
// EINVAL: what Deno's node:net makes of EADDRNOTAVAIL.
const NOT_HERE = new Set(["EADDRNOTAVAIL", "AddrNotAvailable", "ENOTFOUND", "EAI_AGAIN", "EINVAL"]);

/**
 * The error that a person gets when an address cannot be listened on: it names the address and says what to do.
 *
 * @param address The address, `host:port`.
 * @param cause What the runtime threw.
 */
export function listenError(address: string, cause: unknown): StartError {
  const { code, name, message } = cause as { code?: string; name?: string; message?: string };
  const known = (names: ReadonlySet<string>) => names.has(code ?? "") || names.has(name ?? "");
  const port = address.slice(address.lastIndexOf(":") + 1);
  let why = message ?? String(cause);
  if (known(IN_USE) || /in use/i.test(why)) {
    why =
      `the address is in use; see who has it with \`ss -ltnp 'sport = :${port}'\`, or choose another with ` +
      "--server_address";
  } else if (known(DENIED)) {
    why = Number(port) < 1024
      ? "ports below 1024 are the administrator's; choose a higher one with --server_address, or allow it with " +
        "`sysctl net.ipv4.ip_unprivileged_port_start`"
      : `the system does not permit it (${why}); choose another with --server_address`;
  } else if (known(NOT_HERE) || /lookup address/i.test(why)) {
    why =
      "this machine has no such address; see those it has with `ip addr`, and choose one with --server_address";
  }
  return new StartError(`Cannot listen on ${address}: ${why}`, { cause });
}
