/**
 * A call that came as an HTTP request.
 *
 * @module
 */

import { concat, utf8 } from "../../bytes.ts";
import type { Clock, Timer } from "../../clock.ts";
import { MuonError } from "../../errors.ts";
import type { BareAnswer, BareRequest, Peer } from "../../host.ts";
import { Metadata } from "../../metadata.ts";
import { headersRefusal } from "../metadata_limit.ts";
import { rejected } from "../muon/later.ts";
import type { CallHead, Incoming } from "../transport.ts";
import { END, envelope, EnvelopeReader, EnvelopeWriter } from "./envelope.ts";
import { errorBody, httpStatus } from "./errors.ts";
import { envelopedType, trailerRecord, writeTrailer } from "./headers.ts";

const JSON_TYPE = "application/json";
const NO_VALUE = utf8("{}");

/** What the caller reads. */
export interface AnswerForm {
  /** Content type of an answer that is one value; `undefined`: the caller takes none. */
  readonly plain: string | undefined;
  /** Content type of an answer that is a stream; `undefined`: the caller takes none. */
  readonly enveloped: string | undefined;
  /** Headers of an answer that is one value and has no other. */
  readonly headers: Readonly<Record<string, string>>;
  /** Whether it takes an answer of no bytes for no value; others get `{}` where JSON is spoken. */
  readonly empty: boolean;
}

/** What a {@link HttpCall} is made of. */
export interface HttpCallOptions {
  /** Time. */
  readonly clock: Clock;
  /** The request. */
  readonly request: BareRequest;
  /** Who sent it. */
  readonly peer: Peer;
  /** What is called. */
  readonly head: CallHead;
  /** How long the caller waits, in ms; `undefined`: it does not say. */
  readonly timeout: number | undefined;
  /** When it came, in ms on the steady clock. */
  readonly arrived: number;
  /** Whether its input comes in envelopes. */
  readonly enveloped: boolean;
  /** What it reads. */
  readonly form: AnswerForm;
  /** Largest message that is taken, in bytes. */
  readonly maxMessage: number;
  /** Most metadata that goes with an answer, in bytes. */
  readonly maxMetadata: number;
  /** Bytes that may wait to be sent before the handler has to. */
  readonly window: number;
  /** Headers of every answer; `undefined`: none. */
  readonly headers: Readonly<Record<string, string>> | undefined;
  /** Told when the call is over. */
  readonly finished: () => void;
}

/** A call that came as an HTTP request; its answer is {@link HttpCall.answer}. */
export class HttpCall implements Incoming {
  readonly head: CallHead;
  readonly peer: Peer;
  readonly arrived: number;
  deadline: number | undefined;
  body: Uint8Array | undefined;
  readonly #options: HttpCallOptions;
  #answer: BareAnswer | undefined;
  #asked: PromiseWithResolvers<BareAnswer> | undefined;
  #watched = false;
  readonly #timer: Timer | undefined;
  #over = false;
  #writer: EnvelopeWriter | undefined;
  #reader: EnvelopeReader | undefined;
  #controller: AbortController | undefined;
  /** Why it ended early. */
  #aborted: MuonError | undefined;
  readonly #gone = () => this.#abort(new MuonError("canceled", "the caller is gone", { id: "muon.http" }));

  constructor(options: HttpCallOptions) {
    const { clock, timeout, arrived } = options;
    this.#options = options;
    this.head = options.head;
    this.peer = options.peer;
    this.arrived = arrived;
    if (timeout !== undefined) {
      this.deadline = arrived + timeout;
      this.#timer = clock.after(Math.min(timeout, 2 ** 31 - 1), () => this.#late(timeout));
    }
  }

  /** The answer, once there is one; its promise never rejects, and is made for who asks before. */
  get answer(): Promise<BareAnswer> | BareAnswer {
    return this.#answer ?? (this.#asked ??= Promise.withResolvers()).promise;
  }

