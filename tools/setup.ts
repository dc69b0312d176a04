/**
 * Brings `node_modules` up to the lock, where it is not. It imports nothing that would have to be installed first.
 *
 * @module
 */

import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { binaryOf, ROOT, RUNTIMES } from "./runtimes.ts";

interface Lock {
  readonly packages: Readonly<Record<string, { readonly version?: string; readonly optional?: boolean }>>;
}

/**
 * Runs `npm ci` if a package of `package-lock.json` is missing from `node_modules` or of another version, or a
 * runtime's binary is not there.
 *
 * @throws {Error} When npm fails, or leaves a runtime out; says what to do.
 */
export async function setUp(): Promise<void> {
  const why = await stale();
  if (why === undefined) return;
  console.error(`Installing what package-lock.json pins, by npm ci: ${why}.`);
  await npmCi();
  for (const runtime of RUNTIMES) binaryOf(runtime);
}

/** Why an installation is needed; `undefined`: it is not. */
async function stale(): Promise<string | undefined> {
  const wanted = await readLock("package-lock.json");
  if (wanted === undefined) {
    throw new Error("package-lock.json is missing: this is not a checkout of the project");
  }
  // What npm itself writes down of an installation.
  const installed = await readLock("node_modules/.package-lock.json");
  if (installed === undefined) return "node_modules is missing";
  const problem = difference(wanted, installed);
  if (problem !== undefined) return problem;
  try {
    for (const runtime of RUNTIMES) binaryOf(runtime);
  } catch {
    return "a runtime's binary is missing";
  }
}

/**
 * What an installation lacks of a lock.
 *
 * @param wanted What `package-lock.json` says.
 * @param installed What `node_modules/.package-lock.json` says.
 * @returns The first package that is missing or of another version, in words; `undefined`: none.
 */
export function difference(wanted: Lock, installed: Lock): string | undefined {
  for (const [path, { version, optional }] of Object.entries(wanted.packages)) {
    if (path === "") continue; // The project itself.
    const name = path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
    const found = installed.packages[path];
    if (found === undefined && optional) continue; // Another platform's.
    if (found === undefined) return `${name} is missing`;
    if (found.version !== version) return `${name} is at ${found.version} instead of ${version}`;
  }
}

async function readLock(path: string): Promise<Lock | undefined> {
  try {
    return JSON.parse(await readFile(join(ROOT, path), "utf8")) as Lock;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function npmCi(): Promise<void> {
  return new Promise((resolve, reject) => {
    // What npm warns of, Node 20 for instance, which starts the set-up and nothing else, would only puzzle here.
    const npm = spawn("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], {
      cwd: ROOT,
      stdio: ["ignore", "inherit", "inherit"],
      shell: process.platform === "win32",
    });
    npm.on("error", (error) => {
      reject(
        new Error(
          `npm could not be started (${error.message}). It comes with Node: install Node 20 or later`,
        ),
      );
    });
    npm.on("exit", (code) => {
      if (code === 0) resolve();
      else reject(new Error(`npm ci failed with code ${code}; what it said is above`));
    });
  });
}
