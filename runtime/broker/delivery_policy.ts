/**
 * What the brokers without a server of their own can do, and how they queue and try again.
 *
 * @module
 */

import { MuonError } from "../errors.ts";
import type { BrokerAbilities, SubscribeOptions } from "./broker.ts";

/** How deliveries are queued and tried again. */
export interface DeliveryPolicy {
  /** Deliveries of a message to one subscription, the first included, before it is given to another or given up. @default {3} */
  readonly attempts: number;
  /** Longest wait before the second delivery in ms; each further one waits up to twice as long. @default {100} */
  readonly backoff: number;
  /** Longest wait before a delivery in ms. @default {10_000} */
  readonly maxBackoff: number;
  /** Messages that may wait for one subscription, those that wait for a retry included. @default {1024} */
  readonly capacity: number;
  /**
   * Bytes that the bodies of those may have together. One that is larger by itself is taken when nothing else waits.
   *
   * @default {67_108_864}
   */
  readonly capacityBytes: number;
  /** Longest wait for other members to take what a subscription has left when it closes, in ms. @default {5000} */
  readonly handover: number;
}

/** The defaults of {@link DeliveryPolicy}. */
export const DELIVERY_POLICY: DeliveryPolicy = {
  attempts: 3,
  backoff: 100,
  maxBackoff: 10_000,
  capacity: 1_024,
  capacityBytes: 67_108_864,
  handover: 5_000,
};

/** What the brokers of this folder can do: queue, retry and hand over, in memory. */
export const INBOX_ABILITIES: BrokerAbilities = {
  durable: false,
  ack: true,
  replay: false,
  ordered: false,
  delay: true,
  wildcard: false,
};

/**
 * Checks what a subscriber asks for against what an inbox can do.
 *
 * @throws {MuonError} `unimplemented`, if it asks for what the broker cannot do.
 * @throws {TypeError} If the queue is the empty string.
 * @throws {RangeError} If the concurrency is no whole number from 1.
 */
export function checkSubscribe(broker: string, options: SubscribeOptions): void {
  const { queue, durable, concurrency } = options;
  if (durable === true) {
    throw new MuonError(
      "unimplemented",
      `the ${broker} broker keeps messages in memory: it cannot make a subscription durable`,
      { id: "muon.broker" },
    );
  }
  if (queue === "") throw new TypeError("Queue of a subscription must not be empty; leave it out for none");
  if (concurrency !== undefined && (!Number.isInteger(concurrency) || concurrency < 1)) {
    throw new RangeError(
      `Concurrency of a subscription must be a whole number from 1: current value is ${concurrency}`,
    );
  }
}
