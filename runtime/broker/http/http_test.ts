import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type BrokerHarness, messageOf, testBroker } from "../../../tests/conformance/broker.ts";
import { join, recordsOf, world } from "../../../tests/support/http_world.ts";
import { ScriptedRegistry } from "../../../tests/support/scripted_registry.ts";
import { toBase64, utf8 } from "../../bytes.ts";
import { MuonError } from "../../errors.ts";
import type { Logger } from "../../log.ts";
import type { Delivery } from "../broker.ts";
import type { HttpBroker } from "./http.ts";

/** A log that is read. */
function logged(): { readonly log: Logger; readonly lines: string[] } {
  const lines: string[] = [];
  const write = (level: string) => (message: string, fields?: object) => {
    lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
  };
  const log: Logger = {
    debug: write("debug"),
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
    with: () => log,
  };
  return { log, lines };
}

testBroker({
  name: "http",
  create({ attempts, capacity }): BrokerHarness {
    const at = world();
    const policy = { attempts, ...(capacity === undefined ? {} : { capacity }) };
    const here = join(at, "10.0.0.1:1", { policy });
    const there = join(at, "10.0.0.2:1", { policy });
    const other = join(at, "10.0.0.3:1", { policy });
    const brokers = [here, there, other];
    return {
      here,
      there,
      other,
      advance: (ms) => at.clock.advance(ms),
      deadLetters: () => brokers.flatMap(({ deadLetters }) => [...deadLetters]),
      async [Symbol.asyncDispose]() {
        for (const broker of brokers) await broker[Symbol.asyncDispose]();
        await at.clock.advance(0);
        for (const { registry } of brokers) await registry[Symbol.asyncDispose]();
        assert.equal(at.clock.pending, 0, "a timer was left");
      },
    };
  },
});

const ID = /^user\.created-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe("http broker in the registry", () => {
  test("a subscription has Go Micro's form", async () => {
    const at = world();
    await using broker = join(at, "10.0.0.1:1");
    await broker.subscribe("user.created", () => {});
    const [record] = await recordsOf(broker);
    const node = record!.nodes[0]!;
    assert.match(node.id, ID);
    assert.deepEqual(record, {
      name: "micro.http.broker",
      version: "ff.http.broadcast",
      metadata: {},
      endpoints: [],
      nodes: [{
        id: node.id,
        address: "10.0.0.1:1",
        metadata: { broker: "http", topic: "user.created", secure: "false" },
      }],
    });
  });

  test("a queue is a version, and every subscription has an id of its own", async () => {
    const at = world();
    await using broker = join(at, "10.0.0.1:1", { secure: true });
    await broker.subscribe("user.created", () => {}, { queue: "mail" });
    await broker.subscribe("user.created", () => {}, { queue: "mail" });
    await broker.subscribe("user.created", () => {}, { queue: "audit" });
    const records = await recordsOf(broker);
    assert.deepEqual(records.map(({ version, nodes }) => [version, nodes.length]), [["audit", 1], [
      "mail",
      2,
    ]]);
    assert.equal(new Set(records.flatMap(({ nodes }) => nodes.map(({ id }) => id))).size, 3);
    assert.equal(records[0]!.nodes[0]!.metadata.secure, "true");
  });

  test("a subscription is renewed every 20 to 30 s, and gone a minute after its process died", async () => {
    const at = world();
    const broker = join(at, "10.0.0.1:1");
    await using watcher = join(at, "10.0.0.2:1");
    await broker.subscribe("user.created", () => {});
    await at.clock.advance(600_000);
    assert.equal((await recordsOf(watcher)).length, 1);
    const { register } = broker.registry;
    broker.registry.register = () => Promise.reject(new Error("away"));
    await at.clock.advance(29_000);
    assert.equal((await recordsOf(watcher)).length, 1);
    await at.clock.advance(61_000);
    assert.equal((await recordsOf(watcher)).length, 0);
    broker.registry.register = register;
    await at.clock.advance(5_000);
    assert.equal((await recordsOf(watcher)).length, 1, "it did not come back with the registry");
    await broker[Symbol.asyncDispose]();
    assert.equal((await recordsOf(watcher)).length, 0);
  });

  test("a renewal that is under way does not bring back what is released", async () => {
    const at = world();
    await using broker = join(at, "10.0.0.1:1");
    const subscription = await broker.subscribe("user.created", () => {});
    const register = broker.registry.register.bind(broker.registry);
    const gate = Promise.withResolvers<void>();
    let renewals = 0;
    broker.registry.register = async (record, options) => {
      renewals++;
      await gate.promise;
      await register(record, options);
    };
    await at.clock.advance(30_000);
    assert.equal(renewals, 1);
    const over = subscription[Symbol.asyncDispose]();
    gate.resolve();
    await over;
    assert.deepEqual(await recordsOf(broker), []);
  });

  test("subscribing before the process listens says what to do", async () => {
    const at = world();
    await using broker = join(at, "10.0.0.1:1", { address: () => undefined });
    await assert.rejects(broker.subscribe("user.created", () => {}), (error) => {
      assert.ok(error instanceof MuonError);
      assert.equal(error.status, "failed_precondition");
      assert.match(error.detail, /"user\.created".*does not listen.*Subscribe in a service/);
      return true;
    });
    assert.equal((await broker.publish("user.created", messageOf("1"))).accepted, 0);
    await assert.rejects(broker.subscribe("t", () => {}, { queue: "ff.http.broadcast" }), TypeError);
  });

  test("a registry that refuses is the subscriber's error", async () => {
    const at = world();
    const broken = join(at, "10.0.0.9:1").registry;
    broken.register = () => Promise.reject(new Error("no disk"));
    await using broker = join(at, "10.0.0.1:1", { registry: broken });
    await assert.rejects(broker.subscribe("user.created", () => {}), /no disk/);
    assert.equal((await broker.publish("user.created", messageOf("1"))).accepted, 0);
  });
});

