/**
 * What the compiler must let through, in both dialects, with zod and with valibot. Checked by `types_test.ts`, never
 * run.
 *
 * @module
 */

import * as v from "valibot";
import { z } from "zod";
import { Method } from "../../decorators/method.ts";
import { definitionOf, scan } from "../../decorators/scan.ts";
import { Service } from "../../decorators/service.ts";
import { Subscribe } from "../../decorators/subscribe.ts";
import { topic } from "../../decorators/topic.ts";
import type { Runnable } from "../../decorators/types.ts";
import type { Context } from "../../runtime/context.ts";
import type { ServiceDefinition } from "../../runtime/definition.ts";
import { type Equal, is } from "./equal.ts";

export const Name = z.object({ name: z.string() });
export const Text = z.object({ text: z.string() });
const Value = z.object({ ok: z.literal(true), v: z.number() });
const Why = z.object({ ok: z.literal(false), why: z.string() });
export const userCreated = topic("user.created", z.object({ id: z.string() }));
interface Named {
  name: string;
}

@Service("kinds", { version: "1.0.0", metadata: { team: "a" }, handler: "Kinds", forward: ["x-tenant"] })
export class Kinds {
  readonly #prefix = "Hello";

  @Method({
    input: Name,
    output: Text,
    idempotent: true,
    timeout: 500,
    description: "Greets",
    metadata: { a: "b" },
  })
  unary({ name }: Named) {
    return this.#text(name);
  }

  @Method({ input: Name, output: Text, kind: "unary" })
  async promised({ name }: z.infer<typeof Name>, ctx: Context) {
    ctx.log.info("called", { name });
    return await Promise.resolve({ text: name });
  }

  @Method({ input: Name, output: Text, kind: "server" })
  async *server({ name }: Named, ctx: Context) {
    while (!ctx.signal.aborted) yield { text: name };
  }

  @Method({ input: Name, output: Text, kind: "client" })
  async client(names: AsyncIterable<Named>, _ctx: Context) {
    let text = "";
    for await (const { name } of names) text += name;
    return { text };
  }

  @Method({ input: Name, output: Text, kind: "bidi", name: "Chat" })
  async *bidi(names: AsyncIterable<Named>) {
    for await (const { name } of names) yield { text: name };
  }

  @Method({ input: Name, output: Text })
  iterable(_: Named): AsyncIterable<{ text: string }> {
    return this.server({ name: "" }, undefined as never);
  }

  @Method()
  nothing() {}

  @Method()
  async nothingLater(_: void, ctx: Context) {
    await ctx.publish(userCreated, { id: "1" });
  }

  @Method({ output: Text })
  noInput() {
    return { text: "" };
  }

  @Method({ input: Name })
  async noOutput(_: Named) {}

  @Method({ input: Name, output: Text })
  throws(_: Named): never {
    throw new Error("no");
  }

  @Subscribe(userCreated, { queue: "kinds" })
  async typed({ id }: { id: string }, ctx: Context) {
    await ctx.call("kinds", "Kinds.Nothing", id);
  }

  @Subscribe("user.removed", { input: z.object({ id: z.coerce.number() }) })
  schema({ id }: { id: number }) {
    void id;
  }

  @Subscribe("user.*")
  @Subscribe("user.changed")
  bare(_event: unknown) {}

  #text(name: string) {
    return { text: `${this.#prefix} ${name}` };
  }
}

/** Schemas that take and give the type the method has. */
@Service("acme.faithful")
export class Faithful {
  @Method({ input: z.object({ n: z.number().default(1) }), output: z.number() })
  byDefault({ n }: { n: number }) {
    return n;
  }

  @Method({ input: z.object({ n: z.coerce.number() }), output: z.coerce.number() })
  coerced({ n }: { n: number }) {
    return n;
  }

  @Method({ input: z.enum(["a", "b"]), output: z.enum(["a", "b", "c"]) })
  narrowed(letter: "a" | "b") {
    return letter;
  }

  @Method({
    input: z.discriminatedUnion("type", [
      z.object({ type: z.literal("a"), a: z.string() }),
      z.object({ type: z.literal("b"), b: z.number() }),
    ]),
    output: z.union([z.string(), z.object({ b: z.number() })]),
  })
  union(value: { type: "a"; a: string } | { type: "b"; b: number }) {
    return value.type === "a" ? value.a : { b: value.b };
  }

  @Method({ output: z.discriminatedUnion("ok", [Value, Why]) })
  outcome(): { ok: true; v: number } | { ok: false; why: string } {
    return { ok: true, v: 1 };
  }

