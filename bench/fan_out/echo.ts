/**
 * The bare server: it sends every WebSocket message back as it came.
 */
import { serve } from "../load.ts";
import { system } from "../system.ts";

const host = await (await system()).platform.serve({});
host.mount({
  name: "bare",
  subprotocol: "bare",
  matches: () => true,
  socket: (socket) => socket.listen({ message: (message) => socket.send(message), drain() {}, close() {} }),
});
serve(host.addresses[0]!);
