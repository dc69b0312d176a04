/**
 * What the compiler checks at a decorator: that the schemas fit the method's signature, so that what a caller sees
 * through `import type` alone is what travels.
 *
 * @module
 */

import type { Verdict } from "../runtime/broker/broker.ts";
import type { Context } from "../runtime/context.ts";
import type { Kind } from "../runtime/definition.ts";
import type { AnySchema, StandardSchemaV1 } from "../runtime/schema.ts";

/** A method that takes one value and gives one. */
export type Unary<I, O> = (input: I, ctx: Context) => O | Promise<O>;

/** A method that takes one value and gives many: an `async *` method. */
export type ServerStream<I, O> = (input: I, ctx: Context) => AsyncIterable<O>;

/** A method that takes many values and gives one. */
export type ClientStream<I, O> = (input: AsyncIterable<I>, ctx: Context) => O | Promise<O>;

/** A method that takes many values and gives many. */
export type Bidi<I, O> = (input: AsyncIterable<I>, ctx: Context) => AsyncIterable<O>;

/** What a method may be: any of the four, or the one that `kind` says. */
export type Shape<I, O, K extends Kind | undefined = undefined> = K extends "unary" ? Unary<I, O>
  : K extends "server" ? ServerStream<I, O>
  : K extends "client" ? ClientStream<I, O>
  : K extends "bidi" ? Bidi<I, O>
  : Unary<I, O> | ServerStream<I, O> | ClientStream<I, O> | Bidi<I, O>;

/** What a schema takes, which is what travels; `void` without a schema. */
// deno-lint-ignore no-explicit-any
export type Wire<S> = S extends StandardSchemaV1<infer I, any> ? I : void;

/** What a schema parses to, which is what a handler gets; `void` without a schema. */
// deno-lint-ignore no-explicit-any
export type Parsed<S> = S extends StandardSchemaV1<any, infer O> ? O : void;

/** Stands in a compiler's message for what is wrong, in words. No value is ever of this type. */
export interface Misfit<Text extends string> {
  /** What is wrong. */
  readonly "muon: schema and method disagree": Text;
}

/** The first parameter of a method, or its item if it is a stream; `void` if there is none. */
export type Sent<V> = V extends (...parameters: infer A) => unknown ? A extends [] ? void
  : V extends (input: infer P, ctx: Context) => unknown ? (P extends AsyncIterable<infer X> ? X : P)
  : never
  : never;

/** What a method returns or resolves to, or its item if it is a stream. */
export type Got<V> = V extends (input: never, ctx: Context) => infer R
  ? (R extends AsyncIterable<infer X> ? X : Awaited<R>)
  : never;

/**
 * Keys of an object that a schema does not name and would drop; of a union of schemas, those that no member names.
 * `never` where either is no plain object.
 */
export type ExtraKeys<G, O> = G extends readonly unknown[] | undefined | null ? never
  : G extends object
    ? ([Extract<O, object>] extends [never] ? never : Exclude<keyof G, KeyOf<Extract<O, object>>>)
  : never;

type KeyOf<O> = O extends unknown ? keyof O : never;

/**
 * `unknown` where the caller, who sees the method's types, and the wire, on which the schemas' types travel, agree;
 * else a {@link Misfit} that says how they differ. Intersected with the method's type, it makes the decorator an
 * error.
 *
 * Extra keys are seen at the top level only, and a field with a default stays required for callers.
 */
export type Faithful<V, I, O> = [Sent<V>] extends [Wire<I>] ? FaithfulOutput<Got<V>, Parsed<O>>
  : [Mutable<Sent<V>>] extends [Wire<I>] ? FaithfulOutput<Got<V>, Parsed<O>>
  : [Sent<V>] extends [void]
    ? Misfit<"the method takes no input, but has an input schema: give it a parameter">
  : [undefined, Exclude<Sent<V>, undefined>] extends [Sent<V>, Wire<I>]
    ? Misfit<"the parameter is optional, and the input schema is not: make both so, or neither">
  : Misfit<"the input schema changes the type: callers would send another type than the schema takes">;

type FaithfulOutput<G, P> = [G] extends [P] ? [ExtraKeys<G, P>] extends [never] ? unknown
  : Misfit<`returns '${ExtraKeys<G, P> & string}', which the output schema drops`>
  : [P] extends [G] ? unknown
  : Misfit<
    "the output schema changes the type: callers would see another type than the method returns"
  >;

/** A type whose lists, sets and maps may be written to, as a schema has them: a `readonly` parameter takes these, too. */
type Mutable<T> = T extends (...parameters: never) => unknown ? T
  : T extends ReadonlySet<infer X> ? Set<Mutable<X>>
  : T extends ReadonlyMap<infer K, infer X> ? Map<Mutable<K>, Mutable<X>>
  : T extends object ? { -readonly [K in keyof T]: Mutable<T[K]> }
  : T;

/** The shape that a method seems to be meant as, for a message that compares it with that one. */
export type Nearest<V, I, O> = V extends (input: infer P, ...rest: never) => infer R
  ? IsStream<R> extends true ? (IsStream<P> extends true ? Bidi<I, O> : ServerStream<I, O>)
  : (
    input: IsStream<P> extends true ? AsyncIterable<I> : I,
    ctx: Context,
  ) => R extends PromiseLike<unknown> ? Promise<O> : O
  : never;

