/** A greeter of muon's, as its users write it, but for the schemas, which bare Hono has not either. */
import { Method, run, Service } from "@muon/muon";

@Service("greeter", { version: "1.0.0" })
class Greeter {
  // @ts-expect-error: muon asks for schemas.
  @Method()
  hello({ name }: { name: string }) {
    return { greeting: `Hello ${name}` };
  }
}

await run(Greeter);
