/**
 * The net host: one port over `node:net` or `node:tls`, for HTTP/1.1, WebSockets and raw connections. It runs on Node,
 * Deno and Bun; it is Node's own host, and the others' where client certificates or raw connections are wanted.
 *
 * @module
 */

import type { IncomingMessage, Server as HttpServer, ServerResponse } from "node:http";
import type { AddressInfo, Server, Socket } from "node:net";
import type { Duplex } from "node:stream";
import process from "node:process";
import type { TLSSocket } from "node:tls";
import type { WebSocketServer } from "ws";
import type { Clock, Timer } from "../../runtime/clock.ts";
import type { Host, HostOptions, Peer, Protocol } from "../../runtime/host.ts";
import {
  type AnswerProtocol,
  draining,
  Mounts,
  nobody,
  type Refusal,
  toResponse,
} from "../../runtime/mounts.ts";
import { LIMITS } from "../../runtime/policy.ts";
import { hostPort, listenError } from "../web/address.ts";
import { BACKLOG, LONGEST_HEAD } from "../web/bounds.ts";
import { broken, type Report, reporter } from "../web/report.ts";
import { NodeRequest } from "./bare_request.ts";
import { headOf, sendAnswer, sendResponse, toRequest } from "./http_bridge.ts";
import { peekHead } from "./peek.ts";
import { type LaneConnection, type LaneHost, ShortLane } from "./short_lane.ts";
import { streamOf } from "./byte_stream.ts";
import { machineClock } from "./clock.ts";
import { WsSocket } from "./ws_socket.ts";

// Not imported: in a program of one file an import is done at its start, whatever runtime it is on. `node:http` and
// `node:tls` are loaded with the first that needs them.
const { createServer: createNetServer } = process.getBuiltinModule("node:net");

/**
 * How long an idle connection is kept, in ms. Go's HTTP client drops its own after 90 s, and must be the first: a
 * server that closes while a request is on its way makes that request fail.
 */
const KEEP_ALIVE = 120_000;
/** How long a new connection may take to say what it wants, in ms. */
const FIRST_REQUEST = 60_000;
/**
 * How often is looked for connections whose time is up, in ms: they are closed up to that much later. One timer for all
 * of them, as one of each, set back at every read and write, takes a small call 3 % on Deno.
 */
const SWEEP = 30_000;

interface Connection extends LaneConnection {
  /** Sweeps since a request began; such as are served then do not count. */
  quiet: number;
  /** Requests that `node:http` answers. */
  requests: number;
  /** What serves it until a request comes that is one for `node:http`. */
  lane: ShortLane | undefined;
  /** Whether it is a WebSocket or a raw connection by now. */
  detached: boolean;
}

/**
 * Listens with the net host.
 *
 * @param options Where and how.
 * @param time `clock`: by which connections are idle. @default {the machine's}
 * @throws {Error} If the address cannot be listened on; the message names it and says what to do.
 *
 * @example
 * ```ts
 * await using host = await serveNet({ port: 8080, tls: { cert, key, clientCa } });
 * host.mount(protocol);
 * ```
 */
export async function serveNet(
  options: HostOptions = {},
  { clock }: { readonly clock: Clock } = { clock: machineClock },
): Promise<Host> {
  const { hostname = "127.0.0.1", port = 0, tls } = options;
  const host = new NetHost(options, clock);
  const server = tls === undefined
    ? createNetServer({ noDelay: true, allowHalfOpen: true }, (socket) => host.accept(socket))
    : process.getBuiltinModule("node:tls").createServer({
      cert: tls.cert,
      key: tls.key,
      allowHalfOpen: true,
      handshakeTimeout: FIRST_REQUEST,
      ALPNProtocols: ["http/1.1"],
      ...(tls.clientCa === undefined
        ? {}
        : { ca: tls.clientCa, requestCert: true, rejectUnauthorized: true }),
    }, (socket) => host.accept(socket));
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => reject(listenError(hostPort(hostname, port), error)));
    server.listen({ host: hostname, port, backlog: BACKLOG }, resolve);
  });
  host.listensOn(server);
  return host;
}

/** The package `ws` is loaded with the first WebSocket: of a start it would take 10 ms of CPU. */
async function webSocketServer(maxMessage: number): Promise<WebSocketServer> {
  const { WebSocketServer } = await import("ws");
  return new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: maxMessage,
  });
}

