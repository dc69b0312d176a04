/**
 * Where decorators leave their notes until a class is scanned: the class's metadata bag, which the standard dialect
 * hands out and the legacy one is given here.
 *
 * @module
 */

import type { AnySchema } from "../runtime/schema.ts";
import type { MethodOptions } from "./method.ts";
import type { ServiceOptions } from "./service.ts";
import type { SubscribeTopicOptions } from "./subscribe.ts";

// Bun and Node have no `Symbol.metadata` yet; compilers look for it when a decorated class is evaluated, which is
// after this module. Source: https://github.com/tc39/proposal-decorator-metadata
const METADATA: symbol = (Symbol as { metadata?: symbol }).metadata ??= Symbol.for("Symbol.metadata");

// Registered, so that a class decorated with one copy of muon is a service for another.
const NOTES = Symbol.for("muon.notes.v1");

/** What `@Service` said. */
export interface ServiceNote extends ServiceOptions {
  /** The service's name, unchecked. */
  readonly name: string;
}

/** What one `@Method` said. */
export interface MethodNote extends MethodOptions {
  /** Tells it from a {@link SubscribeNote}. */
  readonly as: "method";
}

/** What one `@Subscribe` said. */
export interface SubscribeNote extends SubscribeTopicOptions {
  /** Tells it from a {@link MethodNote}. */
  readonly as: "subscribe";
  /** The topic's name, unchecked. */
  readonly topic: string;
  /** Schema of an event. */
  readonly input?: AnySchema | undefined;
}

/** What one decorator of a member said. */
export type MemberNote = MethodNote | SubscribeNote;

/** What the decorators of one class said, without those of its base classes. */
export interface Notes {
  /** What `@Service` said, each time it was there. */
  readonly services: ServiceNote[];
  /** By member, in the order of the source. */
  readonly members: Map<string, MemberNote[]>;
  /** What cannot be; told when the class is scanned, where its name is known. */
  readonly problems: string[];
}

/** What the standard dialect passes second, as far as it is used here. */
export interface StandardContext {
  /** What is decorated: `class`, `method`, `field` … */
  readonly kind: string;
  /** Its name. */
  readonly name?: string | symbol;
  /** Whether it is a member of the class, not of its instances. */
  readonly static?: boolean;
  /** Whether its name begins with `#`. */
  readonly private?: boolean;
  /** The class's bag. */
  readonly metadata?: object;
  /** There in this dialect alone. */
  readonly addInitializer: unknown;
}

/** Whether a decorator's second argument shows that it was called in the standard dialect. */
export function isStandard(context: unknown): context is StandardContext {
  return typeof context === "object" && context !== null &&
    typeof (context as StandardContext).kind === "string" && "addInitializer" in context;
}

/**
 * The notes of the class that is being decorated in the standard dialect.
 *
 * @throws {TypeError} If the compiler hands out no metadata.
 */
export function notesOfContext(context: StandardContext): Notes {
  if (context.metadata === undefined) {
    throw new TypeError(
      `The compiler gives decorators no metadata at ${context.kind} "${
        String(context.name)
      }": compile with ` +
        `TypeScript 5.2, esbuild 0.21, or later`,
    );
  }
  return notesIn(context.metadata);
}

/** The notes of a class that is being decorated in the legacy dialect; its bag is made, where it has none. */
export function notesOfClass(target: object): Notes {
  if (!Object.hasOwn(target, METADATA)) {
    const inherited = (target as Record<symbol, unknown>)[METADATA];
    const value = Object.create(typeof inherited === "object" ? inherited : null);
    Object.defineProperty(target, METADATA, { value, configurable: true, writable: true });
  }
  return notesIn((target as Record<symbol, object>)[METADATA]!);
}

