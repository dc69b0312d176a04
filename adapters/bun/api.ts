/**
 * As much of Bun's API as this adapter uses, in types of its own: the sources are checked together with the other
 * runtimes', whose global types disagree with those of `@types/bun`.
 * Source: {@link https://bun.com/docs/api/http | Bun.serve} and {@link https://bun.com/docs/api/websockets | its WebSockets}.
 *
 * @module
 */

/** A WebSocket that `Bun.serve` accepted. */
export interface BunServerSocket<Data> {
  /** What the upgrade was given, until something else is put there. */
  data: Data;
  /** As what binary messages come. */
  binaryType: "arraybuffer" | "nodebuffer" | "uint8array";
  /** Bytes sent; -1: queued with back-pressure; 0: dropped. */
  send(data: Uint8Array): number;
  /** Closes when what is buffered is sent. */
  close(code?: number, reason?: string): void;
  /** Closes at once. */
  terminate(): void;
  /** Bytes that are not on their way yet. */
  getBufferedAmount(): number;
}

/** A port `Bun.serve` listens on. */
export interface BunServer<Data> {
  /** What it is bound to; `hostname` beside it would be the name that was given. */
  readonly address: { readonly address: string; readonly port: number };
  /** HTTP requests that are being answered. */
  readonly pendingRequests: number;
  /** WebSockets that are open. */
  readonly pendingWebSockets: number;
  /** Closes the port; with `true`, every connection too. */
  stop(all?: boolean): Promise<void>;
  /** Who sent the request. */
  requestIP(request: Request): { readonly address: string; readonly port: number } | null;
  /** Makes a WebSocket of the request. */
  upgrade(
    request: Request,
    options: { readonly data: Data; readonly headers: Record<string, string> },
  ): boolean;
  /** Sets after how many idle seconds the request's connection is closed; 0: never. */
  timeout(request: Request, seconds: number): void;
}

/** Options of `Bun.serve`. */
export interface BunServeOptions<Data> {
  /** Address to bind. */
  readonly hostname: string;
  /** Port to bind. */
  readonly port: number;
  /** Seconds an idle HTTP connection is kept, up to 255. */
  readonly idleTimeout: number;
  /** Bytes a request's body may have. */
  readonly maxRequestBodySize: number;
  /** Key and certificate chain in PEM. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Answers a request; `undefined` after an upgrade. */
  fetch(
    request: Request,
    server: BunServer<Data>,
  ): Promise<Response | undefined> | Response | undefined;
  /** What WebSockets do. */
  readonly websocket: {
    readonly maxPayloadLength: number;
    readonly idleTimeout: number;
    readonly sendPings: boolean;
    readonly backpressureLimit: number;
    readonly closeOnBackpressureLimit: boolean;
    readonly perMessageDeflate: boolean;
    open(socket: BunServerSocket<Data>): void;
    message(socket: BunServerSocket<Data>, message: string | Uint8Array): void;
    drain(socket: BunServerSocket<Data>): void;
    close(socket: BunServerSocket<Data>, code: number, reason: string): void;
  };
}

/** Options of Bun's `WebSocket`, which the web's has not. */
export interface BunWebSocketOptions {
  /** Subprotocols to offer. */
  readonly protocols: readonly string[];
  /** Whether compression is offered. */
  readonly perMessageDeflate: boolean;
  /** Headers of the upgrade request. */
  readonly headers: Readonly<Record<string, string>>;
  /** Authorities, certificate and key in PEM. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
}

/** Bun's `WebSocket`, with what the web's has not. */
export interface BunWebSocket extends WebSocket {
  /** Closes at once. */
  terminate(): void;
}

/** The global `Bun`. */
export interface BunApi {
  /** Its version. */
  readonly version: string;
  /** Listens. */
  serve<Data>(options: BunServeOptions<Data>): BunServer<Data>;
}

/** The global `Bun`; to be touched on Bun only. */
export const bun: BunApi = (globalThis as unknown as { readonly Bun: BunApi }).Bun;

/** Bun's `WebSocket`. */
export const BunWebSocket = WebSocket as unknown as new (
  url: string,
  options: BunWebSocketOptions,
) => BunWebSocket;
