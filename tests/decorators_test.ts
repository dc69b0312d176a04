/**
 * One source, both decorator dialects, several compilers, whole and minified: the same definitions, and the same
 * answer to every misuse.
 */

import { build, stop } from "esbuild";
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import * as native from "./fixtures/decorated.ts";
import * as nativeMisused from "./fixtures/misused.ts";

const bun = fileURLToPath(new URL("../node_modules/.bin/bun", import.meta.url));
const fixture = (name: string) => fileURLToPath(new URL(`./fixtures/${name}.ts`, import.meta.url));

let folder = "";
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "muon-decorators-"));
});
after(async () => {
  await stop();
  await rm(folder, { recursive: true, force: true });
});

type Dialect = "standard" | "legacy";
interface Bundle {
  readonly dialect: Dialect;
  readonly minify: boolean;
}
const compilerOptions = (dialect: Dialect) => ({ experimentalDecorators: dialect === "legacy" });

async function withEsbuild(name: string, { dialect, minify }: Bundle): Promise<string> {
  const outfile = join(folder, `esbuild-${name}-${dialect}-${minify}.mjs`);
  await build({
    entryPoints: [fixture(name)],
    outfile,
    bundle: true,
    minify,
    format: "esm",
    target: "es2022",
    logLevel: "silent",
    tsconfigRaw: { compilerOptions: compilerOptions(dialect) },
  });
  return outfile;
}

async function withBun(name: string, { dialect, minify }: Bundle): Promise<string> {
  const outdir = join(folder, `bun-${name}-${dialect}-${minify}`);
  await mkdir(outdir);
  const tsconfig = join(outdir, "tsconfig.json");
  await writeFile(tsconfig, JSON.stringify({ compilerOptions: compilerOptions(dialect) }));
  const outfile = join(outdir, "bundle.mjs");
  const parameters = [
    "build",
    fixture(name),
    "--outfile",
    outfile,
    "--target=bun",
    `--tsconfig-override=${tsconfig}`,
    ...(minify ? ["--minify"] : []),
  ];
  await new Promise<void>((resolve, reject) => {
    execFile(
      bun,
      parameters,
      (error, _stdout, stderr) => error === null ? resolve() : reject(new Error(stderr)),
    );
  });
  return outfile;
}

const compilers = { esbuild: withEsbuild, "bun build": withBun };
const bundles: Bundle[] = (["standard", "legacy"] as const).flatMap((dialect) =>
  [false, true].map((minify) => ({ dialect, minify }))
);

