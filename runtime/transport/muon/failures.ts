/**
 * What calls over muon.v1 fail with, where the connection is to blame.
 *
 * @module
 */

import { MuonError, type Status, type Where } from "../../errors.ts";

/** The connection is gone, or takes no more calls. */
export function unavailable(detail: string): MuonError {
  return failure("unavailable", detail);
}

/** What is there has reached a limit. */
export function exhausted(detail: string): MuonError {
  return failure("resource_exhausted", detail);
}

/** The time for a call is over. */
export function late(detail: string): MuonError {
  return failure("deadline_exceeded", detail);
}

/** More calls came than may be open. */
export function tooMany(limit: number): MuonError {
  return exhausted(`${limit} calls are open on the connection already (limit maxStreams)`);
}

/** A message is larger than the other end takes. */
export function tooLarge(what: "input" | "output", size: number, limit: number): MuonError {
  return exhausted(`the ${what} has ${size} bytes, and the other end takes ${limit} (its limit maxMessage)`);
}

/** More waits to be sent than this end keeps. */
export function tooMuchUnsent(bytes: number, limit: number): MuonError {
  return exhausted(
    `${bytes} bytes wait on the connection until the other end takes them, and no more may (limit unsent ${limit})`,
  );
}

/** The error of a caller's signal. */
export function abortError(reason: unknown): MuonError {
  return MuonError.from(reason, {
    id: "muon.wire",
    status: (reason as { name?: unknown } | undefined)?.name === "TimeoutError"
      ? "deadline_exceeded"
      : "canceled",
  });
}

/** The same error of a call that is known not to have run. */
export function unrun(error: MuonError, where?: Where): MuonError {
  return new MuonError(error.status, error.detail, {
    id: error.id,
    notRun: true,
    ...(where === undefined ? {} : { where }),
  });
}

function failure(status: Status, detail: string): MuonError {
  return new MuonError(status, detail, { id: "muon.wire" });
}
