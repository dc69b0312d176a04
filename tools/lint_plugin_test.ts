import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { before, describe, test } from "node:test";
import process from "node:process";
import { promisify } from "node:util";
import { binaryOf, ROOT } from "./runtimes.ts";

// A small project in the shape of this one. A line that ends in `//! rule` is one that the rule must complain about;
// every other line must pass.
const PROJECT: Record<string, string> = {
  "runtime/uses.ts": `
const t = setTimeout; //! globals
t(() => {}, 1);
setInterval(() => {}, 1); //! globals
globalThis.setTimeout(() => {}, 1); //! globals
globalThis["setTimeout"](() => {}, 1); //! globals
(globalThis as unknown as { process: unknown }).process; //! globals
const { crypto: keys } = globalThis; //! globals
const everything = globalThis; //! globals
"Deno" in globalThis; //! globals
typeof Deno === "undefined"; //! globals
new Date(); //! globals
Date.now(); //! globals
const held = { Date, now: performance.now() }; //! globals
const shorthand = {
  queueMicrotask, //! globals
};
Math.random(); //! globals
Math["random"](); //! globals
const { random } = Math; //! globals
const m = Math; //! globals
globalThis.Math.random(); //! globals
AbortSignal.timeout(5); //! globals
crypto.getRandomValues(new Uint8Array(1)); //! globals
Buffer.from("x"); //! globals
class Late extends Date {} //! globals
declare const setImmediate: () => void; //! globals
setImmediate(); //! globals
const shown = \`\${process}\`; //! globals
(process as unknown as string).length; //! globals
const byDefault = (now = Date.now) => now; //! globals
console.log(held, shorthand, everything, keys, random, m, shown, Late, byDefault);
`,
  "runtime/passes.ts": `
import type { Foo } from "./other.ts";
type Clock = { Date: Date; process: string; setTimeout(ms: number): void };
interface Machine { readonly performance: typeof performance; crypto(process: string): Buffer }
const when = (value: unknown): value is Date => value instanceof Date;
const foo = { process: 1, Date: 2, performance: { now: () => 1 } };
foo.process + foo.Date + foo.performance.now();
function run(process: number, { crypto, ...rest }: { crypto: number }, [Date]: number[]) {
  return process + crypto + Date + Object.keys(rest).length;
}
class Wheel {
  setTimeout() { return this; }
  performance = 1;
  #crypto = 2;
  get Date() { return this.#crypto; }
}
{
  const setTimeout = (ms: number) => ms;
  setTimeout(5);
}
for (const process of [1]) process.toFixed();
try { foo; } catch (crypto) { console.log(crypto); }
const { process: renamed } = foo;
const { Date: kept = 1 } = foo;
Math.max(1, Math.floor(2));
globalThis.structuredClone({});
const signal = AbortSignal.any([]);
signal instanceof AbortSignal;
new AbortController();
label: for (;;) break label;
console.log(when, run, Wheel, renamed, kept, null as unknown as Clock, null as unknown as Machine, null as unknown as Foo);
`,
  "runtime/shadowed.ts": `
const process = 1;
export const double: () => number = () => process * 2; //! documented
function other() {
  const performance = 1;
  return performance;
}
performance.now(); //! globals
other();
`,
  "runtime/uses_test.ts": `
import { readFile } from "node:fs/promises";
setTimeout(() => readFile, 1);
`,
  "adapters/node/files.ts": `
import { readFile } from "node:fs/promises";
import { WebSocket } from "ws";
import type { Foo } from "../../runtime/other.ts";
import { bun } from "../bun/files.ts";
import { registry } from "../../runtime/registry/registry.ts"; //! floors
setTimeout(() => console.log(readFile, WebSocket, bun, registry, process, null as unknown as Foo), 1);
`,
  "preset.ts": `
import { files } from "./adapters/node/files.ts";
const host = globalThis as { Deno?: unknown; Bun?: unknown };
const deno = "Deno" in globalThis || globalThis.Bun !== undefined || typeof Deno === "object";
globalThis.setTimeout(() => {}, 1); //! globals
Date.now(); //! globals
process.exit(); //! globals
console.log(files, host, deno);
`,
  "mod.ts": `
export * from "./preset.ts";
export { files } from "./adapters/node/files.ts"; //! floors
export { x } from "./os/auth/auth.ts"; //! floors
Date.now(); //! globals
`,
  "edge.ts": `
export * from "./decorators/service.ts";
export * from "./mod.ts"; //! floors
export { createSystem } from "./adapters/workers/mod.ts";
export { files } from "./adapters/node/files.ts"; //! floors
Date.now(); //! globals
crypto.randomUUID(); //! globals
`,
  "os/auth/auth.ts": `
import { run } from "../../mod.ts";
setTimeout(run, 1); //! globals
`,
  "toolkit/cli.ts": `
import { run } from "../mod.ts";
import { auth } from "../os/auth/auth.ts";
import { files } from "../adapters/node/files.ts"; //! floors
setTimeout(run, 1, auth, files);
`,
  "decorators/service.ts": `
import type { Server } from "../runtime/server/server.ts";
import { run } from "../mod.ts"; //! floors
run(null as unknown as Server);
`,
  "runtime/server/server.ts": `
import { codec } from "../codec/json.ts";
import { client } from "../client/client.ts";
import { Service } from "../../decorators/service.ts"; //! floors
import { helper } from "../../tests/helper.ts"; //! floors
import { made } from "../../somewhere/else.ts"; //! floors
console.log(codec, client, Service, helper, made);
`,
  "runtime/registry/file/file.ts": `
import { registry } from "../registry.ts";
import { other } from "../memory.ts";
import { errors } from "../../errors.ts";
import { codec } from "../../codec/codec.ts";
import { json } from "../../codec/json.ts"; //! floors
export { server } from "../../server/server.ts"; //! floors
const lazy = () => import("../../client/client.ts"); //! floors
type Service = import("../../service/service.ts").Service; //! floors
console.log(registry, other, errors, codec, json, lazy, null as unknown as Service);
`,
  "runtime/errors.ts": `
import type { Codec } from "./codec/codec.ts"; //! floors
import { far } from "../../far.ts"; //! floors
console.log(far, null as unknown as Codec);
`,
  "runtime/unknown/thing.ts": `
import { errors } from "../errors.ts"; //! floors
console.log(errors);
`,
  "runtime/errors_test.ts": `
import { codec } from "./codec/json.ts";
import { run } from "../mod.ts";
console.log(codec, run);
`,
  "examples/greeter/main.ts": `
import { run } from "../../mod.ts";
import { files } from "../../adapters/node/files.ts"; //! floors
console.log(run, files, process);
`,
  "runtime/codec/cbor.ts": `
import { Encoder } from "cbor-x/encode";
import { Hono } from "hono";
import { cors } from "hono/cors";
import { Decoder } from "cbor-x"; //! packages
import { readFile } from "node:fs"; //! packages
import type { Stats } from "node:fs"; //! packages
import { WebSocket } from "ws"; //! packages
import { z } from "npm:zod"; //! packages
import { other } from "#other"; //! packages
import { connect } from "nats"; //! packages
import type { Connection } from "nats";
const lazy = () => import("nats");
const eager = () => import("node:net"); //! packages
export * from "valibot"; //! packages
console.log(Encoder, Hono, cors, Decoder, readFile, WebSocket, z, other, connect, lazy, eager);
console.log(null as unknown as Stats, null as unknown as Connection);
`,
  "tests/helper.ts": `
import { Decoder } from "cbor-x/decode"; //! packages
import { readFile } from "node:fs";
console.log(Decoder, readFile);
`,
  "runtime/members.ts": `
class Members {
  private constructor() {}
  private one = 1; //! private
  private two() {} //! private
  private static three = 3; //! private
  protected four = 4;
  #five = 5;
  static make() { return new Members().#five; }
}
Members.make();
`,
  "runtime/exported.ts": `
/**
 * The module — its text has wide letters: 漢字 😀, so that offsets in bytes would not do.
 *
 * @module
 */
export const bare = 1; //! documented
/** Said. */
export const said = 1;
// Not a doc comment.
export function half(): void {} //! documented
/** Too many. */
export function many(_a: number, _b: number, _c: number, _d: number, _e: number): void {} //! params
/** Enough. */
export function few(_a: number, _b: number, _c: number, _d: number): void {}
/** Said, with another rule's comment below it. */
// deno-lint-ignore no-explicit-any
export type Any = any;
/** Options. */
export interface Options {
  /** Said. */
  readonly one: number;
  readonly two: number; //! documented
  /** Said once for its overloads. */
  three(): void;
  three(x: number): void;
}
/** Options too. */
export type More = {
  four: number; //! documented
};
/** Said. */
export function over(a: string): void;
/** Said. */
export function over(a: number): void;
export function over(_a: unknown): void {}
export class Bare {} //! documented
`,
};

