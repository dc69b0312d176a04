import assert from "node:assert/strict";
import { test } from "node:test";
import { Hono } from "hono";
import { HTTPException } from "hono/http-exception";
import { jsonLogger } from "../log.ts";
import { createRoutes, type RouteEnv, type Routes } from "./routes.ts";

function logged() {
  const lines: { message: string; method: string; path: string; error: { message: string } }[] = [];
  return { lines, log: jsonLogger((line) => lines.push(JSON.parse(line))) };
}

async function get(routes: Routes, path: string, log = logged()) {
  const protocol = await createRoutes([routes], log);
  const response = await protocol.fetch!(new Request(`http://h${path}`), { address: "memory" });
  return { status: response.status, body: await response.text(), lines: log.lines };
}

function broken(): Hono<RouteEnv> {
  const app = new Hono<RouteEnv>();
  app.get("/boom", () => {
    throw new Error("it broke");
  });
  app.get("/teapot", () => {
    throw new HTTPException(418, { message: "short and stout" });
  });
  return app;
}

for (
  const [kind, routes] of [
    ["routes", () => (app: Hono<RouteEnv>) => app.route("/", broken())],
    ["an application", broken],
  ] as const
) {
  test(`what ${kind} throw goes to the log of the service that was asked`, async () => {
    const one = routes();
    for (const log of [logged(), logged()]) {
      const { status, body, lines } = await get(one, "/boom?token=abc", log);
      assert.deepEqual([status, body, lines.length], [500, "Internal Server Error", 1]);
      const [{ message, method, path, error }] = lines as [typeof lines[0]];
      assert.deepEqual([message, method, path, error.message], [
        "a route failed",
        "GET",
        "/boom",
        "it broke",
      ]);
    }
    const teapot = await get(routes(), "/teapot");
    assert.deepEqual([teapot.status, teapot.body, teapot.lines], [418, "short and stout", []]);
  });
}

test("an onError of the user's own has the last word", async () => {
  const own = broken();
  own.onError((error, context) => context.text(`mine: ${error.message}`, 503));
  const added = (app: Hono<RouteEnv>) =>
    app.route("/", broken()).onError((error, context) => context.text(`mine: ${error.message}`, 503));
  for (const routes of [own, added]) {
    assert.deepEqual(await get(routes, "/boom"), { status: 503, body: "mine: it broke", lines: [] });
  }
});
