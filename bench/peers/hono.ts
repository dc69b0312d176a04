/**
 * Hono: JSON by POST over HTTP/1.1, on each runtime's own server, called by its fetch.
 *
 *   hono.ts server [zod]
 *   hono.ts load
 */
import process from "node:process";
import { z } from "zod";
import { serve, settings } from "../load.ts";
import { createApp, start } from "./hono_app.ts";
import { greetings, role } from "./peer.ts";

if (role === "server") {
  const app = await createApp();
  const input = z.object({ name: z.string() });
  const check = process.argv[3] === "zod" ? input.parse.bind(input) : (value: { name: string }) => value;
  app.post("/hello", async (context) => {
    const { name } = check(await context.req.json() as { name: string });
    return context.json({ greeting: `Hello ${name}` });
  });
  serve(`127.0.0.1:${await start(app)}`);
} else {
  const url = `http://${settings().address}/hello`;
  const headers = { "content-type": "application/json" };
  await greetings(async (input) => {
    const response = await fetch(url, {
      method: "POST",
      headers,
      body: JSON.stringify(input),
    });
    return await response.json() as { greeting: string };
  });
}
