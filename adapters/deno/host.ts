/**
 * Deno's own server as a {@link Host}.
 *
 * @module
 */

import type { Clock } from "../../runtime/clock.ts";
import type { BareAnswer, Host, HostOptions, Peer, Protocol, RequestHead } from "../../runtime/host.ts";
import {
  asksForSocket,
  draining,
  type FetchProtocol,
  Mounts,
  nobody,
  type SocketProtocol,
  toResponse,
} from "../../runtime/mounts.ts";
import { LIMITS } from "../../runtime/policy.ts";
import { endOfTurn } from "../node/turn.ts";
import { hostPort, listenError } from "../web/address.ts";
import { BACKLOG } from "../web/bounds.ts";
import { broken, type Report, reporter } from "../web/report.ts";
import { responseOf, WebRequest } from "../web/web_request.ts";
import { WebMessageSocket } from "../web/web_socket.ts";

/**
 * Listens with `Deno.serve`.
 *
 * @throws {TypeError} If client certificates are asked for: `Deno.serve` would ignore that without a word.
 * @throws {Error} If the address cannot be listened on; the message names it and says what to do.
 */
export function serveDeno(options: HostOptions, { clock }: { readonly clock: Clock }): Host {
  const { hostname = "127.0.0.1", port = 0, tls } = options;
  if (tls?.clientCa !== undefined) {
    throw new TypeError("Deno.serve cannot check client certificates: serve with the net host (serveNet)");
  }
  const host = new DenoHost({
    clock,
    maxMessage: options.maxMessage ?? LIMITS.maxMessage,
    report: reporter(options),
  });
  try {
    host.listensOn(Deno.serve({
      hostname,
      port,
      tcpBacklog: BACKLOG,
      signal: host.ended,
      onListen: () => {},
      ...(tls === undefined ? {} : { cert: tls.cert, key: tls.key }),
    }, (request, info) => host.answer(request, info)));
  } catch (error) {
    throw listenError(hostPort(hostname, port), error);
  }
  return host;
}

type Info = Deno.ServeHandlerInfo<Deno.NetAddr>;

/** Who sent a request. Deno tells it until the request is answered, and takes 2 µs: most handlers do not ask. */
class DenoPeer implements Peer {
  /** Let go once it was asked: a WebSocket's would be held as long as that. */
  #info: Info | undefined;
  #address = "";

  constructor(info: Info) {
    this.#info = info;
  }

  get address(): string {
    if (this.#info !== undefined) {
      try {
        const { hostname, port } = this.#info.remoteAddr;
        this.#address = hostPort(hostname, port);
      } catch {
        // The request is answered, and gone.
      }
      this.#info = undefined;
    }
    return this.#address;
  }
}

class DenoHost implements Host {
  addresses: readonly string[] = [];
  readonly #clock: Clock;
  readonly #maxMessage: number;
  readonly #report: Report;
  readonly #mounts = new Mounts({ raw: false });
  readonly #end = new AbortController();
  readonly #sockets = new Set<WebMessageSocket>();
  #server: Deno.HttpServer<Deno.NetAddr> | undefined;
  #requests = 0;
  #draining = false;
  #idle: (() => void) | undefined;

