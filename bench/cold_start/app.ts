/**
 * Makes the apps that are started: each a folder of its own with its packages, as npm would have installed them.
 *
 * @module
 */
import { build, stop, transform } from "esbuild";
import { execFile } from "node:child_process";
import { cp, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { binaryOf, ROOT, type Runtime } from "../../tools/runtimes.ts";
import { setUpPeers } from "../peers/setup.ts";

const exec = promisify(execFile);

/**
 * How an app is there: `package`: a file beside its `node_modules`; `bundle`: all in one file, minified; `binary`: that
 * and Bun in one, with bytecode.
 */
export type Form = "package" | "bundle" | "binary";

/** What each app takes from where. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  muon: ["node_modules/hono", "node_modules/cbor-x", "node_modules/ws", "node_modules/zod"],
  hono: [
    "bench/peers/node_modules/hono",
    "bench/peers/node_modules/@hono/node-server",
    "node_modules/zod",
  ],
};

/**
 * Makes an app, muon as `tools/build.ts` makes it for npm.
 *
 * @param name A file of `apps/`, without its ending.
 * @param options `form`; `directory`: where, an empty folder; `runtime`: what it is for.
 * @returns The file to start. It is JavaScript, or compiled already, so that no runtime compiles TypeScript.
 */
export async function makeApp(
  name: string,
  { form, directory, runtime }: {
    readonly form: Form;
    readonly directory: string;
    readonly runtime: Runtime;
  },
): Promise<string> {
  const kind = name.split("_")[0]!;
  const modules = join(directory, "node_modules");
  if (kind === "hono") await setUpPeers();
  for (const from of PACKAGES[kind]!) {
    const to = join(modules, from.slice(from.lastIndexOf("node_modules/") + "node_modules/".length));
    await mkdir(dirname(to), { recursive: true });
    await symlink(join(ROOT, from), to);
  }
  if (kind === "muon") {
    const home = join(modules, "@muon", "muon");
    const script = [
      "run",
      "-A",
      "--no-check",
      "--quiet",
      join(ROOT, "tools", "build.ts"),
      join(home, "dist"),
    ];
    await exec(binaryOf("deno"), script);
    await cp(join(ROOT, "package.json"), join(home, "package.json"));
  }
  await writeFile(join(directory, "package.json"), `{ "type": "module" }`);

  const source = join(ROOT, "bench", "cold_start", "apps", `${name}.ts`);
  const file = join(directory, "main.js");
  const text = await readFile(source, "utf8");
  try {
    if (form === "package") {
      const { code } = await transform(text, { loader: "ts", format: "esm", target: "node22" });
      await writeFile(file, code);
    } else {
      const entry = join(directory, `${name}.ts`);
      await writeFile(entry, text);
      await bundle(entry, { file, form, runtime, whole: kind === "muon" });
    }
  } finally {
    await stop();
  }
  return file;
}

/** Puts an app into one file as docs/single_file.md says: Deno's as Node's, Bun's by Bun itself. */
async function bundle(
  entry: string,
  { file, form, runtime, whole }: {
    readonly file: string;
    readonly form: Form;
    readonly runtime: Runtime;
    readonly whole: boolean;
  },
): Promise<void> {
  // Elsewhere Hono serves by itself: its adapter for Node would only make the start slower.
  const external = whole || runtime === "node" ? [] : ["@hono/node-server"];
  if (runtime === "bun") {
    const outside = external.map((one) => `--external=${one}`);
    const compiled = form === "binary" ? ["--compile", "--bytecode", "--format=esm"] : [];
    const script = ["build", "--target=bun", "--minify", ...compiled, ...outside, entry, "--outfile", file];
    await exec(binaryOf("bun"), script);
    return;
  }
  const require =
    `import { createRequire } from "node:module"; const require = createRequire(import.meta.url);`;
  await build({
    entryPoints: [entry],
    outfile: file,
    bundle: true,
    minify: true,
    platform: "node",
    format: "esm",
    target: "node22",
    external,
    // `ws` is CommonJS, and asks for Node's modules by `require`.
    banner: whole ? { js: require } : {},
    logLevel: "silent",
  });
}
