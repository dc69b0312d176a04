/**
 * muon: a stream from the server over the registry, the selector and muon.v1, with credits, cancelable, as always.
 *
 *   muon.ts server <mode>
 *   muon.ts load <mode>
 *
 * `mode` is `bare`: no schemas; `full`: zod checks the input and every item, there are a deadline of its own, metadata,
 * and three interceptors on each side.
 */
import process from "node:process";
import { z } from "zod";
import { connect, createService, type Interceptor, Method, Service, SILENT } from "../../mod.ts";
import { serve, settings } from "../load.ts";
import { check, item, load } from "./items.ts";

const [role, mode = "full"] = process.argv.slice(2);

const through: Interceptor = (next) => (invocation) => next(invocation);
const interceptors = mode === "full" ? [through, through, through] : [];
const options = mode === "full" ? { timeout: 2_000, metadata: { "x-tenant": "acme" } } : undefined;
const schemas = mode === "bare" ? {} : {
  input: z.object({ count: z.number() }),
  output: z.object({ n: z.number(), name: z.string() }),
};

@Service("bench.feed", { version: "1.0.0" })
class Feed {
  @Method({ ...schemas })
  async *items({ count }: { count: number }) {
    for (let n = 0; n < count; n++) yield item(n);
  }
}

const registryAddress = settings().directory;
if (role === "server") {
  const service = createService({ registryAddress, interceptors, log: SILENT }).handle(Feed);
  await service.start();
  serve(service.address!);
} else {
  const mesh = await connect({ registryAddress, callInterceptors: interceptors });
  const feed = mesh.client<Feed>("bench.feed");
  await load(async (count) => {
    let come = 0;
    for await (const one of feed.items({ count }, options)) check(one, come++);
    if (come !== count) throw new Error(`${come} items came of ${count}`);
  });
}
