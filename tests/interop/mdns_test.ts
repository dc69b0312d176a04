/**
 * The mdns registry over real sockets, between processes of all runtimes, and with Go Micro v5.12.0 and its default
 * registry, nothing told to either but the name of the registry to muon. All of it in network namespaces of its own.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { RegistryEvent, ServiceRecord } from "../../mod.ts";
import { currentRuntime, RUNTIMES } from "../../tools/runtimes.ts";
import type { Spawned } from "../processes.ts";
import { Namespace, withoutNamespaces } from "../support/namespace.ts";
import { buildGo, withoutGo } from "./go.ts";

const PEER = "tests/fixtures/mdns_peer.ts";
const here = currentRuntime();

function record(name: string, address = "127.0.0.1:4000"): ServiceRecord {
  return {
    name,
    version: "1.0.0",
    metadata: { type: "helloworld" },
    endpoints: [{
      name: "Greeter.Hello",
      request: { name: "Request", type: "Request", values: [{ name: "name", type: "string", values: null }] },
      response: null,
      metadata: { member: "hello" },
    }],
    nodes: [{
      id: `${name}-9c35f0c4-5a5f-4d0e-8a4b-0d6a3a0d1b6e`,
      address,
      metadata: { muon: "muon.v1", protocol: "mucp" },
    }],
  };
}

/** What a program says first, which is all of it if it ends. */
async function answer<T>(program: Spawned): Promise<T> {
  for await (const line of program.lines()) {
    if (/^[[{"]/.test(line)) return JSON.parse(line) as T;
  }
  throw new Error(`It said nothing, but on stderr: ${program.stderr}`);
}

async function finish(program: Spawned): Promise<void> {
  program.endInput();
  assert.equal(await program.exited, 0, program.stderr);
}

describe("mdns on real sockets", { skip: withoutNamespaces }, () => {
  let machine: Namespace;
  before(async () => {
    machine = await Namespace.open();
  });
  after(() => machine?.[Symbol.asyncDispose]());
  const muon = (...args: string[]) => machine.spawnOn(here, PEER, { args });

  test("processes of all runtimes find each other, and hear of comings and goings", async () => {
    await using watching = muon("watch", "greeter");
    const events = watching.lines();
    const next = async () => JSON.parse((await events.next()).value as string) as RegistryEvent;
    assert.deepEqual(await next(), { type: "sync", services: [] });
    await using registered = muon("register", JSON.stringify(record("greeter")));
    assert.equal(await answer(registered), "ready");
    for (const runtime of RUNTIMES) {
      await using looking = machine.spawnOn(runtime, PEER, { args: ["get", "greeter"] });
      assert.deepEqual(await answer(looking), [record("greeter")]);
    }
    assert.deepEqual(await next(), { type: "create", service: record("greeter") });
    await finish(registered);
    assert.deepEqual(await next(), { type: "delete", service: record("greeter") });
    await finish(watching);
  });

  describe("and Go Micro v5.12.0", { skip: withoutGo }, () => {
    let binary = "";
    before(() => {
      binary = buildGo("tests/interop/mdns_go");
    }, { timeout: 110_000 });
    const go = (...args: string[]) => machine.spawn(binary, { args });

    test("it finds muon's record, lists it, and hears it come and go", async () => {
      await using watching = go("watch", "muon.record");
      const said = watching.lines();
      assert.equal((await said.next()).value, "ready");
      await using registered = muon("register", JSON.stringify(record("muon.record")));
      assert.equal(await answer(registered), "ready");
      await using looking = go("get", "muon.record");
      const [found] = await answer<ServiceRecord[]>(looking);
      const { endpoints, nodes, version } = record("muon.record");
      assert.equal(found!.version, version);
      assert.deepEqual(found!.nodes, nodes);
      assert.deepEqual(found!.endpoints, endpoints);
      await using listing = go("list");
      const names = (await answer<ServiceRecord[]>(listing)).map(({ name }) => name);
      assert.ok(names.includes("muon.record"), names.join());
      const results: { Action: string; Service: ServiceRecord }[] = [];
      const until = async (action: string) => {
        do results.push(JSON.parse((await said.next()).value as string)); while (
          results.at(-1)!.Action !== action
        );
        return results.at(-1)!.Service.nodes;
      };
      assert.deepEqual(await until("create"), nodes);
      await finish(registered);
      assert.deepEqual(await until("delete"), nodes);
      await finish(watching);
    });

    test("muon finds its record, and hears it come and go", async () => {
      await using watching = muon("watch", "go.record");
      const events = watching.lines();
      const next = async () => JSON.parse((await events.next()).value as string) as RegistryEvent;
      assert.equal((await next()).type, "sync");
      await using registered = go("register", "go.record", "go.record-1", "127.0.0.1:4001");
      assert.match((await registered.ready(/ready/))[0], /ready/);
      const expected: ServiceRecord = {
        name: "go.record",
        version: "1.2.3",
        metadata: {},
        endpoints: [{
          name: "Greeter.Hello",
          request: {
            name: "Request",
            type: "Request",
            values: [{ name: "name", type: "string", values: null }],
          },
          response: { name: "Response", type: "Response", values: null },
          metadata: { stream: "false" },
        }],
        nodes: [{
          id: "go.record-1",
          address: "127.0.0.1:4001",
          metadata: { protocol: "mucp", zone: "z1" },
        }],
      };
      await using looking = muon("get", "go.record");
      assert.deepEqual(await answer(looking), [expected]);
      assert.deepEqual(await next(), { type: "create", service: expected });
      await finish(registered);
      assert.deepEqual(await next(), { type: "delete", service: expected });
      await finish(watching);
    });

    test("its client, with no flag, calls a muon service", async () => {
      await using serving = machine.spawnOn(here, "examples/greeter/main.ts", {
        env: { MICRO_REGISTRY: "mdns" },
      });
      await serving.ready(/muon: greeter/);
      await using calling = go("call", "greeter", "John");
      assert.deepEqual(await answer(calling), { greeting: "Hello John" });
      assert.equal(await serving.stop(), 0);
    });

    test("muon's client calls its service, started with no flag", async () => {
      await using serving = go("serve", "go.greeter");
      await serving.ready(/ready/);
      await using calling = muon("call", "go.greeter", "John");
      assert.deepEqual(await answer(calling), { greeting: "Hello John, says Go" });
      // The same node in a record that names no protocol: it is called as one of the first generation.
      await using looking = muon("get", "go.greeter");
      const [{ nodes }] = await answer<[ServiceRecord]>(looking);
      await using announced = go("registerFirst", "first.greeter", "first.greeter-1", nodes[0]!.address);
      assert.match((await announced.ready(/ready/))[0], /ready/);
      await using callingFirst = muon("call", "first.greeter", "Ann");
      assert.deepEqual(await answer(callingFirst), { greeting: "Hello Ann, says Go" });
      await finish(announced);
      await finish(serving);
    });
  });

  test("two machines find each other, but not what listens on the other's loopback", async () => {
    await using one = await Namespace.open();
    await using two = await Namespace.open();
    await one.plug(two);
    const at = (where: Namespace, ...args: string[]) => where.spawnOn(here, PEER, { args });
    await using shown = at(one, "register", JSON.stringify(record("shown", "10.77.0.1:4000")));
    await using hidden = at(one, "register", JSON.stringify(record("hidden")));
    assert.equal(await answer(shown), "ready");
    assert.equal(await answer(hidden), "ready");
    await using there = at(two, "get", "shown");
    assert.deepEqual(await answer(there), [record("shown", "10.77.0.1:4000")]);
    await using outside = at(two, "absent", "hidden");
    assert.deepEqual(await answer(outside), []);
    await using inside = at(one, "get", "hidden");
    assert.deepEqual(await answer(inside), [record("hidden")]);
    await finish(shown);
    await finish(hidden);
  });
});
