/**
 * From nothing to the first answer.
 *
 * @module
 */
import type { Question, Variant } from "../question.ts";

const HONO = "bare Hono";
const MUON = "muon";
const BUNDLED = ", one file";
const ZOD = ", with zod";

const variant = (name: string, kind: Variant["kind"], ...args: string[]): Variant => ({
  name,
  kind,
  load: { script: "cold_start/start.ts", args },
});

const question: Question = {
  name: "cold_start",
  asks: "How long does it take from the start of a process to its first answer to an HTTP request?",
  order: 70,
  calls: 30,
  quickCalls: 1,
  variants: [
    variant(HONO, "peer", "hono", "package"),
    variant(MUON, "muon", "muon", "package"),
    variant(HONO + BUNDLED, "peer", "hono", "bundle"),
    variant(MUON + BUNDLED, "muon", "muon", "bundle"),
    variant(HONO + ZOD, "peer", "hono_zod", "package"),
    variant(MUON + ZOD, "muon", "muon_zod", "package"),
  ],
  measures: [
    { key: "p50", title: "first answer after", unit: "ms", digits: 1, ratio: true },
    { key: "best", title: "the quickest start", unit: "ms", digits: 1, of: "best" },
  ],
  baseline: HONO,
  figures: ({ load: { p50, best } }) => ({ p50: p50!, best: best! }),
  goals: [
    {
      says: "≤ 1.5 × bare Hono",
      measure: "p50",
      divide: MUON,
      by: HONO,
      atMost: 1.5,
    },
    {
      says: "the same, each in one file",
      measure: "p50",
      divide: MUON + BUNDLED,
      by: HONO + BUNDLED,
      atMost: 1.5,
    },
  ],
  notes:
    `Each is JavaScript beside its \`node_modules\`, or minified in one file, by Bun for itself, by esbuild for
the others; muon is what npm gets.
Hono serves one route; muon reads the command line and the environment, listens, and registers in the file registry.
The port is tried every millisecond; the first that it accepts is asked for a greeting by a POST of JSON. Median of
the starts of each round, after two that fill what the runtime keeps of compiled code.

Where a start goes on Bun, in ms, by \`performance.now()\` behind the imports and by the log at \`debug\`, when a first
answer took 55 to 60: the process 5; importing muon 24, half a megabyte of JavaScript, where Hono takes 7 and its whole
start 16; files, flags, settings and parts about 15; listening 2.5; registering 6.5; the rest is the answer. So importing
muon alone is beyond the goal there. On Deno, of 62: what bare Hono takes 41; reading and compiling muon about 10, and the
same for \`node:\` modules and settings; listening and registering 5. What npm gets has no white space, and names no source
maps, which Deno reads at each start: before that it took 76.`,
};
export default question;
