/**
 * What went wrong when a WebSocket was dialled. In each case nothing has run, so a call may be tried elsewhere.
 *
 * @module
 */

import { MuonError } from "../../runtime/errors.ts";

/** Nobody answered, or the connection broke before it was a WebSocket. */
export function noConnection(url: string, cause: unknown): MuonError {
  const why = reason(cause);
  return new MuonError("unavailable", `cannot connect to ${url}: ${why}`, {
    id: "muon.platform",
    where: { address: addressOf(url) },
    notRun: true,
    cause,
  });
}

/** The other end speaks WebSocket, but not this subprotocol. */
export function noSubprotocol(url: string, protocol: string, cause?: unknown): MuonError {
  return new MuonError("unimplemented", `${url} does not agree on the WebSocket subprotocol ${protocol}`, {
    id: "muon.platform",
    where: { address: addressOf(url) },
    notRun: true,
    cause,
  });
}

/** The other end answered the upgrade request with something else than a WebSocket. */
export function badAnswer(
  url: string,
  answer: { readonly protocol: string; readonly status: number; readonly body: string },
): MuonError {
  const { protocol, status, body } = answer;
  const said = body === "" ? "" : `: ${body.slice(0, 500)}`;
  // 400 and 404 come from a server that does not serve this protocol; others, 503 above all, may pass.
  return new MuonError(
    status === 400 || status === 404 ? "unimplemented" : "unavailable",
    `${url} does not open a WebSocket with the subprotocol ${protocol}, it answers HTTP ${status}${said}`,
    { id: "muon.platform", where: { address: addressOf(url) }, notRun: true },
  );
}

function reason(cause: unknown): string {
  const { code, message } = cause as { code?: string; message?: string };
  if (code === "ECONNREFUSED") return "connection refused";
  // Node gathers the failures of a name's addresses in an AggregateError whose own message is empty.
  if (cause instanceof AggregateError) return [...new Set(cause.errors.map(reason))].join(", ");
  return message || code || String(cause);
}

function addressOf(url: string): string {
  const { hostname, port, protocol } = new URL(url);
  return `${hostname}:${port || (protocol === "wss:" ? "443" : "80")}`;
}
