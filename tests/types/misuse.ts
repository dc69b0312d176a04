/**
 * Every misuse of a decorator that the compiler must refuse, in both dialects. Checked by `types_test.ts`, never run.
 *
 * @module
 */

import { z } from "zod";
import { Method } from "../../decorators/method.ts";
import { Service } from "../../decorators/service.ts";
import { Subscribe } from "../../decorators/subscribe.ts";
import { topic } from "../../decorators/topic.ts";
import type { Context } from "../../runtime/context.ts";

const Name = z.object({ name: z.string() });
const Text = z.object({ text: z.string() });
const named = topic("named", Name);
const key = Symbol("key");
interface Name {
  name: string;
}

@Service("misuse")
export class Signatures {
  // @ts-expect-error: another parameter than the schema gives
  @Method({ input: Name, output: Text })
  wrongParameter(_: { nam: string }) {
    return { text: "" };
  }

  // @ts-expect-error: another return than the schema takes
  @Method({ input: Name, output: Text })
  wrongReturn(_: Name) {
    return { txt: "" };
  }

  // @ts-expect-error: another promise than the schema takes
  @Method({ input: Name, output: Text })
  wrongPromise(_: Name) {
    return Promise.resolve({ text: 1 });
  }

  // @ts-expect-error: another yield than the schema takes
  @Method({ input: Name, output: Text })
  async *wrongYield(_: Name) {
    yield { text: 1 };
  }

  // @ts-expect-error: another item than the schema gives
  @Method({ input: Name, output: Text })
  wrongItem(_: AsyncIterable<{ name: number }>) {
    return { text: "" };
  }

  // @ts-expect-error: another item on the way in of a bidirectional stream
  @Method({ input: Name, output: Text })
  async *wrongBidi(_: AsyncIterable<{ nam: string }>) {
    yield { text: "" };
  }

  // @ts-expect-error: a list is no stream
  @Method({ input: Name, output: Text })
  list(_: Name[]) {
    return { text: "" };
  }

  // @ts-expect-error: a parameter without an input schema
  @Method({ output: Text })
  noInput(_: Name) {
    return { text: "" };
  }

  // @ts-expect-error: a value without an output schema
  @Method({ input: Name })
  noOutput(_: Name) {
    return { text: "" };
  }

  // @ts-expect-error: a promised value without an output schema
  @Method({ input: Name })
  async noOutputPromised(_: Name) {
    return await Promise.resolve({ text: "" });
  }

  // @ts-expect-error: items without an output schema
  @Method()
  async *noOutputStream() {
    yield { text: "" };
  }

  // @ts-expect-error: no parameter with an input schema
  @Method({ input: Name, output: Text })
  noParameter() {
    return { text: "" };
  }

  // @ts-expect-error: an output schema and nothing returned
  @Method({ input: Name, output: Text })
  noReturn(_: Name) {}

  // @ts-expect-error: context first
  @Method({ input: Name, output: Text })
  contextFirst(_ctx: Context, _: Name) {
    return { text: "" };
  }

  // @ts-expect-error: context first, and no input
  @Method({ output: Text })
  contextAlone(_ctx: Context) {
    return { text: "" };
  }

  // @ts-expect-error: a third parameter
  @Method({ input: Name, output: Text })
  third(_: Name, _ctx: Context, _third: number) {
    return { text: "" };
  }

  // @ts-expect-error: a synchronous generator
  @Method({ input: Name, output: Text })
  *generator(_: Name) {
    yield { text: "" };
  }

  // @ts-expect-error: a synchronous generator, where the schema would take anything
  @Method({ input: Name, output: z.any() })
  *anyGenerator(_: Name) {
    yield { text: "" };
  }
}

export class Faithfulness {
  // @ts-expect-error: the input schema changes the type
  @Method({ input: z.string().transform(Number), output: Text })
  inputTransform(_: number) {
    return { text: "" };
  }

  // @ts-expect-error: the output schema changes the type
  @Method({ input: Name, output: z.string().transform(Number) })
  outputTransform(_: Name) {
    return "";
  }

  // @ts-expect-error: the output schema drops a key
  @Method({ input: Name, output: Text })
  extraKey(_: Name) {
    return { text: "", more: 1 };
  }

  // @ts-expect-error: the output schema drops a key of an item
  @Method({ input: Name, output: Text })
  async *extraKeyOfItem(_: Name) {
    yield { text: "", more: 1 };
  }

  // @ts-expect-error: no member of the union has the key
  @Method({ input: Name, output: z.union([Name, Text]) })
  extraKeyOfUnion(_: Name): { name: string } | { text: string; more: number } {
    return { text: "", more: 1 };
  }

  // @ts-expect-error: the method takes more than the schema lets through
  @Method({ input: z.object({ a: z.array(z.string()) }), output: Text })
  widerList(_: { readonly a: readonly (string | number)[] }) {
    return { text: "" };
  }

  // @ts-expect-error: the method takes longer lists than the schema
  @Method({ input: z.tuple([z.string()]), output: Text })
  longerList(_: readonly string[]) {
    return { text: "" };
  }

