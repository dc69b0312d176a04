/**
 * A stream of small items from the server.
 *
 * @module
 */
import type { Figures, Measure, Question, Raw, Variant } from "../question.ts";

const pair = (script: string, ...args: string[]) => ({
  server: { script, args: ["server", ...args] },
  load: { script, args: ["load", ...args] },
});

const LIMITS = { cut: "limit: batched, cut at 16", full: "limit: batched, cut at 32 kB" } as const;
const MUON = { bare: "muon, without schemas", full: "muon, all features on" } as const;

const variants: readonly Variant[] = [
  { name: LIMITS.cut, kind: "limit", ...pair("server_stream/bare.ts", "16") },
  { name: LIMITS.full, kind: "limit", ...pair("server_stream/bare.ts", "100000") },
  { name: MUON.bare, kind: "muon", ...pair("server_stream/muon.ts", "bare") },
  { name: MUON.full, kind: "muon", ...pair("server_stream/muon.ts", "full") },
];

/** The figures of streams: CPU µs an item on each side and together, items a second. */
export function perItem({ load, serverCpu }: Raw): Figures {
  const { calls, cpu, elapsed } = load as Record<string, number>;
  return {
    client: cpu! / calls!,
    server: serverCpu / calls!,
    cpu: (cpu! + serverCpu) / calls!,
    rate: calls! / elapsed! * 1000,
  };
}

/** The columns that go with {@link perItem}. */
export const PER_ITEM: readonly Measure[] = [
  { key: "client", title: "client", unit: "µs" },
  { key: "server", title: "server", unit: "µs" },
  { key: "cpu", title: "CPU an item", unit: "µs", ratio: true },
  { key: "rate", title: "items a second", unit: "/s", digits: 0, better: "high", of: "best" },
];

const question: Question = {
  name: "server_stream",
  asks: "What does one small item of a stream from the server cost, `{n, name}`?",
  order: 40,
  calls: 400_000,
  quickCalls: 2_000,
  variants,
  measures: PER_ITEM,
  baseline: [LIMITS.cut, LIMITS.full],
  figures: perItem,
  notes:
    `Streams of 10,000 items, one behind the other. The limits are loops that encode each item in a frame of
CBOR and gather frames in WebSocket messages, and pause while the socket has much to send; they have no credit, no
validation, no cancellation and no errors. muon's handler is an \`async *\` method, and its caller's loop a
\`for await\`. "All features on" is validation of the input and of every item, three interceptors on each side, a
deadline and metadata.`,
  goals: [
    {
      says: "CPU an item ≤ 1.6 × a bare batched frame's, credits on",
      measure: "cpu",
      divide: MUON.bare,
      by: [LIMITS.cut, LIMITS.full],
      atMost: 1.6,
    },
    {
      says: "the same with all features on",
      measure: "cpu",
      divide: MUON.full,
      by: [LIMITS.cut, LIMITS.full],
      atMost: 1.6,
    },
  ],
};
export default question;
