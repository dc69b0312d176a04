/**
 * Packages that muon can use and does not depend on.
 *
 * @module
 */

/**
 * Imports a package unseen by bundlers. They follow `import("name")` even where it never runs, and fail when the
 * package is not installed or is native, as `@deno/kv` is: with every bundle of a program that does not want it. So it
 * stays outside of a bundle, and is looked for beside it when it is wanted.
 *
 * @param name The package's name.
 *
 * @example
 * ```ts
 * const { openKv } = await importOptional<KvPackage>("@deno/kv");
 * ```
 */
export function importOptional<T>(name: string): Promise<T> {
  return import(name) as Promise<T>;
}
