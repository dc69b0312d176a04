import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { MuonError } from "../../errors.ts";
import { NOTHING, TAKE } from "../../items.ts";
import { Holdings, Inbox } from "./inbox.ts";
import { wireOptions } from "./limits.ts";
import type { Sender } from "./sender.ts";

const MESSAGE = 32_768;
/** Bytes of the socket's messages that a connection's streams keep together. */
const KEPT = 1_048_576;

/** A connection, and messages of its socket. */
class Connection {
  readonly options = wireOptions();
  readonly holdings = new Holdings(this.options.held);
  readonly credits: number[] = [];
  readonly sender = { credit: (_id: number, bytes: number) => this.credits.push(bytes) } as unknown as Sender;
  received = 0;
  #message = new Uint8Array(0);

  /** The next message: its items are of 20 bytes, each of which is its place. */
  next(length = MESSAGE): void {
    this.received++;
    this.#message = new Uint8Array(length).map((_, at) => Math.floor(at / 20));
  }

  item(place: number): Uint8Array {
    return this.#message.subarray(place * 20, place * 20 + 20);
  }
}

/** How long the buffer is that an item keeps alive. */
function alive(item: Uint8Array | typeof NOTHING): number {
  assert.ok(item instanceof Uint8Array);
  return item.buffer.byteLength;
}

describe("items that wait", () => {
  test("are not copied while their reader keeps up, and are theirs alone once no more come", () => {
    const connection = new Connection();
    const inbox = new Inbox(connection, 1);
    connection.next();
    for (const place of [0, 1]) inbox.push(connection.item(place), false);
    connection.next();
    for (const place of [2, 3]) inbox.push(connection.item(place), false);
    for (const place of [0, 1, 2]) {
      const item = inbox[TAKE]();
      assert.equal(alive(item), MESSAGE);
      assert.deepEqual(item, new Uint8Array(20).fill(place));
    }
    inbox.push(connection.item(4), false);
    inbox.close();
    for (const place of [3, 4]) {
      const item = inbox[TAKE]();
      assert.equal(alive(item), 40);
      assert.deepEqual(item, new Uint8Array(20).fill(place));
    }
    assert.equal(inbox[TAKE](), NOTHING);
  });

  test("are copied once a connection's streams keep a megabyte of messages, and not when they do no more", () => {
    const connection = new Connection();
    const inboxes: Inbox[] = [];
    const most = KEPT / MESSAGE;
    for (let id = 0; id < most + 2; id++) {
      connection.next();
      const inbox = new Inbox(connection, id);
      inbox.push(connection.item(id % 5), false);
      inboxes.push(inbox);
    }
    // One that read, one that failed, and one whose reader left keep nothing any more.
    assert.equal(alive(inboxes[0]![TAKE]()), MESSAGE);
    inboxes[1]!.close(new MuonError("canceled", "x"));
    void inboxes[2]!.return();
    const there: number[] = [];
    for (let id = 0; id < 4; id++) {
      connection.next();
      const inbox = new Inbox(connection, 100 + id);
      inbox.push(connection.item(0), false);
      there.push(alive(inbox[TAKE]()));
      inbox.push(connection.item(1), false);
      inboxes.push(inbox);
    }
    assert.deepEqual(there, [MESSAGE, MESSAGE, MESSAGE, 20]);
    assert.deepEqual(
      inboxes.slice(3, most + 2).map((inbox) => alive(inbox[TAKE]())),
      [...new Array(most - 3).fill(MESSAGE), 20, 20],
    );
  });

  test("that are most of their message are never copied", () => {
    const connection = new Connection();
    for (let id = 0; id < 2 * KEPT / MESSAGE; id++) {
      connection.next(30);
      const inbox = new Inbox(connection, id);
      inbox.push(connection.item(0), false);
      inbox.close();
      assert.equal(alive(inbox[TAKE]()), 30);
    }
  });

  test("give credit when half of the window is read, and what comes to a reader that waits does, too", async () => {
    const connection = new Connection();
    const inbox = new Inbox(connection, 1);
    const cost = 20 + 64;
    const half = Math.ceil(connection.options.window / 2 / cost);
    connection.next();
    for (let n = 0; n < half - 1; n++) {
      const waits = n % 2 === 0 ? inbox.next() : undefined;
      inbox.push(connection.item(0), false);
      if (waits === undefined) assert.notEqual(inbox[TAKE](), NOTHING);
      else assert.equal((await waits).done, false);
    }
    assert.deepEqual(connection.credits, []);
    inbox.push(connection.item(0), false);
    inbox.push(connection.item(0), false);
    assert.deepEqual(connection.credits, []);
    inbox[TAKE]();
    assert.deepEqual(connection.credits, [half * cost]);
    assert.equal(connection.holdings.bytes, 20);
  });
});
