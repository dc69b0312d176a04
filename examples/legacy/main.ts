// The same decorators in the legacy dialect: this folder's tsconfig.json sets experimentalDecorators.
// bun main.ts · npx tsx main.ts · deno run -A --config deno.json main.ts
import { Method, run, Service } from "@muon/muon";
import { z } from "zod";

@Service("legacy-greeter", { version: "1.0.0", handler: "Say" })
export class LegacyGreeter {
  @Method({ input: z.object({ name: z.string() }), output: z.object({ greeting: z.string() }) })
  hello({ name }: { name: string }) {
    return { greeting: `Hello ${name}, from the legacy dialect` };
  }
}

if (import.meta.main) await run(LegacyGreeter);
