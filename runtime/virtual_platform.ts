/**
 * A machine in memory: a process whose environment, files, signals and network are a test's.
 *
 * @module
 */

import type { Clock } from "./clock.ts";
import type { Entropy } from "./entropy.ts";
import type { Host, HostOptions, MessageSocket } from "./host.ts";
import type {
  Datagrams,
  DialWebSocketOptions,
  FileInfo,
  Files,
  FlagSpec,
  ParsedArgs,
  Platform,
  StopSignal,
  System,
} from "./platform.ts";
import { type Random, seeded } from "./random.ts";
import { VirtualClock } from "./virtual_clock.ts";
import { MicrotaskTurns, VirtualNetwork } from "./virtual_network.ts";

/** Options of {@link createVirtualSystem}. */
export interface VirtualSystemOptions {
  /** Time. @default {a new VirtualClock} */
  readonly clock?: Clock;
  /** Where chance and entropy start. @default {1} */
  readonly seed?: number;
  /** What the process listens and dials on; processes that share it can meet. @default {a new one} */
  readonly network?: VirtualNetwork;
  /** The disk; processes that share it see each other's files. @default {a new one} */
  readonly files?: VirtualFiles;
  /** The environment. @default {empty} */
  readonly env?: Readonly<Record<string, string>>;
  /** Words of the command line. @default {none} */
  readonly args?: readonly string[];
  /** Name of the machine; processes of one name are on one machine. @default {"virtual"} */
  readonly hostname?: string;
  /** Id of the process. @default {1} */
  readonly pid?: number;
  /** Whether stderr is a terminal. @default {false} */
  readonly terminal?: boolean;
}

/** A {@link System} in memory. */
export interface VirtualSystem extends System {
  /** The machine, and what a test can do to it. */
  readonly platform: VirtualPlatform;
}

/**
 * A process in memory.
 *
 * @example
 * ```ts
 * const network = new VirtualNetwork();
 * const clock = new VirtualClock();
 * const server = createVirtualSystem({ clock, network, pid: 1 });
 * const client = createVirtualSystem({ clock, network, pid: 2, seed: 2 });
 * ```
 */
export function createVirtualSystem(options: VirtualSystemOptions = {}): VirtualSystem {
  const { clock = new VirtualClock(), seed = 1 } = options;
  return {
    clock,
    random: seeded(seed),
    entropy: seededEntropy(seeded(~seed)),
    platform: new VirtualPlatform({ ...options, clock }),
  };
}

/** Bytes that anybody can guess who knows the seed: for tests only. */
function seededEntropy(random: Random): Entropy {
  return {
    fill(bytes) {
      for (let i = 0; i < bytes.length; i++) bytes[i] = Math.floor(random.next() * 256);
      return bytes;
    },
  };
}

/** A machine in memory, and what a test can do to it. */
export class VirtualPlatform implements Platform {
  /** Which runtime this is. */
  readonly runtime = "virtual";
  /** Its version. */
  readonly version = "1";
  /** Name of this machine. */
  readonly hostname: string;
  /** Id of this process. */
  readonly pid: number;
  /** Id of the user. */
  readonly uid = 1000;
  /** Words of the command line. */
  readonly args: readonly string[];
  /** Whether stderr is a terminal. */
  readonly isTerminal: boolean;
  /** Directory for what the user's processes share. */
  readonly runtimeDirectory = "/run/user/1000";
  /** Files, in memory. */
  readonly files: VirtualFiles;
  /** Datagrams, on the network's link. */
  readonly datagrams: Datagrams;
  /** The network the process is on. */
  readonly network: VirtualNetwork;
  /** What the process wrote to stdout. */
  stdout = "";
  /** What the process wrote to stderr. */
  stderr = "";
  /** With which code it asked to be ended; `undefined` if it did not. */
  exitCode: number | undefined;
  readonly #env: Readonly<Record<string, string>>;
  readonly #turns = new MicrotaskTurns();
  readonly #signals: { readonly signal: StopSignal; readonly callback: () => void }[] = [];

