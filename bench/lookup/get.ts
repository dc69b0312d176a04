/**
 * Lookups: what a registry knows of one service, asked each time.
 *
 *   get.ts memory|file <nodes>
 */
import process from "node:process";
import { createFileRegistry } from "../../runtime/registry/file/file.ts";
import { createMemoryRegistry } from "../../runtime/registry/memory.ts";
import { loop, measure, settings } from "../load.ts";
import { system as systemOfRuntime } from "../system.ts";
import { NAME, recordOf, VERSION } from "./records.ts";

const [kind, count] = process.argv.slice(2);
const nodes = Number(count);
const { calls, directory } = settings();
const system = await systemOfRuntime();
const registry = kind === "file"
  ? createFileRegistry({ system, directory })
  : createMemoryRegistry({ system });
const record = recordOf(VERSION, nodes);
// A process a node, as it is with services: each has written its own.
for (const node of record.nodes) await registry.register({ ...record, nodes: [node] }, { ttl: 3_600_000 });

const lookup = async () => {
  const [found, ...others] = await registry.getService(NAME);
  if (found?.nodes.length !== nodes || others.length > 0) {
    throw new Error(`not what was registered: ${JSON.stringify(found)}`);
  }
};
await loop(lookup, Math.ceil(calls / 4), { inflight: 1 });
await measure(async () => {
  await loop(lookup, calls, { inflight: 1 });
  return { calls };
});
