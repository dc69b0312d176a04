/**
 * muon: small unary calls on a connection that is quiet, or on which a stream runs beside them.
 *
 *   muon.ts server
 *   muon.ts load <beside> <inflight>
 *
 * `beside` is `quiet` or `stream`: 64 MB in chunks of 64 kB from the server, read as fast as they come, and asked for
 * again when they are over. `inflight` is how many small calls are made at a time.
 */
import process from "node:process";
import { z } from "zod";
import { connect, createService, Method, Service, SILENT } from "../../mod.ts";
import { load, serve, settings } from "../load.ts";

const [role, beside, inflight] = process.argv.slice(2);

const CHUNK = 65_536;
const CHUNKS = 1_024;

@Service("bench.library", { version: "1.0.0" })
class Library {
  @Method({
    input: z.object({ name: z.string() }),
    output: z.object({ greeting: z.string() }),
    idempotent: true,
  })
  hello({ name }: { name: string }) {
    return { greeting: `Hello ${name}` };
  }

  @Method({
    output: z.object({ n: z.number(), data: z.custom<Uint8Array>((data) => data instanceof Uint8Array) }),
  })
  async *read() {
    const data = new Uint8Array(CHUNK);
    for (let n = 0; n < CHUNKS; n++) {
      data[0] = data[CHUNK - 1] = n;
      yield { n, data };
    }
  }
}

const registryAddress = settings().directory;
if (role === "server") {
  const service = createService({ registryAddress, log: SILENT }).handle(Library);
  await service.start();
  serve(service.address!);
} else {
  const mesh = await connect({ registryAddress });
  const library = mesh.client<Library>("bench.library");
  let failed: unknown = undefined;
  const read = async () => {
    for (;;) {
      let come = 0;
      for await (const { n, data } of library.read()) {
        const end = data[CHUNK - 1];
        if (n !== come++ || data.length !== CHUNK || data[0] !== (n & 255) || end !== data[0]) {
          throw new Error(`wrong chunk at ${come - 1}: n ${n}, ${data.length} bytes, ${data[0]} … ${end}`);
        }
      }
      if (come !== CHUNKS) throw new Error(`${come} chunks came of ${CHUNKS}`);
    }
  };
  if (beside === "stream") read().catch((error) => failed = error);
  await load(async (n) => {
    const { greeting } = await library.hello({ name: `user${n & 1023}` });
    if (greeting !== `Hello user${n & 1023}`) throw new Error(`wrong answer: ${greeting}`);
    if (failed !== undefined) throw failed;
  }, { inflight: Number(inflight) });
}
