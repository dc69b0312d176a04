/**
 * Publications through the http broker.
 *
 * @module
 */
import type { Question } from "../question.ts";
import { SUBSCRIBERS } from "./deliveries.ts";

const HONO = "bare Hono, a JSON POST a delivery";
const MUON = "muon, http broker";
const INFLIGHT = 4;

const pair = (script: string) => ({
  server: { script, args: ["server"] },
  load: { script, args: ["load"] },
});

const question: Question = {
  name: "publish",
  asks:
    `What does a delivery cost, ${SUBSCRIBERS} subscribers to each publication, ${INFLIGHT} publications at a time?`,
  order: 85,
  calls: 10_000,
  quickCalls: 20,
  inflight: INFLIGHT,
  variants: [
    { name: HONO, kind: "peer", ...pair("peers/hono_publish.ts") },
    { name: MUON, kind: "muon", ...pair("publish/muon.ts") },
  ],
  measures: [
    { key: "publisher", title: "publisher", unit: "µs" },
    { key: "subscribers", title: "subscriber", unit: "µs" },
    { key: "cpu", title: "CPU a delivery", unit: "µs", ratio: true },
    { key: "rate", title: "deliveries a second", unit: "/s", digits: 0, better: "high", of: "best" },
    { key: "connections", title: "connections", unit: "in all", digits: 0 },
  ],
  baseline: HONO,
  figures: ({ load, serverCpu }) => {
    const { calls, cpu, elapsed, connections } = load as Record<string, number>;
    const deliveries = calls! * SUBSCRIBERS;
    return {
      publisher: cpu! / deliveries,
      subscribers: serverCpu / deliveries,
      cpu: (cpu! + serverCpu) / deliveries,
      rate: deliveries / elapsed! * 1_000,
      connections: connections!,
    };
  },
  goals: [
    {
      says: "CPU a delivery ≤ 1.2 × a bare JSON POST to a Hono route",
      measure: "cpu",
      divide: MUON,
      by: HONO,
      atMost: 1.2,
    },
    {
      says:
        "connections are kept and shared: no more than subscribers × publications at a time, and one to call",
      measure: "connections",
      divide: MUON,
      atMost: SUBSCRIBERS * INFLIGHT + 1,
    },
  ],
  notes:
    `The ${SUBSCRIBERS} subscribers are services (servers) on ports of their own in one process. Every event is
checked where it arrives, and counted: each subscriber has to get each event once. muon's event travels as Go Micro's
do, in base64 inside JSON, with an id and its topic; it is queued at the subscriber, and would be tried again there.
That it was taken is said by a 204, which has no body to read; Hono's route answers \`{}\`.
Connections are those that Linux has open, or has seen closed within the last minute, between the two processes.

Most of a delivery is the runtime's fetch and its server, which muon has as Hono does. What it adds is what makes an event of
it: warm and in process, to read a delivery and to queue it takes 3.5 µs on Deno and 1.7 on Bun; then there are a handler's
context and interceptors, and at the publisher a signal that ends a post which is not answered: garbage is a tenth of
the publisher's time on Deno, twice of bare Hono's (\`--cpu-prof\`).`,
};
export default question;