type IsStream<T> = [T] extends [AsyncIterable<unknown>] ? true : false;

/**
 * `unknown` where method, schemas and kind agree; else what says how they do not: a {@link Misfit}, or the shape the
 * method should have, as a value (`D` is `"value"`) or as the descriptor that the legacy dialect passes.
 */
export type Fit<V, I, O, K extends Kind | undefined, D extends "value" | "descriptor"> =
  [IsAny<Got<V>>, IsAny<Parsed<O>>] extends [true, false]
    ? Misfit<"the method returns `any`, of which nothing can be checked: give its return type">
    : IsSyncGenerator<V> extends true ? Misfit<"a synchronous generator: write `async *`">
    : IsPromisedStream<V> extends true
      ? Misfit<"a promise of a stream: return the stream itself, or write `async *`">
    : [I, IsVoid<Sent<V>>] extends [undefined, false] ? Misfit<
        "the method takes an input, but has no input schema; context comes second: (_: void, ctx: Context)"
      >
    : V extends Shape<Parsed<I>, Wire<O>, K> ? Faithful<V, I, O>
    : [O, IsVoid<Got<V>>] extends [undefined, false]
      ? Misfit<"the method gives an output, but has no output schema">
    : K extends Kind ? As<D, Shape<Parsed<I>, Wire<O>, K>>
    : As<D, Nearest<V, Parsed<I>, Wire<O>>>;

type IsVoid<T> = [T] extends [void] ? true : false;
type IsAny<T> = 0 extends 1 & T ? true : false;
type Returned<V> = V extends (...parameters: never) => infer R ? R : never;
type Is<T, U> = IsAny<T> extends true ? false : [T] extends [never] ? false : [T] extends [U] ? true : false;
type IsSyncGenerator<V> = Is<Returned<V>, Generator>;
type IsPromisedStream<V> = Returned<V> extends PromiseLike<infer R> ? Is<R, AsyncIterable<unknown>> : false;
type As<D, F> = D extends "value" ? F : { readonly value?: F };

/** Any method. */
// deno-lint-ignore no-explicit-any
export type AnyMethod = (...parameters: any) => unknown;

/** What the standard dialect's context must say: a public method of the instance, with a name. */
export interface PublicMember {
  /** No symbol. */
  readonly name: string;
  /** Not of the class. */
  readonly static: false;
  /** Not `#private`. */
  readonly private: false;
}

/** What the legacy dialect passes for a member of the instance: a prototype, which has none itself; a class has. */
export type InstanceSide = object & { readonly prototype?: never };

/** A decorator for methods, in both dialects, that checks them against schemas `I` and `O` and the kind `K`. */
export interface MethodDecoratorOf<I, O, K extends Kind | undefined = undefined> {
  /** The standard dialect. */
  <This, V extends AnyMethod>(
    value: V & Fit<V, I, O, K, "value">,
    context: ClassMethodDecoratorContext<This, V> & PublicMember,
  ): void;
  /** The legacy dialect, `experimentalDecorators`. */
  <V extends AnyMethod>(
    target: InstanceSide,
    key: string,
    descriptor: TypedPropertyDescriptor<V> & Fit<V, I, O, K, "descriptor">,
  ): void;
}

/** A method that takes events of type `E`; it may say what becomes of one: `{ retry }`, `{ deadLetter }`. */
export type Subscriber<E> = (event: E, ctx: Context) => Verdict | Promise<Verdict>;

/** A decorator for methods that take events of type `E`, in both dialects. */
export interface SubscribeDecoratorOf<E> {
  /** The standard dialect. */
  <This, V extends Subscriber<E>>(
    value: V,
    context: ClassMethodDecoratorContext<This, V> & PublicMember,
  ): void;
  /** The legacy dialect, `experimentalDecorators`. */
  <V extends Subscriber<E>>(target: InstanceSide, key: string, descriptor: TypedPropertyDescriptor<V>): void;
}

/** Any class, abstract ones too. */
// deno-lint-ignore no-explicit-any
export type AnyClass<T = object> = abstract new (...args: any[]) => T;

/** A decorator for classes, in both dialects. */
export interface ServiceDecorator {
  /** The legacy dialect calls it with the class alone, the standard one with a context too. */
  <C extends AnyClass>(value: C, context?: ClassDecoratorContext<C>): void;
}

/** The implementation's type behind a class or an instance. */
export type ServiceOf<T> = T extends AnyClass<infer Instance> ? Instance : T;

/**
 * A class that is made without arguments, or an instance of any class; else a {@link Misfit} that says what to pass.
 *
 * @example
 * ```ts
 * declare function run<const T extends readonly unknown[]>(
 *   ...services: { [K in keyof T]: Runnable<T[K]> }
 * ): Promise<void>;
 * ```
 */
export type Runnable<T> = T extends AnyClass
  ? (T extends new () => object ? T : Misfit<"its constructor takes arguments: pass an instance">)
  : T extends object ? T
  : Misfit<"not a service: pass a class with @Service, or an instance of one">;

/** A schema or none, as a type parameter's bound. */
export type MaybeSchema = AnySchema | undefined;
