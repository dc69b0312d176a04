/**
 * A call in its own process: the input is checked, the method runs, the output is checked.
 *
 *   check.ts table|alone none|zod|valibot
 *
 * `table`: through muon's handler table, with the library's schemas as they are. `alone`: by hand, by the library's own
 * function.
 */
import process from "node:process";
import * as v from "valibot";
import { z } from "zod";
import { definitionOf, Method, Service } from "../../mod.ts";
import type { Invocation } from "../../runtime/interceptor.ts";
import type { AnySchema } from "../../runtime/schema.ts";
import { serviceEntry } from "../../runtime/server/table.ts";
import { measure, settings } from "../load.ts";

interface Hello {
  readonly name: string;
}
interface Greeting {
  readonly greeting: string;
}

const ZOD = { input: z.object({ name: z.string() }), output: z.object({ greeting: z.string() }) };
const VALIBOT = { input: v.object({ name: v.string() }), output: v.object({ greeting: v.string() }) };

const hello = ({ name }: Hello): Greeting => ({ greeting: `Hello ${name}` });

const ALONE: Readonly<Record<string, (input: unknown) => unknown>> = {
  none: (input) => hello(input as Hello),
  zod: (input) => ZOD.output.parse(hello(ZOD.input.parse(input))),
  valibot: (input) => v.parse(VALIBOT.output, hello(v.parse(VALIBOT.input, input))),
};
const SCHEMAS: Readonly<Record<string, { readonly input?: AnySchema; readonly output?: AnySchema }>> = {
  none: {},
  zod: ZOD,
  valibot: VALIBOT,
};

const [how, library = "none"] = process.argv.slice(2);
const { calls } = settings();
const call = how === "alone" ? ALONE[library]! : throughTable(library);

if (library !== "none") refusesWhatIsWrong();
run(Math.ceil(calls / 4));
await measure(() => {
  run(calls);
  return Promise.resolve({ calls });
});

function run(times: number): void {
  for (let n = 0; n < times; n++) {
    const output = call({ name: `user${n & 1023}` }) as Greeting;
    if (output.greeting !== `Hello user${n & 1023}`) {
      throw new Error(`wrong answer: ${JSON.stringify(output)}`);
    }
  }
}

function throughTable(library: string): (input: unknown) => unknown {
  @Service("bench.greeter")
  class Greeter {
    @Method(SCHEMAS[library])
    hello(input: Hello): Greeting {
      return hello(input);
    }
  }
  const entry = serviceEntry(definitionOf(Greeter), new Greeter()).endpoints.get("Greeter.Hello")!;
  return (input) => {
    // What the table and the method look at of a call.
    const invocation: Pick<Invocation, "input" | "context"> = { input, context: undefined };
    return entry.handle(invocation as Invocation);
  };
}

function refusesWhatIsWrong(): void {
  try {
    call({ name: 1 });
  } catch {
    return;
  }
  throw new Error("an input that does not fit was let through");
}
