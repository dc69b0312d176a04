/**
 * Links in the project's pages lead somewhere: a relative one to a file, its anchor to a heading. What a page names by
 * its path is there, and every page of docs/ is reached from README.
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { describe, test } from "node:test";
import { ROOT } from "../tools/runtimes.ts";

const names = [
  ...(await readdir(ROOT)).filter((name) => name.endsWith(".md")),
  ...(await readdir(join(ROOT, "docs"))).filter((name) => name.endsWith(".md")).map((name) => `docs/${name}`),
];
const pages: ReadonlyMap<string, string> = new Map(
  await Promise.all(names.map(async (name) => {
    const text = await readFile(join(ROOT, name), "utf8");
    return [name, text.replaceAll(/^```[\s\S]*?^```$/gm, "")] as const;
  })),
);

interface Target {
  /** From the project's root. */
  readonly path: string;
  readonly anchor: string | undefined;
}

/** Where the relative links of a page lead. */
function targets(page: string, text: string): Target[] {
  const links = text.replaceAll(/`[^`]*`/g, "").matchAll(/\]\(([^)\s]+)\)/g);
  return [...links].map(([, link = ""]) => link).filter((link) => !/^\w+:/.test(link)).map((link) => {
    const [file = "", anchor] = link.split("#");
    return { path: file === "" ? page : relative(ROOT, join(ROOT, page, "..", decodeURI(file))), anchor };
  });
}

/** The anchors of a page's headings, as GitHub makes them. */
function anchors(text: string): Set<string> {
  return new Set(
    [...text.matchAll(/^#+ +(.*)$/gm)].map(([, heading = ""]) =>
      heading.trim().toLowerCase().replaceAll(/[^\p{L}\p{N}\s_-]/gu, "").replaceAll(/\s/g, "-")
    ),
  );
}

describe("the pages", () => {
  test("are found", () => assert.ok(pages.has("README.md") && pages.has("docs/concepts.md")));

  for (const [page, text] of pages) {
    test(`${page}: its links lead to files and headings`, () => {
      const dead = targets(page, text).filter(({ path, anchor }) => {
        if (!existsSync(join(ROOT, path))) return true;
        const headings = pages.get(path);
        return anchor !== undefined && headings !== undefined && !anchors(headings).has(anchor);
      });
      assert.deepEqual(dead, []);
    });

    test(`${page}: the files it names are there`, () => {
      const named = [...text.matchAll(/`((?:runtime|adapters|tests|tools|examples|bench)\/[\w./-]+)`/g)];
      assert.deepEqual(
        named.map(([, path = ""]) => path).filter((path) => !existsSync(join(ROOT, path))),
        [],
      );
    });
  }

  test("of docs/ are reached from README", () => {
    const reached = new Set(targets("README.md", pages.get("README.md")!).map(({ path }) => path));
    const docs = [...pages.keys()].filter((page) => page.startsWith("docs/"));
    assert.deepEqual(docs.filter((page) => !reached.has(page)), []);
  });
});
