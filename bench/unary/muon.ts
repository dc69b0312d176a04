/**
 * muon with everything on: deadline, validation both ways, metadata, credits, cancellation.
 *
 *   muon.ts server <mode>
 *   muon.ts client <mode> <address> <calls> <inflight>
 *
 * `mode` is `plain`: nothing is said at a call; `full`: a deadline and metadata at every call, and three interceptors on
 * each side.
 */
import process from "node:process";
import { z } from "zod";
import { connect, createService, type Interceptor, Method, Service, SILENT } from "../../mod.ts";
import { load, serveCpu } from "../load.ts";

const [role, mode, , calls, inflight] = process.argv.slice(2);

const through: Interceptor = (next) => (invocation) => next(invocation);
const interceptors = mode === "full" ? [through, through, through] : [];
const options = mode === "full" ? { timeout: 2_000, metadata: { "x-tenant": "acme" } } : undefined;

@Service("bench.greeter", { version: "1.0.0" })
class Greeter {
  @Method({
    input: z.object({ name: z.string() }),
    output: z.object({ greeting: z.string() }),
    idempotent: true,
  })
  hello({ name }: { name: string }) {
    return { greeting: `Hello ${name}` };
  }
}

// The registry is a directory of this run's own; the selector finds the one node there.
const registryAddress = process.env.BENCH_REGISTRY;
if (registryAddress === undefined) throw new Error("Set BENCH_REGISTRY to a directory");
if (role === "server") {
  const service = createService({ registryAddress, interceptors, log: SILENT }).handle(Greeter);
  await service.start();
  serveCpu(service.address!);
} else {
  const mesh = await connect({ registryAddress, callInterceptors: interceptors });
  const greeter = mesh.client<Greeter>("bench.greeter");
  await load(async (n) => {
    const { greeting } = await greeter.hello({ name: `user${n & 1023}` }, options);
    if (greeting !== `Hello user${n & 1023}`) throw new Error(`wrong answer: ${greeting}`);
  }, { calls: Number(calls), warmup: Number(calls) / 4, inflight: Number(inflight) });
}
