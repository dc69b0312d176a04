/**
 * muon: all kinds of calls on one connection, some of which are canceled or run out of time. At eleven points all of
 * them are over, garbage is collected, and both sides tell what they hold.
 *
 *   muon.ts server
 *   muon.ts load
 */
import process from "node:process";
import { z } from "zod";
import { connect, type Context, createService, Method, MuonError, Service, SILENT } from "../../mod.ts";
import type { Filter } from "../../runtime/filter.ts";
import type { Link, Transport } from "../../runtime/transport/transport.ts";
import { createWsTransport } from "../../runtime/transport/ws/ws.ts";
import { loop, measure, serve, settings } from "../load.ts";
import { system as systemOfRuntime } from "../system.ts";
import { type Held, slope, watched } from "./watched.ts";

const POINTS = 11;
/** How long what ends late may take: the slowest timer of a call is its timeout, in ms. */
const SETTLED = 10_000;

const Value = z.object({ value: z.number() });
type Value = z.infer<typeof Value>;

const { system, held } = watched(await systemOfRuntime());
const registryAddress = settings().directory;

@Service("bench.meter")
class Meter {
  @Method({ input: Value, output: Value })
  double({ value }: Value) {
    return { value: value * 2 };
  }

  @Method({ input: Value, output: Value })
  async *count({ value: to }: Value) {
    for (let value = 0; value < to; value++) yield { value };
  }

  @Method({ input: Value, output: Value, kind: "client" })
  async sum(values: AsyncIterable<Value>) {
    let sum = 0;
    for await (const { value } of values) sum += value;
    return { value: sum };
  }

  /** Ends when its caller has lost interest. */
  @Method({ input: Value, output: Value })
  async wait({ value }: Value, { signal }: Context) {
    if (!signal.aborted) {
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    }
    return { value };
  }

  @Method({ output: z.object({ heap: z.number(), timers: z.number() }) })
  held(): Held {
    return held();
  }
}

if (process.argv[2] === "server") await answerCalls();
else await makeCalls();

async function answerCalls(): Promise<void> {
  const service = createService({ registryAddress, system, log: SILENT }).handle(Meter);
  await service.start();
  serve(service.address!);
}

async function makeCalls(): Promise<void> {
  const ws = createWsTransport({ system });
  const links: Link[] = [];
  const transport: Transport = {
    name: ws.name,
    speaks: (node) => ws.speaks(node),
    async dial(node, options) {
      const link = await ws.dial(node, options);
      links.push(link);
      return link;
    },
  };
  const mesh = await connect({ registryAddress, system, transport, log: SILENT });
  const meter = mesh.client<Meter>("bench.meter");

  const unary = async (value: number) => {
    same((await meter.double({ value })).value, value * 2);
  };
  const download = async (value: number) => {
    let next = 0;
    for await (const item of meter.count({ value: 3 })) same(item.value, next++);
    same(next, 3, value);
  };
  const upload = async (value: number) => {
    const values = async function* () {
      for (let n = 0; n < 3; n++) yield { value };
    };
    same((await meter.sum(values())).value, value * 3);
  };
  const left = async (value: number) => {
    let seen = 0;
    for await (const item of meter.count({ value: 1_000 })) {
      same(item.value, seen++);
      if (seen === 3) break;
    }
    same(seen, 3, value);
  };
  const canceled = async (value: number) => {
    const abort = new AbortController();
    const answer = meter.wait({ value }, { signal: abort.signal });
    // Half of them before anything was sent, half of them when the handler runs.
    if (value % 2 === 0) await unary(value);
    abort.abort();
    await fails(answer, "canceled");
  };
  const late = (value: number) => fails(meter.wait({ value }, { timeout: 20 }), "deadline_exceeded");

  /** A hundred calls: 85 plain ones, 5 downloads, 4 uploads, 3 streams that are left early, 3 that are canceled. */
  const call = (n: number): Promise<void> => {
    if (n % 1_000 === 999) return late(n);
    const kind = n % 100;
    if (kind < 85) return unary(n);
    if (kind < 90) return download(n);
    if (kind < 94) return upload(n);
    return kind < 97 ? left(n) : canceled(n);
  };

  const { calls, inflight } = settings();
  const section = Math.ceil(calls / POINTS);
  await loop(call, section, { inflight });
  const before = await quiet(undefined);
  await measure(async () => {
    const clients: [number, number][] = [];
    const servers: [number, number][] = [];
    for (let point = 0; point < POINTS; point++) {
      if (point > 0) await loop(call, section, { inflight });
      const client = held();
      const server = await meter.held();
      clients.push([point * section, client.heap]);
      servers.push([point * section, server.heap]);
    }
    const after = await quiet(before);
    return {
      calls: section * (POINTS - 1),
      client: slope(clients),
      server: slope(servers),
      clientHeap: clients.at(-1)![1],
      serverHeap: servers.at(-1)![1],
      timers: Math.max(0, after.client - before.client) + Math.max(0, after.server - before.server),
      underWay: await underWay(),
    };
  });

  /** Timers on both sides, once they are no more than they were, or after all could have been over. */
  async function quiet(before: Timers | undefined): Promise<Timers> {
    const until = performance.now() + (before === undefined ? 200 : SETTLED);
    for (;;) {
      const now = { client: held().timers, server: (await meter.held()).timers };
      const settled = before !== undefined && now.client <= before.client && now.server <= before.server;
      if (settled || performance.now() > until) return now;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** Calls that the links, the selector and the server's table believe not to be over. */
  async function underWay(): Promise<number> {
    let picked = 0;
    const look: Filter = {
      name: "look",
      keep: ({ inflight }) => {
        picked += inflight;
        return true;
      },
    };
    const stats = await mesh.call<{ inflight: number }>("bench.meter", "Debug.Stats", {}, {
      filters: [look],
    });
    if (links.length === 0) throw new Error("no link was dialled");
    return links.reduce((sum, link) => sum + link.inflight, 0) + picked + stats.inflight;
  }
}

interface Timers {
  readonly client: number;
  readonly server: number;
}

function same(found: number, wanted: number, of = wanted): void {
  if (found !== wanted) throw new Error(`wrong answer of call ${of}: ${found} instead of ${wanted}`);
}

async function fails(answer: PromiseLike<unknown>, status: string): Promise<void> {
  try {
    await answer;
  } catch (error) {
    if (error instanceof MuonError && error.status === status) return;
    throw error;
  }
  throw new Error(`a call was answered that should have been ${status}`);
}
