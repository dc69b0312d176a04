// All four kinds of calls: one in one out, a stream out, a stream in, a stream both ways.
import { type Context, Method, run, Service } from "@muon/muon";
import { z } from "zod";

const Sample = z.object({ value: z.number() });
const Total = z.object({ count: z.number(), sum: z.number() });

@Service("meter", { version: "1.0.0" })
export class Meter {
  @Method({ input: Sample, output: Sample, idempotent: true })
  double({ value }: z.infer<typeof Sample>) {
    return { value: value * 2 };
  }

  @Method({ input: z.object({ every: z.number() }), output: Sample })
  async *watch({ every }: { every: number }, ctx: Context) {
    // The caller ends this stream by leaving its loop: then the signal is aborted.
    for (let value = 0; !ctx.signal.aborted; value++) {
      yield { value };
      await new Promise((resolve) => setTimeout(resolve, every));
    }
  }

  @Method({ input: Sample, output: Total, kind: "client" })
  async sum(samples: AsyncIterable<z.infer<typeof Sample>>) {
    const total = { count: 0, sum: 0 };
    for await (const { value } of samples) {
      total.count++;
      total.sum += value;
    }
    return total;
  }

  @Method({ input: Sample, output: Total, kind: "bidi" })
  async *running(samples: AsyncIterable<z.infer<typeof Sample>>) {
    const total = { count: 0, sum: 0 };
    for await (const { value } of samples) {
      total.count++;
      total.sum += value;
      yield { ...total };
    }
  }
}

if (import.meta.main) await run(Meter);
