/**
 * muon on Deno: its own server, and npm `ws` to dial.
 *
 * @module
 */

import type { System } from "../../runtime/platform.ts";
import { machineClock } from "../node/clock.ts";
import { errorWriter } from "../node/error_writer.ts";
import { machineSystem, type SystemOptions } from "../node/machine.ts";
import { endOfTurn } from "../node/turn.ts";
import { fetchWithDeno } from "./fetch.ts";
import { denoFiles } from "./files.ts";
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
    isTerminal: Deno.stderr.isTerminal(),
    files: denoFiles,
    writeError: errorWriter((bytes) => Deno.stderr.writeSync(bytes)),
    endOfTurn,
    // One call at a time takes a tenth less time and CPU (bench latency, four interleaved runs). Bun and Node gain nothing
    // by it, and a thousand connections with a call each (fan_out) take a tenth more on Bun.
    prompt: true,
    // Deno.serve ignores client certificates without a word; the net host enforces them. It is loaded only where it is
    // wanted, as it costs 45 ms at start.
    serve: async (host) =>
      host.tls?.clientCa === undefined && keepsConnections(Deno.version.deno)
        ? serveDeno(host, { clock })
        : (await import("../node/net_host.ts")).serveNet(host, { clock }),
    // The package `ws` is loaded with the first WebSocket: of a start it would take 10 ms of CPU.
    dialWebSocket: async (url, dial) => (await import("../node/dial.ts")).dialWs(url, dial),
    fetchWith: fetchWithDeno,
  }, options);
}

/**
 * Whether a version's `Deno.serve` keeps a connection on which a request's body came behind its head. Before 2.9.6 it
 * does not ({@link https://github.com/denoland/deno/issues/36657 | denoland/deno#36657}). Go Micro's clients always
 * send so, and lose the next call on a connection that is closed behind an answer. The net host costs a call no more.
 */
export function keepsConnections(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split(/[.+-]/).map(Number);
  return major > 2 || (major === 2 && (minor > 9 || (minor === 9 && patch >= 6)));
}
