/**
 * Flags of the user's own, and the action that sees them before the service starts.
 *
 * @module
 */

import type { Mesh } from "./mesh.ts";
import type { Service } from "./service.ts";

/** One flag of the user's own. */
export interface OwnFlag {
  /** What its value must be; a `duration` is written as `500ms` or `5s` and read in ms. */
  readonly type: "boolean" | "string" | "number" | "duration";
  /** For `--help`. */
  readonly help: string;
  /** Variable of the environment that sets it, too. @default {none} */
  readonly env?: string;
  /** Value where nobody gives one. @default {false for a boolean, else undefined} */
  readonly default?: boolean | string | number;
}

/** Flags of the user's own, by name: lower case, with `_`. */
export type OwnFlags = Readonly<Record<string, OwnFlag>>;

interface Types {
  readonly boolean: boolean;
  readonly string: string;
  readonly number: number;
  readonly duration: number;
}

type Absent<F extends OwnFlag> = F["type"] extends "boolean" ? never
  : F extends { readonly default: boolean | string | number } ? never
  : undefined;

/** The values of the user's own flags. */
export type OwnFlagValues<F extends OwnFlags> = {
  readonly [K in keyof F]: Types[F[K]["type"]] | Absent<F[K]>;
};

/** What an action has beside its flags. */
export interface ActionContext {
  /** The service, not started yet. */
  readonly service: Service;
  /** Words of the command line that are no flags. */
  readonly args: readonly string[];
  /** A mesh by the same flags and options, to call others without being a service. Dispose it. */
  connect(): Promise<Mesh>;
}
