/**
 * The error of a process that cannot start where it is.
 *
 * @module
 */

/**
 * The machine keeps a process from starting: an address in use, a file that is missing. It is no mistake of the
 * program's, and the message says what it is and what to do: `run` shows it without a stack and ends with 1.
 */
export class StartError extends Error {
  /** `StartError`. */
  override readonly name = "StartError";
}