  #respond(answer: BareAnswer): void {
    this.#answer = answer;
    this.#asked?.resolve(answer);
  }

  /** Connect's own clients put every input of a streaming endpoint into an envelope; muon's only what streams. */
  get alwaysStream(): boolean {
    const { enveloped, form } = this.#options;
    return enveloped && form.plain === undefined;
  }

  get over(): boolean {
    return this.#over;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#aborted !== undefined) this.#controller.abort(this.#aborted);
      else this.#watch();
    }
    return this.#controller.signal;
  }

  /** Learns from now on that the caller is gone: a stream does something about it, and who asked for the signal. */
  #watch(): void {
    if (this.#over || this.#watched) return;
    const { signal } = this.#options.request;
    if (signal.aborted) return this.#gone();
    this.#watched = true;
    signal.addEventListener("abort", this.#gone, { once: true });
  }

  get messages(): AsyncIterable<Uint8Array> {
    return this.#messages();
  }

  reply(body: Uint8Array, trailer: Metadata = Metadata.EMPTY): void {
    const none = body.length === 0 && !this.#options.form.empty && this.head.contentType === JSON_TYPE;
    this.#reply(none ? NO_VALUE : body, trailer);
  }

  replyText(body: string, trailer: Metadata = Metadata.EMPTY): void {
    this.#reply(body, trailer);
  }

  #reply(body: Uint8Array | string, trailer: Metadata): void {
    if (this.#over) return;
    if (this.#writer !== undefined) {
      throw new TypeError("A call that was answered with send() is ended with end() or fail()");
    }
    const refusal = this.#refusal(trailer);
    if (refusal !== undefined) return this.fail(refusal);
    const { plain, enveloped } = this.#options.form;
    if (plain === undefined) {
      const one = envelope(typeof body === "string" ? utf8(body) : body);
      const whole = concat([one, this.#ending(undefined, trailer)]);
      return this.#finish(whole, { status: 200, type: enveloped! });
    }
    this.#finish(body, { status: 200, type: plain, trailer });
  }

  send(body: Uint8Array): Promise<void> | undefined {
    if (this.#over) return rejected(this.#aborted ?? overAlready());
    if (this.#writer === undefined && !this.#begin()) return rejected(this.#aborted!);
    return this.#writer!.write(body);
  }

  end(trailer: Metadata = Metadata.EMPTY): void {
    if (this.#over || (this.#writer === undefined && !this.#begin())) return;
    const refusal = this.#refusal(trailer);
    if (refusal !== undefined) return this.#close(refusal, Metadata.EMPTY);
    this.#close(undefined, trailer);
  }

  fail(error: MuonError, trailer: Metadata = Metadata.EMPTY): void {
    if (this.#over) return;
    // A trailer that does not go must not hide the error.
    if (this.#refusal(trailer) !== undefined) trailer = Metadata.EMPTY;
    if (this.#writer !== undefined) return this.#close(error, trailer);
    const { plain, enveloped } = this.#options.form;
    if (plain === undefined) {
      return this.#finish(this.#ending(error, trailer), { status: 200, type: enveloped! });
    }
    this.refuse(error, httpStatus(error.status), trailer);
  }

  /** Why an answer's metadata does not go. What a caller takes it does not say: as much as this end does, then. */
  #refusal(trailer: Metadata): MuonError | undefined {
    if (trailer.size === 0) return undefined;
    return headersRefusal(trailer, { limit: this.#options.maxMetadata, id: "muon.http" });
  }

  /** Ends with an error and an HTTP status of its own. */
  refuse(error: MuonError, status: number, trailer: Metadata = Metadata.EMPTY): void {
    if (this.#over) return;
    this.#finish(utf8(JSON.stringify(errorBody(error))), { status, type: JSON_TYPE, trailer });
  }

  /** The items of the input; a single value is a stream of one. */
  async *#messages(): AsyncGenerator<Uint8Array, void> {
    const { request, enveloped, maxMessage } = this.#options;
    if (!enveloped) {
      if (this.body !== undefined) yield this.body;
      return;
    }
    if (request.body === null || this.#over) return;
    const reader = this.#reader = new EnvelopeReader(request.body, maxMessage);
    for (;;) {
      const item = await this.#next(reader);
      if (item === undefined || item.end) return;
      yield item.body;
    }
  }

  async #next(reader: EnvelopeReader) {
    try {
      return await reader.next();
    } catch (error) {
      if (this.#aborted !== undefined) throw this.#aborted;
      if (error instanceof MuonError) throw error;
      this.#gone();
      throw this.#aborted ?? error;
    }
  }

  /** Begins an answer that is a stream. Gives whether the caller takes one. */
  #begin(): boolean {
    const { form, window, headers } = this.#options;
    // The caller waits that long for the first answer only, and so do the calls that its handler makes.
    this.deadline = undefined;
    this.#timer?.cancel();
    if (form.enveloped === undefined) {
      const error = new MuonError(
        "invalid_argument",
        `${this.head.endpoint} answers with a stream, for which content type "${form.plain}" has no place: name ` +
          `${
            envelopedType(form.plain!) ?? "a stream"
          } in "accept", or send a stream of one message as that, as Connect's clients do`,
        { id: "muon.http" },
      );
      this.refuse(error, 415);
      this.#abort(error);
      return false;
    }
    this.#writer = new EnvelopeWriter({ window, gone: this.#gone });
    // A body that waits for its next item is not asked whether it is still wanted.
    this.#watch();
    if (this.#over) return false;
    this.#respond({
      status: 200,
      headers: { ...headers, "content-type": form.enveloped },
      body: this.#writer.readable,
    });
    return true;
  }

  /** Ends an answer that is a stream. */
  #close(error: MuonError | undefined, trailer: Metadata): void {
    this.#writer!.write(this.#last(error, trailer), END);
    this.#writer!.close();
    this.#leave();
  }

  #ending(error: MuonError | undefined, trailer: Metadata): Uint8Array {
    return envelope(this.#last(error, trailer), END);
  }

  /** What ends a stream: JSON, whatever its messages are. */
  #last(error: MuonError | undefined, trailer: Metadata): Uint8Array {
    return utf8(JSON.stringify({
      ...(error === undefined ? {} : { error: errorBody(error) }),
      ...(trailer.size === 0 ? {} : { metadata: trailerRecord(trailer) }),
    }));
  }

  #finish(
    body: Uint8Array | string,
    { status, type, trailer }: {
      readonly status: number;
      readonly type: string;
      readonly trailer?: Metadata;
    },
  ): void {
    const { form, headers: own } = this.#options;
    let headers = form.headers;
    if (type !== form.plain || own !== undefined || (trailer !== undefined && trailer.size > 0)) {
      const all: Record<string, string> = { ...own, "content-type": type };
      if (trailer !== undefined) writeTrailer(trailer, all);
      headers = all;
    }
    this.#leave();
    this.#respond({ status, headers, body });
  }

  #late(timeout: number): void {
    const error = new MuonError("deadline_exceeded", `not answered within ${timeout} ms`, {
      id: "muon.http",
    });
    this.fail(error);
    this.#abort(error);
  }

  /** The caller is gone, or its time is up. */
  #abort(error: MuonError): void {
    if (this.#aborted !== undefined) return;
    this.#aborted = error;
    if (!this.#over) {
      // Not as an error: nobody is left to read it, and Deno's server would write it on stderr.
      this.#writer?.close();
      this.#leave();
      // Nobody reads it; the host wants an answer all the same.
      this.#respond({ status: httpStatus(error.status), headers: {}, body: null });
    }
    this.#controller?.abort(error);
  }

  #leave(): void {
    this.#over = true;
    this.#timer?.cancel();
    const { request, enveloped, finished } = this.#options;
    if (this.#watched) request.signal.removeEventListener("abort", this.#gone);
    // What was not read of a body would stand in the way of the connection's next request.
    if (enveloped) {
      if (this.#reader !== undefined) this.#reader.cancel();
      else request.body?.cancel().catch(() => {});
    }
    finished();
  }
}

function overAlready(): MuonError {
  return new MuonError("canceled", "the call is over", { id: "muon.http" });
}
