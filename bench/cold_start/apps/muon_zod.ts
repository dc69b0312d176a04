/** A greeter of muon's, as its users write it. */
import { Method, run, Service } from "@muon/muon";
import { z } from "zod";

@Service("greeter", { version: "1.0.0" })
class Greeter {
  @Method({ input: z.object({ name: z.string() }), output: z.object({ greeting: z.string() }) })
  hello({ name }: { name: string }) {
    return { greeting: `Hello ${name}` };
  }
}

await run(Greeter);
