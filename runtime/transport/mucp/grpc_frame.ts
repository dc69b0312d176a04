/**
 * The frame of gRPC's messages, which Go Micro's transport carries, too, where a caller chose such a content type: a
 * byte, 0, and the length, 32 bits big-endian, ahead of the message. Errors stay in `Micro-Error`.
 * Source: go-micro v5 `codec/grpc`.
 *
 * @module
 */

import { EMPTY } from "../../bytes.ts";
import { MuonError } from "../../errors.ts";
import type { Envelope } from "./envelope.ts";

const HEAD = 5;

/** A frame around a protobuf message: `application/grpc`, `application/grpc+proto`. */
export const GRPC_FRAME: Envelope = around("application/protobuf");
/** A frame around JSON: `application/grpc+json`. */
export const GRPC_JSON_FRAME: Envelope = around("application/json");

function around(payload: string): Envelope {
  return {
    payload,
    readCall(body) {
      // Go Micro's server does not read an empty body either.
      if (body.length === 0) return { id: "", input: EMPTY };
      const length = body.length < HEAD ? -1 : viewOf(body).getUint32(1);
      if (length !== body.length - HEAD || body[0] !== 0) {
        throw new MuonError(
          "invalid_argument",
          "cannot read the call: the body must be one uncompressed gRPC frame, a byte 0 and the length as 32 bits " +
            "big-endian ahead of the message",
          { id: "muon.mucp", notRun: true },
        );
      }
      return { id: "", input: body.subarray(HEAD) };
    },
    writeResult(_call, output) {
      const frame = new Uint8Array(HEAD + output.length);
      viewOf(frame).setUint32(1, output.length);
      frame.set(output, HEAD);
      return frame;
    },
    writeFailure: () => EMPTY,
  };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