class NetHost implements Host {
  addresses: readonly string[] = [];
  readonly #options: HostOptions;
  readonly #clock: Clock;
  readonly #report: Report;
  readonly #mounts = new Mounts({ raw: true });
  #http: HttpServer | undefined;
  readonly #lanes: LaneHost;
  readonly #raw = new Set<Socket>();
  readonly #connections = new Map<Duplex, Connection>();
  #server: Server | undefined;
  #sweeper: Timer | undefined;
  #sockets: Promise<WebSocketServer> | undefined;
  #draining = false;
  #idle: (() => void) | undefined;

  constructor(options: HostOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
    this.#report = reporter(options);
    const draining = () => this.#draining;
    this.#lanes = {
      get draining() {
        return draining();
      },
      keeps: `connection: keep-alive\r\nkeep-alive: timeout=${KEEP_ALIVE / 1_000}\r\n`,
      find: (head) => {
        const protocol = this.#draining ? undefined : this.#mounts.http(head);
        return protocol?.answer === undefined ? undefined : protocol as AnswerProtocol;
      },
      failed: (error, { head, protocol }) => {
        const { status, body } = broken(error, { report: this.#report, protocol, request: head });
        return { status, headers: { "content-type": "application/json" }, body };
      },
    };
  }

  /** Made for the first request that is not short: a start without `node:http` takes half the time. */
  #makeHttp(): HttpServer {
    const http = process.getBuiltinModule("node:http").createServer(
      { keepAliveTimeout: KEEP_ALIVE, requestTimeout: 0, noDelay: true, maxHeaderSize: LONGEST_HEAD },
      (message, response) => void this.#answer(message, response),
    );
    // Deno's node:http closes a connection behind its answer when the server it was given to does not listen.
    Object.defineProperty(http, "listening", { get: () => !this.#draining });
    http.on("upgrade", (message, socket, head) => this.#upgrade(message, { socket, head }));
    return http;
  }

  listensOn(server: Server): void {
    this.#server = server;
    this.#sweepLater();
    const { address, port } = server.address() as AddressInfo;
    this.addresses = [hostPort(address, port)];
    // Sockets whose TLS handshake is not over, or never will be, are not connections yet.
    server.on("connection", (socket) => {
      this.#raw.add(socket);
      socket.on("close", () => this.#raw.delete(socket));
    });
    server.on("tlsClientError", (_error, socket) => socket.destroy());
    // Such as too many open files: the connection is lost, the server goes on.
    server.on("error", (error) => this.#report(`cannot accept a connection on ${this.addresses[0]}`, error));
  }

  mount(protocol: Protocol): Disposable {
    return this.#mounts.mount(protocol);
  }

  accept(socket: Socket): void {
    if (this.#draining) return void socket.destroy();
    const connection: Connection = {
      socket,
      peer: peerOf(socket),
      quiet: (KEEP_ALIVE - FIRST_REQUEST) / SWEEP,
      requests: 0,
      lane: undefined,
      detached: false,
    };
    this.#connections.set(socket, connection);
    // Whoever serves the connection hears of its end by "close"; without a listener, an error ends the process.
    socket.on("error", () => {});
    socket.on("close", () => {
      this.#connections.delete(socket);
      if (this.#connections.size === 0) this.#idle?.();
    });
    socket.setNoDelay(true);
    if (this.#mounts.takesConnections) this.#peek(connection);
    else this.#serve(connection);
  }

  #serve(connection: Connection): void {
    connection.lane = new ShortLane(connection, {
      host: this.#lanes,
      leave: () => {
        connection.lane = undefined;
        this.#http ??= this.#makeHttp();
        this.#http.emit("connection", connection.socket);
      },
    });
  }

  #peek(connection: Connection): void {
    const { socket, peer } = connection;
    peekHead(socket, (head) => {
      const protocol = head && this.#mounts.connection(head);
      if (protocol === undefined) return this.#serve(connection);
      connection.detached = true;
      protocol.connection(streamOf(socket), peer);
    });
  }

  async #answer(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const connection = this.#connections.get(message.socket);
    if (connection === undefined) return void response.destroy();
    connection.quiet = 0;
    connection.requests++;
    let gone: (() => void) | undefined = undefined;
    response.once("close", () => {
      connection.requests--;
      if (!response.writableFinished) gone?.();
      if (this.#draining) connection.socket.end();
    });
    const head = headOf(message);
    // Asked for while draining only: elsewhere a connection is the client's to close.
    if (this.#draining) response.shouldKeepAlive = false;
    const protocol = this.#draining ? undefined : this.#mounts.http(head);
    if (protocol === undefined) return sendRefusal(this.#draining ? draining(head) : nobody(head), response);
    try {
      if (protocol.answer !== undefined) {
        const request = new NodeRequest(message);
        gone = () => request.abort();
        const answer = await protocol.answer(request, connection.peer);
        if (this.#draining) response.shouldKeepAlive = false;
        return await sendAnswer(answer, response);
      }
      const abort = new AbortController();
      gone = () => abort.abort(new DOMException("The client is gone", "AbortError"));
      const request = toRequest(message, { secure: this.#options.tls !== undefined, signal: abort.signal });
      const answer = await protocol.fetch(request, connection.peer);
      if (this.#draining) response.shouldKeepAlive = false;
      await sendResponse(answer, response);
    } catch (error) {
      if (response.destroyed) return;
      const refusal = broken(error, { report: this.#report, protocol, request: head });
      if (response.headersSent) response.destroy();
      else sendRefusal(refusal, response);
    }
  }

  #upgrade(message: IncomingMessage, { socket, head }: { socket: Duplex; head: Uint8Array }): void {
    const connection = this.#connections.get(socket);
    if (connection === undefined) return void socket.destroy();
    connection.detached = true;
    const request = headOf(message);
    if (this.#draining) return writeRefusal(draining(request), socket);
    const found = this.#mounts.socket(request);
    if ("refusal" in found) return writeRefusal(found.refusal, socket);
    const { protocol } = found;
    const maxMessage = this.#options.maxMessage ?? LIMITS.maxMessage;
    this.#sockets ??= webSocketServer(maxMessage);
    this.#sockets.then((sockets) => {
      if (this.#draining) return writeRefusal(draining(request), socket);
      // Without a verifyClient, handleUpgrade is synchronous: nobody else's choice can come between.
      sockets.options.handleProtocols = () => protocol.subprotocol;
      sockets.handleUpgrade(message, socket, head as Buffer, (accepted) => {
        protocol.socket(new WsSocket(accepted, { copies: false, maxMessage }), connection.peer);
      });
    }, (error) => {
      this.#report("cannot load the package ws", error);
      socket.destroy();
    });
  }

  #sweepLater(): void {
    this.#sweeper = this.#clock.after(SWEEP, () => {
      this.#sweep();
      this.#sweepLater();
    });
  }

  /** Closes connections on which nobody has asked for anything for long, or not all of it has come. */
  #sweep(): void {
    for (const connection of this.#connections.values()) {
      if (!isBusy(connection) && ++connection.quiet > KEEP_ALIVE / SWEEP) connection.socket.destroy();
    }
  }

  async drain(signal: AbortSignal): Promise<void> {
    this.#draining = true;
    this.#server?.close();
    for (const connection of this.#connections.values()) {
      // An answer may not be out yet.
      if (!isBusy(connection)) connection.socket.destroySoon();
    }
    if (this.#connections.size === 0 || signal.aborted) return;
    await new Promise<void>((resolve) => {
      this.#idle = resolve;
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#draining = true;
    this.#sweeper?.cancel();
    const server = this.#server!;
    const closed = server.listening
      ? new Promise<void>((resolve) => server.close(() => resolve()))
      : Promise.resolve();
    for (const connection of this.#connections.values()) connection.socket.destroy();
    for (const socket of this.#raw) socket.destroy();
    await closed;
  }
}

function isBusy({ requests, lane, detached }: Connection): boolean {
  return requests > 0 || detached || lane?.busy === true;
}

function peerOf(socket: Socket): Peer {
  const address = hostPort(socket.remoteAddress ?? "", socket.remotePort ?? 0);
  const { getPeerCertificate } = socket as Partial<TLSSocket>;
  if (getPeerCertificate === undefined) return { address };
  const certificate = getPeerCertificate.call(socket as TLSSocket);
  const uri = /URI:([^,]+)/.exec(certificate?.subjectaltname ?? "")?.[1];
  const identity = uri ?? certificate?.subject?.CN;
  return identity === undefined ? { address } : { address, identity: String(identity) };
}

function sendRefusal(refusal: Refusal, response: ServerResponse): void {
  void sendResponse(toResponse(refusal), response).catch(() => response.destroy());
}

/** `node:http` lets go of a connection that asked for an upgrade: what is left is to answer and close. */
function writeRefusal({ status, body }: Refusal, socket: Duplex): void {
  const reason = { 400: "Bad Request", 404: "Not Found", 503: "Service Unavailable" }[status] ?? "Refused";
  socket.write(
    `HTTP/1.1 ${status} ${reason}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n` +
      "connection: close\r\n\r\n",
  );
  socket.end(body);
}