  /**
   * A machine on a clock.
   *
   * @param options As {@link createVirtualSystem} takes them.
   */
  constructor(options: VirtualSystemOptions & { readonly clock: Clock }) {
    this.hostname = options.hostname ?? "virtual";
    this.pid = options.pid ?? 1;
    this.isTerminal = options.terminal ?? false;
    this.args = options.args ?? [];
    this.files = options.files ?? new VirtualFiles(options.clock);
    this.network = options.network ?? new VirtualNetwork();
    this.datagrams = { bind: (datagrams) => this.network.link.bind(this.hostname, datagrams) };
    this.#env = options.env ?? {};
  }

  /** Sends the process a signal, as a person at a keyboard does; says how many listened. */
  raise(signal: StopSignal): number {
    const listeners = this.#signals.filter((entry) => entry.signal === signal);
    for (const { callback } of listeners) callback();
    return listeners.length;
  }

  /** A variable of the environment. */
  env(name: string): string | undefined {
    return Object.hasOwn(this.#env, name) ? this.#env[name] : undefined;
  }

  /** Reads a command line, as strictly as a runtime does. */
  parseArgs(args: readonly string[], flags: Readonly<Record<string, FlagSpec>>): ParsedArgs {
    return parseVirtualArgs(args, flags);
  }

  /** Adds to {@link stdout}. */
  write(text: string): void {
    this.stdout += text;
  }

  /** Adds to {@link stderr}. */
  writeError(text: string): void {
    this.stderr += text;
  }

  /** Calls back at each such signal that {@link raise} sends, until disposed. */
  onSignal(signal: StopSignal, callback: () => void): Disposable {
    const entry = { signal, callback };
    this.#signals.push(entry);
    return {
      [Symbol.dispose]: () => {
        const at = this.#signals.indexOf(entry);
        if (at >= 0) this.#signals.splice(at, 1);
      },
    };
  }

  /** Sets {@link exitCode}, the first time. */
  exit(code = 0): void {
    this.exitCode ??= code;
  }

  /** Calls back behind the microtasks that are due. */
  endOfTurn<A extends readonly unknown[]>(callback: (...args: A) => void, ...args: A): void {
    this.#turns.post(() => callback(...args));
  }

  /** Listens on the network. */
  serve(options: HostOptions): Promise<Host> {
    return this.network.serve(options);
  }

  /** Dials a WebSocket over the network. */
  dialWebSocket(url: string, options: DialWebSocketOptions): Promise<MessageSocket> {
    return this.network.dialWebSocket(url, options);
  }

  /** A fetch over the network, which has no certificates: keys make no difference. */
  fetchWith(): typeof globalThis.fetch {
    return (input, init) => this.network.fetch(input, init);
  }
}

/** The part of GNU's conventions that `node:util` implements, strictly. */
function parseVirtualArgs(args: readonly string[], flags: Readonly<Record<string, FlagSpec>>): ParsedArgs {
  const values: Record<string, string | boolean | (string | boolean)[]> = {};
  const positionals: string[] = [];
  const words = [...args];
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    if (word === "--") {
      positionals.push(...words);
      break;
    }
    if (!word.startsWith("-") || word === "-") {
      positionals.push(word);
      continue;
    }
    const equals = word.startsWith("--") ? word.indexOf("=") : -1;
    const written = equals < 0 ? word : word.slice(0, equals);
    const name = written.startsWith("--")
      ? written.slice(2)
      : Object.keys(flags).find((flag) => flags[flag]!.short === written.slice(1));
    const flag = name !== undefined && Object.hasOwn(flags, name) ? flags[name] : undefined;
    if (name === undefined || flag === undefined) throw new TypeError(`Unknown option '${written}'`);
    let value: string | boolean = true;
    if (flag.type === "string") {
      const given = equals < 0 ? words.shift() : word.slice(equals + 1);
      if (given === undefined || (equals < 0 && given.startsWith("-") && given !== "-")) {
        throw new TypeError(`Option '${written} <value>' argument missing`);
      }
      value = given;
    } else if (equals >= 0) {
      throw new TypeError(`Option '${written}' does not take an argument`);
    }
    const before = values[name];
    values[name] = flag.multiple === true ? [...(Array.isArray(before) ? before : []), value] : value;
  }
  return { values, positionals };
}

