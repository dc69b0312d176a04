/**
 * muon: a stream to the server over the registry, the selector and muon.v1, with credits, cancelable, as always.
 *
 *   muon.ts server <what> <mode>
 *   muon.ts load <what> <mode>
 *
 * `mode` is `bare`: no schemas; `full`: zod checks every item and the answer, there are a deadline of its own, metadata,
 * and three interceptors on each side.
 */
import process from "node:process";
import { z } from "zod";
import { connect, createService, type Interceptor, Method, Service, SILENT } from "../../mod.ts";
import { serve, settings } from "../load.ts";
import { load } from "../server_stream/items.ts";
import { what } from "./items.ts";

const [role, name = "", mode = "full"] = process.argv.slice(2);
const { item, check, length, schema } = what(name);

const through: Interceptor = (next) => (invocation) => next(invocation);
const interceptors = mode === "full" ? [through, through, through] : [];
const options = mode === "full" ? { timeout: 30_000, metadata: { "x-tenant": "acme" } } : { timeout: 30_000 };
const schemas = mode === "bare" ? {} : { input: schema, output: z.object({ count: z.number() }) };

@Service("bench.store", { version: "1.0.0" })
class Store {
  @Method({ ...schemas, kind: "client" })
  async put(items: AsyncIterable<unknown>): Promise<{ count: number }> {
    let count = 0;
    for await (const one of items) check(one, count++);
    return { count };
  }
}

async function* items(count: number): AsyncGenerator<unknown> {
  for (let n = 0; n < count; n++) yield item(n);
}

const registryAddress = settings().directory;
if (role === "server") {
  const service = createService({ registryAddress, interceptors, log: SILENT }).handle(Store);
  await service.start();
  serve(service.address!);
} else {
  const mesh = await connect({ registryAddress, callInterceptors: interceptors });
  const store = mesh.client<Store>("bench.store");
  await load(async (count) => {
    const total = await store.put(items(count), options);
    if (total.count !== count) throw new Error(`${total.count} items came of ${count}`);
  }, { length });
}