interface Complaint {
  readonly filename: string;
  readonly code: string;
  readonly message: string;
  readonly range: { readonly start: { readonly line: number } };
}

describe("the lint plugin", () => {
  const complaints = new Map<string, Complaint[]>();

  before(async () => {
    const root = await mkdtemp(join(tmpdir(), "muon-lint-"));
    try {
      await mkdir(join(root, "tools"));
      for (const name of ["floors.ts", "lint_plugin.ts", "lint_scope.ts"]) {
        await copyFile(join(ROOT, "tools", name), join(root, "tools", name));
      }
      const config = { lint: { plugins: ["./tools/lint_plugin.ts"], rules: { tags: [] } } };
      await writeFile(join(root, "deno.json"), JSON.stringify(config));
      for (const [file, text] of Object.entries(PROJECT)) {
        await mkdir(dirname(join(root, file)), { recursive: true });
        await writeFile(join(root, file), text);
      }
      for (const complaint of await lint(root, Object.keys(PROJECT))) {
        const file = decodeURI(complaint.filename).split(`${root.split("/").at(-1)}/`)[1]!;
        complaints.set(file, [...complaints.get(file) ?? [], complaint]);
      }
    } finally {
      await rm(root, { recursive: true, force: true });
    }
  });

  for (const [file, text] of Object.entries(PROJECT)) {
    test(file, () => {
      const expected = text.split("\n").flatMap((line, index) => {
        const rule = /\/\/! (\w+)$/.exec(line)?.[1];
        return rule === undefined ? [] : [`${index + 1} muon/${rule}: ${line}`];
      });
      const lines = text.split("\n");
      const found = (complaints.get(file) ?? []).map(({ code, range: { start } }) =>
        `${start.line} ${code}: ${lines[start.line - 1]}`
      );
      // A line may be wrong twice over; that it is found is what counts.
      assert.deepEqual([...new Set(found)].sort(byLine), expected.sort(byLine));
    });
  }

  test("says what to use instead", () => {
    const all = [...complaints.values()].flat().map(({ message }) => message);
    assert.ok(all.some((message) => /setTimeout.*Clock \(runtime\/clock\.ts\)/.test(message)));
    assert.ok(all.some((message) => /climbs from 0 to 1/.test(message)));
    assert.ok(all.some((message) => /interface file alone, runtime\/codec\/codec\.ts/.test(message)));
  });
});

function byLine(a: string, b: string): number {
  return parseInt(a) - parseInt(b);
}

async function lint(root: string, files: string[]): Promise<Complaint[]> {
  // Deno takes the configuration of the folder it is started in.
  const run = promisify(execFile)(binaryOf("deno"), ["lint", "--json", ...files], {
    cwd: root,
    env: { ...process.env, NO_COLOR: "1" },
    maxBuffer: 1 << 24,
  });
  const { stdout, stderr } = await run.catch((error) => error as { stdout: string; stderr: string });
  try {
    return (JSON.parse(stdout) as { diagnostics: Complaint[] }).diagnostics;
  } catch {
    throw new Error(`deno lint gave no report: ${stderr}`);
  }
}
