/** Publishing and subscribing through the public face, over each broker. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { z } from "zod";
import {
  type Broker,
  connect,
  createService,
  MuonError,
  type Receipt,
  Service,
  SILENT,
  Subscribe,
  topic,
} from "../mod.ts";

const placed = topic("events.placed", z.object({ id: z.string() }));

function nobody(error: unknown): boolean {
  assert.ok(error instanceof MuonError);
  assert.equal(error.status, "unavailable");
  assert.equal(error.notRun, true);
  assert.match(error.detail, /Nobody took the event [0-9a-f-]{36} on events\.placed, and it was required/);
  return true;
}

for (const broker of ["memory", "http"] as const) {
  describe(`events over ${broker}`, () => {
    test("that are required and that nobody takes are an error", async () => {
      const heard = Promise.withResolvers<string>();
      @Service("events.mailer")
      class Mailer {
        @Subscribe(placed, { queue: "mailer" })
        confirm({ id }: { id: string }) {
          heard.resolve(id);
        }
      }
      const options = { registry: "memory", broker, log: SILENT } as const;
      await using mesh = await connect(options);
      const required = { required: true };
      assert.equal((await mesh.publish(placed, { id: "0" })).accepted, 0);
      assert.equal((await mesh.publish(placed, { id: "0" }, { required: false })).accepted, 0);
      await assert.rejects(mesh.publish(placed, { id: "1" }, required), nobody);
      const service = createService(options).handle(Mailer);
      await service.start();
      assert.equal((await mesh.publish(placed, { id: "2" }, required)).accepted, 1);
      assert.equal(await heard.promise, "2");
      await service.stop();
      await assert.rejects(mesh.publish(placed, { id: "3" }, required), nobody);
    });
  });
}

for (const broker of ["memory", "http"] as const) {
  test(`what a service gave up can be looked at, removed and delivered again, over ${broker}`, async () => {
    let broken = true;
    const again = Promise.withResolvers<string>();
    const given = Promise.withResolvers<void>();
    let left: string[] = [];
    const log = {
      ...SILENT,
      error: (line: string) => void (line === "event given up" && given.resolve()),
      with: () => log,
    };
    const service = createService({
      name: "events.ledger",
      registry: "memory",
      broker,
      log,
      afterStop: ({ deadLetters }) => void (left = [...deadLetters].map(({ reason }) => reason)),
    }).subscribe(placed, ({ id }) => {
      if (broken) return { deadLetter: "no such account" };
      again.resolve(id);
    }, { queue: "ledger" });
    assert.throws(() => service.deadLetters, { status: "failed_precondition" });
    await service.start();
    await service.publish(placed, { id: "7" });
    await given.promise;
    const [letter] = service.deadLetters;
    assert.deepEqual([letter!.topic, letter!.queue, letter!.attempts, letter!.reason], [
      "events.placed",
      "ledger",
      1,
      "no such account",
    ]);
    assert.deepEqual(JSON.parse(new TextDecoder().decode(letter!.message.body)), { id: "7" });
    broken = false;
    await service.deadLetters.redrive(letter!);
    assert.equal(await again.promise, "7");
    assert.deepEqual([...service.deadLetters], []);

    broken = true;
    await service.publish(placed, { id: "8" });
    await service.stop();
    assert.deepEqual(left, ["no such account"]);
  });
}

test("a broker of one's own need know nothing of what is required", async () => {
  let accepted = 0;
  const broker: Broker = {
    name: "own",
    can: { durable: false, ack: false, replay: false, ordered: false, delay: false, wildcard: false },
    publish: (_topic, { id }): Promise<Receipt> => Promise.resolve({ id, accepted }),
    subscribe: () => Promise.reject(new Error("nobody subscribes")),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  await using mesh = await connect({ registry: "memory", broker, log: SILENT });
  await using service = createService({ name: "events.own", registry: "memory", broker, log: SILENT });
  await service.start();
  assert.throws(() => service.deadLetters, {
    status: "unimplemented",
    detail: /"own" keeps no dead letters/,
  });
  await assert.rejects(mesh.publish(placed, { id: "1" }, { required: true }), nobody);
  accepted = 2;
  assert.equal((await mesh.publish(placed, { id: "1" }, { required: true })).accepted, 2);
});
