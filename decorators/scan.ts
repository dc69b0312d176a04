/**
 * The scan: what decorators noted about a class and its bases becomes a {@link ServiceDefinition}, or an error that
 * lists everything that is wrong with it.
 *
 * @module
 */

import {
  checkHandlerName,
  checkMethodName,
  checkServiceName,
  checkTopicName,
  DEFAULT_VERSION,
  type EndpointDefinition,
  handlerOf,
  type Kind,
  pascalCase,
  type ServiceDefinition,
  type SubscriptionDefinition,
} from "../runtime/definition.ts";
import { isKey, isValue } from "../runtime/metadata.ts";
import { readable } from "./readable.ts";
import { isSchema } from "../runtime/schema.ts";
import { type MemberNote, type MethodNote, ownNotes, type ServiceNote, type SubscribeNote } from "./bag.ts";
import type { ServiceOf } from "./types.ts";

/** A class or an instance, read. */
export interface Scanned<T = unknown> {
  /** What it serves. */
  readonly definition: ServiceDefinition<T>;
  /** What serves it: the instance that was scanned, or a new one of the class. */
  readonly implementation: T;
}

/**
 * Reads a decorated class, of which it makes an instance, or an instance of one.
 *
 * @throws {TypeError} If it is no service, or one that cannot be served: names the class and every member that is
 * wrong, and says what to write instead. If its constructor takes arguments, or throws; that error is the cause.
 *
 * @example
 * ```ts
 * const { definition, implementation } = scan(Greeter);
 * server.handle(definition, implementation);
 * ```
 */
export function scan<T extends object>(target: T): Scanned<ServiceOf<T>> {
  const cls = classOf(target);
  const ofTarget = read(cls, target);
  const implementation = target === cls ? instanceOf(cls, ofTarget.name) : target;
  // A field of the instance may hide a method, which the class does not show.
  const definition = target === cls ? read(cls, implementation) : ofTarget;
  return { definition, implementation } as Scanned<ServiceOf<T>>;
}

/**
 * The definition of a decorated class, or of an instance of one: plain data.
 *
 * @throws {TypeError} As {@link scan}, but for the constructor: nothing is made.
 *
 * @example
 * ```ts
 * console.log(definitionOf(Greeter).endpoints[0].name); // "Greeter.Hello"
 * ```
 */
export function definitionOf<T extends object>(target: T): ServiceDefinition<ServiceOf<T>> {
  return read(classOf(target), target) as ServiceDefinition<ServiceOf<T>>;
}

// deno-lint-ignore ban-types
type Class = Function;

/** Collects what is wrong, so that one start tells everything. */
class Problems {
  readonly list: string[] = [];

  add(text: string): void {
    this.list.push(text);
  }

  /** Adds what a check throws. */
  try(check: () => void, before = ""): void {
    try {
      check();
    } catch (error) {
      this.add(before + (error as Error).message);
    }
  }

  throwAny(cls: Class, service: string | undefined): void {
    if (this.list.length === 0) return;
    const head = `Class ${nameOf(cls)}${
      service === undefined ? "" : ` (service "${service}")`
    } cannot be served:`;
    const text = this.list.length === 1
      ? ` ${this.list[0]}`
      : this.list.map((line) => `\n  - ${line}`).join("");
    throw new TypeError(head + text);
  }
}

/** The decorators of one member: those of the class nearest to the scanned one that has any. */
interface Member {
  readonly owner: Class;
  readonly notes: readonly MemberNote[];
}

function classOf(target: object): Class {
  if (typeof target === "function") return target;
  const prototype = typeof target === "object" && target !== null ? Object.getPrototypeOf(target) : null;
  if (typeof prototype?.constructor !== "function" || prototype.constructor === Object) {
    const shown = target === null ? "null" : typeof target;
    throw new TypeError(
      `A service must be a class with @Service, or an instance of one: current value is ${shown}` +
        `; a plain object is served with handle(definition, implementation)`,
    );
  }
  return prototype.constructor;
}

