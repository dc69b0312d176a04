/**
 * What a peer of muon.v1 takes, and how it sends.
 *
 * @module
 */

import type { Limits } from "../../policy.ts";
import { LIMITS } from "../../policy.ts";

/** The least that a HELLO may say of bodies and windows, and what holds before it came, in bytes. */
export const FLOOR = 16_384;
/** What a body in a frame costs beside its bytes, so that empty messages are not free. */
export const OVERHEAD = 64;
/** Room in a frame for all that is neither body nor metadata, in bytes. */
export const SLACK = 8_192;
/** Most bytes in one of a route's texts, or in a metadata key. */
export const MAX_NAME = 1_024;
/** Most entries of metadata. */
export const MAX_ENTRIES = 256;

/** Options of muon.v1 on one connection. */
export interface WireOptions extends Pick<Limits, "maxMessage" | "maxMetadata" | "maxStreams" | "window"> {
  /**
   * Largest body taken in one frame, in bytes, from 16,384; larger ones are sent in parts of the smaller of both ends'
   * sizes. A part is copied once more, into the whole, and memory for that has to be had: 1 MB there and back, one call at
   * a time, took 2.8 times a bare message's on Bun in parts of 65 KiB, 2.3 in parts of 260 KiB and 1.45 in one; on Deno
   * 1.8 and 1.4, on Node 1.3 and 1.15.
   *
   * @default {1_049_600}
   */
  readonly fragment: number;
  /**
   * The same, while other calls are under way on the connection, which wait behind what is written, or the other end is
   * not near; no more than `fragment`. Measured over loopback, both ends in one process (CPU in µs of an echo of 100 kB and of 1 MB, in ms of a
   * stream of 64 MB in items of 64 kB · kB of the stream that come ahead of the answer to a small call):
   * Bun 16 KiB: 180, 1829, 81 · 131, 64 KiB: 161, 1796, 86 · 131, 128 KiB: 110, 1586, 45 · 262;
   * Node 16 KiB: 520, 4728, 151 · 131, 64 KiB: 497, 4904, 201 · 131, 128 KiB: 391, 4468, 105 · 262. One run each, warm, on
   * a shared machine. 128 KiB costs least, as a whole item fits a frame, but small calls wait behind twice as much. Files
   * and streams are read in chunks of 64 KiB: with a kilobyte for what stands around it in CBOR, such an item fits, too
   * (bench upload_chunks, CPU as a ratio to bare messages: 65,536: Deno 1.89, Bun 1.39, Node 1.79; 66,560: 1.68, 1.27,
   * 1.34).
   *
   * @default {66_560}
   */
  readonly slice: number;
  /** Routes (service, endpoint, content type) kept for the other end. @default {1_024} */
  readonly routes: number;
  /** Metadata keys kept for the other end. @default {1_024} */
  readonly keys: number;
  /**
   * Bytes of messages that are not read or not whole, of all streams together; and bytes that may wait in the socket
   * while the other end goes on sending.
   *
   * @default {67_108_864}
   */
  readonly held: number;
  /**
   * Bytes that may wait to be sent: large bodies and streams' items, for the other end's credit or for the socket, and
   * the inputs of calls that wait. Once so many do, nothing is added: a call to be made, and one that comes, is refused
   * before it runs; a large answer, or an item, ends its call.
   *
   * @default {134_217_728}
   */
  readonly unsent: number;
  /** Calls that may wait while the other end has as many open as it takes (its `maxStreams`). @default {65_536} */
  readonly queuedCalls: number;
  /** Connections that others may have open to one listener; who comes then is told to go elsewhere. @default {10_000} */
  readonly maxLinks: number;
  /**
   * Frames after which a batch is sent, to begin it while the rest of the turn goes on. Items of streams do not count:
   * their batches leave for their bytes, or at the turn's end.
   *
   * Measured as calls with all features on, 64 in flight, between two processes on a quiet machine (2 cores; p50 and
   * CPU of both sides, as ratios to a bare loop cut at 16, medians of three rounds): Node 16: 1.51 · 1.07, 24:
   * 1.40 · 1.03, 32: 1.34 · 0.93, 48: 1.77 · 0.94; Bun 16: 1.28 · 1.20, 24: 1.21 · 1.17, 32: 1.12 · 1.03, 48:
   * 1.42 · 1.08; Deno 16: 1.26 · 1.16, 24: 1.25 · 1.15, 32: 1.21 · 1.05, 48: 1.73 · 1.19.
   *
   * @default {32}
   */
  readonly batchFrames: number;
  /** Bytes after which it does. @default {32_768} */
  readonly batchBytes: number;
  /** Bytes that the socket may have buffered before large bodies and streams wait for it. @default {262_144} */
  readonly highWater: number;
  /** Milliseconds between PINGs. @default {15_000} */
  readonly ping: number;
  /** Milliseconds to wait for the other end's HELLO, and for its close. @default {5_000} */
  readonly patience: number;
}

/** The defaults of {@link WireOptions}. */
export const WIRE: WireOptions = {
  maxMessage: LIMITS.maxMessage,
  maxMetadata: LIMITS.maxMetadata,
  maxStreams: LIMITS.maxStreams,
  window: LIMITS.window,
  fragment: 1_049_600,
  slice: 66_560,
  routes: 1_024,
  keys: 1_024,
  held: 67_108_864,
  unsent: 134_217_728,
  queuedCalls: 65_536,
  maxLinks: 10_000,
  batchFrames: 32,
  batchBytes: 32_768,
  highWater: 262_144,
  ping: 15_000,
  patience: 5_000,
};

/** Largest fragment and metadata together with all else must fit the three bytes of a frame's length. */
const MAX_FRAME = 2 ** 24 - 1;

/**
 * Options of a connection, checked.
 *
 * @throws {RangeError} That names the option, if one is out of range.
 *
 * @example
 * ```ts
 * wireOptions({ window: 131_072 }).slice; // 66560
 * ```
 */
export function wireOptions(overrides: Partial<WireOptions> = {}): WireOptions {
  const options: WireOptions = { ...WIRE };
  for (const name of Object.keys(WIRE) as (keyof WireOptions)[]) {
    const value = overrides[name];
    if (value === undefined) continue;
    const least = name === "window" || name === "fragment" || name === "slice"
      ? FLOOR
      : name === "routes" || name === "keys"
      ? 0
      : 1;
    if (!Number.isSafeInteger(value) || value < least) {
      throw new RangeError(
        `Option "${name}" must be a whole number from ${least}: current value is ${value}`,
      );
    }
    (options as { -readonly [K in keyof WireOptions]: number })[name] = value;
  }
  if (options.fragment + options.maxMetadata + SLACK > MAX_FRAME) {
    throw new RangeError(
      `Options "fragment" and "maxMetadata" must be below ${MAX_FRAME - SLACK} bytes together: ` +
        `current values are ${options.fragment} and ${options.maxMetadata}`,
    );
  }
  return options;
}
