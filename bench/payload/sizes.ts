/**
 * The sizes of the payloads, and how their echoes are measured.
 *
 * @module
 */
import { loop, measure, percentiles, settings } from "../load.ts";

/** Sizes in bytes, and of the settings' calls so many are of that size. */
const SIZES = [
  { name: "small", bytes: 10_000, share: 1 },
  { name: "large", bytes: 1_000_000, share: 0.05 },
] as const;

/** How far apart the bytes are that are looked at, so that what is compared costs little beside what is measured. */
const STEP = 997;

/**
 * Measures echoes of each size, one at a time; before, a quarter as many.
 *
 * @param echo Sends bytes there and back.
 */
export async function load(echo: (data: Uint8Array) => Promise<Uint8Array>): Promise<void> {
  const { calls, inflight } = settings();
  const sizes = SIZES.map(({ name, bytes, share }) => {
    const data = new Uint8Array(bytes).map((_, at) => at * 7);
    const call = async (n: number) => {
      data[0] = data[bytes - 1] = n;
      check(await echo(data), data);
    };
    return { name, call, count: Math.ceil(calls * share) };
  });
  for (const { call, count } of sizes) await loop(call, Math.ceil(count / 4), { inflight });
  await measure(async () => {
    const numbers: Record<string, number> = { calls };
    for (const { name, call, count } of sizes) {
      const latencies = new Float64Array(count);
      await loop(call, count, { inflight, latencies });
      const { p50, p99 } = percentiles(latencies);
      Object.assign(numbers, { [`${name}50`]: p50, [`${name}99`]: p99 });
    }
    return numbers;
  });
}

function check(answer: Uint8Array, data: Uint8Array): void {
  if (answer.length !== data.length) throw new Error(`${answer.length} bytes came of ${data.length}`);
  const last = data.length - 1;
  for (let at = 0; at < last; at += STEP) {
    if (answer[at] !== data[at]) throw new Error(`wrong byte at ${at}: ${answer[at]} instead of ${data[at]}`);
  }
  if (answer[last] !== data[last]) {
    throw new Error(`wrong last byte: ${answer[last]} instead of ${data[last]}`);
  }
}
