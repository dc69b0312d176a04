/**
 * DNS messages, as far as the `mdns` registry needs them: questions, and records of the types PTR, SRV, TXT, A and
 * AAAA in class IN. Sources: {@link https://www.rfc-editor.org/rfc/rfc1035#section-4 | RFC 1035 §4},
 * {@link https://www.rfc-editor.org/rfc/rfc2782 | RFC 2782} and
 * {@link https://www.rfc-editor.org/rfc/rfc6762#section-18 | RFC 6762 §18}.
 *
 * @module
 */

import { text, utf8 } from "../../bytes.ts";

/** Types of records and questions. */
export const TYPE = { A: 1, PTR: 12, TXT: 16, AAAA: 28, SRV: 33, ANY: 255 } as const;

/** The largest message that is read or written, in bytes: what a datagram over IPv4 carries. */
export const MAX_MESSAGE = 65_507;
/** The longest part of a name between two dots, in bytes. */
export const MAX_LABEL = 63;
/** The longest name on the wire, in bytes. */
export const MAX_NAME = 255;
/** The most questions and records that one message may hold. */
export const MAX_RECORDS = 512;

const IN = 1;
/** The top bit of a class: "answer by unicast" of a question, "this is all there is" of a record. */
const CLASS = 0x7fff;

/** What is asked. Names are written with dots, without the last one. */
export interface Question {
  /** Name that is asked for. */
  readonly name: string;
  /** Type that is asked for, one of {@link TYPE} or any other. */
  readonly type: number;
}

interface Head {
  /** Name that the record is about. */
  readonly name: string;
  /** For how long it may be believed, in seconds; 0: no longer. */
  readonly ttl: number;
}

/** A record. */
export type DnsRecord =
  | Head & { readonly type: typeof TYPE.PTR; readonly target: string }
  | Head & {
    readonly type: typeof TYPE.SRV;
    readonly priority: number;
    readonly weight: number;
    readonly port: number;
    readonly target: string;
  }
  | Head & { readonly type: typeof TYPE.TXT; readonly strings: readonly string[] }
  | Head & { readonly type: typeof TYPE.A | typeof TYPE.AAAA; readonly address: Uint8Array };

/** A message. */
export interface DnsMessage {
  /** Its id; in multicast DNS mostly 0. */
  readonly id: number;
  /** Whether it answers, or asks. */
  readonly response: boolean;
  /** What is asked; in an answer: what was. */
  readonly questions: readonly Question[];
  /** What is so. */
  readonly answers: readonly DnsRecord[];
  /** In a probe: what the asker means to say if nobody objects. */
  readonly authorities: readonly DnsRecord[];
  /** What is good to know, too. */
  readonly additionals: readonly DnsRecord[];
}

/**
 * The length of a name on the wire, in bytes.
 *
 * @throws {RangeError} If it cannot be written: a label is empty or too long, or all of it is.
 */
export function nameLength(name: string): number {
  let length = 1;
  for (const label of name.split(".")) {
    const bytes = utf8(label).length;
    if (bytes === 0) {
      throw new RangeError(`DNS name ${JSON.stringify(name)} has an empty part between two dots`);
    }
    if (bytes > MAX_LABEL) {
      throw new RangeError(
        `DNS name ${
          JSON.stringify(name)
        } has a part of ${bytes} bytes between two dots: ${MAX_LABEL} are allowed`,
      );
    }
    length += bytes + 1;
  }
  if (length > MAX_NAME) {
    throw new RangeError(
      `DNS name ${JSON.stringify(name)} takes ${length} bytes on the wire: ${MAX_NAME} are allowed`,
    );
  }
  return length;
}

/**
 * The bytes of a message. Names that end alike share their end, but for the target of SRV (RFC 2782).
 *
 * @throws {RangeError} If a name cannot be written, a text of a TXT record has more than 255 bytes, or the message
 * more than {@link MAX_MESSAGE}.
 */
