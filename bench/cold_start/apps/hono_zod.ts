/** A greeter of Hono's which checks its input by zod: the port it is to have is its argument. */
import { Hono } from "hono";
import process from "node:process";
import { z } from "zod";

interface Runtimes {
  readonly Bun?: { serve(options: unknown): void };
  readonly Deno?: { serve(options: unknown, fetch: unknown): void };
}

const input = z.object({ name: z.string() });
const app = new Hono();
app.post("/hello", async (context) => {
  const { name } = input.parse(await context.req.json());
  return context.json({ greeting: `Hello ${name}` });
});

const { Bun, Deno } = globalThis as Runtimes;
const where = { hostname: "127.0.0.1", port: Number(process.argv[2]) };
if (Bun !== undefined) {
  Bun.serve({ ...where, fetch: app.fetch });
} else if (Deno !== undefined) {
  Deno.serve(where, app.fetch);
} else {
  // @ts-expect-error: it is a package of bench/peers.
  const { serve } = await import("@hono/node-server");
  serve({ ...where, fetch: app.fetch });
}
