/**
 * Services on the edge where they run: on workerd (in Node's suite, as workerd is a program of its own), `Deno.serve`
 * (in Deno's) and `Bun.serve` (in Bun's). They register in a registry of this process over HTTP, are called by this
 * process, and call it; and the bundle for workerd stays small.
 */
import { build, stop } from "esbuild";
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { connect, createService, type Mesh, type MuonError, type Service } from "../mod.ts";
import { SILENT } from "../runtime/log.ts";
import { createMemoryRegistry, MemoryRegistryStore } from "../runtime/registry/memory.ts";
import { createHttpTransport } from "../runtime/transport/http/http.ts";
import { currentRuntime, ROOT } from "../tools/runtimes.ts";
import { ownSystem } from "./conformance/own_adapter.ts";
import { type Clock, type Environment, type Greeter, serve } from "./fixtures/edge/greeter.ts";
import { registryServer } from "./fixtures/edge/remote_registry.ts";
import { spawnProgram } from "./processes.ts";

const FIXTURES = join(ROOT, "tests", "fixtures", "edge");

/** What the smallest service weighs, minified, in bytes, as measured; it may become a tenth more before somebody looks. */
const MEASURED = 181_831;

/** Serves the fixture on a port. */
type Serve = (port: number, environment: Environment) => Promise<AsyncDisposable>;

const PLACES: Readonly<Record<string, { readonly name: string; readonly serve: Serve }>> = {
  deno: { name: "Deno.serve", serve: onDeno },
  bun: { name: "Bun.serve", serve: onBun },
  node: { name: "workerd", serve: onWorkerd },
};

function onDeno(port: number, environment: Environment): Promise<AsyncDisposable> {
  // As a user writes it: what Deno hands over beside the request goes along.
  const server = Deno.serve({ port, hostname: "127.0.0.1", onListen: () => {} }, serve(environment).fetch);
  return Promise.resolve({ [Symbol.asyncDispose]: () => server.shutdown() });
}

function onBun(port: number, environment: Environment): Promise<AsyncDisposable> {
  const { Bun } = globalThis as unknown as {
    Bun: { serve(options: object): { stop(all: boolean): Promise<void> } };
  };
  const server = Bun.serve({ port, hostname: "127.0.0.1", ...serve(environment) });
  return Promise.resolve({ [Symbol.asyncDispose]: () => server.stop(true) });
}

