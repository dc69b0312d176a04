/**
 * What a host says of what goes wrong in it, where nobody listens.
 *
 * @module
 */

import type { HostOptions } from "../../runtime/host.ts";

/** Whom a host tells: who its options name, else whoever reads stderr. */
export function reporter({ report }: HostOptions): NonNullable<HostOptions["report"]> {
  return report ?? ((message, error) => console.error(`muon: ${message}:`, error));
}
