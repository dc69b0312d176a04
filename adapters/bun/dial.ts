/**
 * Dials WebSockets with Bun's own client: against a Bun server it spends a fifth less CPU than npm `ws` (0.67 to 0.85 µs
 * a call with 64 in flight in batches of 16, 10.8 to 13.0 µs with one), at the same latency.
 *
 * @module
 */

import type { Clock } from "../../runtime/clock.ts";
import type { MessageSocket } from "../../runtime/host.ts";
import type { DialWebSocketOptions } from "../../runtime/platform.ts";
import { LIMITS } from "../../runtime/policy.ts";
import { endOfTurn } from "../node/turn.ts";
import { badAnswer, noConnection, noSubprotocol } from "../web/dial_error.ts";
import { BunWebSocket } from "./api.ts";
import { WebMessageSocket } from "../web/web_socket.ts";

/**
 * Dials a WebSocket.
 *
 * @throws {MuonError} `unavailable` if nobody answers at that address or the answer is no WebSocket, `unimplemented`
 * if the other end does not agree on the subprotocol; both say that nothing has run.
 * @throws The signal's reason, if it is aborted first.
 */
export function dialBun(
  url: string,
  { clock, ...options }: DialWebSocketOptions & { readonly clock: Clock },
): Promise<MessageSocket> {
  const { protocol, signal, maxMessage = LIMITS.maxMessage } = options;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const socket = new BunWebSocket(url, {
      protocols: [protocol],
      perMessageDeflate: false,
      headers: { ...options.headers },
      ...(options.tls === undefined ? {} : { tls: { ...options.tls } }),
    });
    const settle = () => {
      signal?.removeEventListener("abort", abort);
      socket.onopen = socket.onerror = socket.onclose = null;
    };
    const fail = (error: unknown) => {
      settle();
      reject(error);
      terminate();
    };
    const terminate = () => socket.terminate();
    const abort = () => fail(signal!.reason);
    signal?.addEventListener("abort", abort, { once: true });
    socket.onopen = () => {
      if (socket.protocol !== protocol) return fail(noSubprotocol(url, protocol));
      settle();
      resolve(new WebMessageSocket(socket, { protocol, maxMessage, clock, endOfTurn, terminate }));
    };
    socket.onerror = (event) => {
      const { message, error } = event as ErrorEvent;
      const status = Number(/status code: (\d+)/.exec(message)?.[1] ?? 0);
      if (status > 0) return fail(badAnswer(url, { protocol, status, body: "" }));
      fail(noConnection(url, error ?? new Error(message)));
    };
    socket.onclose = ({ reason }) =>
      fail(noConnection(url, new Error(reason || "the connection was closed")));
  });
}
