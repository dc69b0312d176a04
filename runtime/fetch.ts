/**
 * Which fetch a transport makes its requests with.
 *
 * @module
 */

import type { DialTlsOptions, Platform } from "./platform.ts";

/**
 * The runtime's own fetch; where there are authorities or a certificate, and the runtime's fetch can have them, one that
 * has. It is made with the first request.
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
  tls: DialTlsOptions | undefined,
): typeof globalThis.fetch {
  if (platform.fetchWith === undefined || tls?.ca === undefined && tls?.cert === undefined) {
    return (input, init) => globalThis.fetch(input, init);
  }
  let made: typeof globalThis.fetch | undefined;
  return (input, init) => (made ??= platform.fetchWith!(tls))(input, init);
}
