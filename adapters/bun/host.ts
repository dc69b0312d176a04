/**
 * Bun's own server as a {@link Host}.
 *
 * @module
 */

import process from "node:process";
import { type Clock, sleep } from "../../runtime/clock.ts";
import type {
  BareAnswer,
  BareSignal,
  Host,
  HostOptions,
  MessageSocket,
  Peer,
  Protocol,
  RequestHead,
} from "../../runtime/host.ts";
import {
  asksForSocket,
  draining,
  Mounts,
  nobody,
  type SocketProtocol,
  toResponse,
} from "../../runtime/mounts.ts";
import { LIMITS } from "../../runtime/policy.ts";
import { hostPort, listenError } from "../web/address.ts";
import { EventSocket } from "../web/event_socket.ts";
import { LONGEST_HEAD } from "../web/bounds.ts";
import { broken, type Report, reporter } from "../web/report.ts";
import { bun, type BunServer, type BunServerSocket } from "./api.ts";
import { responseOf, WebRequest } from "../web/web_request.ts";

/** How long an idle HTTP connection is kept, in s; Bun's longest. Go's client drops its own after 90 s. */
const KEEP_ALIVE = 255;
/** Bun does not say when the last connection is gone: how long until draining looks again, in ms. */
const LOOK = 10;

/** What a WebSocket is for, and what it is once it is open. */
type Data = { readonly protocol: SocketProtocol; readonly peer: Peer } | BunSocket;
type NativeSocket = BunServerSocket<Data>;

/**
 * Listens with `Bun.serve`.
 *
 * @throws {TypeError} If client certificates are asked for: Bun checks them, but does not say whose they are.
 * @throws {Error} If the address cannot be listened on; the message names it and says what to do.
 */
export function serveBun(options: HostOptions, { clock }: { readonly clock: Clock }): Host {
  const { hostname = "127.0.0.1", port = 0, tls, maxMessage = LIMITS.maxMessage } = options;
  if (tls?.clientCa !== undefined) {
    throw new TypeError(
      "Bun.serve does not say whose a client certificate is: serve with the net host (serveNet)",
    );
  }
  const host = new BunHost(clock, reporter(options));
  try {
    host.listensOn(bun.serve<Data>({
      hostname,
      port,
      idleTimeout: KEEP_ALIVE,
      // How large a body may be is for the protocol to say.
      maxRequestBodySize: Number.MAX_SAFE_INTEGER,
      ...(tls === undefined ? {} : { tls: { cert: tls.cert, key: tls.key } }),
      fetch: (request, server) => host.answer(request, server),
      websocket: {
        maxPayloadLength: maxMessage,
        // 0: no pings, muon sends its own.
        idleTimeout: 0,
        sendPings: false,
        // 0: no limit. With one, a send beyond it is dropped; muon's credits keep the buffer small.
        backpressureLimit: 0,
        closeOnBackpressureLimit: false,
        perMessageDeflate: false,
        open: (socket) => {
          const { data } = socket;
          if (data instanceof BunSocket) return;
          const opened = socket.data = new BunSocket(socket, data.protocol.subprotocol);
          data.protocol.socket(opened, data.peer);
        },
        message: ({ data }, message) => data instanceof BunSocket && data.receive(message),
        drain: ({ data }) => data instanceof BunSocket && data.drained(),
        close: ({ data }, code, reason) => data instanceof BunSocket && data.end(code, reason),
      },
    }));
  } catch (error) {
    throw listenError(hostPort(hostname, port), error);
  }
  return host;
}

/** A WebSocket that `Bun.serve` accepted. */
class BunSocket extends EventSocket implements MessageSocket {
  readonly protocol: string;
  readonly copies = true;
  readonly #socket: NativeSocket;
  #open = true;
  /** Why this end closes: what comes after it is not taken. */
  #refused = false;
  /** Whether a drain event is owed. */
  #waits = false;

  constructor(socket: NativeSocket, protocol: string) {
    super();
    this.#socket = socket;
    this.protocol = protocol;
    socket.binaryType = "uint8array";
  }

  get buffered(): number {
    return this.#open ? this.#socket.getBufferedAmount() : 0;
  }

