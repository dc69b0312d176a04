/**
 * The registry that docs/registries.md builds passes the suite as the page says: its test is run, as it stands there.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { after } from "node:test";
import { pathToFileURL } from "node:url";
import { ROOT } from "../tools/runtimes.ts";
import { snippetsOf } from "./support/snippets.ts";

// Inside the tree, so that it finds the package as a reader's file does.
const scratch = join(ROOT, "tests", `.scratch-docs-registry-${process.pid}`);
mkdirSync(scratch, { recursive: true });
after(() => rmSync(scratch, { recursive: true, force: true }));

for (const { file, code } of snippetsOf(readFileSync(join(ROOT, "docs/registries.md"), "utf8"))) {
  if (file !== undefined) writeFileSync(join(scratch, file), code);
}
await import(pathToFileURL(join(scratch, "shelf_test.ts")).href);
