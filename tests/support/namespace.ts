/**
 * Network namespaces: machines of a test's own, so that what it says to all is heard by nobody else.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import process from "node:process";
import { runCommand, type Runtime } from "../../tools/runtimes.ts";
import { type Spawned, type SpawnOptions, spawnProgram } from "../processes.ts";

const REQUIRED = [process.env.CI, process.env.MUON_REQUIRE_BACKENDS]
  .some((value) => !["", "0", "false", undefined].includes(value));

const UP = "ip link set lo up && ip route add 224.0.0.0/4 dev lo";

/** For the `skip` of tests that need namespaces: why they cannot run, or `false`. In CI they run, and fail. */
export const withoutNamespaces: string | false = REQUIRED ||
    (spawnSync("unshare", ["-n", "sh", "-c", UP]).status === 0 && spawnSync("nsenter", ["-V"]).status === 0)
  ? false
  : "network namespaces need root, unshare, nsenter and ip (Debian: util-linux, iproute2)";

/** A machine with nothing but loopback, on which multicast works. Its namespace ends with it, or with the test. */
export class Namespace implements AsyncDisposable {
  readonly #holder: Spawned;

  /** @param holder A process that keeps the namespace; see {@link Namespace.open}. */
  constructor(holder: Spawned) {
    this.#holder = holder;
  }

  /** Makes one. */
  static async open(): Promise<Namespace> {
    // It ends when its standard input does: with the test, however that ends.
    const holder = spawnProgram("unshare", { args: ["-n", "sh", "-c", `${UP} && echo ready && exec cat`] });
    await holder.ready(/ready/);
    return new Namespace(holder);
  }

  /** Starts a program on it. */
  spawn(file: string, options: SpawnOptions = {}): Spawned {
    return spawnProgram("nsenter", {
      ...options,
      args: ["-t", String(this.#holder.pid), "-n", file, ...options.args ?? []],
    });
  }

  /** Starts a program of the project on it. */
  spawnOn(runtime: Runtime, script: string, options: SpawnOptions = {}): Spawned {
    const { file, args, env } = runCommand(runtime, script, options.args);
    return this.spawn(file, { ...options, args, env: { ...env, ...options.env } });
  }

  /** Has a shell do something on it. */
  async shell(script: string): Promise<void> {
    await using shell = this.spawn("sh", { args: ["-c", script] });
    const code = await shell.exited;
    if (code !== 0) throw new Error(`${script}: exit code ${code}\n${shell.stderr}`);
  }

  /** Joins it to another by a cable, as 10.77.0.1 and 10.77.0.2; multicast goes through it from now on. */
  async plug(other: Namespace): Promise<void> {
    await this.shell(`ip link add cable type veth peer name cable netns ${other.#holder.pid}`);
    for (const [index, end] of [this, other].entries()) {
      await end.shell(
        `ip addr add 10.77.0.${index + 1}/24 dev cable && ip link set cable up && ` +
          `ip route replace 224.0.0.0/4 dev cable`,
      );
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#holder[Symbol.asyncDispose]();
  }
}
