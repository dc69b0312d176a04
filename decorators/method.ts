/**
 * `@Method`: a method can be called by others.
 *
 * @module
 */

import type { Kind } from "../runtime/definition.ts";
import { type MethodNote, noteMember } from "./bag.ts";
import type { MaybeSchema, MethodDecoratorOf } from "./types.ts";

/** Options of {@link Method}. */
export interface MethodOptions<
  I extends MaybeSchema = MaybeSchema,
  O extends MaybeSchema = MaybeSchema,
  K extends Kind | undefined = Kind | undefined,
> {
  /** Schema of the input, or of each item of an input stream. @default {none: it takes no input} */
  readonly input?: I;
  /** Schema of the output, or of each item of an output stream. @default {none: it gives no output} */
  readonly output?: O;
  /** Second part of the endpoint's name, made PascalCase. @default {the PascalCase of the member} */
  readonly name?: string;
  /** Whether a second run does no more than the first, so that a failed call may be retried. @default {false} */
  readonly idempotent?: boolean;
  /**
   * What it is: `unary`, or which side streams: `server`, `client`, `bidi`. Checked against the signature.
   * @default {"server" for an async generator, else what a call shows}
   */
  readonly kind?: K;
  /** Time for a call in ms, where the caller gives none. @default {the caller's} */
  readonly timeout?: number;
  /** For people and tools. @default {none} */
  readonly description?: string;
  /** Notes that go into the endpoint's record. @default {none} */
  readonly metadata?: Readonly<Record<string, string>>;
}

/**
 * Makes a method an endpoint, `<Handler>.<Method>`. The compiler checks that the schemas are the signature's; what
 * it cannot see is told when the class is scanned, at start.
 *
 * An endpoint is inherited. A subclass that overrides the method without a decorator serves its own under the
 * endpoint of its base; with a decorator of its own, that one holds instead.
 *
 * @throws {TypeError} If it stands at a class.
 *
 * @example
 * ```ts
 * @Method({ input: z.object({ to: z.number() }), output: z.object({ n: z.number() }) })
 * async *count({ to }: { to: number }) {
 *   for (let n = 1; n <= to; n++) yield { n };
 * }
 * ```
 */
export function Method<
  I extends MaybeSchema = undefined,
  O extends MaybeSchema = undefined,
  const K extends Kind | undefined = undefined,
>(options?: MethodOptions<I, O, K>): MethodDecoratorOf<I, O, K>;
export function Method(options: MethodOptions = {}, ...rest: unknown[]): unknown {
  const decorator = "@Method";
  if (rest.length > 0) {
    return noteMember([options, ...rest], {
      decorator,
      note: "@Method lacks its parentheses: write @Method()",
    });
  }
  const { input, output, name, idempotent, kind, timeout, description, metadata } = options;
  const note: MethodNote = {
    as: "method",
    input,
    output,
    name,
    idempotent,
    kind,
    timeout,
    description,
    metadata,
  };
  return (...args: unknown[]) => noteMember(args, { decorator, note });
}
