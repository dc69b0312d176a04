/**
 * What finding a node costs: the selector's pick at every call, and the registry's lookup behind it.
 *
 * @module
 */
import type { Question, Variant } from "../question.ts";

const COUNTS = [1, 10, 1_000] as const;
const STRATEGIES = ["random", "roundrobin", "leastconn"] as const;

const numbered = (nodes: number) => `${nodes.toLocaleString("en-GB")} ${nodes === 1 ? "node" : "nodes"}`;
const limit = (nodes: number) => `limit: an array and Math.random, ${numbered(nodes)}`;

const variants: readonly Variant[] = COUNTS.flatMap((nodes): Variant[] => {
  const script = "lookup/pick.ts";
  return [
    { name: limit(nodes), kind: "limit", load: { script, args: ["limit", String(nodes)] } },
    // With one node there is nothing to choose: no strategy is asked.
    ...STRATEGIES.slice(0, nodes === 1 ? 1 : undefined).map((strategy): Variant => ({
      name: `muon: ${strategy}, ${numbered(nodes)}`,
      kind: "muon",
      load: { script, args: [strategy, String(nodes)] },
    })),
    {
      name: `muon: random, ${numbered(nodes)}, as many filtered out`,
      kind: "muon",
      share: nodes === 1_000 ? 0.005 : 0.5,
      load: { script, args: ["random", String(nodes), "filter"] },
    },
  ];
});

const question: Question = {
  name: "lookup",
  asks: "What does it cost to find a node for a call, in the process that calls?",
  order: 75,
  calls: 10_000_000,
  quickCalls: 2_000,
  variants: [
    ...variants,
    {
      name: "muon: lookup in the memory registry, 10 nodes",
      kind: "muon",
      share: 0.002,
      load: { script: "lookup/get.ts", args: ["memory", "10"] },
    },
    {
      name: "muon: lookup in the file registry, 10 nodes",
      kind: "muon",
      share: 0.000_2,
      load: { script: "lookup/get.ts", args: ["file", "10"] },
    },
  ],
  measures: [{ key: "ns", title: "CPU a pick or lookup", unit: "ns", digits: 1, ratio: true }],
  baseline: COUNTS.map(limit),
  figures: ({ load: { cpu, calls } }) => ({ ns: cpu! / calls! * 1_000 }),
  goals: [],
  notes:
    `The limit does nothing but to index. A pick of muon's also takes the filters, the node's health, the calls
under way and the latency into account, and takes note of what came of the call. At a call only the pick happens: the
registry is asked when a service is called for the first time, and watched from then on.`,
};
export default question;
