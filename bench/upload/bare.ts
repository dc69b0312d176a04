/**
 * The bare limit of a stream to the server: a frame of CBOR an item, gathered in WebSocket messages, an empty frame
 * behind the last, one answer. No credit, no validation, no deadline, no cancellation.
 *
 *   bare.ts server <what> <cut>
 *   bare.ts load <what> <cut>
 */
import process from "node:process";
import { serve, settings } from "../load.ts";
import { Batches, cbor, eachFrame } from "../server_stream/frames.ts";
import { load } from "../server_stream/items.ts";
import { system } from "../system.ts";
import { type Total, what } from "./items.ts";

const [role, name = "", cutText] = process.argv.slice(2);
const cut = Number(cutText);
const { item, check, length } = what(name);
const { platform } = await system();
const END = new Uint8Array(0);
const maxMessage = 4_194_304;

if (role === "server") {
  const host = await platform.serve({ maxMessage });
  host.mount({
    name: "bare",
    subprotocol: "bare",
    matches: () => true,
    socket: (socket) => {
      let count = 0;
      let wrong: string | undefined = undefined;
      socket.listen({
        message: (message) =>
          eachFrame(message, cut, (frame) => {
            if (frame.length === 0) {
              socket.send(cbor.encode({ count, wrong }));
              count = 0;
              return;
            }
            try {
              check(cbor.decode(frame), count++);
            } catch (error) {
              wrong ??= (error as Error).message;
            }
          }),
        drain() {},
        close() {},
      });
    },
  });
  serve(host.addresses[0]!);
} else {
  const socket = await platform.dialWebSocket(`ws://${settings().address}/`, {
    protocol: "bare",
    maxMessage,
  });
  const batches = new Batches(socket, cut);
  let answer = (_: Total) => {};
  socket.listen({
    message: (message) => answer(cbor.decode(message) as Total),
    drain: () => batches.drained(),
    close() {},
  });
  await load(async (count) => {
    const answered = new Promise<Total>((resolve) => answer = resolve);
    for (let n = 0; n < count; n++) {
      const full = batches.send(cbor.encode(item(n)));
      if (full !== undefined) await full;
    }
    batches.send(END);
    batches.flush();
    const total = await answered;
    if (total.wrong !== undefined) throw new Error(total.wrong);
    if (total.count !== count) throw new Error(`${total.count} items came of ${count}`);
  }, { length });
}
