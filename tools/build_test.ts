/** The built package, as somebody who installed it has it: its content, its types, and that it runs. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { spawnOn } from "../tests/processes.ts";
import { binaryOf, currentRuntime, ROOT } from "./runtimes.ts";

const CONSUMER = `
import { connect, createService, Method, Service } from "@muon/muon";
import * as conformance from "@muon/muon/conformance/registry";
import { z } from "zod";

@Service("greeter")
class Greeter {
  @Method({ input: z.object({ name: z.string() }), output: z.object({ greeting: z.string() }) })
  hello({ name }: { name: string }) {
    return { greeting: "Hello " + name };
  }
}

const memory = { registry: "memory", broker: "memory", transport: "memory" } as const;
const service = createService(memory).handle(Greeter);
await service.start();
const mesh = await connect(memory);
const reply = await mesh.client<Greeter>("greeter").hello({ name: "John" });
console.log(reply.greeting);
// @ts-expect-error A wrong input is an error of types in the built package too.
void (() => mesh.client<Greeter>("greeter").hello({ nam: "John" }));
await mesh[Symbol.asyncDispose]();
await service.stop();
console.log(Object.values(conformance).every((suite) => typeof suite === "function"));
`;

const exec = promisify(execFile);

describe("the built package", () => {
  let folder: string;
  let home: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "muon-build-"));
    home = join(folder, "node_modules", "@muon", "muon");
    await mkdir(home, { recursive: true });
    await using build = spawnOn("deno", "tools/build.ts", { args: [join(home, "dist")] });
    assert.equal(await build.exited, 0, build.stdout);
    for (const file of ["package.json", "README.md", "LICENSE", "CHANGELOG.md"]) {
      await copyFile(join(ROOT, file), join(home, file));
    }
    for (const name of ["hono", "cbor-x", "ws", "zod", "typescript"]) {
      await symlink(join(ROOT, "node_modules", name), join(folder, "node_modules", name), "junction");
    }
    await writeFile(join(folder, "package.json"), `{ "type": "module" }`);
    await writeFile(join(folder, "consumer.ts"), CONSUMER);
    const compilerOptions = {
      target: "es2023",
      module: "nodenext",
      lib: ["es2023", "esnext.disposable", "esnext.decorators", "dom", "dom.asynciterable"],
      types: [],
      strict: true,
      skipLibCheck: false,
    };
    await writeFile(
      join(folder, "tsconfig.json"),
      JSON.stringify({ compilerOptions, files: ["consumer.ts"] }),
    );
  });
  after(() => rm(folder, { recursive: true, force: true }));

  test("holds what is published and nothing else", async () => {
    const { stdout } = await exec("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], { cwd: home });
    const [{ files }] = JSON.parse(stdout) as [{ files: { path: string }[] }];
    const paths = files.map(({ path }) => path);
    for (
      const path of ["package.json", "README.md", "LICENSE", "CHANGELOG.md", "dist/mod.js", "dist/mod.d.ts"]
    ) {
      assert.ok(paths.includes(path), `${path} is published`);
    }
    const strange = paths.filter((path) => /_test\.|(?<!\.d)\.ts$|tsconfig|node_modules/.test(path));
    assert.deepEqual(strange, []);
    // Each costs a start: the entries, what they share, and what is loaded late.
    const scripts = paths.filter((path) => path.endsWith(".js"));
    assert.ok(scripts.length < 60, `${scripts.length} files of JavaScript`);
  });

  test("is typed and runs on this runtime", async () => {
    const compiled = await exec(binaryOf("node"), [
      join(ROOT, "node_modules", "typescript", "bin", "tsc"),
      ...["-p", folder, "--pretty", "false"],
    ]).catch((error) => error as { stdout: string });
    assert.equal(compiled.stdout, "");
    await using consumer = spawnOn(currentRuntime(), join(folder, "consumer.js"), { cwd: folder });
    const code = await consumer.exited;
    assert.deepEqual([consumer.stdout, code], ["Hello John\ntrue\n", 0], consumer.stderr);
  });
});
