/**
 * Flags, environment and file: `--server_name`, `MUON_SERVER_NAME`, `MICRO_SERVER_NAME` and `"server_name"` in the file
 * that `--config_file` names say the same. A flag beats `MUON_*`, which beats `MICRO_*`, which beats the file, which
 * beats code.
 *
 * @module
 */

import { text } from "../bytes.ts";
import type { FlagSpec, ParsedArgs, Platform } from "../platform.ts";
import { type CallPolicy, fixedPolicy, type PolicyProvider } from "../policy.ts";
import { StartError } from "../start_error.ts";
import type { ImplementationNames } from "./components.ts";
import { type Flag, FLAGS } from "./flag_table.ts";
import { type FlagKind, isList, parseValue } from "./flag_values.ts";
import { didYouMean } from "./nearest.ts";
import type { MeshTls, ServiceOptions, ServiceTls } from "./options.ts";
import { Origins, type Setting, UsageError } from "./origins.ts";
import type { OwnFlag, OwnFlags, OwnFlagValues } from "./own_flags.ts";

/** How {@link readSettings} reads. */
export interface ReadOptions {
  /** Whether the command line counts. */
  readonly args: boolean;
  /** `mesh` reads only what `connect` knows. */
  readonly scope: "mesh" | "service";
  /** Flags of the user's own. @default {{}} */
  readonly own?: OwnFlags;
  /** What may be chosen by name. @default {names are not looked at} */
  readonly names?: ImplementationNames;
  /** Whether words that are no flags are taken. @default {false: such a word is an error} */
  readonly words?: boolean;
}

/** What flags, environment and file said. */
export interface Settings {
  /** Options they set; they beat those of code. */
  readonly options: ServiceOptions;
  /** Which of them said what, for errors that are found later. */
  readonly origins: Origins;
  /** What they say of every call. */
  readonly policy: Partial<Pick<CallPolicy, "timeout" | "retries">>;
  /** Keys and certificates, read; `enabled` is `--enable_tls`. */
  readonly tls: ServiceTls & { readonly enabled?: boolean };
  /** Values of the user's own flags. */
  readonly own: OwnFlagValues<OwnFlags>;
  /** Words that are no flags. */
  readonly words: readonly string[];
  /** What was given and has no effect, and why: for the log. */
  readonly notes: readonly string[];
}

/** A value as it was written, and where. */
interface Given {
  readonly values: readonly string[];
  readonly from: string;
}

/**
 * Reads file, environment and, where asked, the command line.
 *
 * @param platform Has them.
 * @throws {UsageError} That names the flag, variable or file and what it must be; an unknown flag is one, too.
 * @throws {StartError} If a file that they name cannot be read.
 */
export async function readSettings(platform: Platform, options: ReadOptions): Promise<Settings> {
  const own = options.own ?? {};
  const line = options.args ? parseLine(platform, options, own) : EMPTY_LINE;
  const config = line.given.get("config_file") ?? fromEnvironment(platform, "config_file");
  const file = config === undefined ? undefined : await readConfig(config, platform);

  const found: Partial<Record<Setting, unknown>> = {};
  const from = new Map<Setting, string>();
  const notes: string[] = [];
  for (const [name, flag] of Object.entries(FLAGS)) {
    if (options.scope === "mesh" && !flag.mesh) continue;
    const given = line.given.get(name) ?? fromEnvironment(platform, name) ?? file?.get(name);
    if (given === undefined) continue;
    const always = Object.hasOwn(flag.unusedValues ?? {}, given.values[0]!)
      ? flag.unusedValues![given.values[0]!]
      : undefined;
    const choices = flag.names === undefined || always !== undefined
      ? undefined
      : options.names?.[flag.names];
    const value = parseValue(choices ?? flag.kind, given.values, given.from);
    if (flag.unused !== undefined) notes.push(`${given.from} has no effect: ${flag.unused}`);
    else if (always !== undefined) notes.push(`${given.from} ${value} has no effect: ${always}`);
    else {
      found[flag.sets] = value;
      from.set(flag.sets, given.from);
    }
  }
  const origins = new Origins(from);
  const { tlsEnabled, tlsCertFile, tlsKeyFile, tlsCaFile, tlsClientCaFile, ...rest } = found;
  const { timeout, retries, configFile: _, unused: __, ...plain } = rest;
  if (timeout === 0) throw new UsageError(`${origins.nameOf("timeout")} must be more than 0`);
  const pem = (path: unknown, setting: Setting) => {
    if (path === undefined) return undefined;
    const said = origins.nameOf(setting);
    from.set(setting, `${said} (${path})`);
    return readPem(String(path), { platform, from: said });
  };
  // One by one, so that of several that are missing it is always the same that is named.
  const cert = await pem(tlsCertFile, "tlsCertFile");
  const key = await pem(tlsKeyFile, "tlsKeyFile");
  const ca = await pem(tlsCaFile, "tlsCaFile");
  const clientCa = await pem(tlsClientCaFile, "tlsClientCaFile");
  return {
    options: plain as ServiceOptions,
    origins,
    policy: defined({ timeout, retries }),
    tls: defined({ cert, key, ca, clientCa, enabled: tlsEnabled }),
    own: ownValues(own, { platform, line }),
    words: line.words,
    notes,
  };
}

