/**
 * The system of the runtime that runs this, for what is measured beneath muon.
 *
 * @module
 */
import type { System } from "../runtime/platform.ts";

/** The system of this runtime. */
export async function system(): Promise<System> {
  const runtime = globalThis as { Deno?: unknown; Bun?: unknown };
  if (runtime.Bun !== undefined) return (await import("../adapters/bun/mod.ts")).createSystem();
  if (runtime.Deno !== undefined) return (await import("../adapters/deno/mod.ts")).createSystem();
  return (await import("../adapters/node/mod.ts")).createSystem();
}
