/**
 * JSON-RPC 1.0, in which Go Micro's first generation (2016 to 2018) puts calls of JSON: the body names the method.
 * Source: go-micro v5 `codec/jsonrpc`.
 *
 * @module
 */

import { EMPTY, looseText, text, utf8 } from "../../bytes.ts";
import { MuonError } from "../../errors.ts";
import type { RpcEnvelope } from "./envelope.ts";

/**
 * Calls as `{"method":"Greeter.Hello","params":[{…}],"id":3}`, answers as `{"id":3,"result":{…},"error":null}`. The
 * id is kept as JSON: the first generation sends a number, later ones a string, and each wants its own back.
 */
export const JSON_RPC: RpcEnvelope = {
  contentType: "application/json-rpc",
  payload: "application/json",

  readCall(body) {
    let parsed: { method?: unknown; params?: unknown; id?: unknown } | null;
    let input: string | undefined;
    try {
      parsed = JSON.parse(text(body));
      const params = parsed?.params;
      input = Array.isArray(params) && params.length > 0 ? JSON.stringify(params[0]) : undefined;
    } catch (cause) {
      throw unreadableCall(cause);
    }
    const method = parsed?.method;
    if (typeof method !== "string" || method === "") {
      throw unreadableCall(new TypeError('"method" is no string'));
    }
    return {
      endpoint: method,
      id: JSON.stringify(parsed?.id ?? null),
      input: input === undefined ? EMPTY : utf8(input),
    };
  },

  writeResult: ({ id }, output) => utf8(`{"id":${id},"result":${looseText(output)},"error":null}\n`),

  writeFailure: (call, error) =>
    utf8(`{"id":${call?.id ?? "null"},"result":null,"error":${JSON.stringify(error)}}\n`),

  // Go Micro's servers panic where a call has no parameter at all.
  writeCall: ({ endpoint, id, input }) =>
    utf8(
      `{"method":${JSON.stringify(endpoint)},"params":[${
        input.length === 0 ? "{}" : looseText(input)
      }],"id":${id}}\n`,
    ),

  readAnswer(body) {
    let parsed: { result?: unknown; error?: unknown } | null;
    let output: string;
    try {
      parsed = JSON.parse(text(body));
      output = JSON.stringify(parsed?.result ?? null);
    } catch (cause) {
      throw unreadableAnswer(cause);
    }
    if (typeof parsed !== "object" || parsed === null) {
      throw unreadableAnswer(new TypeError("it is no object"));
    }
    const { error = null } = parsed;
    if (error === null) return { output: utf8(output), error: undefined };
    if (typeof error !== "string") throw unreadableAnswer(new TypeError('"error" is no string'));
    return { output: EMPTY, error: error || "unspecified error" };
  },
};

function unreadableCall(cause: unknown): MuonError {
  return new MuonError(
    "invalid_argument",
    `cannot read the call: ${reasonOf(cause)}; without Micro-Endpoint the body must be JSON-RPC 1.0, as ` +
      `{"method":"Greeter.Hello","params":[{}],"id":1}`,
    { id: "muon.mucp", notRun: true, cause },
  );
}

function unreadableAnswer(cause: unknown): MuonError {
  return new MuonError(
    "internal",
    `cannot read the answer as JSON-RPC 1.0, which Go Micro's nodes answer in whose record names no protocol: ${
      reasonOf(cause)
    }`,
    { id: "muon.mucp", cause },
  );
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
