/**
 * The `ws` transport: muon.v1 over WebSockets, on the shared port.
 *
 * @module
 */

import type { RequestHead } from "../../host.ts";
import { authorityOf } from "../../host_port.ts";
import { asksForSocket } from "../../mounts.ts";
import type { DialTlsOptions } from "../../platform.ts";
import { SLACK } from "../muon/limits.ts";
import { LinkMaker, type MuonOptions, ServedLinks } from "../muon/links.ts";
import type { ServedProtocol, Transport } from "../transport.ts";

/** Name of the protocol: what a node's record lists, and the WebSocket's subprotocol. */
const NAME = "muon.v1";
/** Least that a WebSocket message may have, in bytes. */
const MESSAGE = 1_048_576;

/** Options of {@link createWsTransport}. */
export interface WsOptions extends MuonOptions {
  /** Headers of the upgrade request, for what stands between the two. @default {{}} */
  readonly headers?: Readonly<Record<string, string>>;
  /**
   * Origins whose pages may dial this end, as `https://app.example`. Browsers let any page dial any address, loopback
   * too, and tell the page's origin: one that is not named here is answered as if nothing were served. What is no
   * browser tells none.
   *
   * @default {[]}
   */
  readonly origins?: readonly string[];
  /** What nodes whose record says `secure` are dialled with. @default {the system's authorities} */
  readonly tls?: DialTlsOptions | undefined;
}

/**
 * A transport over WebSockets.
 *
 * @throws {RangeError} That names the limit, if one is out of range.
 *
 * @example
 * ```ts
 * const transport = createWsTransport({ system });
 * host.mount(transport.protocol!((call) => call.reply(call.body!)));
 * const node = { id: "echo-1", address: host.addresses[0]!, metadata: { muon: "muon.v1" } };
 * const link = await transport.dial(node);
 * ```
 */
export function createWsTransport(options: WsOptions): Transport {
  const { system, headers, tls } = options;
  const maker = new LinkMaker(options);
  const { fragment, maxMetadata, batchBytes } = maker.options;
  const maxMessage = Math.max(MESSAGE, 2 * (batchBytes + fragment + maxMetadata + SLACK));
  return {
    name: "ws",
    speaks: (node) => (node.metadata.muon ?? "").split(",").some((name) => name.trim() === NAME),
    async dial(node, { signal, accept } = {}) {
      const scheme = node.metadata.secure === "true" ? "wss" : "ws";
      const socket = await system.platform.dialWebSocket(`${scheme}://${authorityOf(node)}/`, {
        protocol: NAME,
        maxMessage,
        signal,
        tls,
        ...(headers === undefined ? {} : { headers }),
      });
      return maker.dialled(socket, { peer: { address: node.address }, accept });
    },
    protocol: (accept) =>
      serve(new ServedLinks(maker, { accept, onLink: options.onLink }), {
        origins: options.origins ?? [],
        maxMessage,
      }),
  };
}

function serve(
  links: ServedLinks,
  { origins, maxMessage }: { readonly origins: readonly string[]; readonly maxMessage: number },
): ServedProtocol {
  return {
    name: NAME,
    subprotocol: NAME,
    maxMessage,
    matches: (head) => isMuon(head) && mayDial(head.header("origin"), origins),
    socket: (socket, peer) => links.add(socket, peer),
    drain: (signal) => links.drain(signal),
  };
}

/** Whether a request asks for a WebSocket at muon's place; the host looks at its subprotocol. */
function isMuon(head: RequestHead): boolean {
  if (head.method !== "GET" || !asksForSocket(head)) return false;
  const path = head.path.split("?", 1)[0];
  return path === "/" || path === "/muon";
}

function mayDial(origin: string | null, origins: readonly string[]): boolean {
  return origin === null || origins.includes(origin);
}
