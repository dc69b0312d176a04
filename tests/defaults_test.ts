/** The table of docs/defaults.md says what the code says. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { connect, SILENT } from "../mod.ts";
import { ROOT } from "../tools/runtimes.ts";

const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  B: 1,
  KiB: 1_024,
  MiB: 1_048_576,
  ms: 1,
  s: 1_000,
  min: 60_000,
  h: 3_600_000,
};

const page = await readFile(join(ROOT, "docs", "defaults.md"), "utf8");
const rows = page.split("\n").filter((line) => line.startsWith("|")).map((line) =>
  line.split("|").slice(1, -1).map((cell) => cell.trim())
);

/** Rows of which the third cell names a constant: `[NAME](file)` or `[NAME.field](file)`. */
const constants = rows.flatMap(([what = "", value = "", where = ""]) => {
  const [, name, field, file] = /^\[([A-Z_]+)(?:\.(\w+))?\]\(\.\.\/([\w/.]+)\)$/.exec(where) ?? [];
  return name === undefined ? [] : [{ what, value, name, field, file: file! }];
});

/** A constant's value as its source has it. */
function inSource(source: string, name: string, field: string | undefined): number {
  const pattern = field === undefined
    ? `const ${name}(?::[^=]+)? = ([\\d_]+);`
    : `const ${name}(?::[^=]+)? = \\{[^}]*?\\b${field}: ([\\d_]+)[,\\s}]`;
  const found = new RegExp(pattern).exec(source);
  assert.ok(found, `${name}${field === undefined ? "" : `.${field}`} is a number there`);
  return Number(found[1]!.replaceAll("_", ""));
}

describe("docs/defaults.md", () => {
  test("names constants", () => assert.ok(constants.length > 55, `${constants.length} rows name one`));

  for (const { what, value, name, field, file } of constants) {
    test(`${what.replaceAll("*", "")}: ${value}`, async () => {
      const [, number = "", unit = ""] = /^([\d,]+)(?: (\w+))?$/.exec(value) ?? [];
      assert.ok(number !== "" && unit in UNITS, `"${value}" is a number with a unit`);
      const source = await readFile(join(ROOT, file), "utf8");
      assert.equal(Number(number.replaceAll(",", "")) * UNITS[unit]!, inSource(source, name, field));
    });
  }

  test("names all there is to choose from", async () => {
    for (const what of ["registry", "broker", "transport", "selector"]) {
      const [, chosen = "", others = ""] = rows.find(([first]) => first === what)!;
      const said = new Set([...`${chosen} ${others}`.matchAll(/`(\w+)`/g)].map(([, name]) => name!));
      await assert.rejects(connect({ [what]: "nonesuch", log: SILENT }), (error: TypeError) => {
        const [, list = ""] = /there is ([\w, ]+)/.exec(error.message) ?? [];
        assert.deepEqual([...said].toSorted(), list.split(", ").toSorted(), error.message);
        return true;
      });
    }
  });
});
