/**
 * JSON-RPC 1.0, in which Go Micro's first generation (2016 to 2018) puts calls: the body names the method.
 * Source: go-micro `codec/jsonrpc`.
 *
 * @module
 */

import { looseText, text, utf8 } from "../../bytes.ts";
import { MuonError } from "../../errors.ts";

/** A call taken out of its envelope. */
export interface JsonRpcCall {
  /** Endpoint, as `Greeter.Hello`. */
  readonly method: string;
  /** The caller's id as JSON: the first generation sends a number, later ones a string, and each wants its own back. */
  readonly id: string;
  /** The one parameter, as JSON. */
  readonly input: Uint8Array;
}

/**
 * Takes a call out of its envelope, `{"method":"Greeter.Hello","params":[{…}],"id":3}`.
 *
 * @throws {MuonError} `invalid_argument`, if the body is no such envelope.
 */
export function readCall(body: Uint8Array): JsonRpcCall {
  let parsed: { method?: unknown; params?: unknown; id?: unknown } | null;
  let input: string | undefined;
  try {
    parsed = JSON.parse(text(body));
    const params = parsed?.params;
    input = Array.isArray(params) && params.length > 0 ? JSON.stringify(params[0]) : undefined;
  } catch (cause) {
    throw unreadable(cause instanceof Error ? cause.message : String(cause), cause);
  }
  const method = parsed?.method;
  if (typeof method !== "string" || method === "") throw unreadable('"method" is no string');
  return {
    method,
    id: JSON.stringify(parsed?.id ?? null),
    input: input === undefined ? new Uint8Array(0) : utf8(input),
  };
}

/** The answer to a call; `result` is JSON. */
export function writeResult(id: string, result: Uint8Array): Uint8Array {
  return utf8(`{"id":${id},"result":${result.length === 0 ? "{}" : looseText(result)},"error":null}\n`);
}

/** The answer to a call that failed. */
export function writeFailure(id: string, error: string): Uint8Array {
  return utf8(`{"id":${id},"result":null,"error":${JSON.stringify(error)}}\n`);
}

function unreadable(why: string, cause?: unknown): MuonError {
  return new MuonError(
    "invalid_argument",
    `cannot read the call: ${why}; without Micro-Endpoint the body must be JSON-RPC 1.0, as ` +
      `{"method":"Greeter.Hello","params":[{}],"id":1}`,
    { id: "muon.mucp", notRun: true, cause },
  );
}