async function onWorkerd(port: number, environment: Environment): Promise<AsyncDisposable> {
  // It has no declarations that tsc finds; what it exports is the path of its binary.
  const { default: workerd } = createRequire(import.meta.url)("workerd") as { default: string };
  const folder = await mkdtemp(join(tmpdir(), "muon-workerd-"));
  await bundle("greeter.ts", { outfile: join(folder, "worker.js"), minify: true });
  const bindings = Object.entries(environment).map(([name, text]) =>
    `(name = ${JSON.stringify(name)}, text = ${JSON.stringify(text)})`
  );
  await writeFile(
    join(folder, "config.capnp"),
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .greeter),
    (name = "internet", network = (allow = ["public", "private", "local"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);
const greeter :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed "worker.js")],
  bindings = [${bindings.join(", ")}],
  # No compatibility flags: neither node:* nor its globals are there.
  compatibilityDate = "2026-10-01",
);
`,
  );
  const process = spawnProgram(workerd, {
    args: ["serve", "config.capnp", "--control-fd=1"],
    cwd: folder,
  });
  await process.ready(/"event":"listen"/);
  return {
    async [Symbol.asyncDispose]() {
      await process[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Bundles a fixture for workerd, and gives what it weighs and what it imports. */
async function bundle(
  fixture: string,
  options: { readonly outfile: string; readonly minify: boolean },
): Promise<
  { readonly bytes: number; readonly imports: readonly string[]; readonly inputs: readonly string[] }
> {
  const { metafile } = await build({
    entryPoints: [join(FIXTURES, fixture)],
    bundle: true,
    format: "esm",
    target: "es2022",
    conditions: ["workerd", "worker"],
    metafile: true,
    logLevel: "silent",
    // A module of Node's must not fail the bundling, but be seen.
    external: ["node:*", "ws"],
    ...options,
  });
  const [output] = Object.values(metafile.outputs);
  return {
    bytes: output!.bytes,
    imports: output!.imports.map(({ path }) => path),
    inputs: Object.keys(metafile.inputs),
  };
}

/** A port that was free a moment ago: workerd is told its port, and its address before it starts. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const place = PLACES[currentRuntime()]!;

describe(`the edge on ${place.name}`, () => {
  const system = ownSystem();
  const registry = createMemoryRegistry({ system, store: new MemoryRegistryStore(system.clock) });
  const stack = new AsyncDisposableStack();
  const http = () => createHttpTransport({ system });
  let url: string;
  let mesh: Mesh;
  let phrases: Service;

  const post = (path: string, body: unknown, headers: Readonly<Record<string, string>> = {}) =>
    fetch(new URL(path, url), {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: typeof body === "string" ? body : JSON.stringify(body),
    });

  before(async () => {
    const host = stack.use(await system.platform.serve({}));
    host.mount({ name: "registry", matches: () => true, fetch: registryServer(registry) });

    const broker = "memory";
    phrases = stack.use(
      createService({ name: "phrases", registry, broker, transport: http(), log: SILENT }).handle({
        name: "phrases",
        version: "1.0.0",
        handler: "Phrases",
        metadata: {},
        forward: [],
        endpoints: [{ name: "Phrases.Wish", member: "wish", kind: "unary", idempotent: true }],
        subscriptions: [],
      }, { wish: ({ name }: { name: string }) => ({ text: `All the best, ${name}` }) }),
    );
    await phrases.start();

    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    stack.use(await place.serve(port, { REGISTRY: `http://${host.addresses[0]}`, ADVERTISE: url }));
    mesh = stack.use(await connect({ registry, broker, transport: http(), log: SILENT }));
  });
  after(async () => {
    await stack.disposeAsync();
    await registry[Symbol.asyncDispose]();
    await stop();
  });

  test("answers a call as Connect has it", async () => {
    const reply = await post("/greeter.Greeter/Hello", { name: "John" });
    assert.deepEqual([reply.status, await reply.json()], [200, { greeting: "Hello John" }]);
  });

  test("answers a mistake with an error that says what it is", async () => {
    const wrong = await post("/greeter.Greeter/Hello", { name: 7 });
    const told = await wrong.json() as { code: string; message: string };
    assert.deepEqual([wrong.status, told.code], [400, "invalid_argument"]);
    assert.match(told.message, /name/);
    assert.equal((await post("/greeter.Greeter/Goodbye", {})).status, 404);
    assert.equal((await post("/greeter.Greeter/Hello", "{}", { "content-type": "text/plain" })).status, 415);
    assert.equal((await post("/greeter.Greeter/Fail", {})).status, 500);
    const nothing = await fetch(new URL("/elsewhere", url));
    assert.equal(nothing.status, 404);
    await nothing.body?.cancel();
  });

  test("is registered by its first request, and found and called", async () => {
    const [record] = await registry.getService("greeter");
    const { address, metadata } = record!.nodes[0]!;
    assert.equal(address, new URL(url).host);
    assert.deepEqual([metadata.secure, metadata.registry, metadata.server], ["false", "remote", "muon"]);
    const greeter = mesh.client<Greeter>("greeter");
    assert.deepEqual(await greeter.hello({ name: "mesh" }), { greeting: "Hello mesh" });
    // @ts-expect-error What has no input takes none, here as elsewhere.
    void (() => greeter.hello());
    await assert.rejects(greeter.fail(), (error: MuonError) => {
      assert.deepEqual([error.status, error.detail], ["internal", "no luck"]);
      return true;
    });
    // A second service of the same module is a record of its own.
    assert.equal((await registry.getService("clock"))[0]!.nodes[0]!.address, address);
    assert.match(
      (await mesh.client<Clock>("clock").who()).peer,
      place.name === "workerd" ? /^edge$/ : /^127\.0\.0\.1:\d+$/,
    );
  });

  test("keeps a deadline, beside calls that have none", async () => {
    const late = Array.from(
      { length: 5 },
      () => post("/greeter.Greeter/Wait", {}, { "connect-timeout-ms": "50" }),
    );
    const plain = Array.from({ length: 5 }, () => post("/greeter.Greeter/Hello", { name: "John" }));
    for (const reply of await Promise.all(late)) {
      assert.equal((await reply.json() as { code: string }).code, "deadline_exceeded");
    }
    for (const reply of await Promise.all(plain)) {
      assert.deepEqual(await reply.json(), { greeting: "Hello John" });
    }
  });

  test("streams", async () => {
    const seen: number[] = [];
    for await (const { n } of mesh.client<Greeter>("greeter").count({ to: 5 })) seen.push(n);
    assert.deepEqual(seen, [1, 2, 3, 4, 5]);
  });

  test("calls out, to what its registry knows, many at a time", async () => {
    const greeter = mesh.client<Greeter>("greeter");
    const names = Array.from({ length: 40 }, (_, i) => `n${i}`);
    const replies = await Promise.all(names.map((name) => greeter.relay({ name })));
    assert.deepEqual(replies.map(({ greeting }) => greeting), names.map((name) => `All the best, ${name}`));
  });

  test("says so when what it calls is not there", async () => {
    await phrases.stop();
    const failed = await mesh.client<Greeter>("greeter").relay({ name: "John" }).catch((error) => error);
    assert.match(
      (failed as MuonError).detail,
      /No node of service "phrases" is known to the remote registry/,
    );
  });
});

// Once is enough, and workerd's bundle is what its size is asked of.
if (currentRuntime() === "node") {
  describe("the bundle for the edge", () => {
    let folder: string;
    before(async () => {
      folder = await mkdtemp(join(tmpdir(), "muon-edge-"));
    });
    after(() => rm(folder, { recursive: true, force: true }));

    test("imports nothing of Node's, and no other runtime's adapter", async () => {
      const { imports, inputs } = await bundle("hello.ts", { outfile: join(folder, "a.js"), minify: false });
      assert.deepEqual(imports, []);
      const strange = inputs.filter((path) =>
        /adapters\/(?!workers|web)|\bpreset\.ts|node_modules\/ws\//.test(path)
      );
      assert.deepEqual(strange, []);
      assert.ok(inputs.some((path) => path.endsWith("adapters/workers/mod.ts")));
    });

    test("stays small", async () => {
      const { bytes } = await bundle("hello.ts", { outfile: join(folder, "b.js"), minify: true });
      assert.ok(
        bytes <= MEASURED * 1.1,
        `it has ${bytes} bytes: at most ${MEASURED} and a tenth are allowed`,
      );
      assert.ok(bytes > MEASURED * 0.7, `it has ${bytes} bytes, far below ${MEASURED}: measure anew`);
    });
  });
}
