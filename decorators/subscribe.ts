/**
 * `@Subscribe`: a method takes events.
 *
 * @module
 */

import type { Topic } from "../runtime/context.ts";
import { durableRefusal } from "../runtime/definition.ts";
import type { AnySchema, StandardSchemaV1 } from "../runtime/schema.ts";
import { isStandard, noteMember, type SubscribeNote } from "./bag.ts";
import type { Parsed, SubscribeDecoratorOf } from "./types.ts";

/** Options of {@link Subscribe}. */
export interface SubscribeTopicOptions {
  /** Group of subscribers of which one gets each event. @default {none: every node gets every event} */
  readonly queue?: string;
}

/** Options of {@link Subscribe} for a topic by name. */
export interface SubscribeNameOptions<S extends StandardSchemaV1> extends SubscribeTopicOptions {
  /** Schema of an event. @default {none: an event is `unknown`} */
  readonly input: S;
}

/**
 * Makes a method take the events of a topic. A topic made by `topic(name, schema)`, or a name with
 * `{ input: schema }`, gives the event its type; a bare name carries `unknown`. One method may take several topics.
 *
 * @param topic The topic, or its name.
 * @param options See {@link SubscribeTopicOptions}.
 * @throws {TypeError} If it stands at a class.
 *
 * @example
 * ```ts
 * @Subscribe(userCreated, { queue: "greeter" })
 * async welcome({ id }: { id: string }, ctx: Context) {
 *   ctx.log.info("welcome", { id });
 * }
 * ```
 */
export function Subscribe<S extends StandardSchemaV1>(
  topic: Topic<S>,
  options?: SubscribeTopicOptions,
): SubscribeDecoratorOf<Parsed<S>>;
/** Makes a method take the events of a topic by name, each of which its schema checks. */
export function Subscribe<S extends StandardSchemaV1>(
  topic: string,
  options: SubscribeNameOptions<S>,
): SubscribeDecoratorOf<Parsed<S>>;
/** Makes a method take the events of a topic by name, as `unknown`. */
export function Subscribe(topic: string, options?: SubscribeTopicOptions): SubscribeDecoratorOf<unknown>;
export function Subscribe(...said: unknown[]): unknown {
  const decorator = "@Subscribe";
  if (said.length > 2 || isStandard(said[1])) {
    return noteMember(said, { decorator, note: '@Subscribe lacks its topic: write @Subscribe("name")' });
  }
  const [topic, options = {}] = said as [
    string | Topic | undefined,
    Partial<SubscribeNameOptions<AnySchema>>?,
  ];
  return (...args: unknown[]) => noteMember(args, { decorator, note: noteOf(topic, options) });
}

function noteOf(
  topic: string | Topic | undefined,
  options: Partial<SubscribeNameOptions<AnySchema>>,
): SubscribeNote | string {
  const { input, queue } = options;
  const refusal = durableRefusal(options);
  if (refusal !== undefined) return `@Subscribe: ${refusal}`;
  if (typeof topic === "string") return { as: "subscribe", topic, input, queue };
  if (typeof topic !== "object" || topic === null) {
    return `@Subscribe must say its topic: current value is ${String(topic)}; write @Subscribe("name")`;
  }
  if (input !== undefined) {
    return `@Subscribe(topic "${topic.name}") has a schema from its topic: leave out \`input\``;
  }
  return { as: "subscribe", topic: topic.name, input: topic.schema, queue };
}
