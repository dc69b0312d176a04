/**
 * Connections that do nothing.
 *
 * @module
 */
import type { Question, Variant } from "../question.ts";

const LIMIT = "limit: WebSockets";
const MUON = "muon";

const variant = (name: string, kind: "limit" | "muon", what: string): Variant => ({
  name,
  kind,
  server: {
    script: "idle_connections/server.ts",
    args: [what],
    env: { NODE_OPTIONS: "--expose-gc", DENO_V8_FLAGS: "--expose-gc" },
  },
  load: { script: "idle_connections/load.ts", args: [what] },
});

const question: Question = {
  name: "idle_connections",
  asks: "How much memory does a server hold for a connection that does nothing, of 10,000?",
  order: 65,
  calls: 10_000,
  quickCalls: 200,
  variants: [variant(LIMIT, "limit", "bare"), variant(MUON, "muon", "muon")],
  measures: [
    { key: "memory", title: "memory a connection", unit: "kB", digits: 1, ratio: true },
    { key: "open", title: "server's CPU to open it", unit: "µs", digits: 0 },
  ],
  baseline: LIMIT,
  figures: ({ load, serverCpu, serverMemory: { begin, end } }) => ({
    memory: (end - begin) / load.calls! / 1000,
    open: serverCpu / load.calls!,
  }),
  notes:
    `What the server's resident memory grew by, garbage collected before and after, while all but the first twentieth
of the connections were opened; each has had one answer. Both servers stand on the same host adapter. The kernel's buffers
are not in it. It takes 10,000 open files in each process (\`ulimit -n\`).

Bun's own connection is so small that muon's state is most of it: 9 objects of its own, where a bare one has 2, and
0.7 kB of the heap more (\`heapStats\` of \`bun:jsc\`), for credit, routes, keepalive, deadlines and the calls of both
sides. What an idle connection has not needed is not made; what many say alike, as their HELLO and their routes, is there
once; what is written with, and what holds the calls that are open, goes from one to the next.`,
  goals: [
    {
      says: "memory a connection ≤ 1.5 × a bare WebSocket server's",
      measure: "memory",
      divide: MUON,
      by: LIMIT,
      atMost: 1.5,
    },
  ],
};
export default question;
