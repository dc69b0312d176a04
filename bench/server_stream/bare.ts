/**
 * The bare limit of a stream from the server: a frame of CBOR an item, gathered in WebSocket messages. No credit, no
 * validation, no deadline, no cancellation.
 *
 *   bare.ts server <cut>
 *   bare.ts load <cut>
 */
import process from "node:process";
import { serve, settings } from "../load.ts";
import { system } from "../system.ts";
import { Batches, cbor, eachFrame } from "./frames.ts";
import { check, type Item, item, load } from "./items.ts";

const [role, cutText] = process.argv.slice(2);
const cut = Number(cutText);
const { platform } = await system();

if (role === "server") {
  const host = await platform.serve({});
  host.mount({
    name: "bare",
    subprotocol: "bare",
    matches: () => true,
    socket: (socket) => {
      const batches = new Batches(socket, cut);
      const stream = async (count: number) => {
        for (let n = 0; n < count; n++) {
          const full = batches.send(cbor.encode(item(n)));
          if (full !== undefined) await full;
        }
        batches.flush();
      };
      socket.listen({
        message: (message) => void stream((cbor.decode(message) as { count: number }).count),
        drain: () => batches.drained(),
        close() {},
      });
    },
  });
  serve(host.addresses[0]!);
} else {
  const socket = await platform.dialWebSocket(`ws://${settings().address}/`, { protocol: "bare" });
  let asked = 0;
  let come = 0;
  let over = (_?: Error) => {};
  socket.listen({
    message: (message) => {
      try {
        eachFrame(message, cut, (frame) => check(cbor.decode(frame) as Item, come++));
      } catch (error) {
        over(error as Error);
      }
      if (come === asked) over();
    },
    drain() {},
    close: () => over(new Error("the connection was closed")),
  });
  await load((count) => {
    asked = count;
    come = 0;
    socket.send(cbor.encode({ count }));
    return new Promise((resolve, reject) => {
      over = (error) => error === undefined ? resolve() : reject(error);
    });
  });
}