  @Method({ output: z.union([z.object({ a: z.string() }), z.object({ b: z.number() }), z.string()]) })
  async *unions(): AsyncGenerator<{ a: string } | { b: number } | string> {
    yield { b: await Promise.resolve(1) };
  }

  @Method({ input: z.array(z.string()), output: z.number() })
  readonlyList(list: readonly string[]) {
    return list.length;
  }

  @Method({ input: z.object({ a: z.array(z.object({ b: z.tuple([z.string()]) })) }), output: z.number() })
  readonlyLists({ a }: { readonly a: readonly { readonly b: readonly [string] }[] }) {
    return a.length;
  }

  @Method({
    input: z.object({ ids: z.set(z.string()), names: z.map(z.string(), z.date()) }),
    output: z.number(),
  })
  readonlySets({ ids }: { ids: ReadonlySet<string>; names: ReadonlyMap<string, Date> }) {
    return ids.size;
  }

  @Method({ input: z.array(z.string()).optional(), output: z.number() })
  async readonlyItems(lists: AsyncIterable<readonly string[] | undefined>) {
    let n = 0;
    for await (const list of lists) n += list?.length ?? 0;
    return n;
  }

  @Method({ input: z.string().optional(), output: z.string() })
  parameterByDefault(text = "x") {
    return text;
  }

  @Method({ output: z.any() })
  async any() {
    return JSON.parse(await Promise.resolve("1"));
  }

  @Method({ input: z.looseObject({ a: z.string() }), output: z.looseObject({ a: z.string() }) })
  loose(value: { a: string; [key: string]: unknown }) {
    return { ...value, more: 1 };
  }

  @Method({ input: z.string().brand("Id"), output: z.array(z.string()) })
  branded(id: string & z.BRAND<"Id">) {
    return [id as string];
  }

  @Method({ input: Name.optional(), output: Text.nullable() })
  optional(value?: Named) {
    return value === undefined ? null : { text: value.name };
  }

  @Method({ input: z.unknown(), output: z.unknown() })
  anything(value: unknown) {
    return value;
  }

  @Method({ input: z.object({ bytes: z.instanceof(Uint8Array), at: z.date() }), output: z.bigint() })
  rich({ bytes }: { bytes: Uint8Array<ArrayBuffer>; at: Date }) {
    return BigInt(bytes.length);
  }
}

@Service("valibot")
export class Valibot {
  @Method({ input: v.object({ name: v.string() }), output: v.object({ text: v.string() }) })
  hello({ name }: Named) {
    return { text: name };
  }

  @Method({ input: v.number(), output: v.string() })
  async *count(to: number) {
    for (let n = 0; n < to; n++) yield String(n);
  }

  // @ts-expect-error: the input schema changes the type
  @Method({ input: v.pipe(v.string(), v.transform(Number)), output: v.string() })
  transform(n: number) {
    return String(n);
  }

  // @ts-expect-error: another return than the schema takes
  @Method({ input: v.string(), output: v.string() })
  wrong(_: string) {
    return 1;
  }

  @Subscribe(topic("valibot", v.object({ id: v.string() })))
  event({ id }: { id: string }) {
    void id;
  }
}

/** Inherits, overrides, replaces. */
@Service("derived")
export class Derived extends Kinds {
  override unary({ name }: Named) {
    return { text: name };
  }

  @Method({ input: Name, output: Text, idempotent: false })
  override promised({ name }: Named) {
    return Promise.resolve({ text: name });
  }
}

@Service("abstract")
export abstract class Abstract {
  abstract name: string;

  @Method({ output: Text })
  text() {
    return { text: this.name };
  }
}

@Service("arguments")
export class WithArguments {
  readonly prefix: string;
  constructor(prefix: string) {
    this.prefix = prefix;
  }
}

is<Equal<ReturnType<typeof ofKinds>, ServiceDefinition<Kinds>>>();
is<Equal<ReturnType<typeof ofInstance>, ServiceDefinition<WithArguments>>>();
is<Equal<ReturnType<typeof scanned>["implementation"], Kinds>>();

function ofKinds() {
  return definitionOf(Kinds);
}
function ofInstance() {
  return definitionOf(new WithArguments("a"));
}
function scanned() {
  return scan(Kinds);
}

declare function run<const T extends readonly unknown[]>(
  ...services: { [K in keyof T]: Runnable<T[K]> }
): Promise<void>;

run(Kinds, Derived, new WithArguments("a"), Faithful);
// @ts-expect-error: its constructor takes arguments
run(Kinds, WithArguments);
// @ts-expect-error: an abstract class
run(Abstract);
// @ts-expect-error: no service
run("greeter");