describe("http broker that publishes", () => {
  test("a delivery has Go Micro's form", async () => {
    const at = world();
    await using here = join(at, "10.0.0.1:1");
    await using there = join(at, "10.0.0.2:1");
    await there.subscribe("user.created", () => {});
    await here.publish("user.created", {
      id: "m-1",
      header: { "Content-Type": "application/json", "micro-topic": "lies", "Micro-ID": "lies", foo: "bar" },
      body: utf8('{"id":"42"}\n'),
    });
    assert.equal(at.requests.length, 1);
    const { url, body } = at.requests[0]!;
    const id = (await recordsOf(there))[0]!.nodes[0]!.id;
    assert.equal(url, `http://10.0.0.2:1/?id=${encodeURIComponent(id)}`);
    assert.deepEqual(JSON.parse(body), {
      Header: {
        "Content-Type": "application/json",
        foo: "bar",
        "Micro-Topic": "user.created",
        "Micro-Id": "m-1",
      },
      Body: toBase64(utf8('{"id":"42"}\n')),
    });
  });

  test("subscribers in the same broker are reached without a request", async () => {
    const at = world();
    await using here = join(at, "10.0.0.1:1");
    const got: string[] = [];
    await here.subscribe("user.created", ({ message }) => {
      got.push(message.id);
    });
    assert.equal((await here.publish("user.created", messageOf("1"))).accepted, 1);
    await at.clock.advance(0);
    assert.deepEqual(got, ["1"]);
    assert.equal(at.requests.length, 0);
  });

  test("a subscriber of Go Micro gets what any other gets", async () => {
    const at = world();
    await using here = join(at, "10.0.0.1:1");
    const got: string[] = [];
    at.network.set("10.0.0.7:9", async (request) => {
      got.push(`${request.method} ${new URL(request.url).search} ${await request.text()}`);
      return new Response(null, { status: 200 });
    });
    const metadata = { broker: "http", topic: "t.x", secure: "false" };
    await here.registry.register({
      name: "micro.http.broker",
      version: "ff.http.broadcast",
      metadata: {},
      endpoints: [],
      nodes: [{ id: "t.x-abc", address: "10.0.0.7:9", metadata }],
    }, { ttl: 60_000 });
    assert.equal((await here.publish("t.x", messageOf("1"))).accepted, 1);
    assert.match(got[0]!, /^POST \?id=t\.x-abc \{"Header":\{.*"Micro-Topic":"t\.x".*\},"Body":"e30="\}$/);
  });

  test("another broker's nodes and other topics are let be", async () => {
    const at = world();
    await using here = join(at, "10.0.0.1:1");
    const node = (id: string, metadata: Record<string, string>) => ({ id, address: "10.0.0.8:1", metadata });
    await here.registry.register({
      name: "micro.http.broker",
      version: "ff.http.broadcast",
      metadata: {},
      endpoints: [],
      nodes: [
        node("a", { broker: "other", topic: "t" }),
        node("b", { broker: "http", topic: "t2" }),
        node("c", {}),
      ],
    }, { ttl: 60_000 });
    assert.equal((await here.publish("t", messageOf("1"))).accepted, 0);
    assert.equal(at.requests.length, 0);
  });

  test("a dead subscriber is passed over and logged once, and the living get the message", async () => {
    const at = world();
    const { log, lines } = logged();
    await using here = join(at, "10.0.0.1:1", { log });
    const dead = join(at, "10.0.0.2:1");
    await using there = join(at, "10.0.0.3:1");
    await dead.subscribe("t", () => {});
    await dead.subscribe("t", () => {}, { queue: "q" });
    const got: Delivery[] = [];
    const collect = (delivery: Delivery) => void got.push(delivery);
    await there.subscribe("t", collect);
    await there.subscribe("t", collect, { queue: "q" });
    at.network.delete("10.0.0.2:1");
    for (let i = 0; i < 10; i++) assert.equal((await here.publish("t", messageOf(`${i}`))).accepted, 2);
    await at.clock.advance(0);
    assert.equal(got.length, 20);
    assert.equal(lines.length, 2, lines.join("\n"));
    assert.match(lines[0]!, /^warn subscriber cannot be reached .*"address":"10\.0\.0\.2:1".*ECONNREFUSED/);
    await dead[Symbol.asyncDispose]();
  });

  test("a connection that breaks is tried once more", async () => {
    const at = world();
    await using here = join(at, "10.0.0.1:1");
    await using there = join(at, "10.0.0.2:1");
    await there.subscribe("t", () => {});
    const serve = at.network.get("10.0.0.2:1")!;
    at.network.set("10.0.0.2:1", () => {
      at.network.set("10.0.0.2:1", serve);
      throw new TypeError("fetch failed", { cause: new Error("ECONNRESET") });
    });
    assert.equal((await here.publish("t", messageOf("1"))).accepted, 1);
    assert.equal(at.requests.length, 2);
  });

  test("a process that came back at the address of a dead one does not get its messages", async () => {
    const at = world();
    await using here = join(at, "10.0.0.1:1");
    const dead = join(at, "10.0.0.2:1");
    await dead.subscribe("t", () => {});
    await using back = join(at, "10.0.0.2:1");
    let got = 0;
    await back.subscribe("t", () => {
      got++;
    });
    assert.equal((await here.publish("t", messageOf("1"))).accepted, 1);
    await at.clock.advance(0);
    assert.equal(got, 1);
    await dead[Symbol.asyncDispose]();
  });

  test("a subscriber that refuses, or does not answer, is an error that says so", async () => {
    const at = world();
    await using here = join(at, "10.0.0.1:1");
    await using there = join(at, "10.0.0.2:1");
    await there.subscribe("t", () => {});
    await there.subscribe("t", () => {}, { queue: "q" });
    at.network.set(
      "10.0.0.2:1",
      () =>
        new Response(JSON.stringify({ id: "x", code: 500, detail: "no disk", status: "internal" }), {
          status: 500,
        }),
    );
    await assert.rejects(here.publish("t", messageOf("1")), (error) => {
      assert.ok(error instanceof MuonError);
      assert.equal(error.status, "unavailable");
      assert.match(
        error.detail,
        /2 of 2 subscribers .*"t" did not take the message, 0 have it: HTTP 500: no disk/,
      );
      return true;
    });
    at.network.set("10.0.0.2:1", () => new Promise(() => {}));
    const late = assert.rejects(here.publish("t", messageOf("2")), /no answer within 5000 ms/);
    await at.clock.advance(5_000);
    await late;
  });

  test("each member of a queue that is asked has the whole time to answer", async () => {
    const at = world();
    await using here = join(at, "10.0.0.1:1");
    await using there = join(at, "10.0.0.2:1");
    const got: string[] = [];
    for (const name of ["a", "b"]) {
      await there.subscribe("t", () => void got.push(name), { queue: "q" });
    }
    await there.subscribe("t", () => void got.push("every"));
    const serve = at.network.get("10.0.0.2:1")!;
    let silent = true;
    at.network.set("10.0.0.2:1", async (request) => {
      const { id } = (await recordsOf(there)).find(({ version }) => version !== "q")!.nodes[0]!;
      const first = silent && new URL(request.url).searchParams.get("id") !== id;
      if (first) silent = false;
      else if (new URL(request.url).searchParams.get("id") !== id) {
        // Longer than what is left of the time of the first.
        await new Promise<void>((resolve) => at.clock.after(4_000, resolve));
      }
      return await (first ? new Promise<Response>(() => {}) : serve(request));
    });
    const { pending } = at.clock;
    const publishing = here.publish("t", messageOf("1"));
    await at.clock.advance(5_000);
    await at.clock.advance(4_000);
    assert.equal((await publishing).accepted, 2);
    await at.clock.advance(0);
    assert.equal(got.length, 2);
    assert.equal(at.clock.pending, pending, "no timer of a post is left");
  });

  test("a member that does not answer is logged once, and asked last until it answers again", async () => {
    const at = world();
    const { log, lines } = logged();
    await using here = join(at, "10.0.0.1:1", { log });
    await using frozen = join(at, "10.0.0.2:1");
    await using there = join(at, "10.0.0.3:1");
    const got = { frozen: 0, there: 0 };
    await frozen.subscribe("t", () => void got.frozen++, { queue: "q" });
    await there.subscribe("t", () => void got.there++, { queue: "q" });
    const serve = at.network.get("10.0.0.2:1")!;
    at.network.set("10.0.0.2:1", () => new Promise(() => {}));
    const asked = () => at.requests.filter(({ url }) => url.startsWith("http://10.0.0.2:1")).length;
    // At random the frozen one is asked first, sooner or later.
    for (let i = 0; asked() === 0; i++) {
      const publishing = here.publish("t", messageOf(`a${i}`));
      await at.clock.advance(5_000);
      assert.equal((await publishing).accepted, 1);
    }
    for (let i = 0; i < 20; i++) assert.equal((await here.publish("t", messageOf(`b${i}`))).accepted, 1);
    assert.equal(asked(), 1);
    assert.equal(lines.length, 1, lines.join("\n"));
    assert.match(lines[0]!, /^warn subscriber does not answer .*"address":"10\.0\.0\.2:1".*within 5000 ms/);

    // It is asked, and answers, when no other takes the message.
    at.network.set("10.0.0.2:1", serve);
    const other = at.network.get("10.0.0.3:1")!;
    at.network.set("10.0.0.3:1", () => new Response("no room", { status: 429 }));
    assert.equal((await here.publish("t", messageOf("c"))).accepted, 1);
    at.network.set("10.0.0.3:1", other);
    for (let i = 0; i < 20; i++) await here.publish("t", messageOf(`d${i}`));
    await at.clock.advance(0);
    assert.ok(got.frozen > 1 && got.there > 20, JSON.stringify(got));
  });

  test("the signal ends a publication, and so does closing the broker", async () => {
    const at = world();
    const here = join(at, "10.0.0.1:1");
    await using there = join(at, "10.0.0.2:1");
    await there.subscribe("t", () => {});
    at.network.set("10.0.0.2:1", () => new Promise(() => {}));
    const controller = new AbortController();
    const reason = new Error("changed my mind");
    const first = assert.rejects(here.publish("t", messageOf("1"), { signal: controller.signal }), reason);
    await at.clock.advance(0);
    controller.abort(reason);
    await first;
    const second = assert.rejects(here.publish("t", messageOf("2")), /the http broker was closed/);
    await at.clock.advance(0);
    await here[Symbol.asyncDispose]();
    await second;
  });

  test("a registry that is away is an error in time, and what was known counts later", async () => {
    const at = world();
    await using here = join(at, "10.0.0.1:1");
    await using there = join(at, "10.0.0.2:1");
    await there.subscribe("t", () => {});
    const { watch } = here.registry;
    const away = () => ({
      [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(new Error("registry away")) }),
    });
    here.registry.watch = away;
    const failed = assert.rejects(here.publish("t", messageOf("1")), (error) => {
      assert.ok(error instanceof MuonError);
      assert.equal(error.status, "unavailable");
      assert.match(error.detail, /memory registry has not said within 5000 ms who subscribes: registry away/);
      return true;
    });
    await at.clock.advance(5_000);
    await failed;
    here.registry.watch = watch;
    await at.clock.advance(1_000);
    assert.equal((await here.publish("t", messageOf("2"))).accepted, 1);
  });

  test("a registry that comes back empty loses no subscriber that is there", async () => {
    const at = world();
    const registry = new ScriptedRegistry();
    await using here = join(at, "10.0.0.1:1", { registry });
    let got = 0;
    at.network.set("10.0.0.2:1", () => {
      got++;
      return new Response(null, { status: 200 });
    });
    const record = (id: string, topic = "t") => ({
      name: "micro.http.broker",
      version: "ff.http.broadcast",
      metadata: {},
      endpoints: [],
      nodes: [{ id, address: "10.0.0.2:1", metadata: { broker: "http", topic, secure: "false" } }],
    });
    const merged = (...ids: string[]) => ({ ...record(""), nodes: ids.flatMap((id) => record(id).nodes) });
    const accepted = async (topic = "t") => {
      await at.clock.advance(0);
      return (await here.publish(topic, messageOf("1"))).accepted;
    };
    const first = here.publish("t", messageOf("1"));
    registry.last.push({ type: "sync", services: [merged("a", "b", "c")] });
    assert.equal((await first).accepted, 3);

    registry.last.end();
    await at.clock.advance(1_000);
    assert.equal(registry.watches.length, 2);
    assert.equal(await accepted(), 3, "while it is away");
    registry.last.push({ type: "sync", services: [] });
    assert.equal(await accepted(), 3, "when it is empty");
    registry.last.push({ type: "create", service: record("b") });
    registry.last.push({ type: "create", service: record("d", "u") });
    assert.equal(await accepted(), 3, "when the first of them has renewed");
    assert.equal(await accepted("u"), 1);
    await at.clock.advance(31_000);
    registry.last.push({ type: "create", service: record("c") });
    assert.equal(await accepted(), 3);
    await at.clock.advance(30_000);
    assert.equal(await accepted(), 2, "who has not renewed in the life of an entry is gone");
    registry.last.push({ type: "delete", service: record("c") });
    assert.equal(await accepted(), 1, "who the registry says is gone, is at once");
    registry.last.push({ type: "delete", service: { ...record(""), nodes: [] } });
    assert.equal(await accepted(), 0);
    assert.equal(await accepted("u"), 0);
    assert.equal(got, 3 + 3 + 3 + 3 + 1 + 3 + 2 + 1);
  });

  test("a message that is too large is refused where it is published", async () => {
    const at = world();
    await using here = join(at, "10.0.0.1:1", { maxMessage: 100 });
    await assert.rejects(
      here.publish("t", { ...messageOf("1"), body: new Uint8Array(101) }),
      /has 101 bytes: at most 100 are sent/,
    );
  });
});

