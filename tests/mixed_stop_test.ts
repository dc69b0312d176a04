/**
 * A service of two nodes, one of which is stopped while muon, plain HTTP clients and Go Micro v5.12.0 call both: not one
 * call fails. The endpoint is not idempotent, so nobody may call twice but who was told that the first call did not run.
 */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import {
  type CachedRegistry,
  connect,
  createCachedRegistry,
  type Mesh,
  type ServiceRecord,
  SILENT,
  system,
} from "../mod.ts";
import { currentRuntime, RUNTIMES } from "../tools/runtimes.ts";
import { buildGo, GoPeer, withoutGo } from "./interop/go.ts";
import { type Spawned, spawnOn } from "./processes.ts";

const SERVICE = "tests/fixtures/mixed_service.ts";

/** What an answer says: its number, and which process gave it. */
interface Worked {
  readonly n: number;
  readonly pid: number;
}

type Call = (n: number) => Promise<Worked>;

/** Callers of one kind, and what became of their calls. */
class Callers {
  readonly name: string;
  readonly failures: unknown[] = [];
  /** Answers by the process that gave them. */
  readonly answers = new Map<number, number>();
  readonly #call: Call;
  readonly #running: Promise<void>[] = [];
  #going = true;

  constructor(name: string, call: Call) {
    this.name = name;
    this.#call = call;
    for (let i = 0; i < 8; i++) this.#running.push(this.#run());
  }

  get answered(): number {
    return [...this.answers.values()].reduce((sum, count) => sum + count, 0);
  }

  async stop(): Promise<void> {
    this.#going = false;
    await Promise.all(this.#running);
  }

  async #run(): Promise<void> {
    for (let n = 0; this.#going; n++) {
      try {
        const { n: next, pid } = await this.#call(n);
        assert.equal(next, n + 1);
        this.answers.set(pid, (this.answers.get(pid) ?? 0) + 1);
      } catch (error) {
        this.failures.push(error);
        // A failure an instant would fill the memory before anybody looked.
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
  }
}

async function until(what: string, condition: () => boolean): Promise<void> {
  for (let i = 0; i < 3_000; i++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.fail(`waited 30 s for ${what}`);
}

/** Whether a request was never sent, as each runtime's fetch says it. */
function refused(error: unknown): boolean {
  const { code, cause } = error as { code?: unknown; cause?: unknown };
  return /refused/i.test(`${error} ${code}`) || (cause !== undefined && refused(cause));
}

describe("stopped under load of muon, HTTP clients and Go Micro", { skip: withoutGo }, () => {
  let directory: string;
  let staying: Spawned;
  let mesh: Mesh;
  let cache: CachedRegistry;
  let go: GoPeer;
  let carrying: Promise<void>;
  /** The records that Go's registry has, by address. */
  const carried = new Map<string, ServiceRecord>();
  const controller = new AbortController();

  const start = async (runtime = currentRuntime()) => {
    const process = spawnOn(runtime, SERVICE, { env: { MICRO_REGISTRY_ADDRESS: directory } });
    await process.ready(/muon: mixed/);
    return process;
  };

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "muon-mixed-"));
    go = new GoPeer(buildGo("tests/interop/go"));
    mesh = await connect({ registryAddress: directory, log: SILENT });
    cache = createCachedRegistry({ registry: mesh.registry, system: await system() });
    staying = await start();
    carrying = carry();
    await until("Go to know the node", () => carried.size === 1);
    await overGo(0);
  }, { timeout: 110_000 });

  after(async () => {
    controller.abort();
    await carrying;
    await cache?.[Symbol.asyncDispose]();
    await mesh?.[Symbol.asyncDispose]();
    await staying?.stop();
    await go?.[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  });

  /** Tells Go's registry what muon's does. */
  async function carry(): Promise<void> {
    for await (const event of mesh.registry.watch({ service: "mixed", signal: controller.signal })) {
      const records = event.type === "sync" ? event.services : [event.service];
      const change = event.type === "delete" ? "deregister" : "register";
      for (const record of records) {
        await go.do({ do: change, record });
        for (const node of record.nodes) {
          if (change === "register") carried.set(node.address, { ...record, nodes: [node] });
          else carried.delete(node.address);
        }
      }
    }
  }

  /**
   * Has Go's client see the node that came last. It begins its watch at an instant of its own behind its first call, and
   * nothing tells when: what came before, it has missed.
   */
  async function show(seen: () => boolean): Promise<void> {
    await until("Go's registry to have both nodes", () => carried.size === 2);
    const record = [...carried.values()].at(-1)!;
    for (let i = 0; i < 30; i++) {
      for (let wait = 0; wait < 100; wait++) {
        if (seen()) return;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      await go.do({ do: "deregister", record });
      await go.do({ do: "register", record });
    }
    assert.fail("Go's client has not seen the second node within 30 s");
  }

  const overMuon: Call = async (n) => await mesh.call<Worked>("mixed", "Mixed.Work", { n });

  const overGo: Call = async (n) => {
    const { output, error } = await go.do<{ output: Worked; error?: { detail: string } }>({
      do: "call",
      service: "mixed",
      endpoint: "Mixed.Work",
      input: { n },
    });
    if (error !== undefined) throw new Error(`Go: ${JSON.stringify(error)}`);
    return output;
  };

  /** Goes to another node when one says that it does not serve, or does not listen; any other failure is one. */
  const overHttp: Call = async (n) => {
    const nodes = (await cache.getService("mixed")).flatMap((record) => record.nodes);
    for (let at = Math.floor(Math.random() * nodes.length), tries = 0;; at++, tries++) {
      const { address } = nodes[at % nodes.length]!;
      const last = tries + 1 >= nodes.length;
      let response: Response;
      try {
        response = await fetch(`http://${address}/mixed.Mixed/Work`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ n }),
        });
      } catch (error) {
        if (last || !refused(error)) throw error;
        continue;
      }
      const text = await response.text();
      if (response.ok) return JSON.parse(text);
      if (last || response.status !== 503) throw new Error(`HTTP ${response.status}: ${text}`);
    }
  };

  for (const runtime of RUNTIMES) {
    test(`a node on ${runtime} goes, and nobody's call fails`, async () => {
      await using leaving = await start(runtime);
      const byGo = new Callers("go", overGo);
      const callers = [new Callers("muon", overMuon), new Callers("http", overHttp), byGo];
      try {
        await show(() => byGo.answers.size === 2);
        await until(
          "both nodes to be called by all",
          () =>
            callers.every(({ answers }) => answers.size === 2 && [...answers.values()].every((n) => n > 50)),
        );
        assert.equal(await leaving.stop("SIGTERM"), 0, "it ends by itself, without an error");
        const before = callers.map(({ answered }) => answered);
        await until("load afterwards", () => callers.every(({ answered }, i) => answered > before[i]! + 100));
      } finally {
        await Promise.all(callers.map((each) => each.stop()));
      }
      for (const { name, failures } of callers) {
        assert.deepEqual(failures.slice(0, 3), [], `${failures.length} calls of ${name} failed`);
      }
      assert.doesNotMatch(leaving.stderr, /before everything was finished/);
    });
  }
});
