/**
 * Go programs for tests: built once, into a cache outside of the tree, and spoken to by lines of JSON.
 *
 * @module
 */

import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { ROOT } from "../../tools/runtimes.ts";
import { type Spawned, spawnProgram } from "../processes.ts";

/** Whether what a test needs must be there: then its absence is a failure. */
const REQUIRED = [process.env.CI, process.env.MUON_REQUIRE_BACKENDS]
  .some((value) => !["", "0", "false", undefined].includes(value));

/** Go's own name of its version; `undefined` where there is no Go. */
const version = spawnSync("go", ["env", "GOVERSION"], { encoding: "utf8" }).stdout?.trim() || undefined;

/** For the `skip` of tests that need Go: why they cannot run, or `false`. In CI they run, and say what is missing. */
export const withoutGo: string | false = version === undefined && !REQUIRED
  ? "there is no Go here (go.dev/dl); CI has it"
  : false;

/**
 * Builds a Go program, unless the cache has it: `$XDG_CACHE_HOME/muon`, by a hash of its sources and of Go's version.
 * The first time, its modules are downloaded, and it takes a minute.
 *
 * @param folder Its folder, from the project's root.
 * @returns The path of the binary.
 * @throws {Error} With what Go said, if it cannot be built.
 */
export function buildGo(folder: string): string {
  if (version === undefined) {
    throw new Error("There is no Go here, and CI needs it: install it from go.dev/dl");
  }
  const source = join(ROOT, folder);
  const hash = createHash("sha256").update(version);
  for (const name of readdirSync(source).sort()) hash.update(name).update(readFileSync(join(source, name)));
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "muon");
  const binary = join(cache, `go-${hash.digest("hex").slice(0, 16)}`);
  if (existsSync(binary)) return binary;
  mkdirSync(cache, { recursive: true });
  // Two may build at once: each in a folder of its own, and the last to be ready wins.
  const work = mkdtempSync(join(cache, "build-"));
  try {
    cpSync(source, work, { recursive: true });
    execFileSync("go", ["build", "-trimpath", "-o", "program", "."], {
      cwd: work,
      env: { ...process.env, GOFLAGS: "-mod=mod -buildvcs=false" },
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
    });
    renameSync(join(work, "program"), binary);
  } catch (error) {
    throw new Error(`Cannot build ${folder}: ${(error as { stderr?: string }).stderr || error}`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return binary;
}

/** A program that answers commands, a line of JSON each, and says other things in between. */
export class GoPeer implements AsyncDisposable {
  readonly #program: Spawned;
  readonly #waiting = new Map<number, (answer: never) => void>();
  readonly #events: unknown[] = [];
  readonly #listening = new Set<() => void>();
  readonly #reading: Promise<void>;
  #seq = 0;

  /** @param binary What {@link buildGo} built. */
  constructor(binary: string) {
    this.#program = spawnProgram(binary);
    this.#reading = this.#read();
    // Whoever waits for an answer is told.
    this.#reading.catch(() => {});
  }

  /**
   * Has it do something.
   *
   * @throws {Error} If it ends before it has answered, with what it wrote to its standard error.
   */
  async do<T>(command: Record<string, unknown>): Promise<T> {
    const seq = ++this.#seq;
    const answer = new Promise<T>((resolve) => this.#waiting.set(seq, resolve as (answer: never) => void));
    this.#program.write(`${JSON.stringify({ seq, ...command })}\n`);
    const ended = this.#reading.then(() => {
      throw new Error(`The Go program ended before it had answered.\n${this.#program.stderr}`);
    });
    return await Promise.race([answer, ended]);
  }

  /** The next event that it tells. */
  async event<T>(): Promise<T> {
    while (this.#events.length === 0) {
      await new Promise<void>((resolve) => this.#listening.add(resolve));
      this.#listening.clear();
    }
    return this.#events.shift() as T;
  }

  async #read(): Promise<void> {
    for await (const line of this.#program.lines()) {
      // Go Micro logs there, too.
      if (!line.startsWith("{")) continue;
      const said = JSON.parse(line) as { seq?: number };
      if (said.seq === undefined) {
        this.#events.push(said);
        for (const wake of this.#listening) wake();
      } else {
        this.#waiting.get(said.seq)?.(said as never);
        this.#waiting.delete(said.seq);
      }
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#program[Symbol.asyncDispose]();
  }
}
