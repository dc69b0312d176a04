/**
 * Small calls beside a large stream on one connection.
 *
 * @module
 */
import { perCall, type Question, type Variant } from "../question.ts";

const NAMES = {
  bareQuiet: "limit: WebSocket messages, one at a time, quiet",
  bareStream: "limit: WebSocket messages, beside others of 64 kB",
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

const bare = (name: string, beside: string): Variant => ({
  name,
  kind: "limit",
  server: { script: "beside_stream/bare.ts", args: ["server"] },
  load: { script: "beside_stream/bare.ts", args: ["load", beside] },
});

const question: Question = {
  name: "beside_stream",
  asks: "How long do small calls take beside a stream of 64 MB on the same connection?",
  order: 51,
  calls: 20_000,
  quickCalls: 200,
  variants: [
    bare(NAMES.bareQuiet, "quiet"),
    bare(NAMES.bareStream, "stream"),
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
over; both processes are busy with it all the time. The small calls are \`{name}\` → \`{greeting}\`, checked by zod. The
limit is a loop of WebSocket messages, some of 64 kB with a window of the same size, which encodes nothing.

What keeps a hundredth of the calls waiting is not the stream's place in the queue but the engine: V8 collects all of
its heap each time some 40 MB of array buffers have been made, which the messages that are received are. On Node, 5,000
calls beside the stream saw 88 such collections in the client (\`--trace-gc\`), each with pauses of up to 10 ms on the
one core that it has, and the bare loop 104. Neither can be told not to make them, as the WebSocket makes the arrays.
That the server has one collection in that time instead of 56 is because items are written into the same array again.`,
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
