/**
 * muon on Deno: its own server, and npm `ws` to dial.
 *
 * @module
 */

import type { System } from "../../runtime/platform.ts";
import { machineClock } from "../node/clock.ts";
import { dialWs } from "../node/dial.ts";
import { machineSystem, type SystemOptions } from "../node/machine.ts";
import { endOfTurn } from "../node/turn.ts";
import { serveDeno } from "./host.ts";

export type { SystemOptions } from "../node/machine.ts";

/**
 * Time, chance and machine as Deno has them.
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
    runtime: "deno",
    version: Deno.version.deno,
    endOfTurn,
    // Deno.serve ignores client certificates without a word; the net host enforces them. It is loaded only then, as
    // it costs 45 ms at start.
    serve: async (host) =>
      host.tls?.clientCa === undefined
        ? serveDeno(host, { clock })
        : (await import("../node/net_host.ts")).serveNet(host),
    dialWebSocket: dialWs,
  }, options);
}
