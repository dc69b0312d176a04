/**
 * Whether and how a service listens with TLS, and whether it may do without.
 *
 * @module
 */

import { MuonError } from "../errors.ts";
import type { TlsOptions } from "../host.ts";
import type { System, TlsFault } from "../platform.ts";
import { StartError } from "../start_error.ts";
import { isLoopback } from "./address.ts";
import type { ServiceOptions, ServiceTls } from "./options.ts";
import { Origins, type Setting } from "./origins.ts";

/**
 * What a service listens with.
 *
 * @param tls Keys and certificates there are.
 * @param how `enabled` is `--enable_tls`; left open, there is TLS once there are certificate and key. `origins` says who
 * said so.
 * @returns `undefined`: without TLS.
 * @throws {TypeError} If something that is asked for lacks something; the message says which flag gives it.
 */
export function listenTls(
  tls: ServiceTls | undefined,
  how: { readonly enabled?: boolean | undefined; readonly origins?: Origins } = {},
): TlsOptions | undefined {
  const { enabled, origins = new Origins() } = how;
  if (enabled === false) return undefined;
  const { cert, key, clientCa } = tls ?? {};
  if (cert !== undefined && key !== undefined) {
    return { cert, key, ...(clientCa === undefined ? {} : { clientCa }) };
  }
  if (cert !== undefined || key !== undefined) {
    throw origins.wrong(
      ["tlsCertFile", "tlsKeyFile"],
      `A certificate and its key belong together: the ${
        cert === undefined ? "certificate" : "key"
      } is missing; give both with --tls_cert_file and --tls_key_file (or the option tls)`,
    );
  }
  const asked = enabled === true ? "tlsEnabled" : clientCa === undefined ? undefined : "tlsClientCaFile";
  if (asked === undefined) return undefined;
  throw origins.wrong(
    [asked],
    `${
      origins.nameOf(asked)
    } needs a certificate and its key: give --tls_cert_file and --tls_key_file (or the option tls)`,
  );
}

const SETTINGS: Readonly<Record<TlsFault["part"], Setting>> = {
  cert: "tlsCertFile",
  key: "tlsKeyFile",
  ca: "tlsCaFile",
  clientCa: "tlsClientCaFile",
};

/**
 * Looks at keys and certificates before they are used: some runtimes take any, and nobody can connect then.
 *
 * @param system Looks at them.
 * @param how `tls` is what there is, `origins` says which flag or variable gave it.
 * @returns What is odd and may work, as a certificate that has expired: for the log.
 * @throws {StartError} That names flag and file, or option, and says what is wrong.
 */
export function checkTls(
  { clock, platform }: Pick<System, "clock" | "platform">,
  { tls, origins }: { readonly tls: ServiceTls | undefined; readonly origins: Origins },
): readonly string[] {
  if (tls === undefined) return [];
  const faults = platform.tlsFaults?.(tls, clock.wall()) ?? [];
  return faults.map(({ part, why, other, fatal }) => {
    const behind = other === undefined ? "" : ` ${origins.nameOf(SETTINGS[other])}`;
    const text = `TLS: ${origins.nameOf(SETTINGS[part])} ${why}${behind}`;
    if (fatal) throw new StartError(text);
    return text;
  });
}

/**
 * Checks that a service which everyone on a network can reach has TLS, or was told to do without.
 *
 * @throws {MuonError} `failed_precondition`, that says what to set, if code chose the address.
 * @throws {UsageError} The same, if a flag or a variable did.
 */
export function checkExposure(
  hostname: string,
  { tls, options, origins = new Origins() }: {
    readonly tls: TlsOptions | undefined;
    readonly options: ServiceOptions;
    readonly origins?: Origins;
  },
): void {
  if (isLoopback(hostname) || tls !== undefined || options.insecure === true) return;
  const message =
    `Will not listen on ${options.address} (${
      origins.nameOf("address")
    }) without TLS, where everyone on that network ` +
    `could read and make calls: give --tls_cert_file and --tls_key_file (or the option tls), or say --insecure`;
  if (origins.has("address")) throw origins.wrong(["address"], message);
  throw new MuonError("failed_precondition", message, { id: "muon.service" });
}
