/**
 * A stream of small items to the server.
 *
 * @module
 */
import type { Question, Variant } from "../question.ts";
import { PER_ITEM, perItem } from "../server_stream/question.ts";

const LIMITS = { cut: "limit: batched, cut at 16", full: "limit: batched, cut at 32 kB" } as const;
const MUON = { bare: "muon, without schemas", full: "muon, all features on" } as const;

/** Both ends of an upload: a script, what is sent (`small`, `chunks`), and how. */
export const upload = (
  script: "bare" | "muon",
  ...args: readonly string[]
): Pick<Variant, "server" | "load"> => ({
  server: { script: `upload/${script}.ts`, args: ["server", ...args] },
  load: { script: `upload/${script}.ts`, args: ["load", ...args] },
});

const variants: readonly Variant[] = [
  { name: LIMITS.cut, kind: "limit", ...upload("bare", "small", "16") },
  { name: LIMITS.full, kind: "limit", ...upload("bare", "small", "100000") },
  { name: MUON.bare, kind: "muon", ...upload("muon", "small", "bare") },
  { name: MUON.full, kind: "muon", ...upload("muon", "small", "full") },
];

const question: Question = {
  name: "upload",
  asks: "What does one small item of a stream to the server cost, `{n, name}`?",
  order: 45,
  calls: 400_000,
  quickCalls: 2_000,
  variants,
  measures: PER_ITEM,
  baseline: [LIMITS.cut, LIMITS.full],
  figures: perItem,
  notes:
    `Streams of 10,000 items, one behind the other, each answered with how many came. The limits are loops as
those of server_stream. muon's input is what an \`async function *\` yields, its handler's loop a \`for await\`.`,
  goals: [
    {
      says: "CPU an item ≤ 1.6 × a bare batched frame's, credits on",
      measure: "cpu",
      divide: MUON.bare,
      by: [LIMITS.cut, LIMITS.full],
      atMost: 1.6,
    },
    {
      says: "the same with all features on",
      measure: "cpu",
      divide: MUON.full,
      by: [LIMITS.cut, LIMITS.full],
      atMost: 1.6,
    },
  ],
};
export default question;
