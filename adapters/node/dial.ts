/**
 * Dials WebSockets with npm `ws`, on Node and on Deno, whose own client keeps Nagle's algorithm on and so stalls 44 ms
 * on every batch of a few hundred bytes.
 *
 * @module
 */

import process from "node:process";
import type { MessageSocket } from "../../runtime/host.ts";
import type { DialWebSocketOptions } from "../../runtime/platform.ts";
import { LIMITS } from "../../runtime/policy.ts";
import { badAnswer, noConnection, noSubprotocol } from "../web/dial_error.ts";
import { WsSocket } from "./ws_socket.ts";

// Not imported, nor is `ws` but when it is wanted: in a program of one file an import is done at its start, whatever
// runtime it is on.
const { randomFillSync } = process.getBuiltinModule("node:crypto");

/**
 * Dials a WebSocket.
 *
 * @throws {MuonError} `unavailable` if nobody answers at that address or the answer is no WebSocket, `unimplemented`
 * if the other end does not agree on the subprotocol; both say that nothing has run.
 * @throws The signal's reason, if it is aborted first.
 */
export async function dialWs(url: string, options: DialWebSocketOptions): Promise<MessageSocket> {
  const { protocol, signal, maxMessage = LIMITS.maxMessage } = options;
  const { WebSocket } = await import("ws");
  return await new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const socket = new WebSocket(url, [protocol], {
      perMessageDeflate: false,
      maxPayload: maxMessage,
      generateMask,
      headers: { ...options.headers },
      ...(options.tls === undefined
        ? {}
        : { ca: options.tls.ca, cert: options.tls.cert, key: options.tls.key }),
    });
    const settle = () => {
      signal?.removeEventListener("abort", abort);
      socket.off("open", opened);
    };
    const fail = (error: unknown) => {
      settle();
      reject(error);
    };
    const abort = () => {
      fail(signal!.reason);
      socket.terminate();
    };
    const opened = () => {
      settle();
      socket.off("error", failed);
      resolve(new WsSocket(socket, { copies: true, maxMessage }));
    };
    const failed = (error: Error) => {
      // `ws` reports the end of an aborted attempt too: the promise is settled by then.
      fail(
        /subprotocol/.test(error.message) ? noSubprotocol(url, protocol, error) : noConnection(url, error),
      );
    };
    signal?.addEventListener("abort", abort, { once: true });
    socket.once("open", opened);
    socket.on("error", failed);
    socket.on("unexpected-response", (_request, response) => {
      const parts: Uint8Array[] = [];
      const give = () => {
        socket.terminate();
        fail(
          badAnswer(url, {
            protocol,
            status: response.statusCode ?? 0,
            body: Buffer.concat(parts).toString(),
          }),
        );
      };
      let length = 0;
      response.on("data", (part: Uint8Array) => {
        parts.push(part);
        length += part.length;
        if (length > 4096) give();
      });
      response.on("end", give);
      response.on("error", give);
    });
  });
}

const pool = new Uint8Array(8192);
let used = pool.length;

/**
 * A mask from the CSPRNG that is never zero: `ws` masks into a buffer of its own, but with a zero mask it hands the
 * caller's bytes to the socket as they are, and then `copies` would be false once in 2^32 messages.
 */
function generateMask(mask: Uint8Array): void {
  do {
    if (used === pool.length) {
      randomFillSync(pool);
      used = 0;
    }
    mask[0] = pool[used]!;
    mask[1] = pool[used + 1]!;
    mask[2] = pool[used + 2]!;
    mask[3] = pool[used + 3]!;
    used += 4;
  } while ((mask[0] | mask[1]! | mask[2]! | mask[3]!) === 0);
}
