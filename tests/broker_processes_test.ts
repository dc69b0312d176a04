/**
 * A queue of the http broker over three processes on three runtimes: what becomes of events when a member of the queue
 * is stopped, or killed, under load. This process publishes, and notes which member took what.
 */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { createHttpBroker, type HttpBroker } from "../runtime/broker/http/http.ts";
import { text, utf8 } from "../runtime/bytes.ts";
import { createFileRegistry } from "../runtime/registry/file/file.ts";
import type { Registry } from "../runtime/registry/registry.ts";
import { currentRuntime, type Runtime, RUNTIMES } from "../tools/runtimes.ts";
import { ownSystem } from "./conformance/own_adapter.ts";
import { type Spawned, spawnOn } from "./processes.ts";

/** Handlers of a subscription that run at a time, where it does not say. */
const CONCURRENCY = 64;

const system = ownSystem();
const [one, two] = RUNTIMES.filter((runtime) => runtime !== currentRuntime()) as [Runtime, Runtime];

async function until(what: string, condition: () => boolean): Promise<void> {
  for (let i = 0; i < 3_000; i++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.fail(`waited 30 s for ${what}`);
}

function difference(all: Iterable<number>, without: ReadonlySet<number>): number[] {
  return [...all].filter((n) => !without.has(n));
}

/** What it says to have handled, each as often as it says so. */
function handledBy(member: Spawned): number[] {
  return [...member.stdout.matchAll(/^handled (\d+)\.$/gm)].map(([, n]) => Number(n));
}

describe(`a queue with members on ${one} and ${two}`, () => {
  let directory: string;
  let registry: Registry;
  let broker: HttpBroker;
  let members: Spawned[];
  /** What each address took, as it answered. */
  let taken: Map<string, Set<number>>;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "muon-members-"));
    registry = createFileRegistry({ system, directory });
    taken = new Map();
    members = [];
    broker = createHttpBroker({
      system,
      registry,
      fetch: async (input, init) => {
        const response = await fetch(input, init);
        if (response.ok) {
          const { Header } = JSON.parse(text(init!.body as Uint8Array));
          tookBy(new URL(input as string).host).add(Number(Header["Micro-Id"]));
        }
        return response;
      },
    });
  });

  afterEach(async () => {
    for (const member of members) await member[Symbol.asyncDispose]();
    await broker[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  });

  function tookBy(address: string): Set<number> {
    if (!taken.has(address)) taken.set(address, new Set());
    return taken.get(address)!;
  }

  async function start(runtime: Runtime, { held }: { readonly held: boolean }) {
    const member = spawnOn(runtime, "tests/fixtures/member.ts", {
      env: { MICRO_REGISTRY_ADDRESS: directory, HELD: held ? "1" : "0" },
    });
    members.push(member);
    const [, address] = await member.ready(/address +(127\.0\.0\.1:\d+)/);
    return { member, took: tookBy(address!) };
  }

  /** Publishes one event after the other, four at a time, until told to stop; each must be taken. */
  function load() {
    let going = true;
    const sent: number[] = [];
    const publish = async () => {
      while (going) {
        const n = sent.length;
        sent.push(n);
        const header = { "Content-Type": "application/json" };
        const message = { id: `${n}`, header, body: utf8(JSON.stringify({ n })) };
        assert.deepEqual(await broker.publish("work", message), { id: `${n}`, accepted: 1 });
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    };
    const publishers = Promise.all(Array.from({ length: 4 }, publish));
    return {
      sent,
      stop: () => {
        going = false;
        return publishers;
      },
    };
  }

  for (const [runtime, other] of [[one, two], [two, one]] as const) {
    test(`the member on ${runtime} is stopped: not one event is lost`, async () => {
      const leaving = await start(runtime, { held: true });
      const staying = await start(other, { held: false });
      const { sent, stop } = load();
      await until("events that wait there", () => leaving.took.size > 2 * CONCURRENCY);
      leaving.member.signal("SIGTERM");
      await until("what it had not begun, at the other member", () => {
        const handed = handledBy(staying.member).filter((n) => leaving.took.has(n));
        return handed.length >= leaving.took.size - CONCURRENCY;
      });
      const before = sent.length;
      await until("load that goes on", () => sent.length > before + 100);
      leaving.member.write("go\n");
      let ended = false;
      const exited = leaving.member.exited.finally(() => ended = true);
      await until("its end", () => ended);
      assert.equal(await exited, 0, "it ends by itself, without an error");
      await stop();
      assert.equal(await staying.member.stop("SIGTERM"), 0);
      const handled = [...handledBy(leaving.member), ...handledBy(staying.member)];
      assert.deepEqual(difference(sent, new Set(handled)), []);
      assert.equal(handled.length, sent.length, "and none came twice, as nobody died");
      assert.doesNotMatch(leaving.member.stderr + staying.member.stderr, /given up/);
    });

    test(`the member on ${runtime} is killed: only what it had taken is lost`, async () => {
      const dying = await start(runtime, { held: true });
      const staying = await start(other, { held: false });
      const { sent, stop } = load();
      await until("events that it has", () => dying.took.size > CONCURRENCY);
      await dying.member.stop("SIGKILL");
      const before = sent.length;
      await until("load that goes on", () => sent.length > before + 100);
      await stop();
      assert.equal(await staying.member.stop("SIGTERM"), 0);
      const lost = difference(sent, new Set(handledBy(staying.member)));
      assert.ok(lost.length > 0, "it held what it had");
      assert.deepEqual(difference(lost, dying.took), []);
    });
  }
});
