/**
 * muon on the edge: what a runtime with the web's globals alone can give, Cloudflare's workerd for instance. There are
 * no files, no signals and no port: requests are handed in (`edge.ts`). It runs on Deno, Bun and Node too.
 *
 * @module
 */

import { MuonError } from "../../runtime/errors.ts";
import type { Platform, System } from "../../runtime/platform.ts";
import { webEntropy, webRandom } from "./chance.ts";
import { webClock } from "./clock.ts";

/**
 * Time, chance and machine as the web has them.
 *
 * @example
 * ```ts
 * const { clock, entropy } = createSystem();
 * uuid(entropy);
 * ```
 */
export function createSystem(): System {
  return { clock: webClock, random: webRandom(), entropy: webEntropy, platform };
}

const platform: Platform = {
  runtime: "workers",
  version: "",
  hostname: "edge",
  pid: 0,
  uid: undefined,
  args: [],
  isTerminal: false,
  runtimeDirectory: "",
  files: undefined,
  env: () => undefined,
  parseArgs() {
    throw missing("a command line", "give options to edge() instead");
  },
  write(text) {
    console.log(text.replace(/\n$/, ""));
  },
  writeError(text) {
    console.error(text.replace(/\n$/, ""));
  },
  onSignal: () => ({ [Symbol.dispose]: () => {} }),
  exit() {
    throw missing("a process that could be ended", "return from the handler instead");
  },
  endOfTurn(callback, ...args) {
    setTimeout(callback, 0, ...args);
  },
  serve: () => Promise.reject(missing("a port to listen on", "export what edge() returns instead")),
  dialWebSocket: () => Promise.reject(missing("WebSockets to dial with", `call with the transport "http"`)),
};

function missing(what: string, instead: string): MuonError {
  return new MuonError("unimplemented", `The edge has not ${what}: ${instead}`, {
    id: "muon.platform",
    notRun: true,
  });
}
