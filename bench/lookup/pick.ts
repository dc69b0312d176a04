/**
 * Picks: an array and `Math.random`, or the selector over a registry in memory, as a call uses it.
 *
 *   pick.ts limit <nodes>
 *   pick.ts <strategy> <nodes> [filter]
 *
 * With `filter` there are as many nodes of another version, and the call's filter leaves those out.
 */
import process from "node:process";
import { byVersion } from "../../runtime/selector/filters.ts";
import { createMemoryRegistry } from "../../runtime/registry/memory.ts";
import type { Node } from "../../runtime/record.ts";
import { createSelector } from "../../runtime/selector/registry_selector.ts";
import type { PickContext } from "../../runtime/selector/selector.ts";
import { measure, settings } from "../load.ts";
import { system as systemOfRuntime } from "../system.ts";
import { NAME, OTHER, recordOf, VERSION } from "./records.ts";

const [strategy, count, filter] = process.argv.slice(2);
const nodes = Number(count);
const { calls } = settings();
const pick = strategy === "limit" ? bare() : await selected();

// Every node gets its share, and no other gets any.
const seen = new Map<string, number>();
for (let n = 0; n < nodes * 40; n++) {
  const { id } = pick();
  seen.set(id, (seen.get(id) ?? 0) + 1);
}
if (seen.size !== nodes) throw new Error(`${seen.size} of ${nodes} nodes were picked`);
const wrong = [...seen.keys()].find((id) => !id.startsWith(VERSION));
if (wrong !== undefined) throw new Error(`${wrong} should have been left out`);

run(Math.ceil(calls / 4));
await measure(() => {
  run(calls);
  return Promise.resolve({ calls });
});

function run(times: number): void {
  for (let n = 0; n < times; n++) {
    if (pick().address !== "127.0.0.1:1") throw new Error("a node was picked that is not there");
  }
}

function bare(): () => Node {
  const all = recordOf(VERSION, nodes).nodes;
  return () => all[Math.floor(Math.random() * all.length)]!;
}

async function selected(): Promise<() => Node> {
  const system = await systemOfRuntime();
  const registry = createMemoryRegistry({ system });
  await registry.register(recordOf(VERSION, nodes), { ttl: 3_600_000 });
  if (filter !== undefined) await registry.register(recordOf(OTHER, nodes), { ttl: 3_600_000 });
  const selector = createSelector({ registry, system, strategy });
  await selector.ready(NAME);
  const call: PickContext = {
    service: NAME,
    endpoint: "Greeter.Hello",
    filters: filter === undefined ? [] : [byVersion(VERSION)],
    tried: [],
  };
  const outcome = { duration: 1, at: system.clock.now() };
  return () => {
    if (selector.ready(NAME) !== undefined) throw new Error("the service is not known any more");
    const picked = selector.pick(call);
    picked.done(outcome);
    return picked.candidate.node;
  };
}
