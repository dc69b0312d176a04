/**
 * The calls that the other end makes over a connection: which are open, which run, and which wait to.
 *
 * @module
 */

import { MuonError } from "../../errors.ts";
import type { Accept } from "../transport.ts";
import type { InboundCall } from "./inbound.ts";
import { StreamTable } from "./stream_table.ts";

/**
 * The calls of the other end. As many handlers run as calls may be open, and those whose call was given up count: a
 * peer that calls and cancels in a loop (CVE-2023-44487, "rapid reset") would start any number otherwise. A call that
 * comes before they are done waits for them, as in Go's HTTP/2 server since then.
 */
export class Serving extends StreamTable<InboundCall> {
  /** Calls that were given up and whose handlers still run. */
  abandoned = 0;
  readonly #accept: Accept;
  readonly #limit: number;
  /** Those that wait, in their order. */
  #waiting: Set<InboundCall> | undefined;

  /** @param limit How many handlers may run. */
  constructor(accept: Accept, limit: number) {
    super();
    this.#accept = accept;
    this.#limit = limit;
  }

  /** Whether the other end has as many open as it may. */
  get full(): boolean {
    return this.size >= this.#limit;
  }

  /** Hands over a call whose input is whole, or a stream: now, or when a handler is done. */
  hand(call: InboundCall): void {
    const running = this.size - (this.#waiting?.size ?? 0) + this.abandoned;
    if (running > this.#limit) (this.#waiting ??= new Set()).add(call);
    else this.#run(call);
  }

  /** A call is over: another that waits may run. */
  override remove(call: InboundCall): boolean {
    const removed = super.remove(call);
    if (this.#waiting !== undefined && this.#waiting.size > 0) {
      this.#waiting.delete(call);
      this.#advance();
    }
    return removed;
  }

  /** A handler whose call was given up is done. */
  settled(): void {
    this.abandoned--;
    this.#advance();
  }

  /** The connection is over. */
  end(error: MuonError): void {
    this.#waiting?.clear();
    for (const call of this.values()) call.abort(error);
  }

  #advance(): void {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    for (const call of waiting) {
      if (this.size - waiting.size + this.abandoned >= this.#limit) return;
      waiting.delete(call);
      this.#run(call);
    }
  }

  #run(call: InboundCall): void {
    call.handed();
    try {
      this.#accept(call);
    } catch (thrown) {
      call.fail(MuonError.from(thrown));
    }
  }
}
