/**
 * The service that is looked up.
 *
 * @module
 */
import { parseRecord, type ServiceRecord } from "../../runtime/record.ts";

/** Name of the service. */
export const NAME = "bench.greeter";
/** The version that is wanted. */
export const VERSION = "1.0.0";
/** The version that a filter leaves out. */
export const OTHER = "2.0.0";

/** A record of one version with so many nodes, each id of which begins with the version. */
export function recordOf(version: string, nodes: number): ServiceRecord {
  return parseRecord({
    name: NAME,
    version,
    metadata: {},
    endpoints: [{ name: "Greeter.Hello", request: null, response: null, metadata: { kind: "unary" } }],
    nodes: Array.from({ length: nodes }, (_, n) => ({
      id: `${version}-${n}`,
      address: "127.0.0.1:1",
      metadata: { muon: "muon.v1", secure: "false" },
    })),
  });
}
