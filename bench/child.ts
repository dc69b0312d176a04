/**
 * A process of a benchmark: started on a core of its own, and spoken to by lines.
 *
 * @module
 */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import process from "node:process";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { join } from "node:path";
import { buildGo } from "../tests/interop/go.ts";
import { type Command, runCommand, type Runtime } from "../tools/runtimes.ts";
import type { Program } from "./question.ts";

/** How a process is started. */
export interface ChildOptions {
  /** What a script runs on. */
  readonly runtime: Runtime;
  /** The core it stays on. @default Any. */
  readonly core?: number;
  /** Added to this process's environment, of which `MICRO_*` and `MUON_*` are left out. @default {{}} */
  readonly env?: Readonly<Record<string, string>>;
}

/** How much of what a process wrote to its standard error is kept, in characters. */
const KEPT = 4_000;

/** A process that runs, or has run. */
export class Child {
  readonly #name: string;
  readonly #process: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #lines: AsyncIterator<string>;
  readonly #exited: Promise<void>;
  #stderr = "";

  /**
   * Starts it.
   *
   * @throws {Error} When a Go module cannot be built.
   */
  constructor(program: Program, options: ChildOptions) {
    const { file, args, env } = commandOf(program, options.runtime);
    this.#name = program.script ?? program.go ?? file;
    const inherited = Object.entries(process.env).filter(([name]) => !/^(MICRO|MUON)_/.test(name));
    const pinned = options.core === undefined
      ? [file, ...args]
      : ["taskset", "-c", String(options.core), file, ...args];
    this.#process = spawn(pinned[0]!, pinned.slice(1), {
      env: { ...Object.fromEntries(inherited), NO_COLOR: "1", ...env, ...options.env, ...program.env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.#process.stdin.on("error", () => {}); // It may have ended; whoever waits for it is told.
    this.#process.stderr.setEncoding("utf8");
    this.#process.stderr.on("data", (text: string) => this.#stderr = (this.#stderr + text).slice(-KEPT));
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
    this.#exited = new Promise((resolve) => {
      this.#process.once("error", (error) => {
        this.#stderr += error.message;
        resolve();
      });
      this.#process.once("close", () => resolve());
    });
  }

  /**
   * The rest of the next line that begins with a word.
   *
   * @param word What the line begins with.
   * @param patience How long that may take, in ms.
   * @throws {Error} When the process ends without, or does not say it in time, with what it wrote to its standard error.
   */
  async expect(word: string, patience: number): Promise<string> {
    let late: ReturnType<typeof setTimeout> | undefined = undefined;
    const timeout = new Promise<never>((_, reject) => {
      late = setTimeout(
        () => reject(this.#error(`did not say "${word}" within ${patience / 1000} s`)),
        patience,
      );
    });
    try {
      for (;;) {
        const { done, value } = await Promise.race([this.#lines.next(), timeout]);
        if (done) {
          await this.#exited;
          throw this.#error(`ended before it said "${word}"`);
        }
        if (value === word || value.startsWith(`${word} `)) return value.slice(word.length + 1);
      }
    } finally {
      clearTimeout(late);
    }
  }

  /** Writes a line to its standard input. */
  say(line: string): void {
    this.#process.stdin.write(`${line}\n`);
  }

  /** Ends its standard input, which ends it; kills it if that takes more than two seconds. */
  async stop(): Promise<void> {
    this.#process.stdin.end();
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), 2_000);
    await this.#exited;
    clearTimeout(timer);
  }

  #error(what: string): Error {
    const said = this.#stderr.trim();
    return new Error(`${this.#name} ${what}${said === "" ? "" : `: ${said}`}`);
  }
}

function commandOf(program: Program, runtime: Runtime): Command {
  const { script, go, args = [] } = program;
  if (script !== undefined) return runCommand(runtime, join("bench", script), args);
  if (go === undefined) throw new TypeError("A program of a benchmark is a script or a Go module");
  return { file: buildGo(join("bench", go)), args, env: { GOMAXPROCS: "1" } };
}
