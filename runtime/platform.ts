/**
 * The seam to the machine: what muon wants of a runtime beside time and chance. Each of `adapters/` has one.
 *
 * @module
 */

import type { Clock } from "./clock.ts";
import type { Entropy } from "./entropy.ts";
import type { Host, HostOptions, MessageSocket } from "./host.ts";
import type { Random } from "./random.ts";

/** Signals on which a service stops. */
export type StopSignal = "SIGINT" | "SIGTERM";

/** What is known of a file. */
export interface FileInfo {
  /** Size in bytes. */
  readonly size: number;
  /** When it was changed last, in ms since the epoch. */
  readonly modified: number;
  /** Permission bits, as 0o700; `undefined` where the system has none. */
  readonly mode: number | undefined;
  /** Its owner's user id; `undefined` where the system has none. */
  readonly owner: number | undefined;
  /** Tells it from another that was at the same path before; `undefined` where the system cannot. */
  readonly identity?: string;
  /** Whether it is a directory. A symbolic link is neither file nor directory here. */
  readonly kind: "file" | "directory" | "other";
}

/** Files, as far as muon needs them. Every method but `exists`-like ones rejects with the system's error. */
export interface Files {
  /** The bytes of a file; `undefined` if there is none. */
  read(path: string): Promise<Uint8Array | undefined>;
  /** Writes a file so that a reader sees the old or the new one, whole: to a name beside it, then renamed. */
  writeAtomic(path: string, data: Uint8Array, options?: { readonly mode?: number }): Promise<void>;
  /** Names in a directory; empty if there is none. */
  list(path: string): Promise<readonly string[]>;
  /** What is known of a path, links not followed; `undefined` if nothing is there. */
  stat(path: string): Promise<FileInfo | undefined>;
  /** Makes a directory and those above it; nothing happens if it is there. */
  makeDirectory(path: string, options?: { readonly mode?: number }): Promise<void>;
  /** Removes a file; nothing happens if there is none. */
  remove(path: string): Promise<void>;
  /** Says that something in a directory changed. May be late, doubled or, on some file systems, silent: poll beside it. */
  watch(path: string, changed: () => void): Disposable;
}

/** Where a datagram came from. */
export interface DatagramSource {
  /** IP address of the sender. */
  readonly address: string;
  /** Its port. */
  readonly port: number;
  /** Whether it was sent on this machine. */
  readonly here: boolean;
}

/** How datagrams are received. */
export interface DatagramOptions {
  /** Port to listen on; one that is shared with the group's other listeners. 0: any that is free. */
  readonly port: number;
  /** IPv4 multicast group whose datagrams are received too, through every interface. @default {none} */
  readonly group?: string;
  /** Address of the interface through which datagrams to a group leave. @default {the system's choice} */
  readonly through?: string;
  /**
   * Takes a datagram. One that was sent from outside the local link is dropped before
   * ({@link https://www.rfc-editor.org/rfc/rfc6762#section-11 | RFC 6762 §11}). It must not throw.
   */
  readonly receive: (data: Uint8Array, from: DatagramSource) => void;
}

/** Sends and receives datagrams over IPv4. Alone it does not keep the process alive. Disposing it closes it. */
export interface DatagramSocket extends AsyncDisposable {
  /** The port it listens on. */
  readonly port: number;
  /** Sends a datagram; rejects with the system's error where it cannot leave. Whether it arrives nobody says. */
  send(data: Uint8Array, to: { readonly address: string; readonly port: number }): Promise<void>;
}

/** Datagrams, as far as muon needs them. */
export interface Datagrams {
  /** Opens a socket; rejects with the system's error. */
  bind(options: DatagramOptions): Promise<DatagramSocket>;
}

/** How a WebSocket is dialled. */
export interface DialWebSocketOptions {
  /** Subprotocol that must be agreed on. */
  readonly protocol: string;
  /** Headers of the upgrade request. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Largest message that is taken, in bytes. @default {4_194_304} */
  readonly maxMessage?: number;
  /** Ends the attempt. */
  readonly signal?: AbortSignal | undefined;
  /** What a `wss:` address is dialled with, beside the system's authorities. */
  readonly tls?: DialTlsOptions | undefined;
}

/** Keys and certificates of the dialling end, in PEM. */
export interface DialTlsOptions {
  /** Authorities that the server's certificate is checked against, instead of the system's. */
  readonly ca?: string;
  /** Certificate chain that this end shows. */
  readonly cert?: string;
  /** Private key of that certificate. */
  readonly key?: string;
}

