/**
 * muon with everything on: deadline, validation both ways, metadata, credits, cancellation.
 *
 *   muon.ts server
 *   muon.ts client - <address> <calls> <inflight>
 */
import process from "node:process";
import { z } from "zod";
import { connect, createService, Method, Service } from "../../mod.ts";
import { load, serveCpu } from "../load.ts";

const [role, , address, calls, inflight] = process.argv.slice(2);

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
  const service = createService({ registryAddress }).handle(Greeter);
  await service.start();
  serveCpu(service.address!);
} else {
  const mesh = await connect({ registryAddress });
  const greeter = mesh.client<Greeter>("bench.greeter");
  await load(async (n) => {
    const { greeting } = await greeter.hello({ name: `user${n & 1023}` });
    if (greeting !== `Hello user${n & 1023}`) throw new Error(`wrong answer: ${greeting}`);
  }, { calls: Number(calls), warmup: Number(calls) / 4, inflight: Number(inflight) });
  void address;
}
