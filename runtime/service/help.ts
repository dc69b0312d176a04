/**
 * The text of `--help`.
 *
 * @module
 */

import { type Flag, FLAGS, seconds } from "./flag_table.ts";
import type { FlagKind } from "./flag_values.ts";
import type { ImplementationNames } from "./components.ts";
import type { ServiceOptions } from "./options.ts";
import type { OwnFlags } from "./own_flags.ts";

const WIDTH = 34;

/**
 * The text of `--help`: the user's own flags first, then muon's.
 *
 * @param what The user's own flags, the names of the implementations that there are, and what code chooses: with no flag
 * given, that is what holds.
 *
 * @example
 * ```ts
 * platform.write(helpText({ own: {}, names: assembler.names, options: { registry: "memory" } }));
 * ```
 */
export function helpText(what: {
  readonly own: OwnFlags;
  readonly names: ImplementationNames;
  readonly options: ServiceOptions;
}): string {
  const own = Object.entries(what.own).map(([name, { type, help, env, default: initial }]) => {
    const value = type === "duration" && typeof initial === "number" ? seconds(initial) : initial;
    const variable = env === undefined ? "" : ` [$${env}]`;
    return line(name, placeholder(type), `${help}${defaultNote(value)}${variable}`);
  });
  const flags = Object.entries(FLAGS).map(([name, flag]) => {
    const { kind, help, names } = flag;
    const choices = names === undefined ? "" : `: ${what.names[names].join(", ")}`;
    return line(name, placeholder(kind), `${help}${choices}${defaultNote(valueOf(flag, what.options))}`);
  });
  return [
    ...(own.length === 0 ? [] : ["Flags of this program:", ...own, ""]),
    "Flags of muon; each is a variable, too: --server_name is MUON_SERVER_NAME or MICRO_SERVER_NAME.",
    "A flag beats MUON_*, then come MICRO_*, the file of --config_file, and code. - and _ are alike.",
    "A duration is 500ms, 5s, 1m30s; a bare number is seconds.",
    ...flags,
    "  --help, -h".padEnd(WIDTH) + "Show this and end",
    "",
  ].join("\n");
}

/** What holds where no flag says anything: what code chose, else muon's default. */
function valueOf({ sets, kind, initial }: Flag, options: ServiceOptions): unknown {
  const chosen = (options as Readonly<Record<string, unknown>>)[sets];
  if (typeof chosen === "number" && kind === "duration") return seconds(chosen);
  if (typeof chosen === "object" && chosen !== null && "name" in chosen) return chosen.name;
  return ["string", "number", "boolean"].includes(typeof chosen) ? chosen : initial;
}

function defaultNote(value: unknown): string {
  return value === undefined || value === "" ? "" : ` (default: ${value})`;
}

function line(name: string, value: string, help: string): string {
  return `  --${name}${value === "" ? "" : ` ${value}`}`.padEnd(WIDTH - 1) + ` ${help}`;
}

const PLACEHOLDERS: Readonly<Record<Exclude<FlagKind, readonly string[]> | "string", string>> = {
  text: "TEXT",
  string: "TEXT",
  name: "TEXT",
  address: "HOST:PORT",
  place: "HOST:PORT",
  boolean: "",
  number: "N",
  count: "N",
  positive: "N",
  duration: "TIME",
  pairs: "K=V",
  filters: "FILTER",
  weights: "WEIGHT",
  ejection: "WHEN",
};

function placeholder(kind: FlagKind | "string"): string {
  return typeof kind === "string" ? PLACEHOLDERS[kind] : kind.join("|");
}
