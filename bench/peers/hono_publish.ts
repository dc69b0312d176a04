/**
 * Hono: ten servers in one process with a route for events, and a publisher that posts each event to all of them by the
 * runtime's fetch.
 *
 *   hono_publish.ts server
 *   hono_publish.ts load
 */
import { serve, settings } from "../load.ts";
import { checkEvent, deliver, type Event, SUBSCRIBERS } from "../publish/deliveries.ts";
import { createApp, start } from "./hono_app.ts";
import { role } from "./peer.ts";

if (role === "server") {
  let events = 0;
  const addresses: string[] = [];
  for (let n = 0; n < SUBSCRIBERS; n++) {
    const app = await createApp();
    app.post("/events", async (context) => {
      checkEvent(await context.req.json() as Event);
      events++;
      return context.json({});
    });
    app.get("/received", (context) => context.json({ events }));
    addresses.push(`127.0.0.1:${await start(app)}`);
  }
  serve(addresses.join());
} else {
  const addresses = settings().address.split(",");
  const headers = { "content-type": "application/json" };
  await deliver({
    publish: async (event) => {
      const body = JSON.stringify(event);
      const answers = await Promise.all(addresses.map(async (address) => {
        const response = await fetch(`http://${address}/events`, {
          method: "POST",
          headers,
          body,
        });
        await response.text();
        return response.ok;
      }));
      return answers.filter((ok) => ok).length;
    },
    received: async () => {
      const response = await fetch(`http://${addresses[0]}/received`);
      return (await response.json() as { events: number }).events;
    },
    ports: addresses.map((address) => Number(address.split(":").at(-1))),
  });
}
