/**
 * Runs the compiler over the type tests beside this file, in both decorator dialects. A `@ts-expect-error` that
 * expects nothing is a diagnostic too, so none at all means that every misuse is refused and every use let through.
 */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const tsc = fileURLToPath(new URL("../../node_modules/typescript/bin/tsc", import.meta.url));

/** What tsc says about a project. `node` by name: the test itself may run on Deno or Bun. */
function diagnostics(project: string): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile("node", [tsc, "-p", project, "--pretty", "false"], (error, stdout, stderr) => {
      if (error !== null && typeof error.code !== "number") reject(error);
      else resolve(stdout + stderr);
    });
  });
}

describe("types", () => {
  for (const dialect of ["standard", "legacy"]) {
    test(`use and misuse of decorators and clients, ${dialect} dialect`, async () => {
      assert.equal(await diagnostics(join(here, `tsconfig.${dialect}.json`)), "");
    });

    test(`a misuse is explained, ${dialect} dialect`, async () => {
      const folder = await mkdtemp(join(tmpdir(), "muon-types-"));
      try {
        const root = fileURLToPath(new URL("../..", import.meta.url));
        await writeFile(join(folder, "misuse.ts"), misuse(root));
        await writeFile(
          join(folder, "tsconfig.json"),
          JSON.stringify({ extends: join(here, `tsconfig.${dialect}.json`), include: ["misuse.ts"] }),
        );
        const text = await diagnostics(join(folder, "tsconfig.json"));
        const lines = new Set(text.match(/misuse\.ts\(\d+/g)?.map((at) => Number(at.slice(10))));
        assert.deepEqual([...lines], [5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27], text);
        for (
          const words of [
            "Property 'nam' is missing in type '{ name: string; }' but required in type '{ nam: string; }'",
            "Property 'name' is missing in type '{ nam: string; }' but required in type '{ name: string; }'",
            "the method takes an input, but has no input schema",
            "the method gives an output, but has no output schema",
            "returns 'more', which the output schema drops",
            "returns 'neither', which the output schema drops",
            "the method returns `any`",
            "the parameter is optional, and the input schema is not",
            "a promise of a stream",
            "the input schema changes the type",
          ]
        ) assert.ok(text.includes(words), `${words}\nis not in\n${text}`);
        const told = text.split(/^(?=\S*misuse\.ts\()/m);
        for (
          const [line, words] of [[17, "`any`"], [19, "`any`"], [21, "but has no input schema"]] as const
        ) {
          assert.ok(told.some((one) => one.includes(`misuse.ts(${line},`) && one.includes(words)), text);
        }
      } finally {
        await rm(folder, { recursive: true });
      }
    });
  }
});

function misuse(root: string): string {
  return `import { z } from ${JSON.stringify(join(root, "node_modules/zod/index.js"))};
import { Method } from ${JSON.stringify(join(root, "decorators/method.ts"))};
const Name = z.object({ name: z.string() });
class Misuse {
  @Method({ input: Name })
  parameter(_: { nam: string }) {}
  @Method({ output: Name })
  output() { return { nam: "" }; }
  @Method()
  noInput(_: { name: string }) {}
  @Method()
  noOutput() { return { name: "" }; }
  @Method({ output: Name })
  more() { return { name: "", more: 1 }; }
  @Method({ output: z.union([Name, z.object({ id: z.string() })]) })
  neither() { return { id: "", neither: 1 }; }
  @Method({ output: Name })
  any() { return JSON.parse(""); }
  @Method({ output: Name })
  async promisedAny() { return JSON.parse(""); }
  @Method()
  unknown(_: unknown) {}
  @Method({ input: z.string() })
  optional(_ = "x") {}
  @Method({ output: Name })
  async stream(): Promise<AsyncIterable<{ name: string }>> { throw 1; }
  @Method({ input: z.string() })
  changed(_: string | number) {}
}
export { Misuse };
`;
}
