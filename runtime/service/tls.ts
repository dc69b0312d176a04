/**
 * Whether and how a service listens with TLS, and whether it may do without.
 *
 * @module
 */

import { MuonError } from "../errors.ts";
import type { TlsOptions } from "../host.ts";
import { isLoopback } from "./address.ts";
import type { ServiceOptions, ServiceTls } from "./options.ts";

/**
 * What a service listens with.
 *
 * @param tls Keys and certificates there are.
 * @param enabled `--enable_tls`; left open, there is TLS once there are certificate and key.
 * @returns `undefined`: without TLS.
 * @throws {TypeError} If something that is asked for lacks something; the message says which flag gives it.
 */
export function listenTls(tls: ServiceTls | undefined, enabled?: boolean): TlsOptions | undefined {
  if (enabled === false) return undefined;
  const { cert, key, clientCa } = tls ?? {};
  if (cert !== undefined && key !== undefined) {
    return { cert, key, ...(clientCa === undefined ? {} : { clientCa }) };
  }
  if (cert !== undefined || key !== undefined) {
    throw new TypeError(
      `A certificate and its key belong together: the ${
        cert === undefined ? "certificate" : "key"
      } is missing; give both with --tls_cert_file and --tls_key_file (or the option tls)`,
    );
  }
  const asked = enabled === true
    ? "--enable_tls"
    : clientCa === undefined
    ? undefined
    : "--tls_client_ca_file (or tls.clientCa)";
  if (asked !== undefined) {
    throw new TypeError(
      `${asked} needs a certificate and its key: give --tls_cert_file and --tls_key_file (or the option tls)`,
    );
  }
  return undefined;
}

/**
 * Checks that a service which everyone on a network can reach has TLS, or was told to do without.
 *
 * @throws {MuonError} `failed_precondition`, that says what to set.
 */
export function checkExposure(
  hostname: string,
  { tls, options }: { readonly tls: TlsOptions | undefined; readonly options: ServiceOptions },
): void {
  if (isLoopback(hostname) || tls !== undefined || options.insecure === true) return;
  throw new MuonError(
    "failed_precondition",
    `Will not listen on ${options.address} without TLS, where everyone on that network could read and make calls: ` +
      `give --tls_cert_file and --tls_key_file (or the option tls), or say --insecure`,
    { id: "muon.service" },
  );
}
