/**
 * The bare limit of small calls beside a stream: binary WebSocket messages, the small ones sent back as they came, those
 * of 64 kB sent as the client gives credit for them, 1 MiB at first and half of it when half has come, as muon does.
 *
 *   bare.ts server
 *   bare.ts load <beside>
 *
 * `beside` is `quiet` or `stream`.
 */
import process from "node:process";
import { load, serve, settings } from "../load.ts";
import { type BareSocket, dialSocket, serveSockets } from "../sockets.ts";

const [role, beside] = process.argv.slice(2);

const WINDOW = 1_048_576;
/** Bytes of a message of the stream: a chunk of 64 kB and what stands around it. */
const CHUNK = 65_560;
/** Bytes that are sent in a turn. */
const TURN = 262_144;
/** A message of this length gives credit for half a window. */
const CREDIT = 1;
const SMALL = 40;

if (role === "server") {
  const chunk = new Uint8Array(CHUNK);
  let credit = 0;
  const send = (socket: BareSocket) => {
    for (let sent = 0; sent < TURN && credit > 0; sent += CHUNK, credit -= CHUNK) socket.send(chunk);
    if (credit > 0) setImmediate(send, socket);
  };
  const address = await serveSockets((message, socket) => {
    if (message.length !== CREDIT) return socket.send(message.slice());
    const waits = credit > 0;
    credit += WINDOW / 2;
    if (!waits) send(socket);
  });
  serve(address);
} else {
  let answered = (_: Uint8Array) => {};
  let owed = 0;
  const credit = new Uint8Array(CREDIT);
  const socket = await dialSocket(settings().address, (message) => {
    if (message.length !== CHUNK) return answered(message);
    owed += CHUNK;
    if (owed * 2 < WINDOW) return;
    owed -= WINDOW / 2;
    socket.send(credit);
  });
  if (beside === "stream") {
    socket.send(credit);
    socket.send(credit);
  }
  const small = new Uint8Array(SMALL);
  await load(async (n) => {
    small[0] = n;
    socket.send(small);
    const answer = await new Promise<Uint8Array>((resolve) => answered = resolve);
    if (answer.length !== SMALL || answer[0] !== small[0]) throw new Error(`wrong answer: ${answer}`);
  }, { inflight: 1 });
}
