/**
 * Unary calls, 64 in flight on one connection.
 *
 * @module
 */
import { PER_CALL, perCall, type Question, type Variant } from "../question.ts";

const pair = (script: string, ...args: string[]) => ({
  server: { script, args: ["server", ...args] },
  load: { script, args: ["load", ...args] },
});

const goPair = (which: string) => ({
  server: { go: "go", args: [which, "server"] },
  load: { go: "go", args: [which, "load"] },
});

/** The bare limits. */
export const LIMITS = {
  each: "limit: a WebSocket message a call",
  turn: "limit: batched, a whole turn",
  cut: "limit: batched, cut at 16",
} as const;

/** muon, with less and with all. */
export const MUON = {
  bare: "muon, without schemas",
  plain: "muon, validation both ways",
  full: "muon, all features on",
} as const;

/** The peers in Go. */
export const GO = { grpc: "grpc-go", micro: "Go Micro 5.12" } as const;

const variants: readonly Variant[] = [
  { name: LIMITS.cut, kind: "limit", ...pair("unary/bare.ts", "16") },
  { name: LIMITS.turn, kind: "limit", ...pair("unary/bare.ts", "0") },
  { name: LIMITS.each, kind: "limit", ...pair("unary/bare.ts", "1") },
  { name: MUON.bare, kind: "muon", ...pair("unary/muon.ts", "bare") },
  { name: MUON.plain, kind: "muon", ...pair("unary/muon.ts", "plain") },
  { name: MUON.full, kind: "muon", ...pair("unary/muon.ts", "full") },
  { name: "NestJS TCP", kind: "peer", share: 0.5, ...pair("peers/nest.ts") },
  { name: "Moleculer TCP", kind: "peer", share: 0.5, ...pair("peers/moleculer.ts") },
  { name: "Cap'n Web ws", kind: "peer", share: 0.5, ...pair("peers/capnweb.ts") },
  { name: "tRPC ws", kind: "peer", share: 0.5, ...pair("peers/trpc.ts") },
  { name: "NATS request/reply", kind: "peer", share: 0.25, ...pair("peers/nats.ts") },
  { name: "Hono, JSON over HTTP", kind: "peer", share: 0.25, ...pair("peers/hono.ts") },
  { name: "grpc-js", kind: "peer", share: 0.25, ...pair("peers/grpc_js.ts") },
  { name: GO.grpc, kind: "go", share: 0.5, ...goPair("grpc") },
  { name: GO.micro, kind: "go", share: 0.1, ...goPair("micro") },
];

const question: Question = {
  name: "unary",
  asks: "What does one call cost, `{name}` → `{greeting}`, 64 in flight on one connection?",
  order: 10,
  calls: 200_000,
  inflight: 64,
  variants,
  measures: PER_CALL,
  baseline: [LIMITS.cut, LIMITS.turn],
  figures: perCall,
  notes:
    `The limits are loops of CBOR frames in WebSocket messages with no deadline, no validation, no metadata, no
credits, no cancellation and no errors. "All features on" is validation of input and output, three interceptors on
each side, a deadline and metadata at every call. The Go programs have one core each (GOMAXPROCS=1), as the others do.

The median is what other load on the machine moves most. On a quiet one muon's was 1.21 (Deno), 1.12 (Bun) and 1.34 (Node)
times the limit's, and with batches of 16, as the limit's, more CPU and no better (\`batchFrames\` in
\`runtime/transport/muon/limits.ts\`). As 64 calls are under way all the time, their mean is 64 times what the busier core
takes for one (Little's law), which is the client's, all of the time on V8: its interceptors, deadline, metadata and checks
are the difference. The limit has more of its calls below its mean, and its slowest are slower. Beside a peer's the median
is as the busier cores are: all of the best peers' work is spread over both sides alike, muon's is 3 parts client to 2 server.

Go Micro made 9 k calls a second on the machine that its goal was set on, where the cut limit made 529 k (Bun) and 519 k (Node).
Here it makes two thirds of that, and the limit less than half.`,
  goals: [
    {
      says: "CPU a call ≤ 1.25 × the better batched limit's",
      measure: "cpu",
      divide: MUON.full,
      by: [LIMITS.cut, LIMITS.turn],
      atMost: 1.25,
    },
    {
      says: "the best peer spends ≥ 4 × muon's CPU (Deno: 3)",
      measure: "cpu",
      divide: { kind: "peer" },
      by: MUON.full,
      atLeast: { deno: 3, bun: 4, node: 4 },
    },
    {
      says: "p50 ≤ 1.25 × the cut limit's",
      measure: "p50",
      divide: MUON.full,
      by: LIMITS.cut,
      atMost: 1.25,
    },
    {
      says: "p50 ≤ 0.25 × the best peer's (Deno: 0.3)",
      measure: "p50",
      divide: MUON.full,
      by: { kind: "peer" },
      atMost: { deno: 0.3, bun: 0.25, node: 0.25 },
    },
    {
      says: "≥ 4 × grpc-go's calls a second",
      measure: "rate",
      divide: MUON.full,
      by: GO.grpc,
      atLeast: { bun: 4, node: 4 },
    },
    {
      says: "≤ 0.25 × grpc-go's CPU a call",
      measure: "cpu",
      divide: MUON.full,
      by: GO.grpc,
      atMost: { bun: 0.25, node: 0.25 },
    },
    {
      says: "≥ 40 × Go Micro's calls a second",
      measure: "rate",
      divide: MUON.full,
      by: GO.micro,
      atLeast: { bun: 40, node: 40 },
    },
    {
      says:
        "three interceptors, validation both ways, deadline and metadata ≤ 1.3 × the bare muon call's CPU",
      measure: "cpu",
      divide: MUON.full,
      by: MUON.bare,
      atMost: 1.3,
    },
  ],
};
export default question;