function read(cls: Class, target: object): ServiceDefinition {
  const problems = new Problems();
  const members = new Map<string, Member>();
  let service: ServiceNote | undefined;
  for (const owner of lineage(cls)) {
    const notes = ownNotes(owner);
    if (notes === undefined) continue;
    if (notes.services.length > 1) problems.add(`class ${nameOf(owner)} has @Service twice: keep one`);
    service = notes.services[0] ?? service;
    for (const problem of notes.problems) {
      problems.add(owner === cls ? problem : `${problem} (in its base class ${nameOf(owner)})`);
    }
    // A member that a base has keeps its place, so that a service's endpoints keep their order.
    for (const [member, list] of notes.members) members.set(member, { owner, notes: list });
  }
  if (service === undefined) throw noService(cls, members);

  const head = readService(service, problems);
  const endpoints: EndpointDefinition[] = [];
  const subscriptions: SubscriptionDefinition[] = [];
  for (const [member, { owner, notes }] of members) {
    const at = owner === cls ? `member "${member}"` : `member "${member}" of base class ${nameOf(owner)}`;
    const seen = checkMember(target, { member, at, notes, problems });
    for (const note of notes) {
      if (note.as === "method") {
        endpoints.push(readMethod(note, { member, at, handler: head.handler, seen, problems }));
      } else subscriptions.push(readSubscription(note, { member, at, problems }));
    }
  }
  checkNames(endpoints, problems);
  problems.throwAny(cls, service.name);
  return readable({ ...head, endpoints, subscriptions });
}

/** A class and its bases, the first base first. */
function lineage(cls: Class): Class[] {
  const classes: Class[] = [];
  for (let at: unknown = cls; typeof at === "function" && at !== Function.prototype;) {
    classes.unshift(at);
    at = Object.getPrototypeOf(at);
  }
  return classes;
}

function noService(cls: Class, members: ReadonlyMap<string, Member>): TypeError {
  const [first] = members;
  if (first === undefined) {
    return new TypeError(
      `Class ${
        nameOf(cls)
      } is no service: write @Service("name") above it and @Method() above what it serves, ` +
        `or serve an object with handle(definition, implementation)`,
    );
  }
  const [member, { notes }] = first;
  const decorator = notes[0]?.as === "subscribe" ? "@Subscribe" : "@Method";
  return new TypeError(
    `Class ${
      nameOf(cls)
    } has ${decorator} at member "${member}", but no @Service: write @Service("name") above ` +
      `the class`,
  );
}

function readService(note: ServiceNote, problems: Problems) {
  const { name, version = DEFAULT_VERSION, metadata = {}, forward = [] } = note;
  problems.try(() => checkServiceName(name));
  if (typeof version !== "string" || version === "") {
    problems.add(`version must be a string that is not empty: current value is ${JSON.stringify(version)}`);
  }
  const handler = typeof note.handler === "string" ? pascalCase(note.handler) : handlerOf(String(name));
  problems.try(() => checkHandlerName(handler, String(name)));
  checkStrings(metadata, { at: `metadata of @Service("${name}")`, problems });
  for (const key of forward) {
    if (typeof key !== "string" || !isKey(key.toLowerCase())) {
      problems.add(`forward must list metadata keys, which are HTTP tokens: one is ${JSON.stringify(key)}`);
    }
  }
  return {
    name,
    version,
    handler,
    metadata: Object.freeze({ ...metadata }),
    forward: Object.freeze([...new Set(forward.map((key) => String(key).toLowerCase()))]),
  };
}

const UNCALLABLE = new Set(["then", "toJSON", "constructor"]);

/** Checks what a member is and which decorators meet at it. Gives the kind that its function shows. */
function checkMember(
  target: object,
  at: {
    readonly member: string;
    readonly at: string;
    readonly notes: readonly MemberNote[];
    readonly problems: Problems;
  },
): Kind | undefined {
  const { member, notes, problems } = at;
  if (UNCALLABLE.has(member)) {
    problems.add(
      `${at.at} cannot be called from a client, which keeps that name for JavaScript: rename the member`,
    );
  }
  const methods = notes.filter((note) => note.as === "method").length;
  if (methods > 1) problems.add(`${at.at} has @Method twice: keep one`);
  if (methods > 0 && methods < notes.length) {
    problems.add(
      `${at.at} has @Method and @Subscribe: write two members, one of which calls the other, since a call is ` +
        `answered and an event is not`,
    );
  }
  const topics = notes.flatMap((note) => note.as === "subscribe" ? [note.topic] : []);
  const twice = topics.find((topic, i) => topics.indexOf(topic) !== i);
  if (twice !== undefined) problems.add(`${at.at} has @Subscribe("${twice}") twice: keep one`);

  const found = descriptorOf(typeof target === "function" ? target.prototype : target, member);
  if (typeof found?.value !== "function") {
    problems.add(`${at.at} is overridden by what is no method: write \`${member}(input) { … }\``);
    return undefined;
  }
  const tag = found.value[Symbol.toStringTag];
  if (tag === "GeneratorFunction") {
    problems.add(`${at.at} is a synchronous generator: write \`async *${member}(input) { … }\``);
  }
  if (tag !== "AsyncGeneratorFunction") return undefined;
  if (topics.length > 0) {
    problems.add(
      `${at.at} is a generator, but an event is not answered: write \`async ${member}(event) { … }\``,
    );
  }
  return "server";
}

