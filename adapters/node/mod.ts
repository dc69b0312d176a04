/**
 * muon on Node: what Node has of its own, and the net host, which runs on Deno and Bun too.
 *
 * @module
 */

import process from "node:process";
import type { System } from "../../runtime/platform.ts";
import { dialWs } from "./dial.ts";
import { fetchWithNode } from "./fetch.ts";
import { machineSystem, type SystemOptions } from "./machine.ts";
import { serveNet } from "./net_host.ts";
import { endOfTurn } from "./turn.ts";

export { serveNet } from "./net_host.ts";
export type { SystemOptions } from "./machine.ts";

/**
 * Time, chance and machine as Node has them.
 *
 * @example
 * ```ts
 * const { clock, platform } = createSystem();
 * platform.writeError(`${clock.wall()}\n`);
 * ```
 */
export function createSystem(options: SystemOptions = {}): System {
  return machineSystem({
    runtime: "node",
    version: process.versions.node,
    endOfTurn,
    serve: serveNet,
    dialWebSocket: dialWs,
    fetchWith: fetchWithNode,
  }, options);
}
