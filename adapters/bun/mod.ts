/**
 * muon on Bun: its own server and client.
 *
 * @module
 */

import process from "node:process";
import type { DialTlsOptions, System } from "../../runtime/platform.ts";
import { machineClock } from "../node/clock.ts";
import { errorWriter } from "../node/error_writer.ts";
import { machineFiles } from "../node/files.ts";
import { machineSystem, type SystemOptions } from "../node/machine.ts";
import { endOfTurn } from "../node/turn.ts";
import { bun } from "./api.ts";
import { dialBun } from "./dial.ts";
import { serveBun } from "./host.ts";

export type { SystemOptions } from "../node/machine.ts";

// Not imported: in a program of one file an import is done at its start, whatever runtime it is on.
const { fstatSync, writeSync } = process.getBuiltinModule("node:fs");

/** Its file descriptor. */
const STDERR = 2;

/**
 * Time, chance and machine as Bun has them.
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
    runtime: "bun",
    version: bun.version,
    isTerminal: isTerminal(),
    files: machineFiles,
    writeError: errorWriter((bytes) => writeSync(STDERR, bytes)),
    endOfTurn,
    // Bun.serve checks client certificates but does not say whose they are; the net host does. It is loaded only
    // then, as it costs 25 ms at start.
    serve: async (host) =>
      host.tls?.clientCa === undefined
        ? serveBun(host, { clock })
        : (await import("../node/net_host.ts")).serveNet(host, { clock }),
    dialWebSocket: (url, dial) => dialBun(url, { ...dial, clock }),
    fetchWith: (tls) => {
      if (tls.ca === undefined && tls.cert === undefined) return (input, init) => fetch(input, init);
      return (input, init) => {
        const own: RequestInit & { readonly tls: DialTlsOptions } = { ...init, tls: { ...tls } };
        return fetch(input, own);
      };
    },
  }, options);
}

/** Whether stderr is a terminal. The stream, which would say so, takes 8 ms of CPU to make: files and pipes are none. */
function isTerminal(): boolean {
  try {
    return fstatSync(STDERR).isCharacterDevice() && process.stderr.isTTY === true;
  } catch {
    return false; // It is closed.
  }
}
