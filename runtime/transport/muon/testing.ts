/**
 * Two sessions face to face, for tests: nothing moves but by `settle`.
 *
 * @module
 */

import type { MuonError } from "../../errors.ts";
import { Metadata } from "../../metadata.ts";
import { TimerWheel } from "../../timer_wheel.ts";
import { VirtualClock } from "../../virtual_clock.ts";
import type { Accept, CallHandle, CallHead, Exchange, Incoming, ReplySink } from "../transport.ts";
import { FLOOR, type WireOptions, wireOptions } from "./limits.ts";
import type { Wire } from "./sender.ts";
import { Session } from "./session.ts";

/** A wire that keeps what is sent. */
export class TestWire implements Wire {
  copies = true;
  buffered = 0;
  /** Messages that were sent and not taken. */
  sent: Uint8Array[] = [];
  /** How the socket was closed. */
  closed: { readonly code: number; readonly reason: string } | undefined;
  /** Whether a flush was asked for. */
  awake = false;

  send(batch: Uint8Array): void {
    this.sent.push(batch.slice());
  }

  wake(): void {
    this.awake = true;
  }

  end(code: number, reason: string): void {
    this.closed = { code, reason };
  }
}

/** One end. */
export class TestEnd {
  readonly wire = new TestWire();
  readonly session: Session;
  /** Calls that came in. */
  readonly calls: Incoming[] = [];

  constructor(
    clock: VirtualClock,
    options: {
      dialler: boolean;
      limits?: Partial<WireOptions>;
      node?: string;
      address?: string;
      prompt?: boolean;
      /** Takes calls, once they are in `calls`. */
      accept?: Accept;
    },
  ) {
    this.session = new Session({
      dialler: options.dialler,
      wire: this.wire,
      // Frames of the least size, so that bodies of some 100 kB come in parts.
      options: wireOptions({ fragment: FLOOR, ...options.limits }),
      clock,
      prompt: options.prompt ?? false,
      wheel: new TimerWheel(clock),
      peer: { address: options.address ?? (options.dialler ? "listener:1" : "dialler:1") },
      accept: (call) => {
        this.calls.push(call);
        options.accept?.(call);
      },
      agent: "muon",
      node: options.node ?? "",
    });
  }

  /** What it sends at the end of this turn. */
  take(): Uint8Array[] {
    if (this.wire.awake) {
      this.wire.awake = false;
      this.session.flush();
    }
    const { sent } = this.wire;
    this.wire.sent = [];
    return sent;
  }

  /** Makes a call with one input. */
  call(body: Uint8Array = new Uint8Array(0), head: Partial<CallHead> = {}): TestCall {
    return new TestCall(this.session, body, testHead(head));
  }

  /** Makes a call with a stream of inputs. */
  open(head: Partial<CallHead> = {}, signal?: AbortSignal): Exchange {
    return this.session.open(testHead(head), signal);
  }
}

/** A call, and what became of it. */
export class TestCall implements ReplySink {
  readonly handle: CallHandle;
  body: Uint8Array | undefined;
  trailer: Metadata | undefined;
  stream: Exchange | undefined;
  error: MuonError | undefined;
  /** How often it was answered. */
  answers = 0;

  constructor(session: Session, body: Uint8Array, head: CallHead) {
    this.handle = session.unary(head, body, this);
  }

  reply(body: Uint8Array | undefined, trailer: Metadata, stream: Exchange | undefined): void {
    this.answers++;
    this.body = body;
    this.trailer = trailer;
    this.stream = stream;
  }

  fail(error: MuonError): void {
    this.answers++;
    this.error = error;
  }
}

/** A head. */
export function testHead(head: Partial<CallHead> = {}): CallHead {
  return {
    service: "greeter",
    endpoint: "Greeter.Hello",
    metadata: Metadata.EMPTY,
    contentType: "application/json",
    timeout: 0,
    idempotent: false,
    ...head,
  };
}

/** Two ends and the wire between them. */
export class TestPair {
  readonly clock = new VirtualClock();
  readonly dialler: TestEnd;
  readonly listener: TestEnd;

  constructor(options: { dialler?: Partial<WireOptions>; listener?: Partial<WireOptions> } = {}) {
    this.dialler = new TestEnd(this.clock, { dialler: true, limits: options.dialler ?? {} });
    this.listener = new TestEnd(this.clock, { dialler: false, limits: options.listener ?? {} });
  }

  /** Lets everything arrive, turn by turn. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 3;) {
      const there = this.dialler.take();
      const back = this.listener.take();
      for (const message of there) this.listener.session.receive(message);
      for (const message of back) this.dialler.session.receive(message);
      quiet = there.length + back.length === 0 ? quiet + 1 : 0;
      for (let i = 0; i < 8; i++) await undefined;
    }
  }
}

/** Bytes of hex, white space left out. */
export function hex(text: string): Uint8Array {
  const digits = text.replaceAll(/\s/g, "");
  const bytes = new Uint8Array(digits.length / 2);
  for (let i = 0; i < bytes.length; i++) {
    const byte = Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16);
    if (Number.isNaN(byte)) throw new TypeError(`not hex: ${text}`);
    bytes[i] = byte;
  }
  return bytes;
}

/** Hex of bytes. */
export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
