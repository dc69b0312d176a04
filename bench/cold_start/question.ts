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

Where a start's CPU goes, in ms, by profile (parts from separate runs, which do not add up exactly). Bun: the process
6; muon's modules 17 to 18, of which cbor-x 2 to 3; the runtime's own modules for files, flags and names 5.5; settings
and the rest of the system 4 to 5; putting together 3; listening 2 to 3; the record and its registration 4; the rest is
the answer. Bare Hono takes 13 in all, so that importing muon alone is beyond the goal. Deno: the process with
\`node:process\` 26; muon's modules 17 to 20, of which cbor-x 7; settings, system and parts 5 to 6; listening 12 to 14,
as \`node:http\` serves there; registering 2 to 3. Node: the process 22; muon's modules 20 to 22, of which cbor-x 6 to 7;
the system about 40, most of it \`node:http\` and \`node:tls\`.`,
};
export default question;
