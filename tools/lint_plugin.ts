/**
 * The project's own lint rules, for `deno lint`:
 *
 * - `muon/globals`: time, chance and the platform are passed in, never taken from a global;
 * - `muon/floors`: imports point down the floors ({@link climbs});
 * - `muon/packages`: what is imported from outside ({@link strays});
 * - `muon/private`: `#name`, never TypeScript's `private`;
 * - `muon/params`: exported functions take few positional parameters;
 * - `muon/documented`: what is exported says what it is.
 *
 * @module
 */

import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { climbs, isCore, strays } from "./floors.ts";
import {
  bareMembers,
  isGlobal,
  isInstanceCheck,
  isReference,
  type RuleContext,
  type Syntax,
  unwrap,
  type Visitor,
} from "./lint_scope.ts";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

const TIME = "take time from Clock (runtime/clock.ts)";
const CHANCE = "take chance from Random (runtime/random.ts), ids and keys from Entropy (runtime/entropy.ts)";
const MACHINE =
  "take it from Platform or Host (runtime/platform.ts, runtime/host.ts); adapters/ alone names a runtime";

/** The globals that hide time, chance and the platform, and what stands in their place. */
const BANNED: ReadonlyMap<string, string> = new Map([
  ["Date", TIME],
  ["setTimeout", TIME],
  ["setInterval", TIME],
  ["setImmediate", TIME],
  ["clearTimeout", TIME],
  ["clearInterval", TIME],
  ["clearImmediate", TIME],
  ["queueMicrotask", "use a promise, or Platform's end of the turn (runtime/platform.ts)"],
  ["performance", TIME],
  ["crypto", CHANCE],
  ["process", MACHINE],
  ["Buffer", "use Uint8Array (runtime/bytes.ts)"],
  ["Deno", MACHINE],
  ["Bun", MACHINE],
]);

/** Members of globals that are harmless otherwise. */
const BANNED_MEMBERS: ReadonlyMap<string, string> = new Map([
  ["Math.random", CHANCE],
  ["AbortSignal.timeout", TIME],
]);

/** The names of the global object; only `globalThis.name` can be looked through, so nothing else is allowed. */
const GLOBAL_OBJECTS: ReadonlySet<string> = new Set(["globalThis", "self", "window", "global"]);

/** `preset.ts` picks the adapter, and may therefore look for the runtime: by these, and by the global object. */
const PRESET_MAY: ReadonlySet<string> = new Set(["Deno", "Bun", ...GLOBAL_OBJECTS]);

/** More positional parameters than this are an error. Two, then an options bag, is what to aim at. */
const MOST_PARAMS = 4;

/** A doc comment at the very end of a text; between it and the end there may be other rules' line comments. */
const DOC_COMMENT = /\/\*\*(?:(?!\*\/|@module)[^])*\*\/(?:\s|\/\/.*\n)*$/;

const plugin = {
  name: "muon",
  rules: {
    globals: { create: globals },
    floors: { create: floors },
    packages: { create: packages },
    private: { create: privates },
    params: { create: params },
    documented: { create: documented },
  },
};

export default plugin;

function pathOf(ctx: RuleContext): string {
  return relative(ROOT, ctx.filename).split(sep).join("/");
}

function globals(ctx: RuleContext): Visitor {
  const file = pathOf(ctx);
  if (!isCore(file)) return {};
  const allowed = file === "preset.ts" ? PRESET_MAY : new Set<string>();

  const report = (node: Syntax, name: string, hint: string) =>
    ctx.report({
      node,
      message: `${name} is not to be used here: ${hint}`,
      hint,
    });

  return {
    Identifier(node) {
      const name = node.name as string;
      const holder = GLOBAL_OBJECTS.has(name) || name === "Math" || name === "AbortSignal";
      if (!holder && !BANNED.has(name)) return;
      if ((allowed.has(name) && !holder) || !isReference(node) || !isGlobal(node)) return;
      // `value instanceof Date` looks at a value, and at no clock.
      if (name === "Date" && isInstanceCheck(node)) return;
      if (!holder) return report(node, name, BANNED.get(name)!);

      // What hangs on the holder: `globalThis.setTimeout`, `const { random } = Math`.
      const members = bareMembers(node);
      if (members === undefined) {
        if (allowed.has(name)) return;
        if (GLOBAL_OBJECTS.has(name)) {
          report(
            node,
            name,
            "name the one member you need, globalThis.name; as a value it hides which globals are used",
          );
        } else if (name === "Math") {
          report(node, name, "name the one member you need, Math.name; as a value it hides Math.random");
        }
        return;
      }
      for (const member of members) {
        const hint = GLOBAL_OBJECTS.has(name)
          ? allowed.has(member) ? undefined : BANNED.get(member) ?? nested(node, member)
          : BANNED_MEMBERS.get(`${name}.${member}`);
        if (hint !== undefined) report(node, `${name}.${member}`, hint);
      }
    },
  };

  /** `globalThis.Math.random`, and a global object taken from the global object. */
  function nested(node: Syntax, member: string): string | undefined {
    if (GLOBAL_OBJECTS.has(member)) return "it is the same object once more";
    if (member !== "Math" && member !== "AbortSignal") return undefined;
    const inner = bareMembers(unwrap(node).parent!);
    if (inner === undefined) return `write ${member} itself`;
    return inner.map((name) => BANNED_MEMBERS.get(`${member}.${name}`)).find((hint) => hint !== undefined);
  }
}

