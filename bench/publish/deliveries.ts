/**
 * The load of the publish question, whoever publishes: so many publications at a time, each of which every subscriber
 * has to get once.
 *
 * @module
 */
import { loop, measure, settings } from "../load.ts";
import { connectionsTo } from "./connections.ts";

/** Subscribers to the topic. */
export const SUBSCRIBERS = 10;
/** Topic. */
export const TOPIC = "bench.event";

/** What is published. */
export interface Event {
  /** Which one it is. */
  readonly id: string;
  /** A number beside it. */
  readonly total: number;
}

/** The event of a number. */
export function eventOf(n: number): Event {
  return { id: `event${n & 1023}`, total: n & 1023 };
}

/**
 * Counts an event that has been received.
 *
 * @throws {Error} When it is none that {@link eventOf} makes.
 */
export function checkEvent({ id, total }: Event): void {
  if (id !== `event${total}`) throw new Error(`wrong event: ${JSON.stringify({ id, total })}`);
}

/** What {@link deliver} loads. */
export interface Publisher {
  /** Publishes one event, and gives how many subscribers took it. */
  publish(event: Event): Promise<number>;
  /** How many events the subscribers have handled, all together. */
  received(): Promise<number>;
  /** Ports of the subscribers. */
  readonly ports: readonly number[];
}

/** Publishes as the settings say, waits until everything has been handled, and measures that. */
export async function deliver({ publish, received, ports }: Publisher): Promise<void> {
  const { calls, inflight } = settings();
  const one = async (n: number) => {
    const accepted = await publish(eventOf(n));
    if (accepted !== SUBSCRIBERS) throw new Error(`${accepted} of ${SUBSCRIBERS} subscribers took an event`);
  };
  const handled = async (events: number) => {
    for (let now = -1; now !== events * SUBSCRIBERS;) {
      now = await received();
      if (now > events * SUBSCRIBERS) throw new Error(`${now} deliveries of ${events} events`);
      if (now !== events * SUBSCRIBERS) await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  const warmup = Math.ceil(calls / 4);
  await loop(one, warmup, { inflight });
  await handled(warmup);
  await measure(async () => {
    await loop(one, calls, { inflight });
    await handled(warmup + calls);
    return { calls, connections: connectionsTo(ports) };
  });
}