describe("http broker that hands over", () => {
  const fails = () => Promise.reject(new Error("no disk"));
  const member = { queue: "q" };

  test("tells the next member, in headers of its own, how often a message failed and where", async () => {
    const at = world();
    await using there = join(at, "10.0.0.2:1");
    const got: Delivery[] = [];
    await there.subscribe("t", fails, member);
    await there.publish("t", { ...messageOf("1"), header: { "muon-tried": "lies", "Muon-Attempt": "77" } });
    await using other = join(at, "10.0.0.3:1");
    await other.subscribe("t", (delivery) => void got.push(delivery), member);
    await at.clock.advance(1_000);
    assert.equal(at.requests.length, 1);
    const { url, body } = at.requests[0]!;
    const ids = (await recordsOf(there))[0]!.nodes.map(({ id }) => id);
    const to = new URL(url).searchParams.get("id")!;
    assert.deepEqual(JSON.parse(body).Header, {
      "Micro-Topic": "t",
      "Micro-Id": "1",
      "Muon-Attempt": "4",
      "Muon-Tried": ids.find((id) => id !== to),
    });
    assert.deepEqual([got[0]!.attempt, got[0]!.message.header], [4, { "Micro-Topic": "t", "Micro-Id": "1" }]);
  });

  test("reaches a member on Go Micro, whose answer is the end of it", async () => {
    const at = world();
    await using there = join(at, "10.0.0.2:1");
    await there.subscribe("t", fails, member);
    let got = 0;
    at.network.set("10.0.0.7:9", () => {
      got++;
      return new Response(null, { status: 200 });
    });
    await there.registry.register({
      name: "micro.http.broker",
      version: "q",
      metadata: {},
      endpoints: [],
      nodes: [{
        id: "t-abc",
        address: "10.0.0.7:9",
        metadata: { broker: "http", topic: "t", secure: "false" },
      }],
    }, { ttl: 60_000 });
    const id = (await recordsOf(there))[0]!.nodes.find((node) => node.id !== "t-abc")!.id;
    await post(there, id, {});
    await at.clock.advance(1_000);
    assert.equal(got, 1);
    assert.deepEqual([...there.deadLetters], []);
  });

  test("passes over a member that died, and one in the same process needs no request", async () => {
    const at = world();
    await using there = join(at, "10.0.0.2:1");
    const dead = join(at, "10.0.0.3:1");
    await there.subscribe("t", fails, member);
    await dead.subscribe("t", () => {}, member);
    at.network.delete("10.0.0.3:1");
    const own = (await recordsOf(there))[0]!.nodes.find(({ address }) => address === "10.0.0.2:1")!.id;
    await post(there, own, {});
    await at.clock.advance(1_000);
    assert.deepEqual([...there.deadLetters].map(({ attempts, reason }) => [attempts, reason]), [[
      3,
      "no disk",
    ]]);
    const requests = at.requests.length;
    const got: string[] = [];
    await there.subscribe("t", ({ message }) => void got.push(message.id), member);
    await post(there, own, { "Micro-Id": "2" });
    await at.clock.advance(1_000);
    assert.deepEqual(got, ["2"]);
    // The random order may try the dead one first, and once again as a new connection.
    assert.ok(at.requests.length - requests <= 2);
    await dead[Symbol.asyncDispose]();
  });

  test("does not go round: a message that was everywhere is given up", async () => {
    const at = world();
    const brokers = ["10.0.0.2:1", "10.0.0.3:1", "10.0.0.4:1"].map((address) => join(at, address));
    let deliveries = 0;
    for (const broker of brokers) {
      await broker.subscribe("t", () => {
        deliveries++;
        return fails();
      }, member);
    }
    await brokers[0]!.publish("t", messageOf("1"));
    await at.clock.advance(60_000);
    assert.equal(deliveries, 9);
    const letters = brokers.flatMap(({ deadLetters }) => [...deadLetters]);
    assert.deepEqual(letters.map(({ attempts, queue }) => [attempts, queue]), [[9, "q"]]);
    for (const broker of brokers) await broker[Symbol.asyncDispose]();
  });

  test("a full inbox sends the publisher to another member; only when all are full is it an error", async () => {
    const at = world();
    await using here = join(at, "10.0.0.1:1");
    const policy = { capacity: 1 };
    await using there = join(at, "10.0.0.2:1", { policy });
    await using other = join(at, "10.0.0.3:1", { policy });
    const hold = ({ signal }: Delivery) =>
      new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    await there.subscribe("t", hold, { ...member, concurrency: 1 });
    await other.subscribe("t", hold, { ...member, concurrency: 1 });
    const statuses: number[] = [];
    for (const [address, serve] of [...at.network]) {
      at.network.set(address, async (request) => {
        const response = await serve(request);
        statuses.push(response.status);
        return response;
      });
    }
    for (const id of ["1", "2", "3", "4"]) assert.equal((await here.publish("t", messageOf(id))).accepted, 1);
    assert.equal(statuses.filter((status) => status === 204).length, 4);
    statuses.length = 0;
    await assert.rejects(here.publish("t", messageOf("5")), (error) => {
      assert.ok(error instanceof MuonError);
      assert.equal(error.status, "resource_exhausted");
      assert.equal(error.notRun, true);
      assert.match(
        error.detail,
        /a subscriber of "t" in queue "q" is 1 messages behind \(limit capacity\): publish slower/,
      );
      return true;
    });
    assert.deepEqual(statuses, [429, 429]);
  });

  test("what fails while it is being handed over is handed over, and no dead letter", async () => {
    const at = world();
    await using there = join(at, "10.0.0.2:1");
    await using other = join(at, "10.0.0.3:1");
    const closing = await there.subscribe(
      "t",
      ({ signal }) =>
        new Promise<void>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
      member,
    );
    await there.publish("t", messageOf("1"));
    await at.clock.advance(0);
    const got: number[] = [];
    await other.subscribe("t", ({ attempt }) => void got.push(attempt), member);
    await closing[Symbol.asyncDispose]();
    await at.clock.advance(0);
    assert.deepEqual(got, [2]);
    assert.deepEqual([...there.deadLetters], []);
  });

  test("a member that does not answer holds up a closing subscription for 5 s and no longer", async () => {
    const at = world();
    await using there = join(at, "10.0.0.2:1");
    const other = join(at, "10.0.0.3:1");
    const subscription = await there.subscribe(
      "t",
      ({ signal }) => new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve())),
      { ...member, concurrency: 1 },
    );
    for (const id of ["1", "2", "3"]) await there.publish("t", messageOf(id));
    await at.clock.advance(0);
    await other.subscribe("t", () => {}, member);
    at.network.set("10.0.0.3:1", () => new Promise(() => {}));
    let closed = false;
    const end = subscription[Symbol.asyncDispose]().then(() => closed = true);
    await at.clock.advance(4_900);
    assert.equal(closed, false);
    await at.clock.advance(100);
    await end;
    assert.deepEqual([...there.deadLetters].map(({ message }) => message.id).toSorted(), ["2", "3"]);
    assert.match([...there.deadLetters][0]!.reason, /closed before it was delivered \(and no other member/);
    await other[Symbol.asyncDispose]();
  });

  test("a registry that does not answer does not hold up a drain beyond its signal", async () => {
    const at = world();
    await using there = join(at, "10.0.0.2:1");
    const subscription = await there.subscribe("t", () => {}, member);
    const { deregister } = there.registry;
    const gate = Promise.withResolvers<void>();
    there.registry.deregister = async (record) => {
      await gate.promise;
      await deregister.call(there.registry, record);
    };
    const controller = new AbortController();
    const drained = subscription.drain(controller.signal);
    await at.clock.advance(0);
    controller.abort();
    await drained;
    gate.resolve();
  });

  /** Delivers to one subscription, as a publisher that chose it. */
  async function post(broker: HttpBroker, id: string, header: Record<string, string>): Promise<void> {
    const body = JSON.stringify({ Header: { "Micro-Id": "1", ...header }, Body: "e30=" });
    const request = new Request(`http://10.0.0.2:1/?id=${encodeURIComponent(id)}`, { method: "POST", body });
    assert.equal((await broker.protocol.fetch!(request, { address: "127.0.0.1:1" })).status, 204);
  }
});
