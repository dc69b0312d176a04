/**
 * muon: ten services that subscribe to a topic, each on a port of its own, all in one process; and a publisher that
 * finds them through the registry.
 *
 *   muon.ts server
 *   muon.ts load
 */
import process from "node:process";
import { z } from "zod";
import { connect, createService, Method, Service, SILENT } from "../../mod.ts";
import { serve, settings } from "../load.ts";
import { checkEvent, deliver, type Event, SUBSCRIBERS, TOPIC } from "./deliveries.ts";

let events = 0;

@Service("bench.tally")
class Tally {
  @Method({ output: z.object({ events: z.number() }), idempotent: true })
  received() {
    return { events };
  }
}

const registryAddress = settings().directory;
if (process.argv[2] === "server") {
  const addresses: string[] = [];
  for (let n = 0; n < SUBSCRIBERS; n++) {
    const service = createService({ name: `bench.subscriber${n}`, registryAddress, log: SILENT });
    service.subscribe(TOPIC, (event) => {
      checkEvent(event as Event);
      events++;
    });
    if (n === 0) service.handle(Tally);
    await service.start();
    addresses.push(service.address!);
  }
  serve(addresses.join());
} else {
  const mesh = await connect({ registryAddress });
  const tally = mesh.client<Tally>("bench.tally");
  await deliver({
    publish: async (event) => (await mesh.publish(TOPIC, event)).accepted,
    received: async () => (await tally.received()).events,
    ports: settings().address.split(",").map((address) => Number(address.split(":").at(-1))),
  });
}