/** The options in force: those of code, and over them what flags, environment and file said. */
export function withSettings(options: ServiceOptions, settings: Settings): ServiceOptions {
  const { enabled: _, ...tls } = settings.tls;
  const { filters = [], weights = [], ...plain } = settings.options;
  return {
    ...options,
    ...plain,
    // A flag narrows what code says, it does not take it back.
    ...(filters.length === 0 ? {} : { filters: [...options.filters ?? [], ...filters] }),
    ...(weights.length === 0 ? {} : { weights: [...options.weights ?? [], ...weights] }),
    ...(Object.keys(tls).length === 0 ? {} : { tls: { ...options.tls, ...tls } }),
    ...(Object.keys(settings.policy).length === 0
      ? {}
      : { policy: policyOver(options.policy, settings.policy) }),
  };
}

/** The policy of code with timeout and retries of the flags over it. */
function policyOver(policy: ServiceOptions["policy"], over: Settings["policy"]): PolicyProvider {
  if (policy === undefined || !("call" in policy)) return fixedPolicy({ ...policy, ...over });
  const provider = policy as PolicyProvider;
  // A provider is asked at every call and mostly answers with the same object.
  const merged = new WeakMap<CallPolicy, CallPolicy>();
  return {
    call(service, endpoint) {
      const inner = provider.call(service, endpoint);
      let all = merged.get(inner);
      if (all === undefined) merged.set(inner, all = { ...inner, ...over });
      return all;
    },
  };
}

function fromEnvironment(platform: Platform, name: string): Given | undefined {
  for (const prefix of ["MUON_", "MICRO_"]) {
    const from = prefix + name.toUpperCase();
    const value = platform.env(from);
    // Set to nothing is how a shell unsets a variable for one command.
    if (value !== undefined && value !== "") return given(FLAGS[name]!, value, from);
  }
  return undefined;
}

function given(flag: Flag, value: string, from: string): Given {
  return { values: isList(flag.kind) ? value.split(",") : [value], from };
}

/** The flags of a JSON file, an object of them. */
async function readConfig(config: Given, platform: Platform): Promise<Map<string, Given>> {
  const path = config.values[0]!;
  const what = `the file ${path} (${config.from})`;
  const bytes = await readFile(path, { platform, what });
  let content: unknown;
  try {
    content = JSON.parse(text(bytes));
  } catch (cause) {
    throw new UsageError(`Cannot read ${what}: it is not JSON: ${(cause as Error).message}`, { cause });
  }
  if (typeof content !== "object" || content === null || Array.isArray(content)) {
    throw new UsageError(`Cannot read ${what}: it must be an object of flags, as { "registry": "memory" }`);
  }
  const found = new Map<string, Given>();
  for (const [key, value] of Object.entries(content)) {
    const name = key.replaceAll("-", "_");
    const from = `"${key}" in ${path}`;
    const flag = Object.hasOwn(FLAGS, name) ? FLAGS[name] : undefined;
    if (flag === undefined) throw new UsageError(unknown(from, name, Object.keys(FLAGS)));
    if (found.has(name)) throw new UsageError(`${from} is there twice`);
    if (name === "config_file") {
      throw new UsageError(`${from} cannot be: a file names no other; leave it out`);
    }
    found.set(name, { values: configValues(flag, value, from), from });
  }
  return found;
}

