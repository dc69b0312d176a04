/**
 * Small calls beside a large stream on one connection.
 *
 * @module
 */
import { perCall, type Question, type Variant } from "../question.ts";

const NAMES = {
  quiet: "muon, one at a time, quiet",
  stream: "muon, one at a time, beside 64 MB",
  quiet64: "muon, 64 at a time, quiet",
  stream64: "muon, 64 at a time, beside 64 MB",
} as const;

const variant = (name: string, beside: string, inflight: number): Variant => ({
  name,
  kind: "muon",
  server: { script: "beside_stream/muon.ts", args: ["server"] },
  load: { script: "beside_stream/muon.ts", args: ["load", beside, String(inflight)] },
});

const question: Question = {
  name: "beside_stream",
  asks: "How long do small calls take beside a stream of 64 MB on the same connection?",
  order: 51,
  calls: 20_000,
  quickCalls: 200,
  variants: [
    variant(NAMES.quiet, "quiet", 1),
    variant(NAMES.stream, "stream", 1),
    variant(NAMES.quiet64, "quiet", 64),
    variant(NAMES.stream64, "stream", 64),
  ],
  measures: [
    { key: "p50", title: "p50", unit: "ms", digits: 3 },
    { key: "p99", title: "p99", unit: "ms", digits: 3 },
    { key: "rate", title: "calls a second", unit: "/s", digits: 0, better: "high", of: "best" },
  ],
  baseline: NAMES.quiet,
  figures: perCall,
  notes:
    `The stream comes from the server in chunks of 64 kB, is read as fast as it comes, and begins again when it is
over; both processes are busy with it all the time. The small calls are \`{name}\` → \`{greeting}\`, checked by zod.`,
  goals: [
    {
      says: "one at a time: p99 beside the stream ≤ 3 × the quiet p99",
      measure: "p99",
      divide: NAMES.stream,
      by: NAMES.quiet,
      atMost: 3,
    },
    {
      says: "64 at a time: p99 beside the stream ≤ 3 × the quiet p99",
      measure: "p99",
      divide: NAMES.stream64,
      by: NAMES.quiet64,
      atMost: 3,
    },
  ],
};
export default question;
