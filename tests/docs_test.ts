/**
 * The snippets of README and docs run: every block of TypeScript is executed on this runtime, and where a block of
 * text follows it, that is what it prints. A block that begins with `// name.ts` is a file, and a page's files lie in
 * one folder: `main.ts` is loaded, `name_test.ts` is run as a file of tests, the others are there to be imported
 * (README's run as processes in examples_test.ts). What the snippets are to the compiler is checked once, on Deno.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { after, before, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { binaryOf, currentRuntime, ROOT } from "../tools/runtimes.ts";
import { type Snippet, snippetsOf } from "./support/snippets.ts";

// Inside the tree, so that the snippets find the package as their readers' files do.
const scratch = join(ROOT, "tests", `.scratch-docs-${process.pid}`);

interface Page {
  readonly name: string;
  readonly snippets: readonly { readonly snippet: Snippet; readonly path: string }[];
}

const names = [
  "README.md",
  "CONTRIBUTING.md",
  ...(await readdir(join(ROOT, "docs"))).filter((name) => name.endsWith(".md")).map((name) => `docs/${name}`),
];
const pages: readonly Page[] = await Promise.all(names.map(async (name) => {
  const text = await readFile(join(ROOT, name), "utf8");
  const folder = join(scratch, name.replaceAll(/\W/g, "_"));
  const snippets = snippetsOf(text).map((snippet) => ({
    snippet,
    path: join(folder, snippet.file ?? `line_${snippet.line}.ts`),
  }));
  return { name, snippets };
}));

/** Runs a module and gives what it printed. */
async function run(path: string): Promise<string> {
  let printed = "";
  const { log } = console;
  console.log = (...values: unknown[]) => {
    const shown = values.find((value) => typeof value === "object" && value !== null);
    if (shown !== undefined) {
      throw new TypeError("A snippet prints texts and numbers: each runtime shows an object in its own way");
    }
    printed += `${values.map(String).join(" ")}\n`;
  };
  try {
    await import(pathToFileURL(path).href);
  } finally {
    console.log = log;
  }
  return printed;
}

describe("the pages", () => {
  const { TMPDIR } = process.env;
  let directory: string;

  before(async () => {
    // What a snippet leaves to the defaults must not meet what runs on this machine.
    directory = await mkdtemp(join(tmpdir(), "muon-docs-"));
    process.env.MICRO_REGISTRY_ADDRESS = directory;
    // Nor must what it makes stay behind.
    process.env.TMPDIR = directory;
    for (const { snippet, path } of pages.flatMap(({ snippets }) => snippets)) {
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, snippet.code);
    }
  });
  after(async () => {
    if (TMPDIR === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = TMPDIR;
    await rm(scratch, { recursive: true, force: true });
    await rm(directory, { recursive: true, force: true });
  });

  for (const { name, snippets } of pages) {
    if (snippets.length === 0) continue;
    test(`${name}: the snippets run`, async () => {
      const paths = snippets.map(({ path }) => path);
      assert.equal(new Set(paths).size, paths.length, "no two blocks have one name");
      for (const { snippet: { line, file, output }, path } of snippets) {
        if (file !== undefined && file !== "main.ts") continue;
        const printed = await run(path).catch((error) => {
          throw new Error(`${name}:${line} fails: ${error instanceof Error ? error.stack : error}`);
        });
        if (output !== undefined) assert.equal(printed, output, `${name}:${line} prints`);
      }
    });
  }

  test("the files of tests on the pages pass", async () => {
    const runner = [join(ROOT, "tools", "test.ts"), "--ci", "--root", scratch, "--runtime", currentRuntime()];
    await promisify(execFile)(binaryOf("deno"), ["run", "-A", "--no-check", "--quiet", ...runner], {
      env: { ...process.env, NO_COLOR: "1" },
    }).catch(({ stdout, stderr }) => assert.fail(`${stdout}${stderr}`));
  });

  if (currentRuntime() === "deno") {
    test("the snippets' types hold", async () => {
      const paths = pages.flatMap(({ snippets }) => snippets.map(({ path }) => path));
      assert.ok(paths.length > 0);
      await promisify(execFile)(binaryOf("deno"), ["check", "--quiet", ...paths], {
        cwd: ROOT,
        env: { ...process.env, NO_COLOR: "1" },
      }).catch(({ stderr }) => assert.fail(stderr));
    });
  }
});