describe("definitions", () => {
  test("as they are", () => {
    assert.equal(native.dialect, "standard");
    const [ledger, override, books] = native.definitions() as { endpoints: { name: string }[] }[];
    assert.deepEqual(ledger, {
      name: "acme.user-ledger",
      version: "1.2.0",
      handler: "UserLedger",
      metadata: { team: "accounts" },
      forward: ["x-tenant", "x-user"],
      endpoints: [
        {
          name: "UserLedger.Hello",
          member: "hello",
          input: "zod",
          output: "zod",
          idempotent: true,
          timeout: 250,
          description: "Greets",
        },
        {
          name: "UserLedger.Count",
          member: "count",
          kind: "server",
          input: "zod",
          output: "zod",
          idempotent: false,
        },
        {
          name: "UserLedger.AddAll",
          member: "sum",
          kind: "client",
          input: "zod",
          output: "zod",
          idempotent: false,
          metadata: { cost: "high" },
        },
        {
          name: "UserLedger.V2Double",
          member: "v2_double",
          kind: "bidi",
          input: "zod",
          output: "zod",
          idempotent: false,
        },
        { name: "UserLedger.GetURL", member: "getURL", idempotent: false },
      ],
      subscriptions: [
        { topic: "user.created", member: "created", input: "zod", queue: "ledger" },
        { topic: "user.removed", member: "gone", input: "zod" },
        { topic: "user.banned", member: "gone" },
      ],
    });
    assert.deepEqual(override, {
      ...ledger,
      endpoints: [
        ledger!.endpoints[0],
        ledger!.endpoints[1],
        { name: "UserLedger.Tally", member: "sum", input: "zod", output: "zod", idempotent: false },
        ledger!.endpoints[3],
        ledger!.endpoints[4],
        { name: "UserLedger.More", member: "more", idempotent: false },
      ],
      subscriptions: [
        { topic: "user.renamed", member: "created" },
        { topic: "user.removed", member: "gone", input: "zod" },
        { topic: "user.banned", member: "gone" },
      ],
    });
    assert.deepEqual(books, {
      ...override,
      name: "books",
      version: "latest",
      handler: "Say",
      metadata: {},
      forward: [],
      endpoints: [
        ...override!.endpoints.map((endpoint) => ({
          ...endpoint,
          name: endpoint.name.replace("UserLedger.", "Say."),
        })),
        { name: "Say.Own", member: "own", idempotent: false },
      ],
    });
    assert.deepEqual(native.answers(), [
      { text: "Hello John" },
      { text: "Bonjour John" },
      { text: "Bonjour John" },
    ]);
  });

  for (const [compiler, compile] of Object.entries(compilers)) {
    for (const bundle of bundles) {
      const how = `${bundle.dialect} dialect${bundle.minify ? ", minified" : ""}`;
      test(`${compiler}, ${how}`, async () => {
        const compiled: typeof native = await import(
          pathToFileURL(await compile("decorated", bundle)).href
        );
        assert.equal(compiled.dialect, bundle.dialect);
        if (bundle.minify && bundle.dialect === "legacy") assert.notEqual(compiled.className, "Ledger");
        assert.deepEqual(compiled.definitions(), native.definitions());
        assert.deepEqual(compiled.answers(), native.answers());
      });
    }
  }
});