interface Import {
  readonly node: Syntax;
  readonly specifier: string;
  readonly lazy: boolean;
  readonly type: boolean;
}

/** Every way in which a file names another one. What `import()` computes is nobody's to check. */
function imports(visit: (found: Import) => void): Visitor {
  const found = (node: Syntax, source: unknown, how: { lazy?: boolean; type?: boolean }) => {
    const at = source as Syntax | null | undefined;
    const value = at?.type === "TSLiteralType" ? (at.literal as Syntax).value : at?.value;
    if (typeof value !== "string") return;
    visit({ node, specifier: value, lazy: how.lazy ?? false, type: how.type ?? false });
  };
  return {
    ImportDeclaration(node) {
      const named = node.specifiers as Syntax[];
      const types = named.length > 0 && named.every((one) => one.importKind === "type");
      found(node, node.source, { type: types || node.importKind === "type" });
    },
    ExportNamedDeclaration: (node) => found(node, node.source, { type: node.exportKind === "type" }),
    ExportAllDeclaration: (node) => found(node, node.source, { type: node.exportKind === "type" }),
    ImportExpression: (node) => found(node, node.source, { lazy: true }),
    TSImportType: (node) => found(node, node.argument, { type: true }),
  };
}

function floors(ctx: RuleContext): Visitor {
  const file = pathOf(ctx);
  return imports(({ node, specifier }) => {
    if (!specifier.startsWith(".")) return;
    const target = relative(ROOT, join(ROOT, dirname(file), specifier)).split(sep).join("/");
    const message = climbs(file, target);
    if (message !== undefined) ctx.report({ node, message });
  });
}

function packages(ctx: RuleContext): Visitor {
  const file = pathOf(ctx);
  return imports(({ node, specifier, lazy, type }) => {
    if (specifier.startsWith(".")) return;
    const message = strays(file, specifier, { lazy, type });
    if (message !== undefined) ctx.report({ node, message });
  });
}

function privates(ctx: RuleContext): Visitor {
  const check = (node: Syntax) => {
    // A constructor has no other way of being nobody's to call.
    if (node.accessibility !== "private" || node.kind === "constructor") return;
    ctx.report({
      node,
      message: "Write #name: TypeScript's private is gone at run time, and shows in a client's types",
    });
  };
  return {
    MethodDefinition: check,
    PropertyDefinition: check,
    AccessorProperty: check,
    TSParameterProperty: check,
    TSAbstractMethodDefinition: check,
    TSAbstractPropertyDefinition: check,
  };
}

function params(ctx: RuleContext): Visitor {
  if (!isCore(pathOf(ctx))) return {};
  return {
    ExportNamedDeclaration(node) {
      const made = node.declaration as Syntax | null;
      if (made?.type !== "FunctionDeclaration") return;
      const count = (made.params as Syntax[]).length;
      if (count <= MOST_PARAMS) return;
      ctx.report({
        node: made,
        message: `${
          nameOf(made)
        } has ${count} parameters, more than ${MOST_PARAMS}: take two, then an options bag`,
      });
    },
  };
}

function documented(ctx: RuleContext): Visitor {
  if (!isCore(pathOf(ctx))) return {};
  const need = (node: Syntax, name: string) => {
    if (DOC_COMMENT.test(ctx.sourceCode.text.slice(0, node.range[0]))) return;
    ctx.report({
      node,
      message: `${name} is exported and has no doc comment: say what it is, and in which units`,
    });
  };
  const overloaded = new Set<string>();
  return {
    ExportNamedDeclaration(node) {
      const made = node.declaration as Syntax | null;
      if (!made) return;
      const name = nameOf(made);
      // The implementation of an overloaded function is nobody's to call.
      if (made.type === "TSDeclareFunction") overloaded.add(name);
      else if (made.type === "FunctionDeclaration" && overloaded.has(name)) return;
      need(node, name);
      const seen = new Set<string>();
      for (const member of membersOf(made)) {
        const key = (member.key as Syntax | undefined)?.name;
        if (typeof key !== "string" || seen.has(key)) continue;
        seen.add(key);
        need(member, `${name}.${key}`);
      }
    },
  };
}

function nameOf(made: Syntax): string {
  const named = made.type === "VariableDeclaration" ? (made.declarations as Syntax[])[0] : made;
  return String((named?.id as Syntax | undefined)?.name ?? "this");
}

function membersOf(made: Syntax): Syntax[] {
  if (made.type === "TSInterfaceDeclaration") return (made.body as Syntax).body as Syntax[];
  if (made.type !== "TSTypeAliasDeclaration") return [];
  const type = made.typeAnnotation as Syntax;
  return type.type === "TSTypeLiteral" ? type.members as Syntax[] : [];
}
