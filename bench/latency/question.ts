/**
 * One call at a time.
 *
 * @module
 */
import { PER_CALL, perCall, type Question } from "../question.ts";
import unary, { MUON } from "../unary/question.ts";

const ECHO = {
  own: "limit: WebSocket echo",
  host: "limit: WebSocket echo on muon's host",
} as const;
const echo = (whose: string) => ({
  server: { script: "latency/echo.ts", args: ["server", whose] },
  load: { script: "latency/echo.ts", args: ["load", whose] },
});

const question: Question = {
  name: "latency",
  asks:
    "How long does one call take when nothing else is under way, `{name}` → `{greeting}`, one after the other?",
  order: 20,
  // Compilers of the engines have the process's one core, too, and are busy for the first ten thousands.
  calls: 60_000,
  inflight: 1,
  variants: [
    { name: ECHO.own, kind: "limit", ...echo("own") },
    { name: ECHO.host, kind: "limit", ...echo("host") },
    ...unary.variants.filter(({ kind }) => kind !== "limit").map((variant) => ({
      ...variant,
      share: variant.kind === "muon" ? 1 : 0.1,
    })),
  ],
  measures: PER_CALL,
  baseline: [ECHO.own, ECHO.host],
  figures: perCall,
  notes:
    `The echo sends 32 bytes there and back: nothing is encoded and nothing decoded. It is measured on each
runtime's own WebSockets and on those of muon's hosts; the faster one is the measure.`,
  goals: [{
    says: "p50 ≤ 1.2 × a bare WebSocket echo's",
    measure: "p50",
    divide: MUON.full,
    by: [ECHO.own, ECHO.host],
    atMost: 1.2,
  }],
};
export default question;