  // @ts-expect-error: the method takes lists that are not there, the schema does not
  @Method({ input: z.array(z.string()), output: Text })
  missingList(_?: readonly string[]) {
    return { text: "" };
  }

  // @ts-expect-error: the method takes more than the schema lets through
  @Method({ input: Name, output: Text })
  wider(_: { name: string | number }) {
    return { text: "" };
  }

  // @ts-expect-error: a generic method promises callers what no schema keeps
  @Method({ input: Name, output: Name })
  generic<T>(value: T): T {
    return value;
  }
}

export class Untold {
  // @ts-expect-error: `any`
  @Method({ input: Name, output: Text })
  any(_: Name) {
    return JSON.parse("{}");
  }

  // @ts-expect-error: a promise of `any`
  @Method({ input: Name, output: Text })
  async promisedAny(_: Name) {
    return JSON.parse(await Promise.resolve("{}"));
  }

  // @ts-expect-error: a promise of `any` without an output schema
  @Method()
  async anyNothing() {
    return JSON.parse(await Promise.resolve("{}"));
  }

  // @ts-expect-error: `unknown` without an input schema
  @Method({ output: Text })
  unknown(_: unknown) {
    return { text: "" };
  }

  // @ts-expect-error: an optional parameter and a required input
  @Method({ input: z.string(), output: Text })
  optional(text = "x") {
    return { text };
  }

  // @ts-expect-error: a promise of a stream
  @Method({ output: Text })
  async promisedStream(): Promise<AsyncIterable<{ text: string }>> {
    return await Promise.reject();
  }

  // @ts-expect-error: a promise of a stream, where the schema would take anything
  @Method({ output: z.any() })
  async promisedAnyStream(): Promise<AsyncIterable<{ text: string }>> {
    return await Promise.reject();
  }
}

export class Kinds {
  // @ts-expect-error: said to stream, returns one value
  @Method({ input: Name, output: Text, kind: "server" })
  server(_: Name) {
    return { text: "" };
  }

  // @ts-expect-error: said to be unary, streams
  @Method({ input: Name, output: Text, kind: "unary" })
  async *unary(_: Name) {
    yield { text: "" };
  }

  // @ts-expect-error: said to take a stream, takes one value
  @Method({ input: Name, output: Text, kind: "client" })
  client(_: Name) {
    return { text: "" };
  }

  // @ts-expect-error: said to stream both ways, takes one value
  @Method({ input: Name, output: Text, kind: "bidi" })
  async *bidi(_: Name) {
    yield { text: "" };
  }

  // @ts-expect-error: no kind
  @Method({ input: Name, output: Text, kind: "duplex" })
  unknown(_: Name) {
    return { text: "" };
  }
}

export class Places {
  // @ts-expect-error: a field
  @Method({ input: Name, output: Text })
  field = (_: Name) => ({ text: "" });

  // @ts-expect-error: a private method
  @Method({ input: Name, output: Text })
  #secret(_: Name) {
    return { text: "" };
  }

  // @ts-expect-error: a static method
  @Method({ input: Name, output: Text })
  static shared(_: Name) {
    return { text: "" };
  }

  // @ts-expect-error: a getter
  @Method({ input: Name, output: Text })
  get getter() {
    return { text: "" };
  }

  // @ts-expect-error: an accessor
  @Method({ input: Name, output: Text })
  accessor accessor = { text: "" };

  // @ts-expect-error: a symbol
  @Method({ input: Name, output: Text })
  [key](_: Name) {
    return { text: "" };
  }

  // @ts-expect-error: no parentheses
  @Method
  bare() {}

  // @ts-expect-error: the class's decorator
  @Service("misuse")
  service() {}

  use() {
    return this.#secret({ name: "" });
  }
}

// @ts-expect-error: the method's decorator
@Method()
export class MethodAtClass {}

// @ts-expect-error: no name
@Service
export class Nameless {}

// @ts-expect-error: an option there is not
@Service("misuse", { versoin: "1" })
export class Options {
  // @ts-expect-error: an option there is not
  @Method({ inptu: Name })
  option() {}

  // @ts-expect-error: no schema
  @Method({ input: "string" })
  schema(_: string) {}
}

export class Subscribers {
  // @ts-expect-error: another event than the topic's
  @Subscribe(named)
  wrongTopic(_: { id: string }) {}

  // @ts-expect-error: another event than the schema's
  @Subscribe("named", { input: Name })
  wrongSchema(_: { id: string }) {}

  // @ts-expect-error: a bare name carries `unknown`
  @Subscribe("named")
  bareName(_: Name) {}

  // @ts-expect-error: a topic has its schema
  @Subscribe(named, { input: Name })
  twoSchemas(_: Name) {}

  // @ts-expect-error: an event is not answered
  @Subscribe(named)
  answer(_: Name) {
    return 1;
  }

  // @ts-expect-error: nor with a stream
  @Subscribe(named)
  async *stream(_: Name) {
    yield 1;
  }

  // @ts-expect-error: a static method
  @Subscribe(named)
  static shared(_: Name) {}

  // @ts-expect-error: a field
  @Subscribe(named)
  field = (_: Name) => {};
}

// @ts-expect-error: a topic has a schema
topic("named");
// @ts-expect-error: a schema is no string
topic("named", "string");
