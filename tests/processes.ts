/**
 * Programs of the project in processes of their own, on any runtime, for tests that need more than one process.
 *
 * @module
 */

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { type Command, ROOT, runCommand, type Runtime } from "../tools/runtimes.ts";

/** How a program is started. */
export interface SpawnOptions {
  /** What it finds on its command line. @default {[]} */
  readonly args?: readonly string[];
  /**
   * Added to this process's environment, of which `MICRO_*` and `MUON_*` are left out, but that logs are for people:
   * `MICRO_LOG_FORMAT: ""` leaves them as they are. @default {{}}
   */
  readonly env?: Readonly<Record<string, string>>;
  /** The directory it works in. @default The project's root. */
  readonly cwd?: string;
}

/** How long a program may take to become ready, or to end when asked to, in milliseconds: a guard, not a measure. */
const PATIENCE = 30_000;

const running = new Set<ChildProcessWithoutNullStreams>();

// The last guard; a test stops what it starts. tools/test.ts ends what even this does not reach.
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/**
 * Starts a program.
 *
 * @param runtime What it runs on.
 * @param script Its file, from the project's root.
 * @param options Its arguments, its environment, its directory.
 *
 * @example
 * ```ts
 * await using server = spawnOn("bun", "examples/greeter/main.ts", { env: { MICRO_REGISTRY_ADDRESS: directory } });
 * await server.ready(/muon: greeter/);
 * assert.equal(await server.stop("SIGTERM"), 0);
 * ```
 */
export function spawnOn(runtime: Runtime, script: string, options: SpawnOptions = {}): Spawned {
  return start(runCommand(runtime, script, options.args), { ...options, name: `${script} on ${runtime}` });
}

/**
 * Starts a program that is no source of the project: a binary, or a runtime with a bundle.
 *
 * @param file Its path, absolute.
 * @param options Its arguments, its environment, its directory.
 */
export function spawnProgram(file: string, options: SpawnOptions = {}): Spawned {
  const { args = [] } = options;
  return start({ file, args, env: {} }, { ...options, name: [file, ...args].join(" ") });
}

function start(command: Command, options: SpawnOptions & { readonly name: string }): Spawned {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(MICRO|MUON)_/.test(name));
  const child = spawn(command.file, command.args, {
    cwd: options.cwd ?? ROOT,
    env: {
      ...Object.fromEntries(inherited),
      NO_COLOR: "1",
      MICRO_LOG_FORMAT: "text",
      ...command.env,
      ...options.env,
    },
  });
  return new Spawned(options.name, child);
}

/** A program that runs, or has run. */
export class Spawned implements AsyncDisposable {
  readonly #name: string;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #waiting = new Set<() => void>();
  readonly #text = { stdout: "", stderr: "" };
  #ended = false;

  /** Its exit code once it has ended and all it said is read; `null` when a signal ended it. */
  readonly exited: Promise<number | null>;

  constructor(name: string, child: ChildProcessWithoutNullStreams) {
    this.#name = name;
    this.#child = child;
    running.add(child);
    for (const stream of ["stdout", "stderr"] as const) {
      child[stream].setEncoding("utf8");
      child[stream].on("data", (chunk: string) => {
        this.#text[stream] += chunk;
        this.#wake();
      });
    }
    child.stdin.on("error", () => {}); // It may have ended without reading.
    this.exited = once(child, "close").then(([code]) => code as number | null).finally(() => {
      running.delete(child);
      this.#ended = true;
      this.#wake();
    });
    this.exited.catch(() => {}); // Whoever waits for it is told.
  }

  /** The number of its process. */
  get pid(): number {
    return this.#child.pid!;
  }

  /** All it has written to its standard output. */
  get stdout(): string {
    return this.#text.stdout;
  }

  /** All it has written to its standard error. */
  get stderr(): string {
    return this.#text.stderr;
  }

  /**
   * What it writes, line by line, from its first, until it ends.
   *
   * @param stream Which of the two.
   */
  async *lines(stream: "stdout" | "stderr" = "stdout"): AsyncGenerator<string, void, undefined> {
    let from = 0;
    for (;;) {
      const text = this.#text[stream];
      const end = text.indexOf("\n", from);
      if (end >= 0) {
        yield text.slice(from, end);
        from = end + 1;
      } else if (this.#ended) {
        if (from < text.length) yield text.slice(from);
        return;
      } else {
        await this.#change();
      }
    }
  }

  /**
   * Waits until it has said something, on either stream.
   *
   * @param pattern What it says.
   * @returns The match.
   * @throws {Error} When it ends without, or has not said it within 30 s, with all it did say.
   */
  async ready(pattern: RegExp): Promise<RegExpExecArray> {
    const deadline = Date.now() + PATIENCE;
    for (;;) {
      const found = pattern.exec(this.#text.stdout) ?? pattern.exec(this.#text.stderr);
      if (found !== null) return found;
      if (this.#ended) throw this.#error(`ended without saying ${pattern}`);
      const left = deadline - Date.now();
      if (left <= 0) throw this.#error(`did not say ${pattern} within ${PATIENCE / 1000} s`);
      await this.#change(left);
    }
  }

  /**
   * Writes to its standard input.
   *
   * @param text What to write.
   */
  write(text: string): void {
    this.#child.stdin.write(text);
  }

  /** Ends its standard input. */
  endInput(): void {
    this.#child.stdin.end();
  }

  /**
   * Sends it a signal.
   *
   * @param signal Which one.
   */
  signal(signal: NodeJS.Signals): void {
    // By its number: after child.kill() Deno reports the signal, not the code with which a program answered it.
    if (this.#ended || this.#child.pid === undefined) return;
    try {
      process.kill(this.#child.pid, signal);
    } catch (error) {
      // It is gone, and this process is about to hear of it.
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }

  /**
   * Asks it to end, and waits until it has. One that has ended already is let be.
   *
   * @param signal How it is asked.
   * @returns Its exit code; `null` when the signal itself ended it.
   * @throws {Error} When it has not ended within 30 s, with all it said; it is killed then.
   */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number | null> {
    this.signal(signal);
    const deadline = Date.now() + PATIENCE;
    while (!this.#ended) {
      const left = deadline - Date.now();
      if (left <= 0) {
        await this[Symbol.asyncDispose]();
        throw this.#error(`did not end within ${PATIENCE / 1000} s of ${signal}`);
      }
      await this.#change(left);
    }
    return this.exited;
  }

  /** Kills it, unless it has ended, and waits until it is gone. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.signal("SIGKILL");
    await this.exited.catch(() => {});
  }

  #wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const resolve of waiting) resolve();
  }

  /** Waits until it says something, ends, or the time is over. */
  async #change(ms?: number): Promise<void> {
    if (this.#ended) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.add(resolve);
    const timer = ms === undefined ? undefined : setTimeout(resolve, ms);
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(resolve);
    }
  }

  #error(what: string): Error {
    return new Error(
      `${this.#name} ${what}.\n--- its stdout ---\n${this.stdout}\n--- its stderr ---\n${this.stderr}`,
    );
  }
}
