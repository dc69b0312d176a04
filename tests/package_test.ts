/**
 * The package as somebody has it who installed it: packed, installed by npm from its tarball into an app of its own,
 * checked by tsc against its declarations without a runtime's types, and run on this runtime: in memory, as two
 * processes over WebSockets, and with `reflect-metadata`. On Node also as what tsc itself makes of the app, in both
 * dialects of decorators.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { access, copyFile, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { binaryOf, currentRuntime, ROOT } from "../tools/runtimes.ts";
import { spawnOn } from "./processes.ts";

const exec = promisify(execFile);
const runtime = currentRuntime();
const APP = join(ROOT, "tests", "fixtures", "app");
const COMPILER_OPTIONS = {
  target: "es2023",
  module: "nodenext",
  // What a browser's program has: an app that installed no runtime's types has no others.
  lib: ["es2023", "esnext.disposable", "esnext.decorators", "dom", "dom.asynciterable"],
  types: [],
  strict: true,
  skipLibCheck: false,
  rewriteRelativeImportExtensions: true,
};

let folder: string;
let app: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "muon-package-"));
  const home = join(folder, "package");
  await mkdir(home);
  for (const file of ["package.json", "README.md", "LICENSE", "CHANGELOG.md"]) {
    await copyFile(join(ROOT, file), join(home, file));
  }
  await cp(join(ROOT, "docs"), join(home, "docs"), { recursive: true });
  await using build = spawnOn("deno", "tools/build.ts", { args: [join(home, "dist")] });
  assert.equal(await build.exited, 0, build.stdout);
  await exec("npm", ["pack", "--ignore-scripts", "--pack-destination", folder], { cwd: home });
  const tarball = (await readdir(folder)).find((name) => name.endsWith(".tgz"))!;

  app = join(folder, "app");
  await cp(APP, app, { recursive: true });
  const { devDependencies } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8"));
  await writeFile(
    join(app, "package.json"),
    JSON.stringify({
      type: "module",
      dependencies: {
        "@muon/muon": `file:../${tarball}`,
        "reflect-metadata": devDependencies["reflect-metadata"],
        zod: devDependencies.zod,
      },
    }),
  );
  await writeFile(join(app, "deno.json"), `{ "nodeModulesDir": "manual", "lock": false }`);
  await configure("tsconfig.json", {});
  // --ignore-scripts: an optional package of cbor-x would be built from its C source, which muon never loads.
  const quick = ["--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  await exec("npm", ["install", ...quick], { cwd: app });
});
after(() => rm(folder, { recursive: true, force: true }));

/** Writes a configuration of tsc into the app. */
async function configure(
  name: string,
  options: Readonly<Record<string, unknown>>,
  files: readonly string[] = ["greeter.ts", "main.ts", "client.ts", "memory.ts", "edge.ts"],
): Promise<string> {
  const path = join(app, name);
  await writeFile(path, JSON.stringify({ compilerOptions: { ...COMPILER_OPTIONS, ...options }, files }));
  return path;
}

/** Compiles, and gives what tsc complained of. */
async function compile(config: string): Promise<string> {
  const tsc = join(ROOT, "node_modules", "typescript", "bin", "tsc");
  const { stdout } = await exec(binaryOf("node"), [tsc, "-p", config, "--pretty", "false"], { cwd: app })
    .catch((error) => error as { stdout: string });
  return stdout;
}

/** Runs the app's files of a folder, with these endings. */
async function run(where: string, ending: string): Promise<void> {
  const env = {
    MICRO_REGISTRY: "file",
    MICRO_REGISTRY_ADDRESS: await mkdtemp(join(folder, "registry-")),
    // Else tsx would go by the project's, which maps the package's name to its sources.
    TSX_TSCONFIG_PATH: join(app, "tsconfig.json"),
  };
  const at = { cwd: where, env };
  await using memory = spawnOn(runtime, join(where, `memory${ending}`), at);
  assert.deepEqual([await memory.exited, memory.stdout], [0, "Hello memory\n0,1,2\n"], memory.stderr);

  await using edge = spawnOn(runtime, join(where, `edge${ending}`), at);
  assert.deepEqual([await edge.exited, edge.stdout], [0, '{"greeting":"Hello edge"}\n'], edge.stderr);

  await using service = spawnOn(runtime, join(where, `main${ending}`), at);
  await service.ready(/muon: greeter 1\.0\.0/);
  await using client = spawnOn(runtime, join(where, `client${ending}`), at);
  const said = "Hello John\n1\n2\n3\naccepted by 1\nnot_found\n";
  assert.deepEqual([await client.exited, client.stdout], [0, said], client.stderr);
  assert.equal(await service.stop("SIGTERM"), 0, service.stderr);
}

describe("the installed package", () => {
  test("is the one from the tarball, with its three dependencies", async () => {
    const tree = JSON.parse(await readFile(join(app, "node_modules", ".package-lock.json"), "utf8")).packages;
    assert.match(tree["node_modules/@muon/muon"].resolved, /^file:.*\.tgz$/);
    assert.deepEqual(Object.keys(tree["node_modules/@muon/muon"].dependencies).sort(), [
      "cbor-x",
      "hono",
      "ws",
    ]);
  });

  test("has the pages that its README links to", async () => {
    const home = join(app, "node_modules", "@muon", "muon");
    const links = [...(await readFile(join(home, "README.md"), "utf8")).matchAll(/\]\((docs\/[^)#]+)/g)];
    assert.ok(links.length > 10);
    for (const [, page] of links) await access(join(home, page!));
  });

  test("is typed: no runtime's types are needed, and a wrong call is an error", async () => {
    assert.equal(await compile(await configure("tsconfig.check.json", { noEmit: true })), "");
  });

  test(`runs from the app's own TypeScript on ${runtime}`, () => run(app, ".ts"));
});

test("an app with reflect-metadata runs, in the legacy dialect", async () => {
  const where = join(app, "reflect");
  const compilerOptions = { experimentalDecorators: true, emitDecoratorMetadata: true };
  await writeFile(
    join(where, "deno.json"),
    JSON.stringify({ nodeModulesDir: "manual", lock: false, compilerOptions }),
  );
  const config = await configure("reflect/tsconfig.json", compilerOptions, ["main.ts"]);
  assert.equal(await compile(config), "");
  // tsx does not note types: on Node it is what tsc made that runs.
  const file = join(where, runtime === "node" ? "main.js" : "main.ts");
  await using program = spawnOn(runtime, file, { cwd: where });
  const said = "Hello John, by reflection\nObject\n";
  assert.deepEqual([await program.exited, program.stdout], [0, said], program.stderr);
});

// What tsc made is plain JavaScript, the same for every runtime; it is Node that cannot run the source itself.
if (runtime === "node") {
  describe("the app compiled by tsc", () => {
    const dialects: Readonly<Record<string, Readonly<Record<string, boolean>>>> = {
      standard: {},
      legacy: { experimentalDecorators: true },
    };
    for (const [dialect, options] of Object.entries(dialects)) {
      test(`in the ${dialect} dialect`, async () => {
        const out = join(app, dialect);
        assert.equal(
          await compile(await configure(`tsconfig.${dialect}.json`, { ...options, outDir: out })),
          "",
        );
        assert.match(
          await readFile(join(out, "greeter.js"), "utf8"),
          dialect === "legacy" ? /__decorate/ : /__esDecorate/,
        );
        await run(out, ".js");
      });
    }
  });
}
