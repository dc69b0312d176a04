/**
 * Which fetch a transport makes its requests with, and what its failures say.
 *
 * @module
 */

import type { DialTlsOptions, Platform } from "./platform.ts";

/**
 * The fetch of the runtime's adapter, made with the first request; where it has none, as on the edge, the runtime's own.
 *
 * @param platform The machine.
 * @param tls Keys and certificates of this end.
 *
 * @example
 * ```ts
 * const fetch = fetchOf(system.platform, { ca });
 * await fetch("https://10.0.0.1:8443/");
 * ```
 */
export function fetchOf(
  platform: Pick<Platform, "fetchWith">,
  tls: DialTlsOptions = {},
): typeof globalThis.fetch {
  if (platform.fetchWith === undefined) return (input, init) => globalThis.fetch(input, init);
  let made: typeof globalThis.fetch | undefined;
  return (input, init) => (made ??= platform.fetchWith!(tls))(input, init);
}

/** What each runtime calls it when nobody could be reached. */
const NO_CONNECTION: ReadonlySet<unknown> = new Set([
  "ECONNREFUSED",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EADDRNOTAVAIL",
  "UND_ERR_CONNECT_TIMEOUT",
  "ConnectionRefused",
  "FailedToOpenSocket",
]);

/**
 * Whether a request failed because there was no connection, so that nothing of it can have been sent.
 *
 * @param error What `fetch` threw.
 */
export function neverConnected(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  // Node gathers the failures of a name's addresses.
  if (error instanceof AggregateError) return error.errors.some(neverConnected);
  const { code, syscall } = error as { readonly code?: unknown; readonly syscall?: unknown };
  if (NO_CONNECTION.has(code) || syscall === "connect") return true;
  // Deno says so in words, in the cause.
  return /client error \(Connect\)/.test(error.message) || neverConnected(error.cause);
}