  #shut = false;
  readonly #over = () => {
    this.#requests--;
    this.#checkIdle();
  };

  constructor(options: {
    readonly clock: Clock;
    readonly maxMessage: number;
    readonly report: Report;
  }) {
    this.#report = options.report;
    this.#clock = options.clock;
    this.#maxMessage = options.maxMessage;
  }

  /** Aborted when the host is disposed. */
  get ended(): AbortSignal {
    return this.#end.signal;
  }

  listensOn(server: Deno.HttpServer<Deno.NetAddr>): void {
    this.#server = server;
    this.addresses = [hostPort(server.addr.hostname, server.addr.port)];
  }

  mount(protocol: Protocol): Disposable {
    return this.#mounts.mount(protocol);
  }

  answer(web: Request, info: Info): Promise<Response> | Response {
    const request = new WebRequest(web);
    if (this.#draining) return toResponse(draining(request));
    const peer = new DenoPeer(info);
    if (asksForSocket(request)) {
      const found = this.#mounts.socket(request);
      if ("refusal" in found) return toResponse(found.refusal);
      // While the request is there to be asked.
      void peer.address;
      return this.#upgrade(web, found.protocol, peer);
    }
    const protocol = this.#mounts.http(request);
    if (protocol === undefined) return toResponse(nobody(request));
    this.#requests++;
    if (protocol.answer === undefined) return this.#fetched(protocol, { request, info, peer });
    try {
      const answer = protocol.answer(request, peer);
      return answer instanceof Promise
        ? answer.then((bare) => this.#sent(bare, info)).catch((error) => {
          this.#over();
          return this.#broken(error, { protocol, request });
        })
        : this.#sent(answer, info);
    } catch (error) {
      this.#over();
      return this.#broken(error, { protocol, request });
    }
  }

  async #fetched(
    protocol: FetchProtocol,
    { request, info, peer }: {
      readonly request: WebRequest;
      readonly info: Info;
      readonly peer: Peer;
    },
  ): Promise<Response> {
    info.completed.then(this.#over, this.#over);
    try {
      return await protocol.fetch(request.web, peer);
    } catch (error) {
      return this.#broken(error, { protocol, request });
    }
  }

  /** The answer when a protocol throws. */
  #broken(error: unknown, about: { readonly protocol: Protocol; readonly request: RequestHead }): Response {
    return toResponse(broken(error, { report: this.#report, ...about }));
  }

  /** A request is over once its answer is sent, if that is a stream; the rest of others the server's end waits for. */
  #sent(answer: BareAnswer, info: Info): Response {
    const response = responseOf(answer);
    if (answer.body instanceof ReadableStream) info.completed.then(this.#over, this.#over);
    else this.#over();
    return response;
  }

  #upgrade(request: Request, protocol: SocketProtocol, peer: Peer): Response {
    let upgraded: Deno.WebSocketUpgrade;
    try {
      // Without `protocol`: Deno refuses offers that are joined without a space, as npm `ws` sends them. 0: no
      // pings, muon sends its own.
      upgraded = Deno.upgradeWebSocket(request, { idleTimeout: 0 });
    } catch (error) {
      return new Response(`Cannot upgrade to a WebSocket: ${(error as Error).message}`, { status: 400 });
    }
    const { socket, response } = upgraded;
    response.headers.set("sec-websocket-protocol", protocol.subprotocol);
    const accepted = new WebMessageSocket(socket, {
      protocol: protocol.subprotocol,
      maxMessage: this.#maxMessage,
      clock: this.#clock,
      endOfTurn,
      // Deno has nothing stronger: a peer that does not read gets the close frame behind what is buffered.
      terminate: () => {
        if (socket.readyState <= WebSocket.OPEN) socket.close(1011, "terminated");
        this.#forget(accepted);
      },
    });
    this.#sockets.add(accepted);
    socket.addEventListener("open", () => protocol.socket(accepted, peer));
    socket.addEventListener("close", () => this.#forget(accepted));
    return response;
  }

  #forget(socket: WebMessageSocket): void {
    this.#sockets.delete(socket);
    this.#checkIdle();
  }

  #checkIdle(): void {
    if (this.#requests === 0 && this.#sockets.size === 0) this.#idle?.();
  }

  /**
   * `Deno.serve` cannot close its port and keep its WebSockets (`shutdown` closes them): while they finish, what is
   * new is answered 503. The port closes once they are gone.
   */
  async drain(signal: AbortSignal): Promise<void> {
    this.#draining = true;
    await new Promise<void>((resolve) => {
      this.#idle = resolve;
      signal.addEventListener("abort", () => resolve(), { once: true });
      if (signal.aborted) resolve();
      this.#checkIdle();
    });
    if (this.#requests === 0 && this.#sockets.size === 0) {
      this.#shut = true;
      await this.#server!.shutdown();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#draining = true;
    for (const socket of this.#sockets) socket.terminate();
    // Aborting a server that was shut down throws from an event listener, where nobody can catch it.
    if (!this.#shut) this.#end.abort();
    await this.#server!.finished;
  }
}
