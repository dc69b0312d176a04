/**
 * What questions came to, kept in `bench/results/<question>.json`, so that the page can be written anew without
 * measuring all over.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { cpus, release, totalmem } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { binaryOf, ROOT, type Runtime, RUNTIMES } from "../tools/runtimes.ts";
import { natsServer } from "./peers/nats_server.ts";
import type { Variant } from "./question.ts";
import type { Outcome } from "./run.ts";

/** One question on one runtime. */
export interface RuntimeResult {
  /** When it was measured, ISO 8601. */
  readonly date: string;
  /** The command that measures it again. */
  readonly command: string;
  /** Processor, cores, memory, kernel. */
  readonly machine: string;
  /** The machine's load average of the minute before: whether it was quiet. */
  readonly load: number;
  /** The runtime's version, and of what else took part. */
  readonly versions: Readonly<Record<string, string>>;
  /** The commit that was measured, with `+` behind it when files had been changed since. */
  readonly commit: string;
  /** Calls a run. */
  readonly calls: number;
  /** Calls at a time. */
  readonly inflight: number;
  /** How often each variant was measured. */
  readonly rounds: number;
  /** What each variant came to, by name, all raw figures kept. */
  readonly variants: Readonly<Record<string, Outcome>>;
}

/** One question on the runtimes on which it was measured. */
export type Result = Readonly<Partial<Record<Runtime, RuntimeResult>>>;

/** What is kept of a question; empty when it was never measured. */
export async function readResult(question: string): Promise<Result> {
  try {
    return JSON.parse(await readFile(pathOf(question), "utf8")) as Result;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return {};
    throw error;
  }
}

/** Keeps what a question came to; runtimes that it does not name stay as they were. */
export async function keepResult(question: string, result: Result): Promise<void> {
  const all = { ...await readResult(question), ...result };
  const ordered = Object.fromEntries(RUNTIMES.filter((name) => all[name]).map((name) => [name, all[name]]));
  await mkdir(join(ROOT, "bench", "results"), { recursive: true });
  await writeFile(pathOf(question), `${JSON.stringify(ordered, rounded, 2)}\n`);
  format(pathOf(question));
}

/** Formats a file that was written, as `deno task ok` wants it. */
export function format(path: string): void {
  execFileSync(binaryOf("deno"), ["fmt", "--quiet", path], { cwd: ROOT });
}

/** Processor, cores, memory, kernel, in a line. */
export function machine(): string {
  const model = cpus()[0]?.model.trim() ?? "unknown processor";
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${cpus().length} cores of ${model}, ${memory} GB, ${process.platform} ${release().split("-")[0]}`;
}

/**
 * The versions of a runtime and of what it was measured beside.
 *
 * @param runtime The runtime.
 * @param variants Those that took part.
 */
export async function versionsOf(
  runtime: Runtime,
  variants: readonly Variant[],
): Promise<Record<string, string>> {
  const versions: Record<string, string> = { [runtime]: said(binaryOf(runtime), "--version") };
  const scripts = variants.flatMap(({ server, load }) => [server?.script ?? "", load.script ?? ""]);
  if (scripts.some((script) => script.startsWith("peers/"))) {
    const text = await readFile(join(ROOT, "bench", "peers", "package.json"), "utf8");
    Object.assign(versions, (JSON.parse(text) as { dependencies: Record<string, string> }).dependencies);
  }
  if (scripts.includes("peers/nats.ts")) versions["nats-server"] = said(natsServer() ?? "", "--version");
  if (variants.some(({ load }) => load.go !== undefined)) {
    versions["go"] = said("go", "version");
    const modules = await readFile(join(ROOT, "bench", "go", "go.mod"), "utf8");
    for (const name of ["google.golang.org/grpc", "go-micro.dev/v5"]) {
      versions[name] = new RegExp(`${name} v(\\S+)`).exec(modules)?.[1] ?? "unknown";
    }
  }
  return versions;
}

/** The version in what a program says of itself. */
function said(file: string, ...args: string[]): string {
  try {
    const text = execFileSync(file, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
    return /\d+\.\d+(\.\d+)?/.exec(text)?.[0] ?? "unknown";
  } catch {
    return "missing";
  }
}

/** The commit of the checkout, with `+` behind it when files have been changed since; empty outside of a checkout. */
export function commit(): string {
  try {
    const git = (...args: string[]) =>
      execFileSync("git", args, { cwd: ROOT, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
    const changed = git(
      "status",
      "--porcelain",
      "--untracked-files=no",
      "--",
      ".",
      ":!bench/results",
      ":!docs",
    );
    return git("rev-parse", "--short=10", "HEAD") + (changed === "" ? "" : "+");
  } catch {
    return "";
  }
}

function pathOf(question: string): string {
  return join(ROOT, "bench", "results", `${question}.json`);
}

/** Six digits are more than any of them holds. */
function rounded(_key: string, value: unknown): unknown {
  return typeof value === "number" ? Number(value.toPrecision(6)) : value;
}
