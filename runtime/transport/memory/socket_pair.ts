/**
 * Two sockets in one process, each the other's far end.
 *
 * @module
 */

import type { MessageSocket, MessageSocketEvents } from "../../host.ts";

const NORMAL = 1000;
const ABNORMAL = 1006;

/** Options of {@link socketPair}. */
export interface SocketPairOptions {
  /** Lets what was sent arrive: calls back later, never at once. A simulation puts its delays here. */
  readonly schedule: (deliver: () => void) => void;
  /** Subprotocol both say was agreed on. @default {"muon.v1"} */
  readonly protocol?: string;
}

/** One end of a {@link socketPair}. */
export class MemorySocket implements MessageSocket {
  readonly protocol: string;
  /** Messages are handed over as they are: their bytes are the receiver's. */
  readonly copies = false;
  readonly #schedule: (deliver: () => void) => void;
  readonly #deliver = () => this.#arrive();
  #far: MemorySocket | undefined;
  #events: MessageSocketEvents | undefined;
  /** What is on its way to this end. */
  #coming: Uint8Array[] = [];
  #bytes = 0;
  #scheduled = false;
  /** That this end will see itself closed, behind what is on its way. */
  #closing: { readonly code: number; readonly reason: string } | undefined;
  #closed = false;

  constructor(options: SocketPairOptions) {
    this.protocol = options.protocol ?? "muon.v1";
    this.#schedule = options.schedule;
  }

  /** Makes two sockets each other's far end. */
  static join(a: MemorySocket, b: MemorySocket): void {
    a.#far = b;
    b.#far = a;
  }

  get buffered(): number {
    return this.#far!.#bytes;
  }

  listen(events: MessageSocketEvents): void {
    this.#events = events;
    if (this.#coming.length > 0 || this.#closing !== undefined) this.#later();
  }

  send(data: Uint8Array): void {
    const far = this.#far!;
    if (this.#closing !== undefined || far.#closed) return;
    far.#coming.push(data);
    far.#bytes += data.length;
    far.#later();
  }

  close(code: number = NORMAL, reason = ""): void {
    if (this.#closing !== undefined) return;
    this.#close(code, reason);
    this.#far!.#close(code, reason);
  }

  terminate(): void {
    const far = this.#far!;
    for (const end of [this as MemorySocket, far]) {
      end.#coming = [];
      end.#bytes = 0;
      end.#close(ABNORMAL, "");
    }
  }

  #close(code: number, reason: string): void {
    this.#closing ??= { code, reason };
    this.#later();
  }

  #later(): void {
    if (this.#scheduled || this.#closed) return;
    this.#scheduled = true;
    this.#schedule(this.#deliver);
  }

  #arrive(): void {
    this.#scheduled = false;
    const events = this.#events;
    if (events === undefined || this.#closed) return;
    const coming = this.#coming;
    this.#coming = [];
    const sent = this.#bytes > 0;
    this.#bytes = 0;
    const closing = this.#closing;
    for (const data of coming) events.message(data);
    if (sent) this.#far!.#events?.drain();
    if (closing === undefined) return;
    this.#closed = true;
    events.close(closing.code, closing.reason);
  }
}

/**
 * Two sockets in one process, each the other's far end: messages arrive whole, in order, and later than they were sent.
 *
 * @example
 * ```ts
 * const [near, far] = socketPair({ schedule: platform.endOfTurn });
 * ```
 */
export function socketPair(options: SocketPairOptions): [MemorySocket, MemorySocket] {
  const near = new MemorySocket(options);
  const far = new MemorySocket(options);
  MemorySocket.join(near, far);
  return [near, far];
}
