import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { disagreements } from "./check_exports.ts";

const NPM = {
  name: "@a/b",
  version: "1.0.0",
  license: "Apache-2.0",
  exports: {
    ".": { types: "./dist/mod.d.ts", default: "./dist/mod.js" },
    "./package.json": "./package.json",
  },
  devDependencies: { deno: "2.9.5" },
};
const JSR = { name: "@a/b", version: "1.0.0", license: "Apache-2.0", exports: { ".": "./mod.ts" } };

async function found(files: Record<string, unknown>): Promise<string[]> {
  const root = await mkdtemp(join(tmpdir(), "muon-exports-"));
  try {
    const all = { "package.json": NPM, "deno.json": JSR, "package-lock.json": {}, "mod.ts": "", ...files };
    for (const [path, content] of Object.entries(all)) {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), typeof content === "string" ? content : JSON.stringify(content));
    }
    return await disagreements(root);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

test("what agrees is let be, comments and all", async () => {
  assert.deepEqual(await found({}), []);
  assert.deepEqual(await found({ "deno.json": `{\n  // why\n${JSON.stringify(JSR).slice(1)}` }), []);
});

test("each disagreement is named", async () => {
  const one = async (files: Record<string, unknown>, what: RegExp) => {
    const all = await found(files);
    assert.equal(all.length, 1, all.join("\n"));
    assert.match(all[0]!, what);
  };
  const exports = (more: object) => ({ ...JSR, exports: { ...JSR.exports, ...more } });
  await one({ "deno.json": { ...JSR, version: "1.0.1" } }, /^version: package\.json says "1\.0\.0"/);
  await one({ "deno.json": { ...JSR, license: "MIT" } }, /^license/);
  await one({ "deno.json": exports({ "./x": "./x.ts" }) }, /"\.\/x" from \.\/x\.ts, which does not exist/);
  await one(
    { "deno.json": exports({ "./x": "./x.ts" }), "x.ts": "" },
    /exports "\.\/x", package\.json does not/,
  );
  await one(
    { "package.json": { ...NPM, exports: { ...NPM.exports, "./y": "./y.js" } } },
    /"\.\/y", deno\.json does not/,
  );
  await one({ "package.json": { ...NPM, exports: { ".": "./dist/mod.js" } } }, /package\.json exports "\."/);
  await one({ "edge.ts": "" }, /edge\.ts is not exported/);
  await one(
    { "package.json": { ...NPM, dependencies: { hono: "^4.0.0" } } },
    /hono "\^4\.0\.0": pin one version/,
  );
  await one(
    { "README.md": "npx -y deno@2.9.6 task test" },
    /README\.md names deno@2\.9\.6, package\.json pins 2\.9\.5/,
  );
  await one({ ".ci/run": "npx deno@2.8.0" }, /\.ci\/run names deno@2\.8\.0/);
  await one({ "package-lock.json": { packages: { x: { resolved: "x" } } } }, /names the registry/);
});
