/**
 * Looks at keys and certificates with `node:crypto`, before they are listened or dialled with: Deno takes any and then
 * resets every connection, and what OpenSSL says names no file.
 *
 * @module
 */

import type { X509Certificate } from "node:crypto";
import process from "node:process";
import type { TlsFault, TlsMaterial } from "../../runtime/platform.ts";

const CERTIFICATE = /-----BEGIN (?:X509 )?CERTIFICATE-----[^-]*-----END (?:X509 )?CERTIFICATE-----/g;
const LABEL = /-----BEGIN ([^-]+)-----/g;
const ENCRYPTED = /BEGIN ENCRYPTED|Proc-Type: 4,ENCRYPTED/;

/**
 * What is wrong with keys and certificates, the worst first.
 *
 * @param tls In PEM.
 * @param now The time, in ms since the epoch.
 *
 * @example
 * ```ts
 * tlsFaults({ cert }, Date.now()); // [{ part: "cert", why: "holds no certificate, but PRIVATE KEY", fatal: true }]
 * ```
 */
export function tlsFaults(tls: TlsMaterial, now: number): readonly TlsFault[] {
  // Not imported: most processes have no TLS.
  const crypto = process.getBuiltinModule("node:crypto");
  const faults: TlsFault[] = [];
  const certificates = (part: "cert" | "ca" | "clientCa"): readonly X509Certificate[] => {
    const pem = tls[part];
    if (pem === undefined) return [];
    const found = pem.match(CERTIFICATE) ?? [];
    if (found.length === 0) faults.push(fatal(part, `holds no certificate${instead(pem)}`));
    try {
      return found.map((each) => new crypto.X509Certificate(each));
    } catch (error) {
      faults.push(fatal(part, `holds a certificate that cannot be read (${messageOf(error)})`));
      return [];
    }
  };
  const [own] = certificates("cert");
  const authorities = { ca: certificates("ca"), clientCa: certificates("clientCa") };

  if (tls.key !== undefined) {
    if (ENCRYPTED.test(tls.key)) {
      faults.push(fatal("key", "is encrypted: write it without its passphrase, with `openssl pkey`"));
    } else if (!tls.key.includes("PRIVATE KEY-----")) {
      faults.push(fatal("key", `holds no private key${instead(tls.key)}`));
    } else {
      try {
        const key = crypto.createPrivateKey(tls.key);
        if (own !== undefined && !own.checkPrivateKey(key)) {
          faults.push({ ...fatal("key", "does not belong to the certificate of"), other: "cert" });
        }
      } catch (error) {
        faults.push(fatal("key", `holds a private key that cannot be read (${messageOf(error)})`));
      }
    }
  }

  const dated = (part: TlsFault["part"], certificate: X509Certificate) => {
    const why = Date.parse(certificate.validTo) < now
      ? `expired at ${certificate.validTo}`
      : Date.parse(certificate.validFrom) > now
      ? `is not valid before ${certificate.validFrom}`
      : undefined;
    if (why !== undefined) faults.push({ part, why: `${why}: whoever checks it refuses it`, fatal: false });
  };
  if (own !== undefined) dated("cert", own);
  for (const part of ["ca", "clientCa"] as const) {
    // A bundle has old ones among many.
    if (authorities[part].length === 1) dated(part, authorities[part][0]!);
  }
  return faults;
}

function fatal(part: TlsFault["part"], why: string): TlsFault {
  return { part, why, fatal: true };
}

/** What a text holds that should hold something else. */
function instead(pem: string): string {
  const labels = [...pem.matchAll(LABEL)].map(([, label]) => label);
  return labels.length === 0 ? "" : `, but ${[...new Set(labels)].join(" and ")}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
