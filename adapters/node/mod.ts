/**
 * muon on Node: what Node has of its own, and the net host, which runs on Deno and Bun too.
 *
 * @module
 */

import process from "node:process";
import type { System } from "../../runtime/platform.ts";
import { machineClock } from "./clock.ts";
import { fetchWithNode } from "./fetch.ts";
import { machineFiles } from "./files.ts";
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
  const clock = options.clock ?? machineClock;
  return machineSystem({
    runtime: "node",
    version: process.versions.node,
    isTerminal: process.stderr.isTTY === true,
    files: machineFiles,
    writeError(text) {
      process.stderr.write(text);
    },
    endOfTurn,
    serve: (host) => serveNet(host, { clock }),
    // The package `ws` is loaded with the first WebSocket: of a start it would take 10 ms of CPU.
    dialWebSocket: async (url, dial) => (await import("./dial.ts")).dialWs(url, dial),
    fetchWith: fetchWithNode,
  }, options);
}
