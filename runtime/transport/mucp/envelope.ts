/**
 * Bodies that hold more than the input or the answer: which there are, and which of them a message has.
 * Source: go-micro v5 `server/rpc_codec.go`, `client/rpc_codec.go`.
 *
 * @module
 */

import { GRPC_FRAME, GRPC_JSON_FRAME } from "./grpc_frame.ts";
import { JSON_RPC } from "./json_rpc.ts";
import { PROTO_RPC } from "./proto_rpc.ts";

/** Content type of JSON. */
export const JSON_TYPE = "application/json";
/** Content type of protobuf messages. */
export const PROTOBUF_TYPE = "application/protobuf";
/** Content type of bytes. */
export const BYTES_TYPE = "application/octet-stream";

/** A call taken out of its envelope. */
export interface EnvelopedCall {
  /** Endpoint, as `Greeter.Hello`; `undefined` where the envelope does not name it. */
  readonly endpoint?: string;
  /** What the answer has to give back, as the envelope writes it. */
  readonly id: string;
  /** The input. */
  readonly input: Uint8Array;
}

/** An answer taken out of its envelope. */
export interface EnvelopedAnswer {
  /** The output; no bytes beside an error. */
  readonly output: Uint8Array;
  /** What went wrong, as in `Micro-Error`; `undefined`: nothing. */
  readonly error: string | undefined;
}

/** What stands around inputs and answers, as the side that is called needs it. */
export interface Envelope {
  /** Content type of what is in it. */
  readonly payload: string;
  /**
   * Takes a call out.
   *
   * @throws {MuonError} `invalid_argument`, if the body is not of that form.
   */
  readCall(body: Uint8Array): EnvelopedCall;
  /** The answer to a call; JSON is never without bytes. */
  writeResult(call: EnvelopedCall, output: Uint8Array): Uint8Array;
  /** The answer to a call that failed; `undefined`: to one that could not be read. */
  writeFailure(call: EnvelopedCall | undefined, error: string): Uint8Array;
}

/** An envelope of the first generation (2016 to 2018), which names the endpoint, as both sides need it. */
export interface RpcEnvelope extends Envelope {
  /** Content type under which every version knows it. */
  readonly contentType: string;
  /** Puts a call in; `id` is a whole number in decimal. */
  writeCall(call: Required<EnvelopedCall>): Uint8Array;
  /**
   * Takes an answer out.
   *
   * @throws {MuonError} `internal`, if the body is not of that form.
   */
  readAnswer(body: Uint8Array): EnvelopedAnswer;
}

/** What is around a body whatever its headers say. */
const ALWAYS: ReadonlyMap<string, Envelope> = new Map<string, Envelope>([
  [JSON_RPC.contentType, JSON_RPC],
  [PROTO_RPC.contentType, PROTO_RPC],
  ["application/grpc", GRPC_FRAME],
  ["application/grpc+proto", GRPC_FRAME],
  ["application/grpc+json", GRPC_JSON_FRAME],
]);

/** What is around a body of the first generation, under the content types that are plain ones since. */
const FIRST: ReadonlyMap<string, RpcEnvelope> = new Map<string, RpcEnvelope>([
  [JSON_TYPE, JSON_RPC],
  [PROTOBUF_TYPE, PROTO_RPC],
  [BYTES_TYPE, PROTO_RPC],
]);

/**
 * The envelope of a message's body; `undefined`: the body is the input itself.
 *
 * @param contentType Without parameters.
 * @param first Whether the message is of the first generation, so that its body names the endpoint.
 */
export function envelopeOf(contentType: string, first: boolean): Envelope | undefined {
  return ALWAYS.get(contentType) ?? (first ? FIRST.get(contentType) : undefined);
}

/** The envelope in which a node of the first generation takes a content type; `undefined`: it knows none for it. */
export function firstEnvelopeOf(contentType: string): RpcEnvelope | undefined {
  return FIRST.get(contentType);
}

/** Whether a content type is one in which the first generation calls, though others do, too. */
export function isOfFirst(contentType: string): boolean {
  return FIRST.has(contentType);
}

/** Whether a content type says by itself that the body names the endpoint. */
export function namesEndpoint(contentType: string): boolean {
  return contentType === JSON_RPC.contentType || contentType === PROTO_RPC.contentType;
}
