/**
 * What `node:*` says of the machine and the process, the same on Node, Deno and Bun. Each runtime's adapter adds how
 * it listens, dials and ends a turn.
 *
 * @module
 */

import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { Clock } from "../../runtime/clock.ts";
import type { Entropy } from "../../runtime/entropy.ts";
import type { Datagrams, Platform, System } from "../../runtime/platform.ts";
import type { Random } from "../../runtime/random.ts";
import { parseArgs } from "./args.ts";
import { machineEntropy, machineRandom } from "./chance.ts";
import { machineClock } from "./clock.ts";
import { tlsFaults } from "./tls_check.ts";

/** What each runtime has of its own. */
export type Own = Pick<
  Platform,
  | "runtime"
  | "version"
  | "isTerminal"
  | "files"
  | "writeError"
  | "endOfTurn"
  | "prompt"
  | "serve"
  | "dialWebSocket"
  | "fetchWith"
>;

/** Options of `createSystem`. */
export interface SystemOptions {
  /** Words of the command line. @default {those of this process} */
  readonly args?: readonly string[];
  /** Time. @default {the machine's} */
  readonly clock?: Clock;
  /** Chance. @default {a generator that the CSPRNG seeds} */
  readonly random?: Random;
  /** What must not be guessed. @default {the CSPRNG} */
  readonly entropy?: Entropy;
}

/**
 * The system of this process.
 *
 * @param own What the runtime has of its own.
 * @param options What is taken from elsewhere.
 */
export function machineSystem(own: Own, options: SystemOptions = {}): System {
  return {
    clock: options.clock ?? machineClock,
    random: options.random ?? machineRandom(),
    entropy: options.entropy ?? machineEntropy,
    platform: machinePlatform(own, options),
  };
}

/** Loaded when first wanted: few processes send a datagram. */
const datagrams: Datagrams = {
  bind: async (options) => (await import("./datagrams.ts")).bindDatagrams(options),
};

function machinePlatform(own: Own, options: SystemOptions): Platform {
  const uid = process.getuid?.();
  return {
    ...own,
    hostname: hostname(),
    pid: process.pid,
    uid,
    args: options.args ?? process.argv.slice(2),
    runtimeDirectory: runtimeDirectory(uid),
    datagrams,
    env: (name) => process.env[name],
    parseArgs,
    tlsFaults,
    write(text) {
      process.stdout.write(text);
    },
    onSignal(signal, callback) {
      const listener = () => callback();
      process.on(signal, listener);
      return { [Symbol.dispose]: () => void process.off(signal, listener) };
    },
    exit(code) {
      process.exit(code ?? process.exitCode);
    },
  };
}

/** `$XDG_RUNTIME_DIR` if this process can write there, else a directory of the user's own in the temporary one. */
function runtimeDirectory(uid: number | undefined): string {
  const given = process.env.XDG_RUNTIME_DIR;
  if (given) {
    // Not imported: to load it costs 8 ms of CPU on Deno, whose files are its own.
    const { accessSync, constants } = process.getBuiltinModule("node:fs");
    try {
      accessSync(given, constants.W_OK | constants.X_OK);
      return given;
    } catch {
      // Left over from another user's session, as after `su`: as good as none.
    }
  }
  return join(tmpdir(), `muon-${uid ?? "user"}`);
}
