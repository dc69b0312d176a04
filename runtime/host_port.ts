/**
 * `host:port`, and nothing else: what may stand in a URL where a record's address goes.
 *
 * @module
 */

import { MuonError } from "./errors.ts";
import type { Node } from "./record.ts";

const HOST_PORT = /^(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.%]+\]):\d{1,5}$/;

/**
 * Whether a text is a name or address and a port. A record may come from anybody on the network: a path, a query or a
 * user's name in its address would end up in a URL.
 *
 * @example
 * ```ts
 * isHostPort("[::1]:8080"); // true
 * isHostPort("10.0.0.1:80/admin?"); // false
 * ```
 */
export function isHostPort(address: string): boolean {
  return HOST_PORT.test(address);
}

/**
 * The address of a node, to be put into a URL.
 *
 * @throws {MuonError} `unavailable` and `notRun`, if it is no `host:port`.
 */
export function authorityOf(node: Node): string {
  if (isHostPort(node.address)) return node.address;
  throw new MuonError("unavailable", `The node's address is no host:port: ${JSON.stringify(node.address)}`, {
    id: "muon.client",
    notRun: true,
    where: { node: node.id, address: node.address },
  });
}
