/**
 * Where settings come from, so that an error names what somebody wrote, and a wrong flag can be told from a wrong
 * program.
 *
 * @module
 */

import type { Extra } from "./flag_table.ts";
import type { ServiceOptions } from "./options.ts";

/** What a flag sets. */
export type Setting = keyof ServiceOptions | Extra;

/**
 * Something is wrong with what somebody wrote on the command line, in a variable or in the config file. The message
 * names where, and what was written. `run` shows it without a stack and ends with 2.
 */
export class UsageError extends TypeError {}

/** How an option of code is called in messages, where its name is not the setting's. */
const IN_CODE: Partial<Record<Setting, string>> = {
  tlsCertFile: "tls.cert",
  tlsKeyFile: "tls.key",
  tlsCaFile: "tls.ca",
  tlsClientCaFile: "tls.clientCa",
};

/** By setting: the flag, variable or place in the file that said it. What code said is not in it. */
export class Origins {
  readonly #from: ReadonlyMap<Setting, string>;

  /** @param from As {@link Origins} has it. */
  constructor(from: ReadonlyMap<Setting, string> = new Map()) {
    this.#from = from;
  }

  /** Whether somebody else than code said it. */
  has(setting: Setting): boolean {
    return this.#from.has(setting);
  }

  /** What it is called in a message: `--registry`, `MICRO_REGISTRY`, or `the option registry`. */
  nameOf(setting: Setting): string {
    return this.#from.get(setting) ?? `the option ${IN_CODE[setting] ?? setting}`;
  }

  /** An error about settings: a {@link UsageError} if one of them was written by somebody else than code. */
  wrong(settings: readonly Setting[], message: string): TypeError {
    const text = message[0]!.toUpperCase() + message.slice(1);
    return settings.some((setting) => this.has(setting)) ? new UsageError(text) : new TypeError(text);
  }
}
