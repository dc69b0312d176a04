/**
 * muon: a unary call with a payload there and back, over the registry, the selector and muon.v1.
 *
 *   muon.ts server <mode>
 *   muon.ts load <mode>
 *
 * `mode` is `bare`: no schemas; `full`: zod checks input and output, there are a deadline of its own, metadata, and three
 * interceptors on each side.
 */
import process from "node:process";
import { z } from "zod";
import { connect, createService, type Interceptor, Method, Service, SILENT } from "../../mod.ts";
import { serve, settings } from "../load.ts";
import { load } from "./sizes.ts";

const [role, mode = "full"] = process.argv.slice(2);

const through: Interceptor = (next) => (invocation) => next(invocation);
const interceptors = mode === "full" ? [through, through, through] : [];
const options = mode === "full" ? { timeout: 20_000, metadata: { "x-tenant": "acme" } } : undefined;
const Payload = z.object({ data: z.custom<Uint8Array>((data) => data instanceof Uint8Array) });
const schemas = mode === "bare" ? {} : { input: Payload, output: Payload };

@Service("bench.mirror", { version: "1.0.0" })
class Mirror {
  @Method({ ...schemas, idempotent: true })
  echo({ data }: { data: Uint8Array }) {
    return { data };
  }
}

const registryAddress = settings().directory;
if (role === "server") {
  const service = createService({ registryAddress, interceptors, log: SILENT }).handle(Mirror);
  await service.start();
  serve(service.address!);
} else {
  const mesh = await connect({ registryAddress, callInterceptors: interceptors });
  const mirror = mesh.client<Mirror>("bench.mirror");
  await load(async (data) => (await mirror.echo({ data }, options)).data);
}
