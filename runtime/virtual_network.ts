/**
 * A network in memory, where the hosts and dialled sockets of several virtual processes meet.
 *
 * @module
 */

import { MuonError } from "./errors.ts";
import type {
  Host,
  HostOptions,
  MessageSocket,
  MessageSocketEvents,
  Peer,
  Protocol,
  RequestHead,
} from "./host.ts";
import { draining, failed, Mounts, nobody, toResponse } from "./mounts.ts";
import type { DialWebSocketOptions } from "./platform.ts";
import { LIMITS } from "./policy.ts";
import { StartError } from "./start_error.ts";
import { VirtualLink } from "./virtual_link.ts";

/** Delivers work in the order it was posted, each piece in a turn of its own. */
export interface Turns {
  /** Has the work done after what is under way, and what was posted before. */
  post(work: () => void): void;
}

/**
 * Turns made of microtasks: a piece of work runs once {@link MICROTASKS} rounds of what it or its forerunner started
 * have gone by. Nothing waits for the machine, so the order is the same in every run.
 */
export class MicrotaskTurns implements Turns {
  #queue: (() => void)[] = [];
  #running = false;

  post(work: () => void): void {
    this.#queue.push(work);
    if (!this.#running) void this.#run();
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#queue.length > 0) {
      await rounds();
      const due = this.#queue;
      this.#queue = [];
      for (const work of due) work();
    }
    this.#running = false;
  }
}

/**
 * Rounds of microtasks that make a turn: enough that answers given at once share one, few enough that a call and its
 * answer fit into the 64 that `VirtualClock` lets go by before it turns on.
 */
const MICROTASKS = 4;

async function rounds(): Promise<void> {
  for (let i = 0; i < MICROTASKS; i++) await undefined;
}

/**
 * A network in memory. Every process of a test shares one.
 *
 * @example
 * ```ts
 * const network = new VirtualNetwork();
 * const a = createVirtualSystem({ network });
 * const host = await a.platform.serve({ port: 8080 });
 * const answer = await network.fetch(`http://${host.addresses[0]}/healthz`);
 * ```
 */