/** Keys and certificates to be looked at, in PEM. */
export interface TlsMaterial extends DialTlsOptions {
  /** Authorities whose client certificates are asked for. */
  readonly clientCa?: string;
}

/** Something that is wrong with {@link TlsMaterial}. */
export interface TlsFault {
  /** With what. */
  readonly part: keyof TlsMaterial;
  /** What is wrong, as a sentence goes on behind the name of the part: `holds no certificate`. */
  readonly why: string;
  /** Another part that it does not go together with, whose name is to stand behind `why`. */
  readonly other?: keyof TlsMaterial;
  /** Whether nobody could connect; else those who do not check can. */
  readonly fatal: boolean;
}

/** One flag that {@link Platform.parseArgs} knows. */
export interface FlagSpec {
  /** Whether it takes a value. */
  readonly type: "string" | "boolean";
  /** Whether it may be given more than once. @default {false} */
  readonly multiple?: boolean;
  /** One letter that stands for it. */
  readonly short?: string;
}

/** What a command line said. */
export interface ParsedArgs {
  /** By flag: its value, or all its values where it may be given more than once. */
  readonly values: Readonly<Record<string, string | boolean | readonly (string | boolean)[] | undefined>>;
  /** What is no flag. */
  readonly positionals: readonly string[];
}

/** What a runtime gives. */
export interface Platform {
  /** Which runtime this is. */
  readonly runtime: "deno" | "bun" | "node" | "workers" | "virtual";
  /** Its version. */
  readonly version: string;
  /** Name of this machine. */
  readonly hostname: string;
  /** Id of this process. */
  readonly pid: number;
  /** Id of the user this process runs as; `undefined` where the system has none. */
  readonly uid: number | undefined;
  /** Words of the command line behind the program's own name. */
  readonly args: readonly string[];
  /** Whether stderr is a terminal. */
  readonly isTerminal: boolean;
  /** Directory for what this user's processes share until the machine restarts, `$XDG_RUNTIME_DIR` or one of the user's in the temporary directory. */
  readonly runtimeDirectory: string;
  /** Files; `undefined` on the edge. */
  readonly files: Files | undefined;
  /** Datagrams; `undefined` on the edge. */
  readonly datagrams?: Datagrams | undefined;
  /** A variable of the environment. */
  env(name: string): string | undefined;
  /** Reads a command line, strictly: an unknown flag, or a value that is missing, throws a TypeError that names it. */
  parseArgs(args: readonly string[], flags: Readonly<Record<string, FlagSpec>>): ParsedArgs;
  /** Writes to stdout: what was asked for, as `--help` does. */
  write(text: string): void;
  /** Writes to stderr. */
  writeError(text: string): void;
  /** Calls back at each such signal, until disposed. While one is listened for, it does not end the process. */
  onSignal(signal: StopSignal, callback: () => void): Disposable;
  /**
   * Ends the process.
   *
   * @param code Its exit code. @default {what the program has set, else 0}
   */
  exit(code?: number): void;
  /**
   * Calls back when what this turn of the event loop has to do is done, before it waits for I/O or time.
   *
   * @param args What it is called with, as by `setImmediate`: none of thousands of connections needs a closure.
   */
  endOfTurn<A extends readonly unknown[]>(callback: (...args: A) => void, ...args: A): void;
  /**
   * Whether a call that is the only one on its connection is sent at once, not at the end of the turn: where another
   * round of the event loop takes longer than what it may save.
   *
   * @default {false}
   */
  readonly prompt?: boolean;
  /** Listens. Rejects with an error that names the address and says what to do, if it cannot. */
  serve(options: HostOptions): Promise<Host>;
  /**
   * What is wrong with keys and certificates at a time, in ms since the epoch, the worst first: those that cannot be
   * read, a key that is another certificate's, those that have expired. `undefined`: they are taken as they are.
   */
  tlsFaults?(tls: TlsMaterial, now: number): readonly TlsFault[];
  /** Dials a WebSocket; rejects if the other end does not agree on the subprotocol. */
  dialWebSocket(url: string, options: DialWebSocketOptions): Promise<MessageSocket>;
  /**
   * A fetch for calls to other processes, with keys and certificates of its own; those made alike share connections. It
   * follows redirects or does not: callers say `redirect`. `undefined` where there is none but the runtime's.
   */
  fetchWith?(tls: DialTlsOptions): typeof globalThis.fetch;
}

/** Everything that is passed in instead of being asked of the machine. */
export interface System {
  /** Time. */
  readonly clock: Clock;
  /** Chance. */
  readonly random: Random;
  /** What must not be guessed. */
  readonly entropy: Entropy;
  /** The machine. */
  readonly platform: Platform;
}
