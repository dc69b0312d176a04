/**
 * Messages up to the largest that is taken, and around the sizes at which they are cut, there and back over this
 * runtime's own sockets.
 */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { z } from "zod";
import { connect, createService, createWsTransport, Method, Service, SILENT, system } from "../mod.ts";

const Payload = z.object({ data: z.custom<Uint8Array>((data) => data instanceof Uint8Array) });

@Service("mirror", { version: "1.0.0" })
class Mirror {
  @Method({ input: Payload, output: Payload, idempotent: true })
  echo({ data }: { data: Uint8Array }) {
    return { data };
  }
}

/** What stands around the bytes in CBOR. */
const AROUND = 16;

async function mirrors(
  sizes: readonly number[],
  options: Parameters<typeof createWsTransport>[0] | undefined,
): Promise<void> {
  const registryAddress = await mkdtemp(join(tmpdir(), "muon-large-"));
  const transport = () => options === undefined ? {} : { transport: createWsTransport(options) };
  const service = createService({ registryAddress, log: SILENT, ...transport() }).handle(Mirror);
  try {
    await service.start();
    await using mesh = await connect({ registryAddress, log: SILENT, ...transport() });
    const mirror = mesh.client<Mirror>("mirror");
    for (const size of sizes) {
      const data = new Uint8Array(size).map((_, at) => at % 251);
      // The first finds nobody near, the others may go in one frame.
      for (let n = 0; n < 2; n++) {
        const answer = await mirror.echo({ data }, { retries: 0, timeout: 20_000 });
        assert.deepEqual(answer.data, data, `${size} bytes`);
      }
    }
  } finally {
    await service.stop();
    await rm(registryAddress, { recursive: true });
  }
}

describe("large messages", () => {
  test("arrive up to the largest that is taken", async () => {
    const sizes = [65_536, 66_560, 1_000_000, 1_048_576 - AROUND, 1_048_576, 1_049_600 - AROUND, 1_049_600];
    await mirrors([...sizes, 2_000_000, 4_194_304 - AROUND], undefined);
  });

  test("arrive in larger frames than muon's own, if the transport takes such", async () => {
    const limits = { maxMessage: 12_000_000 };
    const wire = { fragment: 8_000_000, held: 128_000_000 };
    await mirrors([4_194_304, 5_000_000, 10_000_000], { system: await system(), limits, wire });
  });
});
