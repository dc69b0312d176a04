/**
 * Many clients on one server.
 *
 * @module
 */
import { PER_CALL, perCall, type Question } from "../question.ts";

const LIMITS = { echo: "limit: WebSocket echo", cbor: "limit: CBOR, a WebSocket message a call" } as const;
const MUON = { plain: "muon, validation both ways", full: "muon, all features on" } as const;

const load = (...args: string[]) => ({ script: "fan_out/load.ts", args });

const question: Question = {
  name: "fan_out",
  asks: "What does one call cost when 1,000 clients make one at a time each?",
  order: 60,
  calls: 100_000,
  quickCalls: 1_000,
  inflight: 1_000,
  variants: [
    { name: LIMITS.echo, kind: "limit", server: { script: "fan_out/echo.ts" }, load: load("echo") },
    {
      name: LIMITS.cbor,
      kind: "limit",
      server: { script: "unary/bare.ts", args: ["server", "1"] },
      load: load("cbor"),
    },
    {
      name: MUON.plain,
      kind: "muon",
      server: { script: "unary/muon.ts", args: ["server", "plain"] },
      load: load("muon", "plain"),
    },
    {
      name: MUON.full,
      kind: "muon",
      server: { script: "unary/muon.ts", args: ["server", "full"] },
      load: load("muon", "full"),
    },
  ],
  measures: PER_CALL,
  baseline: LIMITS.echo,
  figures: perCall,
  notes:
    `All clients are in one process, each with a connection of its own; each of muon's is a mesh, with its own
selector, timers and watch of the registry, which they share. With one call in flight on a connection nothing can be
batched, and both processes go through a thousand of them in turn, which no cache holds. The echo sends 20 bytes back as
they came and decodes nothing; to encode and decode them without anything else is a quarter more.

In batches on one connection a call with all features takes Bun's server 2.7 µs, here 15. No function stands out in a profile of
it (\`--cpu-prof\`): time goes where a call first looks at one of the some ten objects of its connection, 1.1 kB on Bun.
That a client sends at the end of its turn and not at once saves a tenth on Bun.`,
  goals: [
    {
      says: "the server's CPU a call ≤ 1.3 × a bare WebSocket echo server's with as many clients",
      measure: "server",
      divide: MUON.full,
      by: LIMITS.echo,
      atMost: 1.3,
    },
    {
      says: "both sides' CPU a call ≤ 1.3 × the echo's",
      measure: "cpu",
      divide: MUON.full,
      by: LIMITS.echo,
      atMost: 1.3,
    },
  ],
};
export default question;
