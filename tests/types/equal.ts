/**
 * Whether two types are one: for type tests.
 *
 * @module
 */

/** `true` if two types are the same, `any` and `unknown` told apart. */
export type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** Compiles if its type argument is `true`. */
export function is<_ extends true>(): void {}