export function encodeDns(message: DnsMessage): Uint8Array {
  const writer = new Writer();
  const { questions, answers, authorities, additionals } = message;
  writer.uint16(message.id);
  // Authoritative, as RFC 6762 §18.4 has it for answers; every other flag is 0.
  writer.uint16(message.response ? 0x8400 : 0);
  for (const section of [questions, answers, authorities, additionals]) writer.uint16(section.length);
  for (const { name, type } of questions) {
    writer.name(name);
    writer.uint16(type);
    writer.uint16(IN);
  }
  for (const section of [answers, authorities, additionals]) for (const each of section) writer.record(each);
  return writer.bytes();
}

/**
 * Reads a message. Records of other types and classes are left out.
 *
 * @param data A datagram, of which nothing is believed.
 * @returns `undefined`, if it is no message of multicast DNS that this registry could mean: cut, malformed, with a
 * name that is no UTF-8 or has a dot within a label, truncated by its sender, of another operation, or an error.
 */
export function decodeDns(data: Uint8Array): DnsMessage | undefined {
  if (data.length < 12 || data.length > MAX_MESSAGE) return undefined;
  try {
    return new Reader(data).message();
  } catch (error) {
    if (error instanceof Malformed || error instanceof TypeError) return undefined;
    throw error;
  }
}

class Writer {
  #data = new Uint8Array(512);
  #at = 0;
  readonly #names = new Map<string, number>();

  bytes(): Uint8Array {
    return this.#data.slice(0, this.#at);
  }

  uint16(value: number): void {
    this.#append([value >>> 8 & 0xff, value & 0xff]);
  }

