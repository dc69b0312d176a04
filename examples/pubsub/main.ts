// Two services listen to one topic: each mailer gets its share of the events, each auditor gets all of them.
import { type Context, Method, run, Service, Subscribe, topic } from "@muon/muon";
import { z } from "zod";

export const orderPlaced = topic("order.placed", z.object({ id: z.string(), total: z.number() }));
type Order = { id: string; total: number };

@Service("mailer", { version: "1.0.0" })
export class Mailer {
  #sent: string[] = [];

  @Subscribe(orderPlaced, { queue: "mailer" })
  confirm({ id }: Order, ctx: Context) {
    this.#sent.push(id);
    ctx.log.info("mail sent", { order: id });
  }

  @Method({ output: z.array(z.string()), idempotent: true })
  sent() {
    return this.#sent;
  }
}

@Service("auditor", { version: "1.0.0" })
export class Auditor {
  #total = 0;

  @Subscribe(orderPlaced)
  record({ total }: Order) {
    this.#total += total;
  }

  @Method({ output: z.object({ total: z.number() }), idempotent: true })
  total() {
    return { total: this.#total };
  }
}

if (import.meta.main) await run(Mailer, Auditor);
