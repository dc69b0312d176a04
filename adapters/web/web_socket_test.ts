import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "../../runtime/virtual_clock.ts";
import { WebMessageSocket } from "./web_socket.ts";

/** A socket whose buffer a test fills and empties, with the turns and the clock in its hands. */
function made() {
  const web = { readyState: 1, bufferedAmount: 0, send() {}, close() {} };
  const clock = new VirtualClock();
  const turns: (() => void)[] = [];
  const socket = new WebMessageSocket(web as unknown as WebSocket, {
    protocol: "test.v1",
    maxMessage: 1_000_000,
    clock,
    endOfTurn: (callback) => void turns.push(callback),
    terminate() {},
  });
  let drains = 0;
  const then = { drained: () => {} };
  socket.listen({
    message() {},
    close() {},
    drain() {
      drains++;
      then.drained();
    },
  });
  const send = (size: number) => {
    web.bufferedAmount += size;
    socket.send(new Uint8Array(size));
  };
  return { web, clock, turns, socket, send, then, drains: () => drains };
}

test("a small buffer is looked at by the clock", async () => {
  const { web, clock, turns, send, drains } = made();
  send(100);
  send(100);
  assert.equal(turns.length, 0);
  await clock.advance(10);
  assert.equal(drains(), 0);
  web.bufferedAmount = 0;
  await clock.advance(10);
  assert.equal(drains(), 1);
  assert.equal(clock.pending, 0);
});

test("a large buffer is looked at turn by turn, also behind a small one, and tells once that it is empty", () => {
  const { web, clock, turns, send, drains } = made();
  send(100);
  send(100_000);
  send(100_000);
  assert.equal(turns.length, 1);
  turns.shift()!();
  assert.equal(drains(), 0);
  web.bufferedAmount = 0;
  turns.shift()!();
  assert.equal(drains(), 1);
  assert.equal(turns.length, 0);
  assert.equal(clock.pending, 0);
});

test("a reader that is slow does not keep the loop turning", async () => {
  const { web, clock, turns, send, drains } = made();
  send(100_000);
  let turned = 0;
  for (let look = turns.shift(); look !== undefined; look = turns.shift()) {
    look();
    assert.ok(++turned < 100);
  }
  assert.equal(clock.pending, 1);
  await clock.advance(10);
  assert.equal(turns.length, 0);
  web.bufferedAmount = 0;
  await clock.advance(10);
  assert.equal(drains(), 1);
  assert.equal(clock.pending, 0);
});

test("what is sent because the buffer is empty is looked at, too", async () => {
  const { web, clock, turns, send, then, drains } = made();
  for (const size of [100_000, 100]) {
    then.drained = () => {
      then.drained = () => {};
      send(size);
    };
    const before = drains();
    send(100_000);
    web.bufferedAmount = 0;
    turns.shift()!();
    assert.equal(drains(), before + 1);
    web.bufferedAmount = 0;
    turns.shift()?.();
    await clock.advance(10);
    assert.equal(drains(), before + 2);
  }
});

test("nothing is looked at once the socket is closed", async () => {
  const { clock, turns, socket, send, drains } = made();
  send(100);
  send(100_000);
  socket.terminate();
  turns.shift()!();
  await clock.advance(10);
  assert.equal(turns.length, 0);
  assert.equal(clock.pending, 0);
  assert.equal(drains(), 0);
});