  name(name: string, options: { readonly plain?: boolean } = {}): void {
    nameLength(name);
    for (let rest = name; rest !== "";) {
      const known = options.plain === true ? undefined : this.#names.get(rest);
      if (known !== undefined) return this.uint16(0xc000 | known);
      if (this.#at < 0x4000 && options.plain !== true) this.#names.set(rest, this.#at);
      const dot = rest.indexOf(".");
      const label = utf8(dot < 0 ? rest : rest.slice(0, dot));
      this.#append([label.length]);
      this.#append(label);
      rest = dot < 0 ? "" : rest.slice(dot + 1);
    }
    this.#append([0]);
  }

  record(record: DnsRecord): void {
    this.name(record.name);
    this.uint16(record.type);
    this.uint16(IN);
    this.uint16(record.ttl >>> 16);
    this.uint16(record.ttl & 0xffff);
    const at = this.#at;
    this.uint16(0);
    switch (record.type) {
      case TYPE.PTR:
        this.name(record.target);
        break;
      case TYPE.SRV:
        for (const value of [record.priority, record.weight, record.port]) this.uint16(value);
        this.name(record.target, { plain: true });
        break;
      case TYPE.TXT:
        // At least one string, if only an empty one (RFC 6763 §6.1).
        for (const each of record.strings.length === 0 ? [""] : record.strings) {
          const bytes = utf8(each);
          if (bytes.length > 255) {
            throw new RangeError(`TXT string has ${bytes.length} bytes: 255 are allowed`);
          }
          this.#append([bytes.length]);
          this.#append(bytes);
        }
        break;
      default:
        this.#append(record.address);
    }
    const length = this.#at - at - 2;
    this.#data[at] = length >>> 8;
    this.#data[at + 1] = length & 0xff;
  }

  #append(bytes: ArrayLike<number>): void {
    const end = this.#at + bytes.length;
    if (end > MAX_MESSAGE) throw new RangeError(`DNS message has more than ${MAX_MESSAGE} bytes`);
    if (end > this.#data.length) {
      const larger = new Uint8Array(Math.max(end, 2 * this.#data.length));
      larger.set(this.#data);
      this.#data = larger;
    }
    this.#data.set(bytes, this.#at);
    this.#at = end;
  }
}

/** Why a message is not read; never seen by anybody. */
class Malformed extends Error {}

class Reader {
  readonly #data: Uint8Array;
  #at = 0;

  constructor(data: Uint8Array) {
    this.#data = data;
  }

  message(): DnsMessage | undefined {
    const id = this.#uint16();
    const flags = this.#uint16();
    // Operation, "truncated" and result must be 0 (RFC 6762 §18.3, §18.5, §18.11).
    if ((flags & 0x7a0f) !== 0) return undefined;
    const counts = [this.#uint16(), this.#uint16(), this.#uint16(), this.#uint16()] as const;
    if (counts[0] + counts[1] + counts[2] + counts[3] > MAX_RECORDS) return undefined;
    const questions: Question[] = [];
    for (let i = 0; i < counts[0]; i++) {
      const name = this.#name();
      const type = this.#uint16();
      const asked = this.#uint16() & CLASS;
      if (asked === IN || asked === TYPE.ANY) questions.push({ name, type });
    }
    return {
      id,
      response: (flags & 0x8000) !== 0,
      questions,
      answers: this.#records(counts[1]),
      authorities: this.#records(counts[2]),
      additionals: this.#records(counts[3]),
    };
  }

  #records(count: number): DnsRecord[] {
    const records: DnsRecord[] = [];
    for (let i = 0; i < count; i++) {
      const name = this.#name();
      const type = this.#uint16();
      const known = (this.#uint16() & CLASS) === IN;
      const ttl = this.#uint16() * 0x10000 + this.#uint16();
      const length = this.#uint16();
      const end = this.#at + length;
      if (end > this.#data.length) throw new Malformed();
      const record = known ? this.#body({ name, ttl }, type, end) : undefined;
      if (record !== undefined) {
        if (this.#at !== end) throw new Malformed();
        records.push(record);
      }
      this.#at = end;
    }
    return records;
  }

  #body(head: Head, type: number, end: number): DnsRecord | undefined {
    switch (type) {
      case TYPE.PTR:
        return { ...head, type, target: this.#name() };
      case TYPE.SRV: {
        const priority = this.#uint16();
        const weight = this.#uint16();
        const port = this.#uint16();
        return { ...head, type, priority, weight, port, target: this.#name() };
      }
      case TYPE.TXT: {
        const strings: string[] = [];
        while (this.#at < end) strings.push(text(this.#bytes(this.#byte())));
        return { ...head, type, strings };
      }
      case TYPE.A:
        return { ...head, type, address: this.#bytes(4).slice() };
      case TYPE.AAAA:
        return { ...head, type, address: this.#bytes(16).slice() };
      default:
        return undefined;
    }
  }

  /** A name. A pointer must lead backwards, before all that was read of the name so far: so it ends. */
  #name(): string {
    const labels: string[] = [];
    let after: number | undefined;
    let before = this.#at;
    let length = 1;
    for (;;) {
      const size = this.#byte();
      if (size === 0) break;
      if (size >= 0xc0) {
        const target = (size & 0x3f) << 8 | this.#byte();
        if (target >= before) throw new Malformed();
        after ??= this.#at;
        this.#at = before = target;
        continue;
      }
      length += size + 1;
      if (size > MAX_LABEL || length > MAX_NAME) throw new Malformed();
      const label = text(this.#bytes(size));
      if (label.includes(".")) throw new Malformed();
      labels.push(label);
    }
    if (after !== undefined) this.#at = after;
    return labels.join(".");
  }

  #byte(): number {
    const byte = this.#data[this.#at];
    if (byte === undefined) throw new Malformed();
    this.#at++;
    return byte;
  }

  #uint16(): number {
    return this.#byte() << 8 | this.#byte();
  }

  #bytes(length: number): Uint8Array {
    const end = this.#at + length;
    if (end > this.#data.length) throw new Malformed();
    const bytes = this.#data.subarray(this.#at, end);
    this.#at = end;
    return bytes;
  }
}
