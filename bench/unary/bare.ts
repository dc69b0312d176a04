/**
 * The bare limit: CBOR frames in WebSocket messages, nothing else. No deadline, no validation, no metadata, no
 * credits, no cancellation, no errors. `cut` is how many frames go into a message; 0: a whole turn's; 1: each frame
 * is a message, and nothing is batched.
 *
 *   bare.ts server <cut>
 *   bare.ts load <cut>
 */
import process from "node:process";
import { Encoder } from "cbor-x/encode";
import type { MessageSocket } from "../../runtime/host.ts";
import { load, serve, settings } from "../load.ts";
import { system } from "../system.ts";

const [role, cutText] = process.argv.slice(2);
const cut = Number(cutText);
const { platform } = await system();
const cbor = new Encoder({ useRecords: false, tagUint8Array: false });

/** Gathers frames, each behind its length in 4 bytes, and sends them at the cut or at the end of the turn. */
function batcher(socket: MessageSocket): (frame: Uint8Array) => void {
  if (cut === 1) return (frame) => socket.send(frame);
  let buffer = new Uint8Array(65_536);
  let length = 0;
  let frames = 0;
  let scheduled = false;
  const flush = () => {
    if (frames === 0) return;
    socket.send(buffer.slice(0, length));
    length = frames = 0;
  };
  return (frame) => {
    if (length + frame.length + 4 > buffer.length) {
      const larger = new Uint8Array(buffer.length * 2);
      larger.set(buffer);
      buffer = larger;
    }
    new DataView(buffer.buffer).setUint32(length, frame.length);
    buffer.set(frame, length + 4);
    length += frame.length + 4;
    if (++frames === cut) return flush();
    if (scheduled) return;
    scheduled = true;
    platform.endOfTurn(() => {
      scheduled = false;
      flush();
    });
  };
}

function eachFrame(message: Uint8Array, take: (frame: Uint8Array) => void): void {
  if (cut === 1) return take(message);
  const view = new DataView(message.buffer, message.byteOffset, message.length);
  for (let at = 0; at < message.length;) {
    const length = view.getUint32(at);
    take(message.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
}

if (role === "server") {
  const host = await platform.serve({});
  host.mount({
    name: "bare",
    subprotocol: "bare",
    matches: () => true,
    socket: (socket) => {
      const send = batcher(socket);
      socket.listen({
        message: (message) =>
          eachFrame(message, (frame) => {
            const { id, name } = cbor.decode(frame) as { id: number; name: string };
            send(cbor.encode({ id, greeting: `Hello ${name}` }));
          }),
        drain() {},
        close() {},
      });
    },
  });
  serve(host.addresses[0]!);
} else {
  const socket = await platform.dialWebSocket(`ws://${settings().address}/`, { protocol: "bare" });
  const send = batcher(socket);
  const waiting = new Map<number, (reply: { greeting: string }) => void>();
  socket.listen({
    message: (message) =>
      eachFrame(message, (frame) => {
        const reply = cbor.decode(frame) as { id: number; greeting: string };
        waiting.get(reply.id)!(reply);
        waiting.delete(reply.id);
      }),
    drain() {},
    close() {},
  });
  let id = 0;
  await load(async (n) => {
    const reply = await new Promise<{ greeting: string }>((resolve) => {
      waiting.set(++id, resolve);
      send(cbor.encode({ id, name: `user${n & 1023}` }));
    });
    if (reply.greeting !== `Hello user${n & 1023}`) throw new Error(`wrong answer: ${JSON.stringify(reply)}`);
  });
}
