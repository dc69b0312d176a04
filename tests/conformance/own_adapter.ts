/**
 * The adapter of the runtime a test runs on.
 *
 * @module
 */

import process from "node:process";
import type { System } from "../../runtime/platform.ts";

/** Which runtime this is. */
export const runtime: "deno" | "bun" | "node" = process.versions.deno !== undefined
  ? "deno"
  : process.versions.bun !== undefined
  ? "bun"
  : "node";

const adapter: { createSystem(): System } = await import(`../../adapters/${runtime}/mod.ts`);

/** The system of this process, from the adapter of its own runtime. */
export function ownSystem(): System {
  return adapter.createSystem();
}
