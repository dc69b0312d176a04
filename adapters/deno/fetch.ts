/**
 * Deno's fetch with authorities and a certificate of one's own.
 *
 * @module
 */

import type { DialTlsOptions } from "../../runtime/platform.ts";

/** By what they were made of: a client holds connections, and nobody says when it is no longer wanted. */
const clients = new Map<string, Deno.HttpClient>();

/** A fetch with its own keys and certificates. Deno adds the authorities to the system's. */
export function fetchWithDeno({ ca, cert, key }: DialTlsOptions): typeof globalThis.fetch {
  const made = JSON.stringify([ca, cert, key]);
  let client = clients.get(made);
  if (client === undefined) {
    client = Deno.createHttpClient({
      ...(ca === undefined ? {} : { caCerts: [ca] }),
      ...(cert === undefined || key === undefined ? {} : { cert, key }),
    });
    clients.set(made, client);
  }
  return (input, init) => {
    const own: RequestInit & { readonly client: Deno.HttpClient } = { ...init, client };
    return fetch(input, own);
  };
}
