// Calls the orders service, which calls back. A call that a handler makes through its context keeps the deadline.
import { type Context, Method, run, Service } from "@muon/muon";
import { z } from "zod";
import type { Orders } from "./orders.ts";

const User = z.object({ id: z.string(), name: z.string() });
type User = z.infer<typeof User>;

@Service("users", { version: "1.0.0" })
export class Users {
  @Method({ input: z.object({ id: z.string() }), output: User, idempotent: true })
  get({ id }: { id: string }): User {
    return { id, name: `User ${id}` };
  }

  @Method({ input: z.object({ id: z.string() }), output: z.object({ text: z.string() }), idempotent: true })
  async summary({ id }: { id: string }, ctx: Context): Promise<{ text: string }> {
    const orders = await ctx.client<Orders>("orders").of({ user: id });
    return { text: `${this.get({ id }).name} has ${orders.length} orders` };
  }
}

if (import.meta.main) await run(Users);
