/**
 * The snippets of README and docs run: every block of TypeScript is executed on this runtime, and where a block of
 * text follows it, that is what it prints. A block that begins with `// name.ts` is a file: the files of a page are laid
 * into one folder, and a page's other blocks are read after them.
 */
import assert from "node:assert/strict";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
// Inside the tree, so that the snippets find the package as their readers' files do.
const scratch = join(root, "tests", `.docs-${process.pid}`);

interface Snippet {
  readonly line: number;
  readonly code: string;
  readonly file: string | undefined;
  readonly output: string | undefined;
}

function snippets(markdown: string): Snippet[] {
  const found: Snippet[] = [];
  const blocks = [...markdown.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)];
  for (const [index, block] of blocks.entries()) {
    const [, language, code] = block;
    if (language !== "ts") continue;
    const next = blocks[index + 1];
    const between = next === undefined
      ? undefined
      : markdown.slice(block.index + block[0].length, next.index);
    found.push({
      line: markdown.slice(0, block.index).split("\n").length,
      code: code!,
      file: /^\/\/ ([\w.]+\.ts)/.exec(code!)?.[1],
      output: next?.[1] === "text" && between!.trim() === "" ? next[2] : undefined,
    });
  }
  return found;
}

/** Runs a module and gives what it printed. */
async function run(path: string): Promise<string> {
  const lines: string[] = [];
  const { log } = console;
  console.log = (...values: unknown[]) => void lines.push(values.map(String).join(" "));
  try {
    await import(pathToFileURL(path).href);
  } finally {
    console.log = log;
  }
  return lines.map((line) => `${line}\n`).join("");
}

const pages = [
  "README.md",
  ...(await readdir(join(root, "docs"))).filter((name) => name.endsWith(".md")).map((name) => `docs/${name}`),
];

describe("the snippets of", () => {
  after(() => rm(scratch, { recursive: true, force: true }));
  for (const page of pages) {
    test(page, async () => {
      const folder = join(scratch, page.replaceAll(/[^a-z]/gi, "_"));
      await mkdir(folder, { recursive: true });
      const all = snippets(await readFile(join(root, page), "utf8"));
      for (const { file, code } of all) {
        if (file !== undefined) await writeFile(join(folder, file), code);
      }
      for (const { line, code, file, output } of all) {
        const path = join(folder, file ?? `line_${line}.ts`);
        if (file === undefined) await writeFile(path, code);
        // A file that would run for ever, were it the main module, is only loaded here; processes are for pairs_test.
        if (file !== undefined && file !== "main.ts") continue;
        const printed = await run(path).catch((error) => {
          throw new Error(`${page}:${line} fails: ${error instanceof Error ? error.stack : error}`);
        });
        if (output !== undefined) assert.equal(printed, output, `${page}:${line} prints`);
      }
    });
  }
});
