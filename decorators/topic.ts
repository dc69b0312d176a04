/**
 * A topic with the schema of its events.
 *
 * @module
 */

import type { Topic } from "../runtime/context.ts";
import { checkTopicName } from "../runtime/definition.ts";
import { isSchema, type StandardSchemaV1 } from "../runtime/schema.ts";

/**
 * Names a topic and the schema of its events, so that `@Subscribe` and `publish` are checked against it.
 *
 * @param name Its name: 1 to 255 visible characters without a space.
 * @param schema What an event must be, of any Standard Schema library.
 * @throws {TypeError} If the name or the schema is none; the message names the value.
 *
 * @example
 * ```ts
 * export const userCreated = topic("user.created", z.object({ id: z.string() }));
 * ```
 */
export function topic<S extends StandardSchemaV1>(name: string, schema: S): Topic<S> {
  checkTopicName(name);
  if (!isSchema(schema)) {
    throw new TypeError(
      `Topic "${name}" must have a Standard Schema (zod, valibot, arktype): current value is ${typeof schema}; ` +
        `for events without one, use the name alone`,
    );
  }
  return Object.freeze({ name, schema });
}
