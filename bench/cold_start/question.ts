/**
 * From nothing to the first answer.
 *
 * @module
 */
import type { Question, Variant } from "../question.ts";

const HONO = "bare Hono";
const MUON = "muon";
const BUNDLED = ", one file";
const COMPILED = ", a binary";
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
    { ...variant(HONO + COMPILED, "peer", "hono", "binary"), runtimes: ["bun"] },
    { ...variant(MUON + COMPILED, "muon", "muon", "binary"), runtimes: ["bun"] },
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
    {
      says: "the same, each a binary with bytecode",
      measure: "p50",
      divide: MUON + COMPILED,
      by: HONO + COMPILED,
      atMost: { bun: 1.5 },
    },
  ],
  notes:
    `Each is JavaScript beside its \`node_modules\`, or minified in one file, by Bun for itself, by esbuild for
the others, or a binary with bytecode in it (\`bun build --compile --bytecode\`); muon is what npm gets.
Hono serves one route; muon reads the command line and the environment, listens, and registers in the file registry.
The port is tried every millisecond; the first that it accepts is asked for a greeting by a POST of JSON. Median of
the starts of each round, after two that fill what the runtime keeps of compiled code: Deno does so by itself, Bun only
where it is told to, in a binary.

Where a start goes, in ms, by \`performance.now()\` behind the imports and by the log at \`debug\` (one process, one core).
Bun, when a first answer took 55 to 60: until muon is imported 29, where Hono takes 11 and its whole start 16; listening
2.5; registering 6.5; the rest is files, flags, settings, parts and the answer. So importing half a megabyte of JavaScript
is beyond the goal there alone: of a bundle's 66 ms, 31 go to parsing and 19 to making bytecode of its modules and of the 640
functions that a start calls (\`BUN_JSC_reportParseTimes=1\`, \`BUN_JSC_reportBytecodeCompileTimes=1\`), of which a binary
with bytecode is spared all but 2. Deno, when it took 62 and bare Hono's 41: until muon is imported 21 of the runtime's own clock,
which starts later than the process; listening 7; registering 8.5. What npm gets has no white space and names no source maps, which
Deno reads at each start: with both a first answer took 74.`,
};
export default question;
