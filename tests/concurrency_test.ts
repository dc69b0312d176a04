/** How many calls a process runs at a time, whatever they come over. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { connect, createService, Method, Service, SILENT } from "../mod.ts";

@Service("door")
class Door {
  readonly #open = Promise.withResolvers<void>();
  readonly #name: string;
  inside = 0;

  constructor(name: string) {
    this.#name = name;
  }

  @Method({ output: z.string() })
  async enter() {
    this.inside++;
    await this.#open.promise;
    return this.#name;
  }

  @Method({ output: z.string(), idempotent: true })
  who() {
    return this.#name;
  }

  open(): void {
    this.#open.resolve();
  }
}

const memory = { registry: "memory", broker: "memory", log: SILENT } as const;

test("maxConcurrentCalls holds for all transports together, and who is refused goes to another node", async () => {
  const narrow = new Door("narrow");
  const wide = new Door("wide");
  await using first = createService({ ...memory, maxConcurrentCalls: 2 }).handle(narrow);
  await first.start();
  await using mesh = await connect({ ...memory, policy: { retries: 1, backoff: 0 } });

  const door = mesh.client<Door>("door");
  const entered = [
    door.enter(undefined, { transport: "ws" }),
    door.enter(undefined, { transport: "http" }),
  ];
  const running = async () =>
    (await mesh.call<{ inflight: number }>("door", "Debug.Stats", undefined)).inflight;
  while (await running() < 2) await new Promise((resolve) => setTimeout(resolve, 1));

  for (const transport of ["ws", "http", "mucp"]) {
    await assert.rejects(
      Promise.resolve(door.who(undefined, { transport })),
      { status: "resource_exhausted", detail: /as many calls under way as it takes at a time: 2/ },
      transport,
    );
  }
  const answer = await fetch(`http://${first.address}/door.Door/Who`, { method: "POST" });
  assert.equal(answer.status, 429);
  const { code, notRun } = await answer.json();
  assert.deepEqual({ code, notRun }, { code: "resource_exhausted", notRun: true });

  await using second = createService(memory).handle(wide);
  await second.start();
  for (let i = 0; i < 8; i++) {
    // Not declared idempotent: it may be tried elsewhere since it is known not to have run.
    entered.push(door.enter(undefined, { transport: i % 2 ? "ws" : "http" }));
  }
  while (wide.inside < 8) await new Promise((resolve) => setTimeout(resolve, 1));
  narrow.open();
  wide.open();
  const names = await Promise.all(entered);
  assert.equal(names.filter((name) => name === "narrow").length, 2);
  assert.equal(narrow.inside, 2);
  assert.equal(await door.who(undefined, { address: first.address }), "narrow");
});
