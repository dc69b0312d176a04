/**
 * Deno's fetch with authorities and a certificate of one's own, and with connections that can be given up.
 *
 * @module
 */

import type { DialTlsOptions } from "../../runtime/platform.ts";

/** By what they were made of: they hold connections, and nobody says when they are no longer wanted. */
const pools = new Map<string, Pool>();

/**
 * A fetch with its own keys and certificates. Deno adds the authorities to the system's.
 *
 * @param tls What is trusted beside the system's authorities, and what is shown.
 */
export function fetchWithDeno({ ca, cert, key }: DialTlsOptions): typeof globalThis.fetch {
  const name = JSON.stringify([ca, cert, key]);
  let pool = pools.get(name);
  if (pool === undefined) {
    pool = new Pool({
      ...(ca === undefined ? {} : { caCerts: [ca] }),
      ...(cert === undefined || key === undefined ? {} : { cert, key }),
    });
    pools.set(name, pool);
  }
  const { fetch } = pool;
  return fetch;
}

/** A client and its connections. */
class Pool {
  readonly #options: Deno.CreateHttpClientOptions;
  #client: Deno.HttpClient | undefined;

  constructor(options: Deno.CreateHttpClientOptions) {
    this.#options = options;
  }

  readonly fetch = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    try {
      return await this.#fetch(input, init);
    } catch (error) {
      // Whether the server has read it, nobody knows: only what may run twice is sent again.
      if (!wasLost(error) || !mayRunTwice(input, init) || init?.signal?.aborted) throw error;
      return await this.#fetch(input, init);
    }
  };

  async #fetch(input: string | URL | Request, init: RequestInit | undefined): Promise<Response> {
    const client = this.#client ??= Deno.createHttpClient(this.#options);
    const own: RequestInit & { readonly client: Deno.HttpClient } = { ...init, client };
    try {
      return await fetch(input, own);
    } catch (error) {
      // Whoever restarts closes the idle connections with the others, and each of them would fail one more request, or
      // two: Deno tries again on the next. What is in flight on the old client goes on.
      if (client === this.#client && wasLost(error)) {
        this.#client = undefined;
        client.close();
      }
      throw error;
    }
  }
}

/** Whether a request failed on a connection that there was. */
function wasLost(error: unknown): boolean {
  return error instanceof TypeError && error.cause instanceof Error &&
    /\(SendRequest\)/.test(error.cause.message);
}

/** Source: RFC 9110 §9.2.2. */
function mayRunTwice(input: string | URL | Request, init: RequestInit | undefined): boolean {
  return !(input instanceof Request) && (init?.body ?? undefined) === undefined &&
    /^(?:GET|HEAD|OPTIONS|PUT|DELETE|TRACE)$/.test(init?.method ?? "GET");
}
