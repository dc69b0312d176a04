/**
 * What stays behind of calls that are over.
 *
 * @module
 */
import type { Program, Question } from "../question.ts";

const MUON = "muon";
const program = (role: string): Program => ({
  script: "memory/muon.ts",
  args: [role],
  env: { NODE_OPTIONS: "--expose-gc", DENO_V8_FLAGS: "--expose-gc" },
});

const question: Question = {
  name: "memory",
  asks: "What stays in memory of calls, streams and cancels that are over, 64 in flight on one connection?",
  order: 90,
  calls: 10_000_000,
  quickCalls: 2_200,
  inflight: 64,
  variants: [{ name: MUON, kind: "muon", server: program("server"), load: program("load") }],
  measures: [
    { key: "growth", title: "growth a call, of the side that grows more", unit: "B", digits: 3 },
    { key: "client", title: "client", unit: "B", digits: 3 },
    { key: "server", title: "server", unit: "B", digits: 3 },
    { key: "clientHeap", title: "client's heap at the end", unit: "MB" },
    { key: "serverHeap", title: "server's heap at the end", unit: "MB" },
    { key: "left", title: "timers and calls left", unit: "in all", digits: 0 },
  ],
  baseline: MUON,
  figures: ({ load }) => {
    const { client, server, clientHeap, serverHeap, timers, underWay } = load as Record<string, number>;
    return {
      growth: Math.max(client!, server!),
      client: client!,
      server: server!,
      clientHeap: clientHeap! / 1e6,
      serverHeap: serverHeap! / 1e6,
      left: timers! + underWay!,
    };
  },
  goals: [
    {
      says: "memory is flat: neither side grows by more than 0.1 B a call",
      measure: "growth",
      divide: MUON,
      atMost: 0.1,
    },
    {
      says: "no timer is left, and no call believed to be under way",
      measure: "left",
      divide: MUON,
      atMost: 0,
    },
  ],
  notes:
    `Of a hundred calls 85 are plain, 5 download a stream, 4 upload one, 3 leave a stream early, 3 are canceled;
of a thousand one runs out of time. At eleven points, apart by a tenth of the calls, none is under way, garbage is
collected, and both sides tell what is reachable. The growth is the median of the slopes between all pairs of points.
A map entry left of every thousandth call would be more than the bound. Timers are counted on the clock that muon is
given; calls under way are what the links, the selector and the server's table count.`,
};
export default question;