interface At {
  readonly member: string;
  readonly at: string;
  readonly problems: Problems;
}

const KINDS: readonly unknown[] = ["unary", "server", "client", "bidi"];

function readMethod(
  note: MethodNote,
  at: At & { readonly handler: string; readonly seen: Kind | undefined },
): EndpointDefinition {
  const { member, problems, seen } = at;
  const { name = member, input, output, kind, timeout, metadata, description, idempotent = false } = note;
  const method = pascalCase(String(name));
  problems.try(() => checkMethodName(method, member));
  checkSchema(input, { ...at, field: "input" });
  checkSchema(output, { ...at, field: "output" });
  if (kind !== undefined && !KINDS.includes(kind)) {
    problems.add(`${at.at}: kind must be "unary", "server", "client" or "bidi": current value is "${kind}"`);
  } else if (seen !== undefined && (kind === "unary" || kind === "client")) {
    problems.add(`${at.at}: kind is "${kind}", but it is an async generator: write "server" or "bidi"`);
  }
  if (timeout !== undefined && !(typeof timeout === "number" && timeout > 0)) {
    problems.add(`${at.at}: timeout must be a number of ms above 0: current value is ${String(timeout)}`);
  }
  if (metadata !== undefined) checkStrings(metadata, { at: `metadata of ${at.at}`, problems });
  return compact({
    name: `${at.handler}.${method}`,
    member,
    kind: kind ?? seen,
    input,
    output,
    idempotent,
    timeout,
    description,
    metadata: metadata === undefined ? undefined : Object.freeze({ ...metadata }),
  });
}

function readSubscription(note: SubscribeNote, at: At): SubscriptionDefinition {
  const { topic, input, queue } = note;
  const { problems, member } = at;
  problems.try(() => checkTopicName(topic), `${at.at}: `);
  checkSchema(input, { ...at, field: "input" });
  if (queue !== undefined && (typeof queue !== "string" || queue === "")) {
    problems.add(
      `${at.at}: queue must be a string that is not empty: current value is ${JSON.stringify(queue)}`,
    );
  }
  return compact({ topic, member, input, queue });
}

function checkSchema(schema: unknown, at: At & { readonly field: string }): void {
  if (schema === undefined || isSchema(schema)) return;
  at.problems.add(
    `${at.at}: ${at.field} must be a Standard Schema (zod, valibot, arktype): current value is ${typeof schema}`,
  );
}

function checkStrings(map: object, at: { readonly at: string; readonly problems: Problems }): void {
  for (const [key, value] of Object.entries(map)) {
    if (typeof value !== "string" || !isValue(value)) {
      at.problems.add(`${at.at} must map strings to strings: "${key}" is ${JSON.stringify(value)}`);
    }
  }
}

function checkNames(endpoints: readonly EndpointDefinition[], problems: Problems): void {
  const members = new Map<string, string>();
  for (const { name, member } of endpoints) {
    const other = members.get(name);
    if (other === undefined) members.set(name, member);
    else if (other !== member) {
      problems.add(
        `members "${other}" and "${member}" are both endpoint "${name}": give one another name with ` +
          `@Method({ name: "…" })`,
      );
    }
  }
}

function instanceOf(cls: Class, service: string): object {
  const named = `Class ${nameOf(cls)} (service "${service}")`;
  if (cls.length > 0) {
    throw new TypeError(
      `${named} has a constructor that takes ${cls.length} argument${cls.length === 1 ? "" : "s"}: pass an ` +
        `instance, new ${nameOf(cls)}(…)`,
    );
  }
  try {
    return new (cls as unknown as new () => object)();
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new TypeError(`${named} could not be made without arguments: ${message}; pass an instance`, {
      cause,
    });
  }
}

/** The property a member is, without running a getter. */
function descriptorOf(holder: object | null, member: string): PropertyDescriptor | undefined {
  for (let at = holder; at !== null && at !== undefined; at = Object.getPrototypeOf(at)) {
    const descriptor = Object.getOwnPropertyDescriptor(at, member);
    if (descriptor !== undefined) return descriptor;
  }
  return undefined;
}

function nameOf(cls: Class): string {
  return cls.name === "" ? "(anonymous)" : cls.name;
}

/** Without what is undefined, so that it prints short. */
function compact<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as T;
}
