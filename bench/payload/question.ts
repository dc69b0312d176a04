/**
 * Payloads of 10 kB and of 1 MB, there and back.
 *
 * @module
 */
import type { Question, Variant } from "../question.ts";

const pair = (script: string, ...args: string[]) => ({
  server: { script, args: ["server", ...args] },
  load: { script, args: ["load", ...args] },
});

const LIMIT = "limit: binary WebSocket messages";
const MUON = { bare: "muon, without schemas", full: "muon, all features on" } as const;

const variants: readonly Variant[] = [
  { name: LIMIT, kind: "limit", ...pair("payload/bare.ts") },
  { name: MUON.bare, kind: "muon", ...pair("payload/muon.ts", "bare") },
  { name: MUON.full, kind: "muon", ...pair("payload/muon.ts", "full") },
];

const question: Question = {
  name: "payload",
  asks: "How long does a payload of 10 kB take there and back, and one of 1 MB?",
  order: 50,
  // As many as it takes until the engines' compilers, which have the process's one core, too, are done.
  calls: 30_000,
  quickCalls: 200,
  variants,
  measures: [
    { key: "small50", title: "10 kB, p50", unit: "ms", digits: 3, ratio: true },
    { key: "small99", title: "p99", unit: "ms", digits: 3 },
    { key: "large50", title: "1 MB, p50", unit: "ms", digits: 3, ratio: true },
    { key: "large99", title: "p99", unit: "ms", digits: 3 },
  ],
  baseline: LIMIT,
  figures: ({ load }) => ({
    small50: load.small50!,
    small99: load.small99!,
    large50: load.large50!,
    large99: load.large99!,
  }),
  notes:
    `One call at a time, of 1 MB a twentieth as many; 1 kB is 1,000 bytes. The limit's server sends each message
back as it came, and encodes nothing; muon's payload is a field of the input and of the answer.

muon sends 1 MB in one frame where no other call is under way, and in parts of 65 KiB beside others, which may go
between them and have to be put together again, in an array more. The frame's head is written in front of the payload,
where the codec has left room for it, so that it is copied once more than the limit's, into CBOR: 40 µs for 1 MB there and
back to one that is in a cache.`,
  goals: [
    {
      says: "10 kB ≤ 1.3 × the time of bare WebSocket messages of that size",
      measure: "small50",
      divide: MUON.full,
      by: LIMIT,
      atMost: 1.3,
    },
    {
      says: "1 MB ≤ 1.3 × the time of bare WebSocket messages of that size",
      measure: "large50",
      divide: MUON.full,
      by: LIMIT,
      atMost: 1.3,
    },
  ],
};
export default question;
