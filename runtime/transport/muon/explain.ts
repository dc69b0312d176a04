/**
 * Says in words what a message of muon.v1 holds: for those who look for a fault, and for the examples in
 * `docs/protocol.md`.
 *
 * @module
 */

import type { Metadata } from "../../metadata.ts";
import * as frames from "./frames.ts";
import { KeysIn, RoutesIn } from "./intern.ts";
import { ProtocolError, Reader } from "./reader.ts";

const NAMES: Readonly<Record<number, string>> = {
  [frames.HELLO]: "HELLO",
  [frames.CALL]: "CALL",
  [frames.DATA]: "DATA",
  [frames.REPLY]: "REPLY",
  [frames.HEADER]: "HEADER",
  [frames.END]: "END",
  [frames.ERROR]: "ERROR",
  [frames.CANCEL]: "CANCEL",
  [frames.CREDIT]: "CREDIT",
  [frames.PING]: "PING",
  [frames.PONG]: "PONG",
  [frames.GOAWAY]: "GOAWAY",
};

const UNLIMITED = { maxMetadata: Infinity, keys: Infinity };

/**
 * Reads the messages that one peer sent, in the order they were sent.
 *
 * @example
 * ```ts
 * new Explainer().explain(fromHex("0900000301ac02")); // ["CREDIT 1 bytes=300"]
 * ```
 */
export class Explainer {
  readonly #routes = new RoutesIn();
  readonly #keys = new KeysIn();

  /**
   * A line for each frame of a message.
   *
   * @throws {ProtocolError} If a frame is malformed.
   */
  explain(message: Uint8Array): string[] {
    const lines: string[] = [];
    const reader = new Reader(message);
    while (reader.at < message.length) {
      const { at } = reader;
      if (at + 5 > message.length) throw new ProtocolError("a frame's head is cut short");
      const kind = message[at]!;
      const length = (message[at + 1]! << 16) | (message[at + 2]! << 8) | message[at + 3]!;
      if (at + 4 + length > message.length) throw new ProtocolError("a frame is cut short");
      reader.at = at + 4;
      reader.end = reader.at + length;
      const id = reader.varint();
      const name = NAMES[kind & 15] ?? `kind ${kind & 15}`;
      const parts = [id === 0 ? name : `${name} ${id}`, ...this.#payload(kind, reader)];
      lines.push(parts.join(" "));
      reader.at = reader.end;
    }
    return lines;
  }

  #payload(kind: number, reader: Reader): string[] {
    switch (kind & 15) {
      case frames.HELLO: {
        const hello = Object.entries(frames.readHello(reader));
        return hello.filter(([, value]) => value.length !== 0).map(([name, value]) => `${name}=${value}`);
      }
      case frames.CALL: {
        const flags = named(kind, {
          MORE: frames.MORE,
          STREAM: frames.STREAM,
          IDEMPOTENT: frames.IDEMPOTENT,
        });
        const { service, endpoint, contentType } = this.#routes.read(reader, Infinity);
        const timeout = reader.varint();
        return [
          ...flags,
          `${service} ${endpoint} ${contentType}`,
          `timeout=${timeout}`,
          ...this.#metadata(reader),
          ...body(kind & frames.STREAM ? undefined : reader.rest()),
        ];
      }
      case frames.DATA:
        return [...named(kind, { MORE: frames.MORE }), ...body(reader.rest())];
      case frames.REPLY: {
        const flags = named(kind, { MORE: frames.MORE, TRAILER: frames.TRAILER });
        const trailer = kind & frames.TRAILER ? this.#metadata(reader) : [];
        return [...flags, ...trailer, ...body(reader.rest())];
      }
      case frames.HEADER:
      case frames.END:
        return this.#metadata(reader);
      case frames.ERROR: {
        const notRun = (kind & frames.NOT_RUN) !== 0;
        const error = frames.readError(reader, notRun, {});
        const details = error.details === undefined ? [] : [`details=${JSON.stringify(error.details)}`];
        return [
          ...(notRun ? ["NOT_RUN"] : []),
          `${error.status} ${error.code} id=${JSON.stringify(error.id)} detail=${
            JSON.stringify(error.detail)
          }`,
          ...details,
          ...this.#metadata(reader),
        ];
      }
      case frames.CANCEL: {
        const status = frames.statusAt(reader.byte());
        return [status, JSON.stringify(reader.text(Infinity, "a reason"))];
      }
      case frames.CREDIT:
        return [`bytes=${reader.varint()}`];
      case frames.GOAWAY: {
        const last = reader.varint();
        const status = reader.byte();
        return [
          `last=${last}`,
          status === 0 ? "in order" : frames.statusAt(status),
          JSON.stringify(reader.text(Infinity, "a reason")),
        ];
      }
      default:
        return body(reader.rest());
    }
  }

  #metadata(reader: Reader): string[] {
    const metadata = this.#keys.read(reader, UNLIMITED) as Metadata;
    return metadata.size === 0 ? [] : [`metadata=${JSON.stringify(metadata)}`];
  }
}

function named(kind: number, flags: Readonly<Record<string, number>>): string[] {
  return Object.keys(flags).filter((name) => (kind & flags[name]!) !== 0);
}

function body(bytes: Uint8Array | undefined): string[] {
  if (bytes === undefined) return [];
  return [`body=${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`];
}