  send(data: Uint8Array): void {
    if (!this.#open) return;
    const sent = this.#socket.send(data);
    if (sent < 0) this.#waits = true;
    // There is no limit to be over, so this is a socket that broke and has not said so yet; a message that is lost
    // must not be followed by one that arrives.
    else if (sent === 0) this.terminate();
  }

  close(code = 1000, reason = ""): void {
    if (!this.#open) return;
    this.#open = false;
    this.#socket.close(code, reason);
  }

  terminate(): void {
    if (this.closed) return;
    this.#open = false;
    this.#socket.terminate();
  }

  receive(message: string | Uint8Array): void {
    if (this.#refused) return;
    if (typeof message === "string") {
      this.#refused = true;
      this.close(1003, "text messages are not taken");
    } else this.tellMessage(message);
  }

  drained(): void {
    if (!this.#waits || this.#socket.getBufferedAmount() > 0) return;
    this.#waits = false;
    this.tellDrain();
  }

  end(code: number, reason: string): void {
    this.#open = false;
    this.tellClose(code, reason);
  }
}

/** Who sent a request. Bun tells it until the request is answered, and takes 1 µs: most handlers do not ask. */
class BunPeer implements Peer {
  /** Let go once it was asked: a WebSocket's would be held as long as that. */
  #request: Request | undefined;
  readonly #server: BunServer<Data>;
  #address = "";

  constructor(request: Request, server: BunServer<Data>) {
    this.#request = request;
    this.#server = server;
  }

  get address(): string {
    if (this.#request !== undefined) {
      const from = this.#server.requestIP(this.#request);
      this.#request = undefined;
      if (from !== null) this.#address = hostPort(from.address, from.port);
    }
    return this.#address;
  }
}

/** A request that may take long: its connection is not idle meanwhile. */
class BunRequest extends WebRequest {
  readonly #server: BunServer<Data>;

  constructor(request: Request, server: BunServer<Data>) {
    super(request);
    this.#server = server;
  }

  /** Asked for by what does not answer at once. */
  override get signal(): BareSignal {
    this.lasts();
    return super.signal;
  }

  /** Lifts the limit for idle connections: what is under way may be silent for longer. */
  lasts(): void {
    this.#server.timeout(this.web, 0);
  }
}

class BunHost implements Host {
  addresses: readonly string[] = [];
  readonly #clock: Clock;
  readonly #mounts = new Mounts({ raw: false });
  #server: BunServer<Data> | undefined;
  readonly #report: Report;
  #draining = false;

  constructor(clock: Clock, report: Report) {
    this.#clock = clock;
    this.#report = report;
  }

  listensOn(server: BunServer<Data>): void {
    this.#server = server;
    this.addresses = [hostPort(server.address.address, server.address.port)];
  }

  mount(protocol: Protocol): Disposable {
    return this.#mounts.mount(protocol);
  }

  answer(web: Request, server: BunServer<Data>): Promise<Response> | Response | undefined {
    const request = new BunRequest(web, server);
    if (this.#draining) return toResponse(draining(request));
    const peer = new BunPeer(web, server);
    if (asksForSocket(request)) return this.#upgrade(request, { peer, server });
    const protocol = this.#mounts.http(request);
    if (protocol === undefined) return toResponse(nobody(request));
    try {
      if (protocol.answer === undefined) {
        request.lasts();
        const answer = protocol.fetch(web, peer);
        return answer instanceof Promise
          ? answer.catch((error) => this.#broken(error, { protocol, request }))
          : answer;
      }
      const answer = protocol.answer(request, peer);
      return answer instanceof Promise
        ? answer.then((bare) => sent(bare, request)).catch((error) =>
          this.#broken(error, { protocol, request })
        )
        : sent(answer, request);
    } catch (error) {
      return this.#broken(error, { protocol, request });
    }
  }

  /** The answer when a protocol throws. */
  #broken(error: unknown, about: { readonly protocol: Protocol; readonly request: RequestHead }): Response {
    return toResponse(broken(error, { report: this.#report, ...about }));
  }

  #upgrade(
    request: BunRequest,
    { peer, server }: { readonly peer: BunPeer; readonly server: BunServer<Data> },
  ): Response | undefined {
    const found = this.#mounts.socket(request);
    if ("refusal" in found) return toResponse(found.refusal);
    const { protocol } = found;
    // While the request is there to be asked.
    const { address } = peer;
    const upgraded = server.upgrade(request.web, {
      data: { protocol, peer: { address } },
      headers: { "sec-websocket-protocol": protocol.subprotocol },
    });
    return upgraded ? undefined : new Response("Cannot upgrade to a WebSocket", { status: 400 });
  }

  /**
   * Has Bun take heads as long as muon's other hosts do, in place of 16 KiB. It is the whole process's limit, and only
   * `node:http` can set it, which takes 13 ms to load, a third of a start: so not before the service is registered.
   */
  started(): void {
    const http = process.getBuiltinModule("node:http") as { maxHeaderSize: number };
    http.maxHeaderSize = Math.max(http.maxHeaderSize, LONGEST_HEAD);
  }

  async drain(signal: AbortSignal): Promise<void> {
    this.#draining = true;
    const server = this.#server!;
    void server.stop(false);
    while (!signal.aborted && (server.pendingRequests > 0 || server.pendingWebSockets > 0)) {
      await sleep(this.#clock, LOOK, { signal }).catch(() => {});
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#draining = true;
    await this.#server!.stop(true);
  }
}

/** The answer as Bun sends it. */
function sent(answer: BareAnswer, request: BunRequest): Response {
  if (answer.body instanceof ReadableStream) request.lasts();
  return responseOf(answer);
}
