/**
 * muon: a unary call over the registry, the selector and muon.v1, cancelable, with credits and a deadline, as always.
 *
 *   muon.ts server <mode>
 *   muon.ts load <mode>
 *
 * `mode` is `bare`: no schemas; `plain`: input and output are checked by zod; `full`: besides, a deadline of its own and
 * metadata at every call, and three interceptors on each side.
 */
import process from "node:process";
import { z } from "zod";
import { connect, createService, type Interceptor, Method, Service, SILENT } from "../../mod.ts";
import { load, serve, settings } from "../load.ts";

const [role, mode = "plain"] = process.argv.slice(2);

const through: Interceptor = (next) => (invocation) => next(invocation);
const interceptors = mode === "full" ? [through, through, through] : [];
const options = mode === "full" ? { timeout: 2_000, metadata: { "x-tenant": "acme" } } : undefined;
const schemas = mode === "bare" ? {} : {
  input: z.object({ name: z.string() }),
  output: z.object({ greeting: z.string() }),
};

@Service("bench.greeter", { version: "1.0.0" })
class Greeter {
  @Method({ ...schemas, idempotent: true })
  hello({ name }: { name: string }) {
    return { greeting: `Hello ${name}` };
  }
}

// The registry is a directory of this run's own; the selector finds the one node there.
const registryAddress = settings().directory;
if (role === "server") {
  const service = createService({ registryAddress, interceptors, log: SILENT }).handle(Greeter);
  await service.start();
  serve(service.address!);
} else {
  const mesh = await connect({ registryAddress, callInterceptors: interceptors });
  const greeter = mesh.client<Greeter>("bench.greeter");
  await load(async (n) => {
    const { greeting } = await greeter.hello({ name: `user${n & 1023}` }, options);
    if (greeting !== `Hello user${n & 1023}`) throw new Error(`wrong answer: ${greeting}`);
  });
}
