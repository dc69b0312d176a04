/**
 * proto-rpc, in which Go Micro's first generation (2016 to 2018) puts calls of protobuf: two parts, each behind its
 * length as 32 bits big-endian. The first is a message that names the method,
 * `{ string service_method = 1; fixed64 seq = 2; string error = 3; }`, the second the input or the output.
 * Source: go-micro v5 `codec/protorpc`; {@link https://protobuf.dev/programming-guides/encoding/ | protobuf's encoding}.
 *
 * @module
 */

import { concat, EMPTY, text, utf8 } from "../../bytes.ts";
import { MuonError } from "../../errors.ts";
import type { RpcEnvelope } from "./envelope.ts";

/** Calls and answers in two parts; the id is the sequence number in decimal. */
export const PROTO_RPC: RpcEnvelope = {
  contentType: "application/proto-rpc",
  payload: "application/protobuf",

  readCall(body) {
    const { envelope, payload } = read(body, "call");
    if (envelope.method === "") throw unreadable("call", new RangeError("it names no method"));
    return { endpoint: envelope.method, id: envelope.seq, input: payload };
  },

  writeResult: ({ endpoint = "", id }, output) => write({ method: endpoint, seq: id, error: "" }, output),

  writeFailure: (call, error) =>
    write({ method: call?.endpoint ?? "", seq: call?.id ?? "0", error: error || "unspecified error" }, EMPTY),

  writeCall: ({ endpoint, id, input }) => write({ method: endpoint, seq: id, error: "" }, input),

  readAnswer(body) {
    const { envelope, payload } = read(body, "answer");
    return { output: payload, error: envelope.error === "" ? undefined : envelope.error };
  },
};

/** The first part. */
interface Header {
  readonly method: string;
  /** Sequence number in decimal: 64 bits are more than a `number` holds. */
  readonly seq: string;
  readonly error: string;
}

// Keys of the first part's fields: number << 3 | wire type.
const METHOD = 1 << 3 | 2;
const SEQ = 2 << 3 | 1;
const ERROR = 3 << 3 | 2;

function write({ method, seq, error }: Header, payload: Uint8Array): Uint8Array {
  const fields: Uint8Array[] = [];
  if (method !== "") fields.push(...stringField(METHOD, method));
  if (seq !== "0") {
    const field = new Uint8Array(9);
    field[0] = SEQ;
    new DataView(field.buffer).setBigUint64(1, BigInt(seq), true);
    fields.push(field);
  }
  if (error !== "") fields.push(...stringField(ERROR, error));
  const header = concat(fields);
  return concat([lengthOf(header), header, lengthOf(payload), payload]);
}

function stringField(key: number, value: string): readonly [Uint8Array, Uint8Array] {
  const bytes = utf8(value);
  const head = [key];
  let rest = bytes.length;
  for (; rest > 0x7f; rest >>>= 7) head.push(rest & 0x7f | 0x80);
  head.push(rest);
  return [Uint8Array.from(head), bytes];
}

function lengthOf(part: Uint8Array): Uint8Array {
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, part.length);
  return length;
}

function read(
  body: Uint8Array,
  what: "call" | "answer",
): { readonly envelope: Header; readonly payload: Uint8Array } {
  try {
    const first = part(body, 0);
    const second = part(body, 4 + first.length);
    const more = body.length - 8 - first.length - second.length;
    if (more > 0) throw new RangeError(`${more} bytes stand behind its two parts`);
    return { envelope: readHeader(first), payload: second };
  } catch (cause) {
    throw unreadable(what, cause);
  }
}

function part(body: Uint8Array, at: number): Uint8Array {
  if (at + 4 > body.length) throw cut(body, at);
  const length = viewOf(body).getUint32(at);
  const end = at + 4 + length;
  if (end > body.length) throw cut(body, at);
  return body.subarray(at + 4, end);
}

function cut(body: Uint8Array, at: number): RangeError {
  return new RangeError(`it has ${body.length} bytes, and is cut in the part that begins at ${at}`);
}

function readHeader(bytes: Uint8Array): Header {
  let at = 0;
  let method = "";
  let seq = "0";
  let error = "";
  const varint = (): number => {
    let value = 0;
    for (let scale = 1;; scale *= 128) {
      const byte = take(1)[0]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      // Ten bytes are the longest that protobuf writes: what is more is none.
      if (scale >= 128 ** 9) throw new RangeError("a number of its first part has no end");
    }
  };
  const take = (length: number): Uint8Array => {
    if (at + length > bytes.length) throw new RangeError("its first part is cut");
    return bytes.subarray(at, at += length);
  };
  while (at < bytes.length) {
    const key = varint();
    if (key === METHOD) method = text(take(varint()));
    else if (key === SEQ) seq = String(viewOf(take(8)).getBigUint64(0, true));
    else if (key === ERROR) error = text(take(varint()));
    // Fields of versions to come.
    else if ((key & 7) === 0) varint();
    else if ((key & 7) === 1) take(8);
    else if ((key & 7) === 2) take(varint());
    else if ((key & 7) === 5) take(4);
    else throw new RangeError(`its first part has a field of wire type ${key & 7}`);
  }
  return { method, seq, error };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function unreadable(what: "call" | "answer", cause: unknown): MuonError {
  return new MuonError(
    what === "call" ? "invalid_argument" : "internal",
    `cannot read the ${what} as proto-rpc: ${
      cause instanceof Error ? cause.message : cause
    }; the body must be two ` +
      "parts, each behind its length as 32 bits big-endian: an envelope that names the method, and a protobuf message",
    { id: "muon.mucp", notRun: what === "call", cause },
  );
}
