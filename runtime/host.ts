/**
 * The seam to the sockets that a process listens on: many protocols share one port.
 *
 * @module
 */

/** Who is at the other end. */
export interface Peer {
  /** Its address as the socket says it, `host:port`; `memory` in process. */
  readonly address: string;
  /** Who it proved to be, if it proved anything: the subject of its certificate, for example. */
  readonly identity?: string | undefined;
}

/** What a {@link MessageSocket} tells its user. */
export interface MessageSocketEvents {
  /** A binary message came. The bytes are the receiver's to keep. */
  message(data: Uint8Array): void;
  /** The socket has sent what it had buffered. */
  drain(): void;
  /** It is closed, for good; called once. `code` is WebSocket's. */
  close(code: number, reason: string): void;
}

/** A socket that carries binary messages, whole and in order: a WebSocket, or one that a test simulates. */
export interface MessageSocket {
  /** Subprotocol that was agreed on, or the empty string. */
  readonly protocol: string;
  /** Bytes accepted by {@link MessageSocket.send} that are not on their way yet. */
  readonly buffered: number;
  /**
   * Whether the socket is done with the bytes of all that was sent, so that its caller may write over them: it copies
   * them, or has none of them left. To be asked behind each `send`.
   */
  readonly copies: boolean;
  /** Names who is told of messages; to be called once, in the turn in which the socket was handed over. */
  listen(events: MessageSocketEvents): void;
  /** Sends a message. It never drops one: it buffers, and `drain` tells when that is gone. After `close` it does nothing. */
  send(data: Uint8Array): void;
  /** Sends what is buffered, then closes. */
  close(code?: number, reason?: string): void;
  /** Closes at once, losing what is buffered. */
  terminate(): void;
}

/** A raw duplex stream of bytes: what gRPC over HTTP/2 and Go Micro's streams need. */
export interface ByteStream {
  /** Bytes that come in. */
  readonly readable: ReadableStream<Uint8Array>;
  /** Where bytes go out. */
  readonly writable: WritableStream<Uint8Array>;
}

/** The head of a request, as a {@link Protocol} looks at it to know its own. */
export interface RequestHead {
  /** HTTP method, upper-case. */
  readonly method: string;
  /** Path and query, as `/greeter.Greeter/Hello?x=1`. */
  readonly path: string;
  /** The value of a header, its name in lower case; `null` where there is none. */
  header(name: string): string | null;
}

/** What a protocol needs of a request, when it can do without the web's: a `Request` has all of it. */
export interface BareRequest {
  /** HTTP method, upper-case. */
  readonly method: string;
  /** Full address; its host may be made up. */
  readonly url: string;
  /** Path and query, where they are at hand: of the address they need not be cut out. */
  readonly path?: string;
  /** Its headers. */
  readonly headers: BareHeaders;
  /** Its body, to be read once, by this or by {@link BareRequest.bytes}; `null` if it is known to have none. */
  readonly body: ReadableStream<Uint8Array<ArrayBuffer>> | null;
  /**
   * Aborted when the client goes before it is answered. To be asked for only by what would do something about it: of a
   * small call, to listen costs 1 µs on Bun, and on Deno 9, as much as all else together.
   */
  readonly signal: BareSignal;
  /** The whole body. */
  bytes(): Promise<Uint8Array>;
  /** The whole body where it is here already, so that nobody has to wait for it; `undefined`: to be asked for. */
  readonly whole?: Uint8Array | undefined;
}

/** Headers of a {@link BareRequest}, names in lower case. */
export interface BareHeaders {
  /** The value of a header; `null` where there is none. */
  get(name: string): string | null;
  /** Tells all of them. */
  forEach(told: (value: string, name: string) => void): void;
}

/** The signal of a {@link BareRequest}. */
export interface BareSignal {
  /** Whether the client is gone. */
  readonly aborted: boolean;
  /** Names who is told, once. */
  addEventListener(type: "abort", listener: () => void, options: { readonly once: true }): void;
  /** Takes that back. */
  removeEventListener(type: "abort", listener: () => void): void;
}

/** An answer that is not made into the web's `Response` yet. */
export interface BareAnswer {
  /** HTTP status. */
  readonly status: number;
  /** Its headers, but for the length of the body. */
  readonly headers: Readonly<Record<string, string>>;
  /** Its body; `null`: none. */
  readonly body: Uint8Array | string | ReadableStream<Uint8Array> | null;
}

/** What is spoken on a {@link Host}'s port. The first mounted protocol that matches a request gets it. */
export interface Protocol {
  /** Name, as the record's metadata says it. */
  readonly name: string;
  /** Whether the request is this protocol's. */
  matches(head: RequestHead): boolean;
  /** Answers an HTTP request. */
  fetch?(request: Request, peer: Peer): Promise<Response> | Response;
  /**
   * Answers an HTTP request as `fetch` beside it does, for hosts that have no `Request` and would have to make one: that
   * costs more than a small call.
   */
  answer?(request: BareRequest, peer: Peer): Promise<BareAnswer> | BareAnswer;
  /** WebSocket subprotocol under which {@link Protocol.socket} is offered. */
  readonly subprotocol?: string;
  /** Largest WebSocket message that it takes, in bytes: its host has to be given as much. @default {the host's own} */
  readonly maxMessage?: number;
  /** Takes a WebSocket whose upgrade request matched. */
  socket?(socket: MessageSocket, peer: Peer): void;
  /** Takes a raw connection. */
  connection?(stream: ByteStream, peer: Peer): void;
}

/** Where and how a {@link Host} listens. */
export interface HostOptions {
  /** Name or address to bind. @default {"127.0.0.1"} */
  readonly hostname?: string;
  /** Port to bind; 0 lets the system choose. @default {0} */
  readonly port?: number;
  /** Largest WebSocket message that is taken, in bytes. @default {4_194_304} */
  readonly maxMessage?: number;
  /** Told of what goes wrong and can be told to no client. @default {it is written to stderr} */
  readonly report?: (message: string, error: unknown) => void;
  /** Key and certificate chain in PEM; without them it is plain TCP. */
  readonly tls?: TlsOptions;
}

/** Keys and certificates, in PEM. */
export interface TlsOptions {
  /** Certificate chain. */
  readonly cert: string;
  /** Private key. */
  readonly key: string;
  /** Authorities whose client certificates are asked for. A host that cannot enforce this refuses to start. */
  readonly clientCa?: string;
}

/** A port that is listened on. Disposing it closes the port and every connection at once. */
export interface Host extends AsyncDisposable {
  /** Addresses it listens on, `host:port`. */
  readonly addresses: readonly string[];
  /** Lets a protocol have the requests it matches, until the result is disposed. */
  mount(protocol: Protocol): Disposable;
  /** To be called once others may know of it: does what would have held up the start. Where it is missing, nothing. */
  started?(): void;
  /** Takes no new connection, and resolves when those it has are gone, or at the signal. */
  drain(signal: AbortSignal): Promise<void>;
}