function configValues(flag: Flag, value: unknown, from: string): readonly string[] {
  if (flag.kind === "pairs" && typeof value === "object" && value !== null && !Array.isArray(value)) {
    return Object.entries(value).map(([key, inner]) => `${key}=${inner}`);
  }
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") {
    return given(flag, String(value), from).values;
  }
  const several = isList(flag.kind) && flag.kind !== "pairs";
  if (several && Array.isArray(value) && value.every((each) => typeof each === "string")) return value;
  const wanted = flag.kind === "pairs"
    ? "an object of strings"
    : several
    ? "a string or an array of strings"
    : "a string, a number, true or false";
  throw new UsageError(`${from} must be ${wanted}: current value is ${JSON.stringify(value)}`);
}

interface Line {
  readonly given: ReadonlyMap<string, Given>;
  readonly words: readonly string[];
}

const EMPTY_LINE: Line = { given: new Map(), words: [] };

/**
 * Whether a command line asks for help. That is answered whatever else is on it, or wrong with it, or with a variable:
 * who asks wants to know what would be right.
 */
export function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf("--");
  return (end < 0 ? args : args.slice(0, end)).some((word) => /^(?:-h|--help(?:=true|=1)?)$/.test(word));
}

function parseLine(platform: Platform, options: ReadOptions, own: OwnFlags): Line {
  const kinds = new Map<string, FlagKind>([["help", "boolean"]]);
  for (const [name, flag] of Object.entries(FLAGS)) kinds.set(name, flag.kind);
  for (const [name, flag] of Object.entries(own)) kinds.set(name, kindOf(flag));

  const specs: Record<string, FlagSpec> = {};
  // Yes-or-no flags take a value, too (`--insecure=false`), which no parser of GNU's conventions lets a bare one have.
  // And all may be given more than once, so that it is said here which one was.
  for (const name of kinds.keys()) specs[name] = { type: "string", multiple: true };

  const end = platform.args.indexOf("--");
  const flags = end < 0 ? platform.args : platform.args.slice(0, end);
  const behind = end < 0 ? [] : platform.args.slice(end);
  const normal = flags.map((word, at) => {
    if (!word.startsWith("-") || word === "-") return word;
    const equals = word.indexOf("=");
    const written = equals < 0 ? word : word.slice(0, equals);
    const name = written.slice(2).replaceAll("-", "_");
    const kind = kinds.get(name);
    if (!word.startsWith("--") || kind === undefined) {
      if (name.startsWith("no_") && kinds.get(name.slice(3)) === "boolean") {
        throw new UsageError(`Unknown flag ${written}: write --${name.slice(3)}=false`);
      }
      throw new UsageError(unknown(`flag ${written}`, `--${name}`, [...kinds.keys()].map(dashed)));
    }
    if (equals >= 0) return `--${name}${word.slice(equals)}`;
    const next = flags[at + 1];
    if (kind !== "boolean") {
      if (next === undefined || (next.startsWith("-") && next !== "-")) {
        const { names } = FLAGS[name] ?? {};
        const choices = names === undefined ? kind : options.names?.[names];
        throw new UsageError(noValue(written, { choices, next }));
      }
      return `--${name}`;
    }
    if (next === "true" || next === "false") {
      // It would be yes, and the next word none of its.
      throw new UsageError(`The value of ${written} stands behind "=": write --${name}=${next}`);
    }
    return `--${name}=true`;
  });

  let parsed: ParsedArgs;
  try {
    parsed = platform.parseArgs([...normal, ...behind], specs);
  } catch (cause) {
    throw new UsageError((cause as Error).message, { cause });
  }
  if (parsed.positionals.length > 0 && options.words !== true) {
    throw new UsageError(
      `Unexpected ${
        JSON.stringify(parsed.positionals[0])
      } on the command line: only flags are known; see --help`,
    );
  }
  const found = new Map<string, Given>();
  for (const [name, kind] of kinds) {
    const values = parsed.values[name] as readonly string[] | undefined;
    if (values === undefined) continue;
    if (values.length > 1 && !isList(kind)) {
      const said = values.map((value) => JSON.stringify(value)).join(", then ");
      throw new UsageError(`--${name} is given ${values.length} times: ${said}`);
    }
    found.set(name, { values, from: `--${name}` });
  }
  // Yes was answered before: what is left is no, or nothing that a value may be.
  const help = found.get("help");
  if (help !== undefined) parseValue("boolean", help.values, help.from);
  return { given: found, words: parsed.positionals };
}

