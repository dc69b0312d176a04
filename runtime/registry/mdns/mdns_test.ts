import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { greeter, testRegistry } from "../../../tests/conformance/registry.ts";
import { type Heard, MdnsWorld, zlib } from "../../../tests/support/mdns_world.ts";
import { utf8 } from "../../bytes.ts";
import { MuonError } from "../../errors.ts";
import type { System } from "../../platform.ts";
import type { ServiceRecord } from "../../record.ts";
import { seeded } from "../../random.ts";
import { VirtualClock } from "../../virtual_clock.ts";
import { applyEvent } from "../hub.ts";
import type { Registry, RegistryEvent } from "../registry.ts";
import { type DnsMessage, type DnsRecord, encodeDns, TYPE } from "./dns.ts";
import { isServiceName, LIST, query } from "./form.ts";
import { createMdnsRegistry } from "./mdns.ts";
import { encodePayload } from "./payload.ts";

testRegistry({
  name: "mdns, two processes of a machine",
  holds: isServiceName,
  create() {
    const world = new MdnsWorld();
    return {
      here: world.turned(world.open()),
      there: world.turned(world.open()),
      advance: (ms) => world.advance(ms),
      [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
    };
  },
});

const TTL = { ttl: 60_000 };

/** A node that others on the link can reach. */
function onLink(id = "greeter-1", version = "1.0.0"): ServiceRecord {
  return greeter(version, id, { address: "10.0.0.1:4000" });
}

function types(records: readonly DnsRecord[]): string[] {
  const names = Object.fromEntries(Object.entries(TYPE).map(([name, type]) => [type, name]));
  return records.map(({ type }) => names[type]!);
}

/** The records that a watch's events lead to, and the kinds of events, until the world ends. */
function follow(registry: Registry, service?: string) {
  const kinds: string[] = [];
  let records: readonly ServiceRecord[] = [];
  let error: unknown;
  void (async () => {
    for await (const event of registry.watch({ service })) {
      kinds.push(event.type);
      records = applyEvent(records, event as RegistryEvent);
    }
  })().catch((reason) => error = reason);
  return {
    kinds,
    nodes: () => records.flatMap(({ nodes }) => nodes.map(({ id }) => id)),
    get error() {
      return error;
    },
  };
}

async function ids(world: MdnsWorld, registry: Registry, name = "greeter"): Promise<string[]> {
  const records = await world.during(registry.getService(name));
  return records.flatMap(({ nodes }) => nodes.map(({ id }) => id));
}

describe("mdns, what is said", () => {
  test("a node is probed for three times, announced three times, and takes its leave", async () => {
    await using world = new MdnsWorld();
    const heard = await world.listen();
    const registry = world.open("a");
    await registry.register(onLink(), TTL);
    await world.advance(10_000);
    assert.equal(heard.length, 6);
    const instance = "greeter-1.greeter.micro";
    const texts = await encodePayload(onLink(), zlib);
    for (const { message } of heard.slice(0, 3)) {
      assert.equal(message.response, false);
      assert.deepEqual(message.questions, [{ name: instance, type: TYPE.PTR }]);
      assert.deepEqual(message.authorities, [
        { name: instance, ttl: 60, type: TYPE.SRV, priority: 0, weight: 0, port: 4000, target: "a" },
        { name: instance, ttl: 60, type: TYPE.TXT, strings: texts },
      ]);
    }
    const announced: DnsRecord[] = [
      { name: instance, ttl: 60, type: TYPE.SRV, priority: 10, weight: 1, port: 4000, target: "a" },
      { name: "a", ttl: 60, type: TYPE.A, address: Uint8Array.of(10, 0, 0, 1) },
      { name: instance, ttl: 60, type: TYPE.TXT, strings: texts },
    ];
    for (const { message, from } of heard.slice(3)) {
      assert.equal(message.response, true);
      assert.deepEqual(message.questions, []);
      assert.deepEqual(message.answers, announced);
      assert.equal(from.port, 5353);
    }
    const at = heard.map((each) => each.at);
    for (const i of [1, 2, 3]) assert.ok(at[i]! - at[i - 1]! < 250, `probes at ${at}`);
    assert.deepEqual([at[4]! - at[3]!, at[5]! - at[4]!], [1_000, 2_000]);
    await registry.deregister(onLink());
    await world.advance(60_000);
    assert.equal(heard.length, 7);
    assert.deepEqual(heard[6]!.message.answers, announced.map((each) => ({ ...each, ttl: 0 })));
  });

  test("renewing says nothing, a change is announced, expiry and disposal are a goodbye", async () => {
    await using world = new MdnsWorld();
    const heard = await world.listen();
    const registry = world.open("a");
    await registry.register(onLink(), TTL);
    await world.advance(20_000);
    await registry.register(onLink(), TTL);
    await world.advance(20_000);
    assert.equal(heard.length, 6);
    const changed = { ...onLink(), metadata: { type: "other" } };
    await registry.register(changed, { ttl: 5_000 });
    await world.advance(4_000);
    assert.equal(heard.length, 9);
    assert.ok(heard.slice(6).every(({ message }) => message.response && message.answers[0]!.ttl === 5));
    await world.advance(1_000);
    assert.equal(heard.length, 10);
    assert.equal(heard[9]!.message.answers[0]!.ttl, 0);
    await registry.register(onLink("greeter-2"), TTL);
    await world.advance(10_000);
    await registry[Symbol.asyncDispose]();
    await world.advance(0);
    assert.equal(heard.length, 17);
    assert.equal(heard[16]!.message.answers[0]!.ttl, 0);
  });

  test("a question is answered to who asked, one message a node, with the question repeated", async () => {
    await using world = new MdnsWorld();
    const registry = world.open("a");
    await registry.register({
      ...onLink("greeter-1"),
      nodes: [...onLink("greeter-1").nodes, ...onLink("greeter-2").nodes],
    }, TTL);
    await world.advance(10_000);
    const heard = await world.listen();
    const ask = async (name: string, type: number = TYPE.PTR) => {
      const answers = await world.send({ ...query(name, 77), questions: [{ name, type }] });
      for (const { message } of answers) {
        assert.equal(message.id, 77);
        assert.deepEqual(message.questions, [{ name, type }]);
      }
      return answers.map(({ message }) => types(message.answers).join(" "));
    };
    assert.deepEqual(await ask("greeter.micro"), ["PTR SRV A TXT", "PTR SRV A TXT"]);
    assert.deepEqual(await ask("greeter.micro", TYPE.ANY), ["PTR SRV A TXT", "PTR SRV A TXT"]);
    assert.deepEqual(await ask("greeter.micro", TYPE.TXT), []);
    assert.deepEqual(await ask(LIST), ["PTR SRV A TXT"]);
    assert.deepEqual(await ask("greeter-2.greeter.micro", TYPE.SRV), ["SRV A TXT"]);
    assert.deepEqual(
      await ask("greeter-2.greeter.micro"),
      [],
      "as Go Micro, which probes with that question",
    );
    assert.deepEqual(await ask("other.micro"), []);
    assert.deepEqual(await ask("greeter.local"), []);
    assert.ok(heard.every(({ message }) => !message.response), "nothing is answered to all");
  });

  test("what listens on loopback is told to its own machine alone, and believed there alone", async () => {
    await using world = new MdnsWorld();
    const outside = await world.listen("b");
    const inside = await world.listen("a");
    const registry = world.open("a");
    await registry.register(greeter("1.0.0", "hidden"), TTL);
    await registry.register(onLink("shown"), TTL);
    await world.advance(10_000);
    const said = (heard: readonly Heard[]) =>
      new Set(heard.map(({ message }) => [...message.answers, ...message.authorities][0]!.name));
    assert.deepEqual([...said(inside)].sort(), ["hidden.greeter.micro", "shown.greeter.micro"]);
    assert.deepEqual([...said(outside)], ["shown.greeter.micro"]);
    const answers = await world.send(query("greeter.micro", 1), "b");
    assert.deepEqual(answers.map(({ message }) => message.answers[1]!.name), ["shown.greeter.micro"]);
    assert.deepEqual(await ids(world, world.open("b")), ["shown"]);
    assert.deepEqual(await ids(world, world.open("a")), ["hidden", "shown"]);
    await registry.deregister(onLink("shown"));
    assert.deepEqual(await world.during(world.open("b").listServices()), []);

    const watch = follow(world.open("b"));
    await world.advance(500);
    const texts = await encodePayload(greeter("1.0.0", "liar"), zlib);
    const lie = (address: Uint8Array, name = "liar.greeter.micro"): DnsMessage => ({
      ...query(LIST, 0),
      response: true,
      questions: [],
      answers: [
        { name, ttl: 60, type: TYPE.SRV, priority: 0, weight: 0, port: 80, target: "x" },
        { name: "x", ttl: 60, type: address.length === 4 ? TYPE.A : TYPE.AAAA, address },
        { name, ttl: 60, type: TYPE.TXT, strings: texts },
      ],
    });
    for (const address of [[127, 0, 0, 1], [0, 0, 0, 0], [224, 0, 0, 1]]) {
      await world.send(lie(Uint8Array.from(address)), "a");
    }
    await world.send(lie(Uint8Array.of(10, 0, 0, 9), "liar.other.micro"), "a");
    assert.deepEqual(watch.nodes(), []);
    await world.send(lie(Uint8Array.of(10, 0, 0, 9)), "a");
    assert.deepEqual(watch.nodes(), ["liar"]);
  });
});

describe("mdns, what is heard", () => {
  test("a lookup lasts 100 ms, a list twice that, and hears versions of all machines", async () => {
    await using world = new MdnsWorld();
    await world.open("a").register(onLink("greeter-1", "1.0.0"), TTL);
    await world.open("b").register(onLink("greeter-2", "2.0.0"), TTL);
    const registry = world.open("c");
    const began = world.clock.now();
    const found = await world.during(registry.getService("greeter"));
    assert.deepEqual(found.map(({ version, nodes }) => `${version} ${nodes[0]!.id}`), [
      "1.0.0 greeter-1",
      "2.0.0 greeter-2",
    ]);
    assert.equal(world.clock.now() - began, 100);
    assert.equal((await world.during(registry.listServices())).length, 2);
    assert.equal(world.clock.now() - began, 300);
  });

  test("a node of a machine that loses its power is dropped after three polls without an answer", async () => {
    await using world = new MdnsWorld();
    await world.open("a").register(onLink(), { ttl: 3_600_000 });
    await world.open("b").register(onLink("greeter-2"), { ttl: 3_600_000 });
    const watch = follow(world.open("c"), "greeter");
    await world.advance(60_000);
    assert.deepEqual(watch.nodes(), ["greeter-1", "greeter-2"]);
    world.network.link.unplugged.add("a");
    await world.advance(20_000);
    assert.deepEqual(watch.nodes(), ["greeter-1", "greeter-2"], "two polls may be lost");
    await world.advance(25_000);
    assert.deepEqual(watch.nodes(), ["greeter-2"]);
    world.network.link.unplugged.delete("a");
    await world.advance(13_000);
    assert.deepEqual(watch.nodes(), ["greeter-1", "greeter-2"]);
    assert.deepEqual(watch.kinds, ["sync", "delete", "create"]);
    assert.deepEqual(world.lines, []);
  });

  test("what is watched no more is asked for no more", async () => {
    await using world = new MdnsWorld();
    await world.open("a").register(onLink(), TTL);
    const registry = world.open("b");
    const controller = new AbortController();
    const watching = (async () => {
      for await (const _ of registry.watch({ service: "greeter", signal: controller.signal }));
    })();
    const other = follow(registry, "other");
    const heard = await world.listen();
    const asked = () => new Set(heard.flatMap(({ message }) => message.questions.map(({ name }) => name)));
    await world.advance(30_000);
    assert.ok(asked().has("greeter.micro") && asked().has("other.micro"));
    controller.abort();
    await watching;
    await world.advance(15_000);
    (heard as Heard[]).length = 0;
    await world.advance(30_000);
    assert.deepEqual([...asked()], ["other.micro"]);
    assert.deepEqual(other.nodes(), []);
  });

  test("one that may be believed for 2 s is asked for in time, and gone when nobody answers", async () => {
    await using world = new MdnsWorld();
    const registry = world.open("a");
    await registry.register(onLink(), { ttl: 2_000 });
    const watch = follow(world.open("b"), "greeter");
    for (let i = 0; i < 60; i++) {
      await world.advance(500);
      await registry.register(onLink(), { ttl: 2_000 });
    }
    assert.deepEqual(watch.nodes(), ["greeter-1"]);
    assert.deepEqual(watch.kinds, ["sync"]);
    world.network.link.unplugged.add("a");
    await world.advance(2_100);
    assert.deepEqual(watch.nodes(), []);

    world.network.link.unplugged.delete("a");
    await world.open("c").register(onLink("brief"), { ttl: 2_000 });
    await world.advance(1_500);
    assert.deepEqual(watch.nodes(), ["brief"]);
    world.network.link.unplugged.add("c");
    await world.advance(2_100);
    assert.deepEqual(watch.nodes(), []);
  });

  test("lost announcements are made up for by polls, of one service and of all", async () => {
    await using world = new MdnsWorld();
    const one = follow(world.open("b"), "greeter");
    const all = follow(world.open("c"));
    const none = follow(world.open("c"), "other");
    await world.advance(500);
    world.network.link.loses = (data) => data.length > 200;
    const registry = world.open("a");
    await registry.register(onLink(), TTL);
    await world.advance(5_000);
    assert.deepEqual([one.nodes(), all.nodes()], [[], []]);
    world.network.link.loses = () => false;
    await world.advance(12_000);
    assert.deepEqual([one.nodes(), all.nodes(), none.nodes()], [["greeter-1"], ["greeter-1"], []]);
    await registry.deregister(onLink());
    await world.advance(0);
    assert.deepEqual([one.nodes(), all.nodes()], [[], []]);
  });

  test("while nothing leaves the machine, its own processes are found", async () => {
    await using world = new MdnsWorld();
    world.network.link.unplugged.add("a");
    const registry = world.open("a");
    await registry.register(onLink(), TTL);
    assert.deepEqual(await ids(world, world.open("a")), ["greeter-1"]);
    assert.deepEqual(world.lines, []);
  });

  test("nothing that strangers send does harm", async () => {
    await using world = new MdnsWorld();
    const registry = world.open("a");
    await registry.register(onLink(), TTL);
    const watch = follow(world.open("b"));
    await world.advance(5_000);
    const random = seeded(3);
    const [text] = [await encodePayload(onLink("evil"), zlib)];
    const name = "evil.greeter.micro";
    const good = encodeDns({
      ...query("greeter.micro", 0),
      response: true,
      answers: [
        { name, ttl: 60, type: TYPE.SRV, priority: 0, weight: 0, port: 80, target: "x" },
        { name: "x", ttl: 60, type: TYPE.A, address: Uint8Array.of(10, 0, 0, 9) },
        { name, ttl: 60, type: TYPE.TXT, strings: [...text.slice(0, -1), "00"] },
      ],
    });
    const stranger = await world.network.link.bind("x", { port: 0, receive() {} });
    for (let i = 0; i < 300; i++) {
      const data = good.slice(0, 1 + random.next() * good.length);
      for (let n = 0; n < i % 5; n++) data[Math.floor(random.next() * data.length)] = random.next() * 256;
      await stranger.send(data, { address: "224.0.0.251", port: 5353 });
      await world.advance(0);
    }
    await stranger.send(new Uint8Array(0), { address: "224.0.0.251", port: 5353 });
    await stranger.send(utf8("GET / HTTP/1.1\r\n\r\n"), { address: "224.0.0.251", port: 5353 });
    await stranger[Symbol.asyncDispose]();
    await world.advance(1_000);
    assert.ok(watch.nodes().includes("greeter-1"));
    assert.equal(watch.error, undefined);
    assert.ok((await ids(world, world.open("c"))).includes("greeter-1"));
  });
});

describe("mdns, what is refused", () => {
  test("names, ids and addresses that have no form in DNS, with what to do", async () => {
    await using world = new MdnsWorld();
    const registry = world.open();
    const uuid = "9c35f0c4-5a5f-4d0e-8a4b-0d6a3a0d1b6e";
    const refused = (record: ServiceRecord, pattern: RegExp) =>
      assert.rejects(
        registry.register(record, TTL),
        (error) => error instanceof RangeError && pattern.test(error.message),
      );
    const named = (name: string) => ({ ...onLink(`${name}-${uuid}`), name });
    await registry.register(named("a-service-of-26-characters"), TTL);
    await registry.register(named("acme.a-service-of-26-characters"), TTL);
    await refused(
      named("a-service-of-27-characters-"),
      /26 bytes are left for the name .* shorten it, put dots into it/,
    );
    await refused(
      { ...onLink(), name: "a..b" },
      /cannot hold a service named "a\.\.b": each part between dots/,
    );
    await refused({ ...onLink(), name: "_services" }, /none may be "_services"/);
    await refused(
      greeter("1", "a", { address: "localhost:80" }),
      /"localhost:80".*must be an IP address and a port.*--server_advertise/,
    );
    await refused(greeter("1", "a", { address: "0.0.0.0:80" }), /must be an IP address/);
    await refused({ ...onLink(), metadata: { x: "x".repeat(70_000) } }, /must fit into 65536 bytes/);
    assert.equal(world.clock.pending > 0, true);
    assert.deepEqual(await ids(world, world.open(), "_services"), []);
  });

  test("a record that fits no datagram, and one that is large is said", async () => {
    await using world = new MdnsWorld();
    const registry = world.open();
    const random = seeded(1);
    const noise = (length: number) =>
      Array.from({ length }, () => String.fromCharCode(33 + random.next() * 90)).join("");
    await registry.register({ ...onLink(), metadata: { x: noise(6_000) } }, TTL);
    assert.match(
      world.lines.join(""),
      /warn {2}mdns record is large.*service=greeter bytes=1\d{4} advised=9000/,
    );
    await assert.rejects(
      registry.register({ ...onLink(), metadata: { x: noise(45_000) } }, TTL),
      /does not fit into a datagram/,
    );
  });

  test("a runtime without datagrams, and options that make no sense", () => {
    const system = {
      clock: new VirtualClock(),
      random: seeded(1),
      platform: { runtime: "workers", hostname: "x" },
    } as unknown as System;
    assert.throws(
      () => createMdnsRegistry({ system }),
      (error) =>
        error instanceof MuonError && error.status === "unimplemented" &&
        /workers has none: choose another/.test(error.detail),
    );
    const world = new MdnsWorld();
    for (const bad of [{ timeout: 0 }, { poll: Number.NaN }, { timeout: Infinity }]) {
      assert.throws(() => world.open("a", bad), RangeError);
    }
  });

  test("a port that another program keeps to itself is named, and tried again later", async () => {
    await using world = new MdnsWorld();
    const other = await world.network.link.bind("a", { port: 5353, receive() {} });
    const registry = world.open("a");
    const is = (error: unknown) =>
      error instanceof MuonError && error.status === "unavailable" &&
      /UDP port 5353.*EADDRINUSE.*another --registry/.test(error.detail);
    await assert.rejects(registry.register(onLink(), TTL), is);
    await assert.rejects(world.during(registry.getService("greeter")), is);
    const watch = follow(registry);
    await world.advance(10);
    assert.ok(is(watch.error));
    await other[Symbol.asyncDispose]();
    await registry.register(onLink(), TTL);
    assert.deepEqual(await ids(world, registry), ["greeter-1"]);
  });

  test("a signal ends a lookup early, and so does disposal", async () => {
    await using world = new MdnsWorld();
    const registry = world.open();
    const controller = new AbortController();
    const asked = registry.getService("greeter", { signal: controller.signal });
    const ended = assert.rejects(asked, /enough/);
    await world.advance(10);
    controller.abort(new Error("enough"));
    await ended;
    const { signal } = new AbortController();
    const late = [undefined, signal].map((signal) =>
      assert.rejects(registry.listServices({ signal }), /is closed/)
    );
    await world.advance(10);
    await registry[Symbol.asyncDispose]();
    await Promise.all(late);
  });
});
