/**
 * The text of `--help`.
 *
 * @module
 */

import { FLAGS } from "./flag_table.ts";
import type { FlagKind } from "./flag_values.ts";
import type { ImplementationNames } from "./components.ts";
import type { OwnFlags } from "./own_flags.ts";

const WIDTH = 34;

/**
 * The text of `--help`: the user's own flags first, then muon's.
 *
 * @param what The user's own flags, and the names of the implementations that there are.
 *
 * @example
 * ```ts
 * platform.write(helpText({ own: {}, names: { registry: ["file", "memory"], broker: [], transport: [], selector: [] } }));
 * ```
 */
export function helpText(what: { readonly own: OwnFlags; readonly names: ImplementationNames }): string {
  const own = Object.entries(what.own).map(([name, { type, help, env, default: initial }]) => {
    const notes = `${initial === undefined ? "" : `; ${initial}`}${env === undefined ? "" : ` [$${env}]`}`;
    return line(name, placeholder(type), `${help}${notes}`);
  });
  const flags = Object.entries(FLAGS).map(([name, { kind, help, names }]) => {
    const choices = names === undefined ? "" : `: ${what.names[names].join(", ")}`;
    return line(name, placeholder(kind), `${help}${choices}`);
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

function line(name: string, value: string, help: string): string {
  return `  --${name}${value === "" ? "" : ` ${value}`}`.padEnd(WIDTH - 1) + ` ${help}`;
}

function placeholder(kind: FlagKind | "string"): string {
  if (typeof kind !== "string") return kind.join("|");
  const names = {
    text: "TEXT",
    string: "TEXT",
    number: "N",
    count: "N",
    duration: "TIME",
    pairs: "K=V",
    filters: "FILTER",
    weights: "WEIGHT",
    ejection: "WHEN",
  };
  return kind === "boolean" ? "" : names[kind as keyof typeof names];
}
