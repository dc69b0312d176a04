/**
 * Installs the peers, which are no part of the project's own packages, into `bench/peers/node_modules`.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import process from "node:process";
import { difference } from "../../tools/setup.ts";

const FOLDER = new URL("./", import.meta.url);

/**
 * Runs `npm ci` in `bench/peers` where its packages are not as its lock says.
 *
 * @throws {Error} When npm fails.
 */
export async function setUpPeers(): Promise<void> {
  const lock = async (path: string) => JSON.parse(await readFile(new URL(path, FOLDER), "utf8"));
  const installed = await lock("node_modules/.package-lock.json").catch(() => undefined);
  if (
    installed !== undefined &&
    difference(await lock("package-lock.json"), installed) === undefined
  ) return;
  console.error(
    "Installing the peers that bench/peers/package-lock.json pins, by npm ci.",
  );
  await new Promise<void>((resolve, reject) => {
    // None of them needs a script of its own to be installed.
    const npm = spawn("npm", [
      "ci",
      "--ignore-scripts",
      "--no-audit",
      "--no-fund",
      "--loglevel=error",
    ], {
      cwd: fileURLToPath(FOLDER),
      stdio: ["ignore", "inherit", "inherit"],
      shell: process.platform === "win32",
    });
    npm.on("error", reject);
    npm.on("exit", (code) => {
      if (code === 0) resolve();
      else {reject(
          new Error(
            `npm ci in bench/peers failed with code ${code}; what it said is above`,
          ),
        );}
    });
  });
}
