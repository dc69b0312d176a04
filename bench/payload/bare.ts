/**
 * The bare limit of a payload there and back: a binary WebSocket message, sent back as it came.
 *
 *   bare.ts server
 *   bare.ts load
 */
import process from "node:process";
import { serve, settings } from "../load.ts";
import { system } from "../system.ts";
import { load } from "./sizes.ts";

const [role] = process.argv.slice(2);
const { platform } = await system();
const maxMessage = 4_194_304;

if (role === "server") {
  const host = await platform.serve({ maxMessage });
  host.mount({
    name: "bare",
    subprotocol: "bare",
    matches: () => true,
    socket: (socket) => socket.listen({ message: (message) => socket.send(message), drain() {}, close() {} }),
  });
  serve(host.addresses[0]!);
} else {
  const socket = await platform.dialWebSocket(`ws://${settings().address}/`, {
    protocol: "bare",
    maxMessage,
  });
  let answered = (_: Uint8Array) => {};
  socket.listen({ message: (message) => answered(message), drain() {}, close() {} });
  await load((data) => {
    socket.send(data);
    return new Promise((resolve) => answered = resolve);
  });
}
