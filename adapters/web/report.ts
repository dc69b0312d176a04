/**
 * What a host says of what goes wrong in it.
 *
 * @module
 */

import type { HostOptions, Protocol, RequestHead } from "../../runtime/host.ts";
import { failed, type Refusal } from "../../runtime/mounts.ts";

/** Told of what goes wrong. */
export type Report = NonNullable<HostOptions["report"]>;

/** Whom a host tells: who its options name, else whoever reads stderr. */
export function reporter({ report }: HostOptions): Report {
  return report ?? ((message, error) => console.error(`muon: ${message}:`, error));
}

/** Reports that a protocol threw, which it should not; gives what is answered. */
export function broken(
  error: unknown,
  { report, protocol, request }: {
    readonly report: Report;
    readonly protocol: Protocol;
    readonly request: RequestHead;
  },
): Refusal {
  report(`protocol "${protocol.name}" failed at ${request.method} ${request.path}`, error);
  return failed(request, protocol);
}
