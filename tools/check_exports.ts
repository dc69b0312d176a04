/**
 * Checks that what is said of the package in several places is the same: by `package.json`, to npm; by `deno.json`, to
 * Deno and JSR; by the commands that pin a Deno.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { ROOT } from "./runtimes.ts";

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  readonly exports: Readonly<Record<string, string | { readonly types: string; readonly default: string }>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

/** Where a Deno is pinned, beside package.json. */
const PINNING = ["deno.json", "README.md", "CONTRIBUTING.md", ".ci/run"];

/**
 * Looks for disagreements.
 *
 * @param root The project's root.
 * @returns Each in words for people; none: all is well.
 */
export async function disagreements(root: string): Promise<string[]> {
  const npm = JSON.parse(await read(root, "package.json")) as Manifest;
  const jsr = JSON.parse(withoutComments(await read(root, "deno.json"))) as Manifest;
  return [
    ...sameIdentity(npm, jsr),
    ...sameExports(root, npm, jsr),
    ...exactVersions(npm),
    ...await samePin(root, npm),
    ...await lockWithoutHosts(root),
  ];
}

function sameIdentity(npm: Manifest, jsr: Manifest): string[] {
  return (["name", "version", "license"] as const)
    .filter((field) => npm[field] !== jsr[field])
    .map((field) => `${field}: package.json says "${npm[field]}", deno.json "${jsr[field]}"`);
}

function sameExports(root: string, npm: Manifest, jsr: Manifest): string[] {
  const found: string[] = [];
  for (const [name, source] of Object.entries(jsr.exports)) {
    if (typeof source !== "string" || !existsSync(join(root, source))) {
      found.push(`deno.json exports "${name}" from ${source}, which does not exist`);
      continue;
    }
    const target = npm.exports[name];
    const built = source.replace(/^\.\//, "./dist/").replace(/\.ts$/, "");
    if (target === undefined) {
      found.push(`deno.json exports "${name}", package.json does not`);
    } else if (
      typeof target === "string" || target.default !== `${built}.js` || target.types !== `${built}.d.ts`
    ) {
      found.push(`package.json exports "${name}" from ${JSON.stringify(target)}, deno.json from ${source}`);
    }
  }
  for (const name of Object.keys(npm.exports)) {
    if (name !== "./package.json" && !(name in jsr.exports)) {
      found.push(`package.json exports "${name}", deno.json does not`);
    }
  }
  if (existsSync(join(root, "edge.ts")) && !("./edge" in jsr.exports)) {
    found.push(`edge.ts is not exported as "./edge"`);
  }
  return found;
}

function exactVersions({ dependencies, devDependencies }: Manifest): string[] {
  return Object.entries({ ...dependencies, ...devDependencies })
    .filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))
    .map(([name, version]) => `package.json wants ${name} "${version}": pin one version`);
}

async function samePin(root: string, npm: Manifest): Promise<string[]> {
  const pin = npm.devDependencies?.deno;
  const found: string[] = [];
  for (const file of PINNING.filter((one) => existsSync(join(root, one)))) {
    for (const [, version] of (await read(root, file)).matchAll(/\bdeno@(\d+\.\d+\.\d+)/g)) {
      if (version !== pin) found.push(`${file} names deno@${version}, package.json pins ${pin}`);
    }
  }
  return [...new Set(found)];
}

async function lockWithoutHosts(root: string): Promise<string[]> {
  if (!/"resolved":|https?:\/\/[^"]*\.tgz/.test(await read(root, "package-lock.json"))) return [];
  return [
    "package-lock.json names the registry it was made with: make it with the .npmrc of the project " +
    "(omit-lockfile-registry-resolved=true)",
  ];
}

function read(root: string, file: string): Promise<string> {
  return readFile(join(root, file), "utf8");
}

/** JSON of a text in which whole lines may be comments. */
function withoutComments(text: string): string {
  return text.replaceAll(/^\s*\/\/.*$/gm, "");
}

if (import.meta.main) {
  const found = await disagreements(ROOT);
  for (const one of found) console.log(one);
  process.exit(found.length === 0 ? 0 : 1);
}