/** How each misuse is told; `Greeter` is the class, and stands for what a compiler makes of its name. */
const told: Record<string, RegExp | readonly RegExp[]> = {
  "two members that meet": [
    /^Class Greeter \(service "greeter"\) cannot be served:\n {2}- /,
    /members "sayHello" and "say-hello" are both endpoint "Greeter.SayHello": give one another name with @Method\(\{ name: "…" \}\)/,
    /members "sayHello" and "third" are both endpoint "Greeter.SayHello"/,
  ],
  "a field":
    /^Class Greeter .*field "hello" has @Method: only a method can be served; write `hello\(input\) \{ … \}`/,
  "a static method": /^Class Greeter .*static method "hello" has @Method: .*drop `static`/,
  "a static field": /^Class Greeter .*static field "hello" has @Subscribe: .*drop `static`/,
  "an accessor": /^Class Greeter .*accessor "hello" has @Method: .*write `hello\(input\)/,
  "a getter": /^Class Greeter .*getter "hello" has @Method: .*write `hello\(input\)/,
  "a setter": /^Class Greeter .*setter "hello" has @Method: .*write `hello\(input\)/,
  "a symbol": /^Class Greeter .*symbol "Symbol\(key\)" has @Method: .*write a method with a name/,
  "no @Service": /^Class Greeter has @Method at member "hello", but no @Service: write @Service\("name"\)/,
  "no @Service, but an event": /^Class Greeter has @Subscribe at member "hello", but no @Service/,
  "no decorator": /^Class Greeter is no service: write @Service\("name"\) above it and @Method\(\)/,
  "a plain object":
    /^A service must be a class with @Service, or an instance of one.*handle\(definition, impl/,
  "then": /^Class Greeter .*member "then" cannot be called from a client.*rename the member/,
  "toJSON": /^Class Greeter .*member "toJSON" cannot be called from a client/,
  "constructor":
    /member "constructor" cannot be called from a client|A member called "constructor" hides the class/,
  "the handler Debug":
    /^Class Greeter .*Handler name "Debug" is muon's own.*@Service\("acme.debug", \{ handler/,
  "a handler that is no name": /^Class Greeter .*must be a letter followed by.*current value is "1st"/,
  "a member that makes no name":
    /^Class Greeter .*member "\$hello" must be a letter.*@Method\(\{ name: "…" \}\)/,
  "a service's name": [/^Class Greeter /, /Service name must be .*current value is "my greeter"/],
  "@Service twice": /^Class Greeter .*class Greeter has @Service twice: keep one/,
  "@Method twice": /^Class Greeter .*member "hello" has @Method twice: keep one/,
  "@Method and @Subscribe": /^Class Greeter .*member "hello" has @Method and @Subscribe: write two members/,
  "a topic twice": /^Class Greeter .*member "hello" has @Subscribe\("user.created"\) twice: keep one/,
  "a topic's name": /^Class Greeter .*member "hello": Topic name must be .*current value is "user created"/,
  "an empty queue": /^Class Greeter .*member "hello": queue must be a string that is not empty.*is ""/,
  "a synchronous generator":
    /^Class Greeter .*member "hello" is a synchronous generator: write `async \*hello/,
  "a generator for events": /^Class Greeter .*member "hello" is a generator, but an event is not answered/,
  "a kind there is not": /^Class Greeter .*member "hello": kind must be "unary".*current value is "duplex"/,
  "a generator that is unary":
    /^Class Greeter .*member "hello": kind is "unary", but it is an async generator/,
  "no schema": /^Class Greeter .*member "hello": input must be a Standard Schema.*current value is string/,
  "a timeout": /^Class Greeter .*member "hello": timeout must be a number of ms above 0: current value is 0/,
  "metadata that is no string": [
    /metadata of @Service\("greeter"\) must map strings to strings: "port" is 1/,
    /forward must list metadata keys, which are HTTP tokens: one is "x tenant"/,
    /metadata of member "hello" must map strings to strings: "cost" is 2/,
  ],
  "an override that is no method":
    /^Class Greeter .*member "hello" of base class \S+ is overridden by what is no/,
  "a field that hides a method":
    /^Class Greeter .*member "hello" of base class \S+ is overridden by what is no/,
  "a field in a base class": /^Class Greeter .*field "hello" has @Method.*\(in its base class \S+\)/,
  "a constructor with an argument":
    /^Class Greeter .*constructor that takes 1 argument: pass an instance, new Greeter/,
  "a constructor that throws": /^Class Greeter .*could not be made without arguments: .*; pass an instance/,
  "@Method without parentheses":
    /^Class Greeter .*member "hello": @Method lacks its parentheses: write @Method\(\)/,
  "@Service without a name":
    /^@Service at class "Greeter" must say the service's name: write @Service\("name"\)/,
  "@Method at a class": /^@Method stands at class "Greeter": it belongs at a method/,
  "@Service at a method": /^@Service\("greeter"\) stands at member "hello": it belongs at the class/,
  "@Subscribe without parentheses": /^Class Greeter .*member "hello": @Subscribe lacks its topic: write @Sub/,
  "@Subscribe without a topic":
    /^Class Greeter .*member "hello": @Subscribe must say its topic: current value is undefined; write @Subscribe\("n/,
  "@Subscribe with two schemas":
    /^Class Greeter .*member "hello": @Subscribe\(topic "user.created"\) has a schema from its topic: leave out/,
};

function checkMisuse({ misused, scan }: typeof nativeMisused): void {
  assert.deepEqual(Object.keys(misused).sort(), Object.keys(told).sort());
  for (const [what, make] of Object.entries(misused)) {
    assert.throws(() => scan(make()), (error) => {
      assert.ok(error instanceof TypeError, `${what}: ${error}`);
      // Compilers may call a class that is decorated `_Greeter`; a bundler numbers it.
      const message = error.message.replaceAll(/\b_?Greeter\d*\b/g, "Greeter");
      for (const words of [told[what]!].flat()) assert.match(message, words, what);
      return true;
    }, what);
  }
}

describe("misuse", () => {
  test("as it is", () => checkMisuse(nativeMisused));

  for (const dialect of ["standard", "legacy"] as const) {
    test(`${dialect} dialect`, async () => {
      checkMisuse(
        await import(pathToFileURL(await withEsbuild("misused", { dialect, minify: false })).href),
      );
    });
  }
});
