/**
 * A socket as the web's streams.
 *
 * @module
 */

import type { Socket } from "node:net";
import type { ByteStream } from "../../runtime/host.ts";

/** Bytes that are held for a slow reader. */
const WINDOW = 65_536;

/** Both halves of a socket; back-pressure works both ways, and cancelling one half leaves the other open. */
export function streamOf(socket: Socket): ByteStream {
  let open = true;
  const readable = new ReadableStream<Uint8Array>({
    start(controller) {
      socket.on("data", (chunk: Uint8Array) => {
        if (!open) return;
        controller.enqueue(new Uint8Array(chunk.buffer as ArrayBuffer, chunk.byteOffset, chunk.length));
        if ((controller.desiredSize ?? 0) <= 0) socket.pause();
      });
      const end = (error?: unknown) => {
        if (!open) return;
        open = false;
        if (error === undefined) controller.close();
        else controller.error(error);
      };
      socket.on("end", () => end());
      socket.on("error", end);
      socket.on("close", () => end(new TypeError("The connection is closed")));
    },
    pull() {
      socket.resume();
    },
    cancel() {
      open = false;
      socket.resume();
    },
  }, { highWaterMark: WINDOW, size: (chunk) => chunk?.byteLength ?? 0 });
  const writable = new WritableStream<Uint8Array>({
    write: (chunk) =>
      new Promise((resolve, reject) => socket.write(chunk, (error) => error ? reject(error) : resolve())),
    close: () => new Promise((resolve) => socket.end(resolve)),
    abort: () => void socket.destroy(),
  });
  return { readable, writable };
}
