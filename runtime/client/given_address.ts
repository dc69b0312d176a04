/**
 * The option `address`: a node that nobody registered.
 *
 * @module
 */

import { MuonError } from "../errors.ts";
import { isHostPort } from "../host_port.ts";
import type { Node, ServiceRecord } from "../record.ts";
import type { Pick } from "../selector/selector.ts";

/** The transport that an address names before its `://`; `undefined` if it names none. */
export function schemeOf(address: string | undefined): string | undefined {
  const end = address?.indexOf("://") ?? -1;
  return end < 0 ? undefined : address!.slice(0, end);
}

/**
 * A pick of a node that nobody registered: an address that the caller gave. It speaks muon.v1, unless the caller names
 * a transport: then its record says that, and is taken to speak what that transport does.
 *
 * @param given `host:port`, or `<transport>://host:port`.
 * @param transport The call's option of that name.
 * @throws {MuonError} `invalid_argument`, if it is no `host:port`.
 */
export function pickOfAddress(given: string, transport?: string): Pick {
  const scheme = schemeOf(given);
  const address = scheme === undefined ? given : given.slice(scheme.length + 3);
  if (!isHostPort(address) && scheme !== "memory") {
    throw new MuonError(
      "invalid_argument",
      `Address must be host:port: current value is ${JSON.stringify(given)}`,
      {
        id: "muon.client",
        notRun: true,
      },
    );
  }
  const node: Node = { id: given, address, metadata: { muon: transport ?? scheme ?? "muon.v1" } };
  const service: ServiceRecord = { name: "", version: "", metadata: {}, endpoints: [], nodes: [node] };
  return { candidate: { node, service, inflight: 0, latency: 0, ejectedUntil: 0 }, done() {} };
}
