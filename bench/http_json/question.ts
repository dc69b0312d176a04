/**
 * JSON over HTTP, `curl`'s way in.
 *
 * @module
 */
import { PER_CALL, perCall, type Question } from "../question.ts";

const HONO = "bare Hono";
const CHECKED = "Hono, input checked by zod";
const MUON = { plain: "muon, validation both ways", full: "muon, all features on" } as const;

const hono = (mode: string) => ({
  server: { script: "peers/hono.ts", args: ["server", mode] },
  load: { script: "http_json/load.ts", args: ["/hello"] },
});
const muon = (mode: string) => ({
  server: { script: "unary/muon.ts", args: ["server", mode] },
  load: { script: "http_json/load.ts", args: ["/bench.greeter.Greeter/Hello"] },
});

const question: Question = {
  name: "http_json",
  asks:
    "What does a JSON call over HTTP/1.1 cost the server, `{name}` → `{greeting}`, on 64 connections kept alive?",
  order: 30,
  calls: 100_000,
  inflight: 64,
  variants: [
    { name: HONO, kind: "peer", ...hono("bare") },
    { name: CHECKED, kind: "peer", ...hono("zod") },
    { name: MUON.plain, kind: "muon", ...muon("plain") },
    { name: MUON.full, kind: "muon", ...muon("full") },
  ],
  measures: PER_CALL.map((measure) => ({
    ...measure,
    ratio: ["server", "p50", "rate"].includes(measure.key),
  })),
  baseline: HONO,
  figures: perCall,
  notes:
    `The load writes requests that were made beforehand to sockets, and costs the same whoever answers. Hono runs
on each runtime's own server, on Node on \`@hono/node-server\`; it checks no input, where muon checks input and output,
keeps deadlines and accepts cancellation.

On Deno a fifth of the server's time is spent on reading headers (\`--cpu-prof\`): a deadline or metadata may be among
them. Hono's route looks at none.`,
  goals: [
    {
      says: "≥ 0.85 × bare Hono's calls a second",
      measure: "rate",
      divide: MUON.full,
      by: HONO,
      atLeast: 0.85,
    },
    {
      says: "the same by the server's CPU a call: bare Hono's ≥ 0.85 × muon's",
      measure: "server",
      divide: HONO,
      by: MUON.full,
      atLeast: 0.85,
    },
  ],
};
export default question;
