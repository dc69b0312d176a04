/**
 * A server that tells its memory after garbage is collected.
 *
 *   server.ts bare   sends every WebSocket message back as it came
 *   server.ts muon   a service as its users run it
 */
import process from "node:process";
import { z } from "zod";
import { createService, Method, Service, SILENT } from "../../mod.ts";
import { serve, settings, type Usage, usage } from "../load.ts";
import { system } from "../system.ts";

/** How often garbage is collected before memory is looked at: what one collection frees, the next gives back. */
const TIMES = 3;

const runtime = globalThis as { gc?: () => void; Bun?: { gc(force: boolean): void } };
const collect = runtime.Bun !== undefined ? () => runtime.Bun!.gc(true) : runtime.gc;
if (collect === undefined) throw new Error("Garbage cannot be collected here: start it with --expose-gc");

async function collected(): Promise<Usage> {
  for (let n = 0; n < TIMES; n++) {
    collect!();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return usage();
}

@Service("bench.idle", { version: "1.0.0" })
class Idle {
  @Method({ input: z.object({ n: z.number() }), output: z.object({ n: z.number() }), idempotent: true })
  echo({ n }: { n: number }) {
    return { n };
  }
}

if (process.argv[2] === "muon") {
  const service = createService({ registryAddress: settings().directory, log: SILENT }).handle(Idle);
  await service.start();
  serve(service.address!, { usage: collected });
} else {
  const host = await (await system()).platform.serve({});
  host.mount({
    name: "bare",
    subprotocol: "bare",
    matches: () => true,
    socket: (socket) => socket.listen({ message: (message) => socket.send(message), drain() {}, close() {} }),
  });
  serve(host.addresses[0]!, { usage: collected });
}
