/**
 * What runtimes hand over beside a request: Deno who sent it, Bun its server, workerd the environment and a context.
 *
 * @module
 */

import type { Peer } from "../../runtime/host.ts";
import { hostPort } from "../web/address.ts";

export { headOf } from "../web/request_head.ts";

interface Address {
  readonly address?: string;
  readonly hostname?: string;
  readonly port: number;
}

/** What may be the second argument of `fetch`. */
interface Beside {
  readonly remoteAddr?: Address;
  requestIP?(request: Request): Address | null;
}

/** workerd's context of a request. */
interface ExecutionContext {
  waitUntil(promise: Promise<unknown>): void;
}

function isContext(context: unknown): context is ExecutionContext {
  return typeof (context as Partial<ExecutionContext> | undefined)?.waitUntil === "function";
}

/** Who sent a request; `edge` where the runtime does not say. */
export function peerOf(request: Request, beside: unknown, context: unknown): Peer {
  if (isContext(context)) {
    // Cloudflare writes this header itself; from anybody else it would be a claim.
    return { address: request.headers.get("cf-connecting-ip") ?? "edge" };
  }
  const { remoteAddr, requestIP } = (beside ?? {}) as Beside;
  const from = remoteAddr ?? requestIP?.call(beside, request);
  const host = from?.hostname ?? from?.address;
  return { address: from && host !== undefined ? hostPort(host, from.port) : "edge" };
}

/** Variables and bindings: workerd's second argument; on other runtimes there are none. */
export function environmentOf(beside: unknown, context: unknown): Readonly<Record<string, unknown>> {
  return isContext(context) ? beside as Record<string, unknown> : {};
}

/** Keeps the isolate until a promise is settled, where that has to be asked for. */
export function waitUntilOf(context: unknown): (promise: Promise<unknown>) => void {
  return isContext(context) ? (promise) => context.waitUntil(promise) : () => {};
}
