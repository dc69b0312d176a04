/**
 * The greeter in one file, made by each runtime's own tool, whole and minified: it serves a client that runs from
 * source, and its own client, in one file too, calls a service that runs from source. Each runtime's suite makes its
 * own kind.
 */
import { build, stop } from "esbuild";
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { binaryOf, currentRuntime, ROOT, type Runtime } from "../tools/runtimes.ts";
import { spawnOn, spawnProgram } from "./processes.ts";

const exec = promisify(execFile);
const runtime = currentRuntime();
const GREETER = join(ROOT, "examples", "greeter");
const SAID = "Hello John\n1\n2\n3\npublished, accepted by 1\n";

/** A program in one file: what is started, and with what. */
interface SingleFile {
  readonly file: string;
  readonly args: readonly string[];
}
type Make = (
  script: string,
  options: { readonly minify: boolean; readonly out: string },
) => Promise<SingleFile>;

async function binaryOfBun(script: string, { minify, out }: Parameters<Make>[1]): Promise<SingleFile> {
  // What docs/single_file.md says; --bytecode starts sooner, and needs --format=esm for the top-level await.
  const smaller = minify ? ["--minify", "--bytecode", "--format=esm"] : [];
  await exec(binaryOf("bun"), ["build", "--compile", ...smaller, script, "--outfile", out], { cwd: ROOT });
  return { file: out, args: [] };
}

async function bundleOfBun(script: string, { minify, out }: Parameters<Make>[1]): Promise<SingleFile> {
  const file = `${out}.mjs`;
  const smaller = minify ? ["--minify"] : [];
  await exec(binaryOf("bun"), ["build", "--target=node", ...smaller, script, "--outfile", file], {
    cwd: ROOT,
  });
  return { file: binaryOf("node"), args: [file] };
}

async function bundleOfDeno(script: string, { minify, out }: Parameters<Make>[1]): Promise<SingleFile> {
  const file = `${out}.js`;
  const smaller = minify ? ["--minify"] : [];
  await exec(binaryOf("deno"), ["bundle", "--quiet", ...smaller, "-o", file, script], { cwd: ROOT });
  return { file: binaryOf("deno"), args: ["run", "-A", "--quiet", file] };
}

async function bundleForNode(script: string, { minify, out }: Parameters<Make>[1]): Promise<SingleFile> {
  const file = `${out}.mjs`;
  await build({
    entryPoints: [script],
    outfile: file,
    bundle: true,
    minify,
    platform: "node",
    format: "esm",
    // Node has no decorators: without a target esbuild leaves them as they are.
    target: "node22",
    // `ws` is CommonJS and asks for Node's modules by `require`, which an ES module has not.
    banner: {
      js: `import { createRequire } from "node:module"; const require = createRequire(import.meta.url);`,
    },
    logLevel: "silent",
  });
  return { file: binaryOf("node"), args: [file] };
}

const KINDS: Readonly<Record<Runtime, Readonly<Record<string, Make>>>> = {
  bun: { "a binary by `bun build --compile`": binaryOfBun, "a bundle for Node by `bun build`": bundleOfBun },
  deno: { "a bundle by `deno bundle`": bundleOfDeno },
  node: { "a bundle for Node by esbuild": bundleForNode },
};

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "muon-single-"));
});
after(async () => {
  await stop();
  await rm(folder, { recursive: true, force: true });
});

for (const [kind, make] of Object.entries(KINDS[runtime])) {
  describe(kind, () => {
    for (const minify of [false, true]) {
      const how = minify ? "minified" : "whole";

      test(`serves, ${how}`, async () => {
        const out = join(await mkdtemp(join(folder, "out-")), "greeter");
        const { file, args } = await make(join(GREETER, "main.ts"), { minify, out });
        // Away from the checkout: nothing may be looked up in its node_modules.
        const where = { cwd: folder, env: await registry() };
        await using service = spawnProgram(file, { ...where, args });
        await service.ready(/muon: greeter 1\.0\.0/);
        await using client = spawnOn(runtime, join(GREETER, "client.ts"), where);
        assert.deepEqual([await client.exited, client.stdout], [0, SAID], client.stderr);
        assert.equal(await service.stop("SIGTERM"), 0, service.stderr);
        // Its record is gone with it.
        assert.deepEqual(await readdir(where.env.MICRO_REGISTRY_ADDRESS), []);
      });

      test(`calls, ${how}`, async () => {
        const out = join(await mkdtemp(join(folder, "out-")), "client");
        const { file, args } = await make(join(GREETER, "client.ts"), { minify, out });
        const where = { cwd: folder, env: await registry() };
        await using service = spawnOn(runtime, join(GREETER, "main.ts"), where);
        await service.ready(/muon: greeter 1\.0\.0/);
        await using client = spawnProgram(file, { ...where, args });
        assert.deepEqual([await client.exited, client.stdout], [0, SAID], client.stderr);
        assert.equal(await service.stop("SIGTERM"), 0, service.stderr);
      });
    }
  });
}

/** A registry of a test's own. */
async function registry() {
  return { MICRO_REGISTRY: "file", MICRO_REGISTRY_ADDRESS: await mkdtemp(join(folder, "registry-")) };
}
