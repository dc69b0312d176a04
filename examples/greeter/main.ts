// The service. Run it on any runtime: deno run -A main.ts · bun main.ts · npx tsx main.ts
import { type Context, Method, run, Service, Subscribe, topic } from "@muon/muon";
import { z } from "zod";

export const userCreated = topic("user.created", z.object({ id: z.string() }));
const HelloRequest = z.object({ name: z.string() });
const HelloReply = z.object({ greeting: z.string() });

@Service("greeter", { version: "1.0.0", metadata: { type: "helloworld" } })
export class Greeter {
  @Method({ input: HelloRequest, output: HelloReply, idempotent: true })
  hello({ name }: z.infer<typeof HelloRequest>, _ctx: Context) {
    return { greeting: `Hello ${name}` };
  }

  @Method({ input: z.object({ to: z.number() }), output: z.object({ n: z.number() }) })
  async *count({ to }: { to: number }) {
    for (let n = 1; n <= to; n++) yield { n };
  }

  @Subscribe(userCreated, { queue: "greeter" })
  welcome({ id }: { id: string }, ctx: Context) {
    ctx.log.info("welcome", { id });
  }
}

if (import.meta.main) await run(Greeter);
