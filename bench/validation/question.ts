/**
 * What it costs to check input and output.
 *
 * @module
 */
import type { Question, Variant } from "../question.ts";

const LIBRARIES = { none: "no schemas", zod: "zod", valibot: "valibot" } as const;

const question: Question = {
  name: "validation",
  asks:
    "What does it cost a server to check `{name}` and `{greeting}`, in process, through the handler table?",
  order: 80,
  calls: 5_000_000,
  quickCalls: 2_000,
  variants: Object.entries(LIBRARIES).flatMap(([library, name]): Variant[] => {
    const script = "validation/check.ts";
    return [
      { name: `limit: by hand, ${name}`, kind: "limit", load: { script, args: ["alone", library] } },
      { name: `muon: handler table, ${name}`, kind: "muon", load: { script, args: ["table", library] } },
    ];
  }),
  measures: [{ key: "ns", title: "CPU a call", unit: "ns", digits: 1, ratio: true }],
  baseline: `limit: by hand, ${LIBRARIES.none}`,
  figures: ({ load: { cpu, calls } }) => ({ ns: cpu! / calls! * 1_000 }),
  goals: [],
  notes:
    `By hand is what the library's documentation says (\`schema.parse\`, \`v.parse\`) before and after the same
method. That validation costs no more than it may in a whole call is a goal of the unary question.`,
};
export default question;
