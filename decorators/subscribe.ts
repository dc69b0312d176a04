/**
 * `@Subscribe`: a method takes events.
 *
 * @module
 */

import type { Topic } from "../runtime/context.ts";
import type { StandardSchemaV1 } from "../runtime/schema.ts";
import { noteMember } from "./bag.ts";
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
 * @throws {TypeError} If it stands at a class, or without a topic.
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
export function Subscribe<S extends StandardSchemaV1>(
  topic: string,
  options: SubscribeNameOptions<S>,
): SubscribeDecoratorOf<Parsed<S>>;
export function Subscribe(topic: string, options?: SubscribeTopicOptions): SubscribeDecoratorOf<unknown>;
export function Subscribe(
  topic: string | Topic,
  options: Partial<SubscribeNameOptions<StandardSchemaV1>> = {},
): (...args: unknown[]) => void {
  const { queue } = options;
  if (typeof topic === "string") {
    const { input } = options;
    return (...args) => noteMember(args, { as: "subscribe", topic, input, queue });
  }
  if (typeof topic !== "object" || topic === null || typeof topic.name !== "string") {
    throw new TypeError(
      `@Subscribe must say its topic: current value is ${String(topic)}; write @Subscribe("name") or ` +
        `@Subscribe(topic("name", schema))`,
    );
  }
  if (options.input !== undefined) {
    throw new TypeError(
      `@Subscribe(topic "${topic.name}") has a schema from its topic: leave out \`input\`, or give the name alone`,
    );
  }
  const { name, schema } = topic;
  return (...args) => noteMember(args, { as: "subscribe", topic: name, input: schema, queue });
}
