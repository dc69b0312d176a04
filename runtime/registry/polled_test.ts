import assert from "node:assert/strict";
import { test } from "node:test";
import { lineLogger } from "../log.ts";
import { VirtualClock } from "../virtual_clock.ts";
import { createPolledRegistry, type PolledBackend } from "./polled.ts";

const record = { name: "a", version: "1", metadata: {}, endpoints: [], nodes: [] };
const node = { id: "a-1", address: "127.0.0.1:1", metadata: {} };

function polled(over: Partial<PolledBackend>) {
  const clock = new VirtualClock();
  const lines: string[] = [];
  const backend = {
    name: "shelf",
    look: () => Promise.resolve([]),
    put: () => Promise.resolve(),
    remove: () => Promise.resolve(),
    ...over,
  };
  const registry = createPolledRegistry(backend, { clock, log: lineLogger((line) => lines.push(line)) });
  return { clock, lines, registry };
}

test("a backend that never answers holds up neither questions nor the end", async () => {
  let closed = 0;
  const { clock, lines, registry } = polled({
    look: () => new Promise(() => {}),
    close: () => Promise.resolve(void closed++),
  });
  const patience = new AbortController();
  const abandoned = assert.rejects(registry.getService("a", { signal: patience.signal }), /enough/);
  patience.abort(new Error("enough"));
  await abandoned;
  const asked = assert.rejects(registry.getService("a"), /shelf registry is closed/);
  const watch = registry.watch()[Symbol.asyncIterator]().next();
  const over = registry[Symbol.asyncDispose]();
  await asked;
  assert.deepEqual(await watch, { done: true, value: undefined });
  await clock.advance(999);
  assert.equal(closed, 0, "it may still answer");
  await clock.advance(1);
  await over;
  assert.equal(closed, 1);
  assert.match(lines.join(), /closed while it is read: no answer/);
  assert.equal(clock.pending, 0);
});

test("what a backend gives that is no record is left out, and said once", async () => {
  const { lines, registry } = polled({
    look: () =>
      Promise.resolve([{ ...record, nodes: [node] }, { ...record, nodes: [{ id: 7 }] }, 7] as never),
  });
  for (let i = 0; i < 3; i++) {
    assert.deepEqual(await registry.getService("a"), [{ ...record, nodes: [node] }]);
  }
  assert.equal(lines.length, 2, lines.join("\n"));
  assert.match(lines[0]!, /service=a version=1 .*nodes\[0\]\.id must be a string: current value is 7/);
  await registry[Symbol.asyncDispose]();
});