export class VirtualNetwork {
  readonly #hosts = new Map<string, VirtualHost>();
  readonly #turns = new MicrotaskTurns();
  readonly #links = new Set<Link>();
  #nextPort = 49_152;
  /** Where datagrams go. */
  readonly link: VirtualLink = new VirtualLink(this.#turns);

  /** Listens; rejects if the port is taken, as the machine does. */
  serve(options: HostOptions = {}): Promise<Host> {
    const { hostname = "127.0.0.1", tls } = options;
    if (tls?.clientCa !== undefined) {
      return Promise.reject(
        new TypeError("A virtual network has no certificates: it cannot ask clients for any"),
      );
    }
    const port = options.port || this.#nextPort++;
    const address = `${hostname}:${port}`;
    if (this.#hosts.has(address)) {
      return Promise.reject(
        new StartError(
          `Cannot listen on ${address}: the address is in use; choose another with --server_address`,
        ),
      );
    }
    const host = new VirtualHost({
      address,
      maxMessage: options.maxMessage ?? LIMITS.maxMessage,
      closed: () => this.#hosts.delete(address),
    });
    this.#hosts.set(address, host);
    return Promise.resolve(host);
  }

  /** Dials a WebSocket of a host on this network. */
  async dialWebSocket(url: string, options: DialWebSocketOptions): Promise<MessageSocket> {
    const { signal, protocol, headers = {} } = options;
    await new Promise<void>((resolve) => this.#turns.post(resolve));
    signal?.throwIfAborted();
    const asked = new URL(url);
    const { pathname, search } = asked;
    const address = addressOf(asked);
    const host = this.#hosts.get(address);
    if (host === undefined || host.draining) {
      throw new MuonError("unavailable", `cannot connect to ${url}: connection refused`, {
        id: "muon.platform",
        where: { address },
        notRun: true,
      });
    }
    const sent = new Map([["upgrade", "websocket"], ["sec-websocket-protocol", protocol]]);
    for (const [name, value] of Object.entries(headers)) sent.set(name.toLowerCase(), value);
    const found = host.mounts.socket({
      method: "GET",
      path: pathname + search,
      header: (name) => sent.get(name) ?? null,
    });
    if ("refusal" in found) {
      throw new MuonError("unimplemented", `${url} does not agree on the WebSocket subprotocol ${protocol}`, {
        id: "muon.platform",
        where: { address },
        notRun: true,
      });
    }
    const link = new Link(this.#turns, protocol);
    link.dialler.maxMessage = options.maxMessage ?? LIMITS.maxMessage;
    link.listener.maxMessage = host.maxMessage;
    link.address = address;
    this.#links.add(link);
    link.over = () => {
      this.#links.delete(link);
      host.forget(link);
    };
    host.keep(link);
    found.protocol.socket(link.listener, { address: `127.0.0.1:${this.#nextPort++}` });
    return link.dialler;
  }

  /** Sends an HTTP request to a host on this network. Whoever aborts its signal leaves, and the host is told. */
  async fetch(input: Request | URL | string, init?: RequestInit): Promise<Response> {
    const asked = new Request(input, init);
    await new Promise<void>((resolve) => this.#turns.post(resolve));
    asked.signal.throwIfAborted();
    const host = this.#hosts.get(addressOf(new URL(asked.url)));
    if (host === undefined) {
      throw Object.assign(new TypeError(`Cannot connect to ${asked.url}: connection refused`), {
        code: "ECONNREFUSED",
      });
    }
    const signal = AbortSignal.any([asked.signal, host.gone]);
    const request = new Request(asked, { signal });
    const left = new Promise<never>((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    });
    const answering = host.answer(request, { address: `127.0.0.1:${this.#nextPort++}` });
    return await Promise.race([answering.then((response) => whileWanted(response, signal)), left]);
  }

  /** Cuts every WebSocket to an address, as a machine that loses its power does: both ends see 1006. */
  cut(address: string): void {
    for (const link of [...this.#links]) if (link.address === address) link.cut();
  }
}

/** `host:port`, also where the port is the scheme's own. */
function addressOf({ hostname, port, protocol }: URL): string {
  return `${hostname}:${port || (protocol === "https:" || protocol === "wss:" ? 443 : 80)}`;
}

/** An answer whose body ends for both sides when a signal is aborted. */
function whileWanted(response: Response, signal: AbortSignal): Response {
  const { body, status, statusText, headers } = response;
  if (body === null) return response;
  const reader = body.getReader();
  const parts = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      const leave = () => {
        controller.error(signal.reason);
        reader.cancel(signal.reason).catch(() => {});
      };
      if (signal.aborted) leave();
      else signal.addEventListener("abort", leave, { once: true });
    },
    async pull(controller) {
      const { done, value } = await reader.read();
      if (signal.aborted) return;
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
  return new Response(parts, { status, statusText, headers });
}

class VirtualHost implements Host {
  readonly addresses: readonly string[];
  readonly maxMessage: number;
  readonly mounts = new Mounts({ raw: false });
  draining = false;
  readonly #closed: () => void;
  readonly #links = new Set<Link>();
  readonly #gone = new AbortController();
  #requests = 0;
  #idle: (() => void) | undefined;

  constructor(
    options: { readonly address: string; readonly maxMessage: number; readonly closed: () => void },
  ) {
    this.addresses = [options.address];
    this.maxMessage = options.maxMessage;
    this.#closed = options.closed;
  }

  /** Aborted when it is closed: what is under way breaks. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  mount(protocol: Protocol): Disposable {
    return this.mounts.mount(protocol);
  }

  keep(link: Link): void {
    this.#links.add(link);
  }

  forget(link: Link): void {
    this.#links.delete(link);
    this.#checkIdle();
  }

  async answer(request: Request, peer: Peer): Promise<Response> {
    const { pathname, search } = new URL(request.url);
    const head: RequestHead = {
      method: request.method,
      path: pathname + search,
      header: (name) => request.headers.get(name),
    };
    if (this.draining) return toResponse(draining(head));
    const protocol = this.mounts.http(head);
    if (protocol === undefined) return toResponse(nobody(head));
    this.#requests++;
    try {
      return await protocol.fetch(request, peer);
    } catch {
      return toResponse(failed(head, protocol));
    } finally {
      this.#requests--;
      this.#checkIdle();
    }
  }

  #checkIdle(): void {
    if (this.#requests === 0 && this.#links.size === 0) this.#idle?.();
  }

  async drain(signal: AbortSignal): Promise<void> {
    this.draining = true;
    await new Promise<void>((resolve) => {
      this.#idle = resolve;
      signal.addEventListener("abort", () => resolve(), { once: true });
      if (signal.aborted) resolve();
      this.#checkIdle();
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.draining = true;
    this.#closed();
    for (const link of [...this.#links]) link.cut();
    this.#gone.abort(new TypeError(`The connection to ${this.addresses[0]} was closed by the other end`));
    return Promise.resolve();
  }
}

/** Two sockets, each the other's end. */
class Link {
  readonly dialler: VirtualSocket;
  readonly listener: VirtualSocket;
  address = "";
  over: () => void = () => {};

  constructor(turns: Turns, protocol: string) {
    this.dialler = new VirtualSocket(turns, protocol);
    this.listener = new VirtualSocket(turns, protocol);
    this.dialler.join(this.listener, () => this.over());
    this.listener.join(this.dialler, () => this.over());
  }

  cut(): void {
    this.dialler.end(1006, "");
    this.listener.end(1006, "");
  }
}

/**
 * Two message sockets joined in memory, for transports in process and for tests.
 *
 * @param turns How messages are delivered. @default {turns of microtasks}
 * @returns The two ends.
 *
 * @example
 * ```ts
 * const [left, right] = socketPair("muon.v1");
 * ```
 */
export function socketPair(
  protocol: string,
  turns: Turns = new MicrotaskTurns(),
): [MessageSocket, MessageSocket] {
  const { dialler, listener } = new Link(turns, protocol);
  return [dialler, listener];
}

class VirtualSocket implements MessageSocket {
  readonly protocol: string;
  readonly copies = true;
  maxMessage = Number.POSITIVE_INFINITY;
  readonly #turns: Turns;
  #peer!: VirtualSocket;
  #over!: () => void;
  #events: MessageSocketEvents | undefined;
  #early: Uint8Array[] = [];
  #closed: { readonly code: number; readonly reason: string } | undefined;
  /** Whether this end asked for the close: it sends nothing more, and still takes what is on its way. */
  #closing = false;
  #buffered = 0;

  constructor(turns: Turns, protocol: string) {
    this.#turns = turns;
    this.protocol = protocol;
  }

  get buffered(): number {
    return this.#buffered;
  }

  join(peer: VirtualSocket, over: () => void): void {
    this.#peer = peer;
    this.#over = over;
  }

  listen(events: MessageSocketEvents): void {
    this.#events = events;
    const early = this.#early;
    this.#early = [];
    for (const data of early) events.message(data);
    if (this.#closed !== undefined) events.close(this.#closed.code, this.#closed.reason);
  }

  send(data: Uint8Array): void {
    if (this.#closing || this.#closed !== undefined) return;
    const copy = data.slice();
    this.#buffered += copy.length;
    this.#turns.post(() => {
      this.#buffered -= copy.length;
      this.#peer.#take(copy);
      if (this.#buffered === 0 && this.#closed === undefined) this.#events?.drain();
    });
  }

  close(code = 1000, reason = ""): void {
    if (this.#closing || this.#closed !== undefined) return;
    this.#closing = true;
    this.#turns.post(() => {
      this.#peer.end(code, reason);
      this.end(code, reason);
    });
  }

  terminate(): void {
    if (this.#closed !== undefined) return;
    this.#closing = true;
    this.end(1006, "");
    this.#turns.post(() => this.#peer.end(1006, ""));
  }

  #take(data: Uint8Array): void {
    if (this.#closed !== undefined) return;
    if (data.length > this.maxMessage) {
      return this.close(1009, `a message was larger than ${this.maxMessage} bytes`);
    }
    if (this.#events === undefined) this.#early.push(data);
    else this.#events.message(data);
  }

  end(code: number, reason: string): void {
    if (this.#closed !== undefined) return;
    this.#closed = { code, reason };
    this.#buffered = 0;
    this.#events?.close(code, reason);
    this.#over();
  }
}
