/**
 * The three runtimes of the project: where their pinned binaries are, and how each is asked to run a file.
 *
 * Nothing here goes by a bare name: in a `deno task`, `deno`, `bun`, `node` and `tsx` are files of
 * `node_modules/.bin`, which Deno's shell would run as JavaScript on Deno.
 *
 * @module
 */

import { existsSync, readdirSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";

/** A runtime that muon runs on. */
export type Runtime = "deno" | "bun" | "node";

/** All of them, in the order in which they are shown. */
export const RUNTIMES: readonly Runtime[] = ["deno", "bun", "node"];

/** The project's root. */
export const ROOT: string = dirname(dirname(fileURLToPath(import.meta.url)));

/** A program and what it is started with. */
export interface Command {
  /** The binary's absolute path. */
  readonly file: string;
  /** Its arguments. */
  readonly args: readonly string[];
  /** What it needs in its environment. */
  readonly env: Readonly<Record<string, string>>;
}

/** Which runtime this process is on. */
export function currentRuntime(): Runtime {
  if ("Deno" in globalThis) return "deno";
  return "Bun" in globalThis ? "bun" : "node";
}

/**
 * Finds the pinned binary of a runtime.
 *
 * @param runtime Which one.
 * @throws {Error} When it is not installed, saying how to install it.
 */
export function binaryOf(runtime: Runtime): string {
  const found = candidates(runtime).find((path) => existsSync(path));
  if (found !== undefined) return found;
  throw new Error(
    `${runtime} is not in node_modules. Run "npm ci"; where npm is told to run no install scripts, ` +
      `"npm ci --ignore-scripts=false": bun and node put their binaries in place by one.`,
  );
}

/**
 * How a runtime runs a TypeScript file of this project.
 *
 * Node reads TypeScript through tsx, which takes its options, the dialect of decorators among them, from one
 * `tsconfig.json` a process. Deno and Bun take theirs from the folder of the file; so Node is told the same.
 *
 * @param runtime Which one.
 * @param script The file's path, absolute or from the project's root.
 * @param args What the file finds on its command line.
 *
 * @example
 * ```ts
 * const { file, args, env } = runCommand("node", "examples/greeter/main.ts");
 * spawn(file, args, { env: { ...process.env, ...env } });
 * ```
 */
export function runCommand(runtime: Runtime, script: string, args: readonly string[] = []): Command {
  const path = resolve(ROOT, script);
  const file = binaryOf(runtime);
  switch (runtime) {
    case "deno":
      return { file, args: ["run", "-A", "--no-check", "--quiet", path, ...args], env: {} };
    case "bun":
      return { file, args: [path, ...args], env: {} };
    case "node":
      return { file, args: [...tsx(), path, ...args], env: { TSX_TSCONFIG_PATH: configFor(path) } };
  }
}

/**
 * How a runtime runs one file of tests, with a report of them in JUnit's form. What Deno would not fail on goes to a
 * file beside it, named like it with `.uncaught` behind (tools/uncaught.ts).
 *
 * @param runtime Which one.
 * @param script The file's path, absolute or from the project's root.
 * @param options `report`: where the report goes, an absolute path. `timeout`: milliseconds a test may take, where
 * the runtime has a limit of its own (Bun's would be 5000).
 */
export function testCommand(
  runtime: Runtime,
  script: string,
  options: { readonly report: string; readonly timeout: number },
): Command {
  const path = resolve(ROOT, script);
  const { report, timeout } = options;
  const file = binaryOf(runtime);
  switch (runtime) {
    case "deno":
      return {
        file,
        args: [
          "test",
          "-A",
          "--no-check",
          // Deno's own KV passes the tests of the kv registry, too.
          "--unstable-kv",
          `--preload=${join(ROOT, "tools", "uncaught.ts")}`,
          `--junit-path=${report}`,
          path,
        ],
        env: { MUON_TEST_UNCAUGHT: `${report}.uncaught` },
      };
    case "bun": {
      const reporter = ["--reporter=junit", `--reporter-outfile=${report}`];
      return { file, args: ["test", `--timeout=${timeout}`, ...reporter, path], env: {} };
    }
    case "node": {
      const shown = ["--test-reporter=spec", "--test-reporter-destination=stdout"];
      const reporter = ["--test-reporter=junit", `--test-reporter-destination=${report}`];
      return {
        file,
        args: [...tsx(), ...shown, ...reporter, path],
        env: { TSX_TSCONFIG_PATH: configFor(path) },
      };
    }
  }
}

function candidates(runtime: Runtime): string[] {
  const modules = join(ROOT, "node_modules");
  const exe = process.platform === "win32" ? ".exe" : "";
  switch (runtime) {
    case "deno": {
      // The binary lies in the platform's package; npm's install script links it into the other one.
      const scope = join(modules, "@deno");
      const platforms = existsSync(scope) ? readdirSync(scope) : [];
      return [
        join(modules, "deno", `deno${exe}`),
        ...platforms.map((name) => join(scope, name, `deno${exe}`)),
      ];
    }
    case "bun":
      return [join(modules, "bun", "bin", "bun.exe")];
    case "node":
      return [join(modules, "node", "bin", `node${exe}`)];
  }
}

function tsx(): string[] {
  return ["--import", pathToFileURL(join(ROOT, "node_modules", "tsx", "dist", "loader.mjs")).href];
}

function configFor(path: string): string {
  for (let folder = dirname(path); folder.startsWith(ROOT); folder = dirname(folder)) {
    const config = join(folder, "tsconfig.json");
    if (existsSync(config)) return config;
  }
  return join(ROOT, "tsconfig.json");
}
