/**
 * Calls of browsers' pages. Browsers let any page send requests to any address, loopback too, and tell the page's
 * origin with each that does more than read.
 * Source: {@link https://fetch.spec.whatwg.org/#http-cors-protocol | Fetch, CORS protocol}.
 *
 * @module
 */

import { MuonError } from "../../errors.ts";

/** Time for which a browser remembers what it may send, in s. */
const REMEMBERED = "7200";
const NONE: Readonly<Record<string, string>> = {};

/** Whose pages may call, and what browsers are told. */
export class Cors {
  readonly #origins: readonly string[];

  /** @param origins As `https://app.example`. */
  constructor(origins: readonly string[]) {
    this.#origins = origins;
  }

  /** Whether a request may be answered; what is no browser tells no origin. */
  allows(origin: string | null): boolean {
    return origin === null || this.#origins.includes(origin);
  }

  /** The error for a page that may not call. */
  refusal(origin: string): MuonError {
    return new MuonError(
      "permission_denied",
      `pages of ${
        JSON.stringify(origin.slice(0, 200))
      } may not call this node: its transport's option "origins" ` +
        `names those that may (${this.#origins.join(", ") || "none"})`,
      { id: "muon.http", notRun: true },
    );
  }

  /** Headers of an answer that a page may read; `undefined`: it is for no page. */
  headers(origin: string | null): Readonly<Record<string, string>> | undefined {
    if (origin === null) return undefined;
    return { "access-control-allow-origin": origin, "access-control-expose-headers": "*", vary: "origin" };
  }

  /** Headers of the answer to a browser that asks what a page may send. */
  preflight(origin: string | null): Readonly<Record<string, string>> {
    if (origin === null) return NONE;
    return {
      "access-control-allow-methods": "POST",
      // Not "*", which leaves `authorization` out.
      "access-control-allow-headers": "*, authorization",
      "access-control-max-age": REMEMBERED,
    };
  }
}
