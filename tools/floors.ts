/**
 * The floors of the project: who may import whom. The list is the design's; imports point down it, never up.
 *
 * | floor | where |
 * | --- | --- |
 * | 7 | `examples/`, `tests/`, `bench/`, `docs/`, `tools/`, every `*_test.ts`: what stands beside the project |
 * | 6 | `toolkit/` |
 * | 5 | `os/` |
 * | 4 | `mod.ts`, `preset.ts`, `edge.ts`, `testing.ts`: the entry files |
 * | 3 | `decorators/` |
 * | 2 | `runtime/service`, `runtime/server`, `runtime/client` |
 * | 1 | `runtime/registry`, `selector`, `transport`, `broker`, `codec`: the concepts |
 * | 0 | `runtime/*.ts` |
 * | leaf | `adapters/`: imported by `preset.ts` and by nobody else of the floors, but `adapters/workers/` by `edge.ts` |
 *
 * @module
 */

/** Where a file of the project stands. */
export interface Place {
  /** Its floor, 0 to 7; `leaf`: an adapter; `none`: nobody said where it belongs. */
  readonly floor: number | "leaf" | "none";
  /** The concept of floor 1 it is part of: `registry`. */
  readonly concept?: string;
}

const CONCEPTS = new Set(["registry", "selector", "transport", "broker", "codec"]);
const COMPOSITION = new Set(["service", "server", "client"]);
const ENTRIES = new Set(["mod.ts", "preset.ts", "edge.ts", "testing.ts"]);
const BESIDE = new Set(["examples", "tests", "bench", "docs", "tools"]);
const TOP = 7;

/** What may be imported without `import()` in the floors, beside the project itself. */
const CORE_PACKAGES = /^(hono(\/.*)?|cbor-x\/encode)$/;

/**
 * Finds the place of a file.
 *
 * @param file Its path from the project's root, with `/`.
 *
 * @example
 * ```ts
 * placeOf("runtime/registry/file.ts"); // { floor: 1, concept: "registry" }
 * ```
 */
export function placeOf(file: string): Place {
  const [top = "", second = "", ...rest] = file.split("/");
  if (BESIDE.has(top) || file.endsWith("_test.ts")) return { floor: TOP };
  if (ENTRIES.has(file)) return { floor: 4 };
  if (top === "adapters") return { floor: "leaf" };
  if (top === "decorators") return { floor: 3 };
  if (top === "os") return { floor: 5 };
  if (top === "toolkit") return { floor: 6 };
  if (top === "runtime") {
    if (rest.length === 0) return { floor: 0 };
    if (CONCEPTS.has(second)) return { floor: 1, concept: second };
    if (COMPOSITION.has(second)) return { floor: 2 };
  }
  return { floor: "none" };
}

/**
 * Whether time, chance and the platform must be passed in to a file: `runtime/`, `decorators/`, `os/` and the entry
 * files, without their tests.
 *
 * @param file Its path from the project's root.
 */
export function isCore(file: string): boolean {
  const { floor } = placeOf(file);
  return typeof floor === "number" && floor <= 5;
}

/**
 * Says what is wrong with one file importing another one of the project.
 *
 * @param from The importing file, from the project's root.
 * @param to The imported file, from the project's root; outside of it when it begins with `..`.
 * @returns The complaint, in words for people; `undefined`: it may.
 *
 * @example
 * ```ts
 * climbs("runtime/errors.ts", "runtime/codec/codec.ts"); // "runtime/errors.ts (floor 0) may not import …"
 * ```
 */
export function climbs(from: string, to: string): string | undefined {
  const here = placeOf(from);
  const there = placeOf(to);
  const no = (why: string) => `${from} may not import ${to}: ${why}`;
  if (to.startsWith("..")) return no("it lies outside of the project");
  if (here.floor === "none") {
    return `${from} stands on no floor: move it, or give its folder a place in tools/floors.ts`;
  }
  if (here.floor === TOP) {
    return from.startsWith("examples/") && there.floor === "leaf"
      ? no("an example uses what a user has, mod.ts")
      : undefined;
  }
  if (there.floor === "none") return no("that file stands on no floor (tools/floors.ts)");
  if (here.floor === "leaf") {
    return there.floor === "leaf" || there.floor === 0
      ? undefined
      : no("an adapter imports adapters and floor 0, runtime/*.ts, alone");
  }
  if (there.floor === "leaf") {
    if (from === "preset.ts" || (from === "edge.ts" && to.startsWith("adapters/workers/"))) return undefined;
    return no("adapters/ is imported by preset.ts alone, and adapters/workers/ by edge.ts");
  }
  if (there.floor === TOP) return no("tests, tools and examples stand outside of the floors");
  if (from === "edge.ts" && there.floor === 4) {
    return no("edge.ts is the face without node:* and ws, which the other entry files bring along");
  }
  if (there.floor > here.floor) {
    return no(`imports point down the floors, and this one climbs from ${here.floor} to ${there.floor}`);
  }
  if (here.floor === 1 && there.floor === 1 && here.concept !== there.concept) {
    const face = `runtime/${there.concept}/${there.concept}.ts`;
    if (to !== face) return no(`a concept sees of another one its interface file alone, ${face}`);
  }
  return undefined;
}

/**
 * Says what is wrong with a file importing something that is not a relative path.
 *
 * @param from The importing file, from the project's root.
 * @param specifier What it imports: `hono`, `node:fs`.
 * @param options `lazy`: by `import()`. `type`: for its types alone.
 * @returns The complaint, in words for people; `undefined`: it may.
 */
export function strays(
  from: string,
  specifier: string,
  options: { readonly lazy?: boolean; readonly type?: boolean } = {},
): string | undefined {
  if (/^(npm|jsr|https?|file|data):|^[#/]/.test(specifier)) {
    return `"${specifier}": a file that another project imports by its path resolves relative paths and bare package names alone`;
  }
  if (/^cbor-x(\/|$)/.test(specifier) && specifier !== "cbor-x/encode") {
    return `"${specifier}" may load a native addon that ends Deno and Bun, or CommonJS: import "cbor-x/encode"`;
  }
  if (!isCore(from)) return undefined;
  if (/^(node|bun|deno|cloudflare):|^(ws|bun)(\/|$)/.test(specifier)) {
    return `"${specifier}" names a runtime, which adapters/ alone may: take what you need from Platform or Host (runtime/platform.ts, runtime/host.ts)`;
  }
  if (!options.lazy && !options.type && !CORE_PACKAGES.test(specifier)) {
    return `"${specifier}" is not a dependency of the core: load it with import(), with an error that names the package, and let it be injected`;
  }
  return undefined;
}
