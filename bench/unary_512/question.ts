/**
 * Unary calls, 512 in flight on one connection.
 *
 * @module
 */
import type { Question } from "../question.ts";
import unary, { LIMITS, MUON } from "../unary/question.ts";

const question: Question = {
  ...unary,
  name: "unary_512",
  asks: "The same, 512 in flight: what does a call cost when many wait?",
  order: 11,
  inflight: 512,
  notes: undefined,
  variants: unary.variants.filter(({ kind }) => kind !== "go"),
  goals: [
    {
      says: "CPU a call ≤ 1.35 × the better batched limit's",
      measure: "cpu",
      divide: MUON.full,
      by: [LIMITS.cut, LIMITS.turn],
      atMost: 1.35,
    },
    {
      says: "the best peer spends ≥ 4 × muon's CPU",
      measure: "cpu",
      divide: { kind: "peer" },
      by: MUON.full,
      atLeast: 4,
    },
  ],
};
export default question;
