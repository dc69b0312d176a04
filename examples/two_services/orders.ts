import { type Context, Method, run, Service } from "@muon/muon";
import { z } from "zod";
import type { Users } from "./users.ts";

const Order = z.object({ id: z.string(), buyer: z.string() });
type Order = z.infer<typeof Order>;

@Service("orders", { version: "1.0.0" })
export class Orders {
  @Method({ input: z.object({ user: z.string() }), output: z.array(Order), idempotent: true })
  async of({ user }: { user: string }, ctx: Context): Promise<Order[]> {
    const { name } = await ctx.client<Users>("users").get({ id: user });
    return [{ id: "o1", buyer: name }, { id: "o2", buyer: name }];
  }
}

if (import.meta.main) await run(Orders);
