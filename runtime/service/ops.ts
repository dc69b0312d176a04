/**
 * What operators ask a service over HTTP: `/healthz`, `/readyz`, `/metrics`.
 *
 * @module
 */

import type { Clock } from "../clock.ts";
import { textOf } from "../errors.ts";
import type { Protocol, RequestHead } from "../host.ts";
import { redact } from "../log.ts";
import type { DebugInfo } from "../server/debug.ts";
import { METRICS_CONTENT_TYPE, metricsText } from "../server/metrics.ts";
import type { ServiceEntry } from "../server/table.ts";

/** How long a check may take, in ms. */
export const CHECK_TIMEOUT = 1_000;

/** Options of {@link createOps}. */
export interface OpsOptions {
  /** Time. */
  readonly clock: Clock;
  /** What is served. */
  readonly services: () => readonly ServiceEntry[];
  /** What is known of the process; its `health` says `ok` while calls are taken. */
  readonly debug: DebugInfo;
  /** What must be well for the service to be ready, by name. */
  readonly checks: Readonly<Record<string, () => unknown>>;
}

const PATHS = new Set(["/healthz", "/readyz", "/metrics"]);

/**
 * What answers operators on the shared port, `GET` and `HEAD`.
 *
 * - `/healthz`: 200 as long as the process can answer at all: whoever gets none should start it anew.
 * - `/readyz`: 200 while the service takes calls and each of its checks is well, else 503 with what is not.
 * - `/metrics`: what was counted, in Prometheus' text format.
 *
 * @example
 * ```ts
 * host.mount(createOps({ clock, services: () => server.services, debug, checks: {} }));
 * ```
 */
export function createOps(options: OpsOptions): Protocol {
  return {
    name: "ops",
    matches: ({ method, path }: RequestHead) =>
      (method === "GET" || method === "HEAD") && PATHS.has(path.split("?", 1)[0]!),
    async fetch(request) {
      const { status, type, body } = await answer(new URL(request.url).pathname, options);
      const headers = { "content-type": type, "cache-control": "no-store" };
      return new Response(request.method === "HEAD" ? null : body, { status, headers });
    },
  };
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

async function answer(path: string, options: OpsOptions): Promise<Answer> {
  const { debug } = options;
  if (path === "/healthz") return json(200, { status: "ok", state: debug.health() });
  const failing = await unready(options);
  const ready = Object.keys(failing).length === 0;
  if (path === "/readyz") {
    return ready ? json(200, { status: "ready" }) : json(503, { status: "not ready", failing });
  }
  return {
    status: 200,
    type: METRICS_CONTENT_TYPE,
    body: metricsText({ services: options.services(), debug, ready }),
  };
}

/** What is not well, and why. */
async function unready({ clock, debug, checks }: OpsOptions): Promise<Record<string, string>> {
  const health = debug.health();
  if (health !== "ok") return { service: health };
  const failing: Record<string, string> = {};
  await Promise.all(
    Object.entries(checks).map(async ([name, check]) => {
      const complaint = await complaintOf(check, clock);
      if (complaint !== undefined) failing[name] = complaint;
    }),
  );
  return failing;
}

function complaintOf(check: () => unknown, clock: Clock): Promise<string | undefined> {
  return new Promise((resolve) => {
    const timer = clock.after(CHECK_TIMEOUT, () => resolve(`not done after ${CHECK_TIMEOUT} ms`));
    const asked = async () => await check();
    asked().then(
      (result) => result === false ? "not well" : undefined,
      // Who asks shows no credentials.
      (error) => redact(textOf(error instanceof Error ? error.message : error)),
    ).then((complaint) => {
      timer.cancel();
      resolve(complaint);
    });
  });
}

function json(status: number, body: unknown): Answer {
  return { status, type: "application/json", body: `${JSON.stringify(body)}\n` };
}