/** The notes of a class itself; `undefined` if nothing of it is decorated. */
export function ownNotes(target: object): Notes | undefined {
  if (!Object.hasOwn(target, METADATA)) return undefined;
  const bag = (target as Record<symbol, object | null | undefined>)[METADATA];
  if (typeof bag !== "object" || bag === null || !Object.hasOwn(bag, NOTES)) return undefined;
  return (bag as Record<symbol, Notes>)[NOTES];
}

/**
 * Leaves a note about a member. What cannot be a member of a service is kept as a problem, told at the scan.
 *
 * @param args What the runtime passed to the decorator, in either dialect.
 * @param what The decorator, and its note, or in words what is wrong with it.
 * @throws {TypeError} If the decorator does not stand at a member.
 */
export function noteMember(
  args: readonly unknown[],
  { decorator, note }: { readonly decorator: "@Method" | "@Subscribe"; readonly note: MemberNote | string },
): void {
  const place = isStandard(args[1]) ? placeOfContext(args[1]) : placeOfTarget(args);
  if (place === undefined) {
    const name = typeof args[0] === "function" && args[0].name !== "" ? `class "${args[0].name}"` : "a class";
    throw new TypeError(
      `${decorator} stands at ${name}: it belongs at a method; a class takes @Service("name")`,
    );
  }
  const { notes, member, what } = place;
  if (what !== undefined) {
    notes.problems.push(`${what} "${member}" has ${decorator}: ${adviceFor(what, member)}`);
    return;
  }
  if (typeof note === "string") {
    notes.problems.push(`member "${member}": ${note}`);
    return;
  }
  const list = notes.members.get(member);
  if (list === undefined) notes.members.set(member, [note]);
  else {
    // Decorators of one member run from the last to the first; the notes stand as the source has them.
    list.unshift(note);
  }
}

interface Place {
  readonly notes: Notes;
  readonly member: string;
  /** What is decorated, if it is no public method. */
  readonly what: string | undefined;
}

function placeOfContext(context: StandardContext): Place | undefined {
  if (context.kind === "class") return undefined;
  const what = context.private === true
    ? `private ${context.kind}`
    : context.static === true
    ? `static ${context.kind}`
    : context.kind !== "method"
    ? context.kind
    : typeof context.name === "symbol"
    ? "symbol"
    : undefined;
  return { notes: notesOfContext(context), member: String(context.name), what };
}

function placeOfTarget([target, key, descriptor]: readonly unknown[]): Place | undefined {
  if (key === undefined || target === null || target === undefined) return undefined;
  const isStatic = typeof target === "function";
  const { value, get, set } = (descriptor ?? {}) as PropertyDescriptor;
  const kind = typeof value === "function"
    ? "method"
    : get !== undefined && set !== undefined
    ? "accessor"
    : get !== undefined
    ? "getter"
    : set !== undefined
    ? "setter"
    : "field";
  const what = isStatic
    ? `static ${kind}`
    : kind !== "method"
    ? kind
    : typeof key === "symbol"
    ? "symbol"
    : undefined;
  const cls = isStatic ? target : (target as object).constructor;
  if (typeof cls !== "function" || (!isStatic && cls.prototype !== target)) {
    throw new TypeError(
      `A member called "constructor" hides the class of member "${
        String(key)
      }" from its decorator: rename it`,
    );
  }
  return {
    notes: notesOfClass(cls),
    member: String(key),
    what,
  };
}

function adviceFor(what: string, member: string): string {
  if (what.startsWith("private")) {
    return "nobody outside the class can reach it; drop the # to serve it, or the decorator to keep it";
  }
  if (what.startsWith("static")) return "only an instance serves calls; drop `static`";
  if (what === "symbol") return "a name on the wire is a string; write a method with a name";
  return `only a method can be served; write \`${member}(input) { … }\``;
}

function notesIn(bag: object): Notes {
  if (!Object.hasOwn(bag, NOTES)) {
    const value: Notes = { services: [], members: new Map(), problems: [] };
    Object.defineProperty(bag, NOTES, { value });
  }
  return (bag as Record<symbol, Notes>)[NOTES]!;
}
