/**
 * What callers see of a service, from `import type` alone. Checked by `types_test.ts`, never run.
 *
 * @module
 */

import { z } from "zod";
import { Method } from "../../decorators/method.ts";
import { Service } from "../../decorators/service.ts";
import type { Client, StreamCall, UnaryCall } from "../../runtime/call.ts";
import type { Caller, Context } from "../../runtime/context.ts";
import type { ServiceDefinition } from "../../runtime/definition.ts";
import type { Metadata } from "../../runtime/metadata.ts";
import type { Receipt } from "../../runtime/call.ts";
import { type Equal, is } from "./equal.ts";
import type { Kinds, userCreated } from "./use.ts";

declare const mesh: Caller;
declare const created: typeof userCreated;
declare const definition: ServiceDefinition<Kinds>;

export async function calls(): Promise<void> {
  const kinds = mesh.client<Kinds>("kinds");
  is<Equal<typeof kinds, Client<Kinds>>>();
  const byDefinition = mesh.client(definition);
  is<Equal<typeof byDefinition, Client<Kinds>>>();

  const unary = kinds.unary({ name: "John" });
  is<Equal<typeof unary, UnaryCall<{ text: string }>>>();
  is<Equal<Awaited<typeof unary>, { text: string }>>();
  is<Equal<Awaited<typeof unary.trailer>, Metadata>>();
  is<Equal<Awaited<ReturnType<typeof kinds.promised>>, { text: string }>>();

  const server = kinds.server({ name: "John" }, { timeout: 200 });
  is<Equal<typeof server, StreamCall<{ text: string }>>>();
  for await (const { text } of server) text.toUpperCase();
  await using stream = await kinds.iterable({ name: "John" });
  for await (const { text } of stream) text.toUpperCase();
  // @ts-expect-error: an awaited stream is no promise
  stream.then;

  const client = kinds.client(names());
  is<Equal<Awaited<typeof client>, { text: string }>>();
  for await (const { text } of kinds.bidi(names())) text.toUpperCase();

  await kinds.nothing();
  await kinds.nothing(undefined, { timeout: 200 });
  await kinds.nothingLater(undefined, { signal: AbortSignal.abort(), retries: 0 });
  is<Equal<Awaited<ReturnType<typeof kinds.nothing>>, void>>();
  await kinds.noOutput({ name: "John" }, { metadata: { "x-tenant": "acme" } });

  const receipt = await mesh.publish(created, { id: "1" });
  is<Equal<typeof receipt, Receipt>>();
  await mesh.publish("user.removed", 42);
}

export function wrongCalls(): void {
  const kinds = mesh.client<Kinds>("kinds");
  // @ts-expect-error: another input
  kinds.unary({ nam: "John" });
  // @ts-expect-error: no input
  kinds.unary();
  // @ts-expect-error: an input where there is none
  kinds.nothing({ name: "John" });
  // @ts-expect-error: options are the second argument
  kinds.nothing({ timeout: 200 });
  // @ts-expect-error: an option there is not
  kinds.unary({ name: "John" }, { timeuot: 200 });
  // @ts-expect-error: a list is no stream
  kinds.client([{ name: "John" }]);
  // @ts-expect-error: one value is no stream
  kinds.bidi({ name: "John" });
  // @ts-expect-error: a method there is not
  kinds.missing();
  // @ts-expect-error: a client is no promise
  kinds.then();
  // @ts-expect-error: the answer has no such field
  void kinds.unary({ name: "John" }).then(({ txt }) => txt);
  // @ts-expect-error: one answer is no stream
  kinds.unary({ name: "John" })[Symbol.asyncIterator]();
  // @ts-expect-error: another event
  void mesh.publish(created, { id: 1 });
}

declare const symbol: unique symbol;

/** What callers must not see. */
declare class Hidden {
  #secret: number;
  // deno-lint-ignore muon/private
  private privately(): void;
  protected guarded(): void;
  [symbol](): void;
  then(): void;
  toJSON(): void;
  visible(input?: string): string;
  field: number;
  use(): void;
}
is<Equal<keyof Client<Hidden>, "visible" | "field" | "use">>();
is<Equal<Client<Hidden>["field"], never>>();

export function optional(hidden: Client<Hidden>): void {
  hidden.visible();
  hidden.visible("a", { timeout: 1 });
  hidden.visible(undefined, { timeout: 1 });
}

const Count = z.object({ n: z.number() });

/** Two services that call each other: no annotation, no TS7022. */
@Service("ping")
export class Ping {
  @Method({ input: Count, output: Count })
  async hit({ n }: { n: number }, ctx: Context) {
    const { n: back } = await ctx.client<Pong>("pong").half({ n });
    return { n: back + 1 };
  }

  @Method({ input: Count, output: Count })
  double({ n }: { n: number }) {
    return { n: n * 2 };
  }
}

@Service("pong")
export class Pong {
  @Method({ input: Count, output: Count })
  half({ n }: { n: number }) {
    return { n: n / 2 };
  }

  @Method({ input: Count, output: Count })
  async twice({ n }: { n: number }, ctx: Context) {
    const { n: doubled } = await ctx.client<Ping>("ping").double({ n });
    return { n: doubled };
  }
}

async function* names() {
  yield { name: "John" };
}
