/**
 * Whether the other end is still there: PING, and how long its answer takes.
 *
 * @module
 */

import type { Clock } from "../../clock.ts";
import { type TimerWheel, WheelTimer } from "../../timer_wheel.ts";
import type { WireOptions } from "./limits.ts";
import type { Sender } from "./sender.ts";

/** The connection that a {@link Keepalive} watches. */
export interface KeepaliveContext {
  /** Time. */
  readonly clock: Clock;
  /** Wakes it. */
  readonly wheel: TimerWheel;
  /** How long to wait. */
  readonly options: WireOptions;
  /** Sends PING. */
  readonly sender: Sender;
  /** Whether the other end's HELLO came. */
  readonly greeted: boolean;
  /** Called when the other end is given up: with why. */
  dead(detail: string): void;
}

/**
 * Round trip up to which the other end is near, in ms; the first of a connection takes up to 20 on one host. Where it takes
 * longer, the line may be so slow that a large frame is longer on its way than a sign of life is waited for.
 */
const NEAR = 50;

/** Gives up an end that says no HELLO, or from which nothing comes. */
export class Keepalive extends WheelTimer {
  /** Whether anything came since the last look. */
  heard = false;
  /** Smoothed round trip of PING, in ms; `undefined` before the first. */
  rtt: number | undefined;
  readonly #context: KeepaliveContext;
  /** Looks in a row since which nothing came. */
  #silent = 0;
  #pings = 0;
  /** When the last PING was sent. */
  #pinged = 0;

  constructor(context: KeepaliveContext) {
    super();
    this.#context = context;
    context.wheel.set(this, context.clock.now() + context.options.patience);
  }

  /** Whether the other end is known to be near. */
  get near(): boolean {
    return this.rtt !== undefined && this.rtt <= NEAR;
  }

  /** HELLO came. */
  greet(): void {
    this.#ping();
  }

  /** A PONG came. */
  pong(payload: Uint8Array, now: number): void {
    if (new DataView(payload.buffer, payload.byteOffset).getUint32(4) !== this.#pings) return;
    const sample = Math.max(0, now - this.#pinged);
    // Smoothed as TCP's: RFC 6298 §2.
    this.rtt = this.rtt === undefined ? sample : this.rtt + (sample - this.rtt) / 8;
  }

  /** The connection is over. */
  stop(): void {
    this.#context.wheel.cancel(this);
  }

  /** Sends a PING, or gives the other end up. */
  fire(): void {
    const { options, greeted } = this.#context;
    if (!greeted) return this.#context.dead(`no HELLO came within ${options.patience} ms`);
    this.#silent = this.heard ? 0 : this.#silent + 1;
    if (this.#silent >= 2) {
      return this.#context.dead(`nothing came for ${this.#silent * options.ping} ms, not even for a PING`);
    }
    this.heard = false;
    this.#ping();
  }

  #ping(): void {
    const { clock, wheel, options, sender } = this.#context;
    sender.trim();
    const payload = new Uint8Array(8);
    new DataView(payload.buffer).setUint32(4, ++this.#pings);
    this.#pinged = clock.now();
    sender.ping(payload, false);
    wheel.set(this, this.#pinged + options.ping);
  }
}