interface Entry {
  readonly kind: "file" | "directory";
  readonly data: Uint8Array;
  readonly mode: number;
  readonly modified: number;
}

/** A disk in memory. Paths are absolute and separated by `/`. */
export class VirtualFiles implements Files {
  readonly #clock: Clock;
  readonly #entries = new Map<string, Entry>();
  readonly #watchers = new Set<{ readonly path: string; readonly changed: () => void }>();

  /**
   * An empty disk.
   *
   * @param clock What the times of changes come from.
   */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The bytes of a file; `undefined` if there is none. */
  read(path: string): Promise<Uint8Array | undefined> {
    const entry = this.#entries.get(clean(path));
    if (entry?.kind === "directory") {
      return Promise.reject(new Error(`EISDIR: is a directory, read '${path}'`));
    }
    return Promise.resolve(entry?.data.slice());
  }

  /** Writes a file. */
  writeAtomic(path: string, data: Uint8Array, options: { readonly mode?: number } = {}): Promise<void> {
    const name = clean(path);
    if (this.#entries.get(parent(name))?.kind !== "directory" && parent(name) !== "") {
      return Promise.reject(new Error(`ENOENT: no such file or directory, open '${path}'`));
    }
    if (this.#entries.get(name)?.kind === "directory") {
      return Promise.reject(new Error(`EISDIR: is a directory, rename to '${path}'`));
    }
    this.#set(name, { kind: "file", data: data.slice(), mode: options.mode ?? 0o644 });
    return Promise.resolve();
  }

  /** Names in a directory. */
  list(path: string): Promise<readonly string[]> {
    const directory = clean(path);
    const names: string[] = [];
    for (const name of this.#entries.keys()) {
      if (parent(name) === directory) names.push(name.slice(directory.length + 1));
    }
    return Promise.resolve(names);
  }

  /** What is known of a path; `undefined` if nothing is there. */
  stat(path: string): Promise<FileInfo | undefined> {
    const entry = this.#entries.get(clean(path));
    return Promise.resolve(
      entry && {
        size: entry.data.length,
        modified: entry.modified,
        mode: entry.mode,
        owner: 1000,
        kind: entry.kind,
      },
    );
  }

  /** Makes a directory and those above it. */
  makeDirectory(path: string, options: { readonly mode?: number } = {}): Promise<void> {
    const name = clean(path);
    for (let end = name.indexOf("/", 1);; end = name.indexOf("/", end + 1)) {
      const part = end < 0 ? name : name.slice(0, end);
      const entry = this.#entries.get(part);
      if (entry?.kind === "file") {
        return Promise.reject(new Error(`EEXIST: file already exists, mkdir '${part}'`));
      }
      if (entry === undefined) {
        this.#set(part, { kind: "directory", data: new Uint8Array(0), mode: options.mode ?? 0o755 });
      }
      if (end < 0) return Promise.resolve();
    }
  }

  /** Removes a file. */
  remove(path: string): Promise<void> {
    const name = clean(path);
    if (this.#entries.get(name)?.kind === "directory") {
      return Promise.reject(new Error(`EISDIR: is a directory, rm '${path}'`));
    }
    if (this.#entries.delete(name)) this.#changed(name);
    return Promise.resolve();
  }

  /** Calls back when something in a directory changed. */
  watch(path: string, changed: () => void): Disposable {
    const watcher = { path: clean(path), changed };
    this.#watchers.add(watcher);
    return { [Symbol.dispose]: () => void this.#watchers.delete(watcher) };
  }

  #set(name: string, entry: Omit<Entry, "modified">): void {
    this.#entries.set(name, { ...entry, modified: this.#clock.wall() });
    this.#changed(name);
  }

  #changed(name: string): void {
    for (const watcher of [...this.#watchers]) if (watcher.path === parent(name)) watcher.changed();
  }
}

function clean(path: string): string {
  return path.replace(/\/+/g, "/").replace(/\/$/, "");
}

function parent(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}