function dashed(name: string): string {
  return `--${name}`;
}

function noValue(
  flag: string,
  { choices, next }: { readonly choices: FlagKind | undefined; readonly next: string | undefined },
): string {
  const what = Array.isArray(choices) ? `it must be one of ${choices.join(", ")}` : "see --help";
  const dash = next === undefined || next.startsWith("--")
    ? ""
    : `; a value that starts with "-" is written ${flag}=${next}`;
  return `${flag} has no value: ${what}${dash}`;
}

function unknown(what: string, word: string, words: readonly string[]): string {
  return `Unknown ${what}${didYouMean(word, words) || "."} There are ${words.join(", ")}`;
}

const OWN_TYPES: readonly OwnFlag["type"][] = ["boolean", "string", "number", "duration"];

function kindOf({ type }: OwnFlag): FlagKind {
  return type === "string" ? "text" : type;
}

/**
 * Checks flags of the user's own.
 *
 * @throws {TypeError} If they make no sense.
 */
export function checkOwn(own: OwnFlags): void {
  for (const [name, { type, default: initial }] of Object.entries(own)) {
    if (!/^[a-z][a-z0-9_]*$/.test(name)) {
      throw new TypeError(
        `A flag's name must be lower-case letters, digits and "_": current value is ${JSON.stringify(name)}`,
      );
    }
    if (name === "help" || Object.hasOwn(FLAGS, name)) {
      throw new TypeError(`The flag --${name} is muon's own; give yours another name`);
    }
    if (!OWN_TYPES.includes(type)) {
      throw new TypeError(
        `The type of the flag --${name} must be one of ${OWN_TYPES.join(", ")}: current value is ${
          JSON.stringify(type)
        }`,
      );
    }
    const wanted = type === "duration" ? "number" : type;
    if (initial !== undefined && typeof initial !== wanted) {
      throw new TypeError(
        `The default of the flag --${name} must be a ${wanted}: current value is ${JSON.stringify(initial)}`,
      );
    }
  }
}

function ownValues(
  own: OwnFlags,
  { platform, line }: { readonly platform: Platform; readonly line: Line },
): OwnFlagValues<OwnFlags> {
  const values: Record<string, string | number | boolean | undefined> = {};
  for (const [name, flag] of Object.entries(own)) {
    let found = line.given.get(name);
    if (found === undefined && flag.env !== undefined) {
      const value = platform.env(flag.env);
      if (value !== undefined && value !== "") found = { values: [value], from: flag.env };
    }
    values[name] = found === undefined
      ? flag.default ?? (flag.type === "boolean" ? false : undefined)
      : parseValue(kindOf(flag), found.values, found.from) as string | number | boolean;
  }
  return values;
}

async function readPem(
  path: string,
  { platform, from }: { readonly platform: Platform; readonly from: string },
): Promise<string> {
  const pem = text(await readFile(path, { platform, what: `the file ${path} (${from})` }));
  if (!pem.includes("-----BEGIN ")) {
    throw new StartError(`The file ${path} (${from}) is not PEM: it has no line -----BEGIN …-----`);
  }
  return pem;
}

async function readFile(
  path: string,
  { platform, what }: { readonly platform: Platform; readonly what: string },
): Promise<Uint8Array> {
  const bytes = await platform.files?.read(path).catch((cause: Error) => {
    throw new StartError(`Cannot read ${what}: ${cause.message}`, { cause });
  });
  if (bytes === undefined) throw new StartError(`Cannot read ${what}: there is none`);
  return bytes;
}

/** The entries that have a value. */
function defined(entries: MeshTls | Record<string, unknown>): Record<string, never> {
  return Object.fromEntries(
    Object.entries(entries).filter(([, value]) => value !== undefined),
  ) as Record<string, never>;
}
