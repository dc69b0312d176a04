/**
 * Calls that are made as HTTP requests: with one input, whose answer goes to a sink, and with a stream on either side.
 *
 * @module
 */

import { readBody } from "../../body.ts";
import { EMPTY, text } from "../../bytes.ts";
import type { Timer } from "../../clock.ts";
import { MuonError } from "../../errors.ts";
import { Metadata } from "../../metadata.ts";
import { Later, rejected } from "../muon/later.ts";
import type { CallHandle, CallHead, Exchange, ReplySink } from "../transport.ts";
import { END, envelope, EnvelopeReader, EnvelopeWriter, NOTHING } from "./envelope.ts";
import { ERROR_BODY, errorOf, errorOfBody } from "./errors.ts";
import { accepts, answerMetadata, envelopedType, mediaType, trailerOf } from "./headers.ts";
import type { HttpLink } from "./link.ts";

const LONGEST = 2 ** 31 - 1;

/** A call that this end made. */
export abstract class Outbound {
  /** What was called. */
  readonly head: CallHead;
  /** Whether the call is over. */
  over = false;
  protected readonly link: HttpLink;
  /** Ends the request. */
  protected readonly abort: AbortController;
  protected timer: Timer | undefined;

  constructor(link: HttpLink, head: CallHead, abort = new AbortController()) {
    this.link = link;
    this.head = head;
    this.abort = abort;
  }

  /** Ends it on this side, and what came before is not read any more. */
  abstract stop(error: MuonError): void;

  /** Ends it on both sides. */
  cancel(error: MuonError): void {
    this.stop(error);
  }

  protected setTimer(): void {
    const { timeout } = this.head;
    if (timeout <= 0) return;
    this.timer = this.link.clock.after(Math.min(timeout, LONGEST), () =>
      this.cancel(
        new MuonError("deadline_exceeded", `no answer within ${timeout} ms`, {
          id: "muon.http",
          where: this.link.where(this.head),
        }),
      ));
  }

  /** Whether an answer is a stream. Throws the error that it is, if it is one. */
  protected async formOf(response: Response): Promise<"plain" | "enveloped"> {
    const { status, headers } = response;
    const given = headers.get("content-type") ?? "";
    const where = this.link.where(this.head);
    if (status !== 200) {
      const body = await readBody(response, ERROR_BODY);
      const error = errorOfBody(body, status, where);
      this.link.failed(error);
      throw error;
    }
    const type = mediaType(given);
    if (type?.contentType === this.head.contentType) return type.enveloped ? "enveloped" : "plain";
    await response.body?.cancel();
    throw new MuonError(
      "internal",
      `the answer has content type ${
        JSON.stringify(given.slice(0, 200))
      } in place of "${this.head.contentType}"`,
      { id: "muon.http", where },
    );
  }

  /** The error of what was thrown while the answer was awaited or read. */
  protected errorOf(thrown: unknown): MuonError {
    return thrown instanceof MuonError
      ? thrown.at(this.link.where(this.head))
      : this.link.lost(thrown, this.head);
  }

  protected leave(): void {
    this.over = true;
    this.timer?.cancel();
    this.link.leave(this);
  }
}

/** A call with one input. */
export class UnaryCall extends Outbound implements CallHandle {
  readonly #sink: ReplySink;

  constructor(link: HttpLink, { head, sink }: { readonly head: CallHead; readonly sink: ReplySink }) {
    super(link, head);
    this.#sink = sink;
  }

  /** Sends it. */
  start(body: Uint8Array<ArrayBuffer>): void {
    this.setTimer();
    void this.#run(body);
  }

  stop(error: MuonError): void {
    if (this.over) return;
    this.leave();
    this.abort.abort(error);
    this.#sink.fail(error);
  }

  async #run(body: Uint8Array<ArrayBuffer>): Promise<void> {
    try {
      const response = await this.#post(body);
      if (await this.formOf(response) === "enveloped") {
        if (!this.over) this.#upgrade(response);
        return;
      }
      const { limits } = this.link;
      const answer = await readBody(response, { limit: limits.maxMessage, what: "output", id: "muon.http" });
      if (this.over) return;
      const { header, trailer } = answerMetadata(response.headers);
      this.leave();
      this.#sink.reply(answer, header.with(trailer), undefined);
    } catch (thrown) {
      if (!this.over) this.stop(this.errorOf(thrown));
    }
  }

  /**
   * Connect's servers want the input of an endpoint that streams in an envelope, also where it is one value. They refuse
   * any other unread, some saying what they want: so a caller need not know which endpoints stream.
   */
  async #post(body: Uint8Array<ArrayBuffer>): Promise<Response> {
    const { link, head } = this;
    const { signal } = this.abort;
    const enveloped = !link.isMuon && head.kind !== undefined && head.kind !== "unary";
    const response = await link.post(head, { body: enveloped ? envelope(body) : body, enveloped, signal });
    if (response.status !== 415 || link.isMuon || enveloped) return response;
    const streamed = envelopedType(head.contentType);
    const wanted = response.headers.get("accept-post") ?? streamed ?? null;
    if (!accepts(wanted, streamed) || this.over) return response;
    await readBody(response, ERROR_BODY);
    return await link.post(head, { body: envelope(body), enveloped: true, signal });
  }

  /** The answer turns out to be a stream. */
  #upgrade(response: Response): void {
    const call = new HttpExchange(this.link, this.head, this.abort);
    this.over = true;
    this.timer?.cancel();
    this.link.replace(this, call);
    call.answered(response);
    this.#sink.reply(undefined, Metadata.EMPTY, call);
  }
}

/** A call with a stream on at least one side. */
export class HttpExchange extends Outbound implements Exchange {
  readonly #header = new Later<Metadata>();
  readonly #trailer = new Later<Metadata>();
  readonly #streaming = new Later<boolean>();
  /** What the answers are read from, once there are some. */
  readonly #answer = new Later<Answers>();
  #writer: EnvelopeWriter | undefined;
  #ended = false;
  #error: MuonError | undefined;
  #signal: AbortSignal | undefined;
  readonly #abandoned = () => this.cancel(abortError(this.#signal!.reason).at(this.link.where(this.head)));

  get header(): Promise<Metadata> {
    return this.#header.promise;
  }

  get trailer(): Promise<Metadata> {
    return this.#trailer.promise;
  }

  get streaming(): Promise<boolean> {
    return this.#streaming.promise;
  }

  get messages(): AsyncIterable<Uint8Array> {
    return this.#messages();
  }

  /** Sends it, and cancels it at the signal. */
  start(signal: AbortSignal | undefined): void {
    const { head, link } = this;
    if (envelopedType(head.contentType) === undefined) {
      return this.stop(
        new MuonError("invalid_argument", `there are no streams of "${head.contentType}" over HTTP`, {
          id: "muon.http",
          where: link.where(head),
          notRun: true,
        }),
      );
    }
    if (signal?.aborted) return this.stop(abortError(signal.reason).at(link.where(head)));
    this.#signal = signal;
    signal?.addEventListener("abort", this.#abandoned, { once: true });
    this.setTimer();
    const writer = this.#writer = new EnvelopeWriter({ window: link.limits.window, gone: () => {} });
    // Node's fetch sends a request's head no sooner than the first of its body.
    if (link.isMuon) writer.write(EMPTY, NOTHING);
    void this.#run(writer);
  }

  /** The head of the answer is there, and says that a stream comes. */
  answered(response: Response): void {
    this.timer?.cancel();
    this.#begin(response, true);
  }

  send(body: Uint8Array): Promise<void> | undefined {
    if (this.#error !== undefined) return rejected(this.#error);
    if (this.over) return rejected(overAlready(this));
    if (this.#ended || this.#writer === undefined) {
      throw new TypeError("A call's input has ended: nothing more can be sent");
    }
    const refusal = this.link.refusedSize(body.length);
    if (refusal === undefined) return this.#writer.write(body);
    this.stop(refusal.at(this.link.where(this.head)));
    return rejected(this.#error);
  }

  /** Connect has no place for metadata behind a caller's last item, and no handler is shown any. */
  end(): void {
    if (this.#ended || this.over) return;
    this.#ended = true;
    // Deno's server does not notice the end of a body once it has begun to answer; muon's hears of it by a message.
    if (this.link.isMuon) this.#writer?.write(EMPTY, END);
    this.#writer?.close();
  }

  override cancel(
    error: MuonError = new MuonError("canceled", "canceled by the caller", {
      id: "muon.http",
      where: this.link.where(this.head),
    }),
  ): void {
    this.stop(error);
  }

  stop(error: MuonError): void {
    this.#fail(error);
    this.abort.abort(error);
  }

  async #run(writer: EnvelopeWriter): Promise<void> {
    try {
      const { signal } = this.abort;
      const response = await this.link.post(this.head, { body: writer.readable, enveloped: true, signal });
      const form = await this.formOf(response);
      if (this.over) return;
      this.timer?.cancel();
      this.#begin(response, form === "enveloped");
    } catch (thrown) {
      if (!this.over) this.stop(this.errorOf(thrown));
    }
  }

  #begin(response: Response, streaming: boolean): void {
    // Connect's servers answer every stream with a stream: that of one message is told by the endpoint's kind.
    const { kind } = this.head;
    const value = !streaming || (!this.link.isMuon && (kind === "client" || kind === "unary"));
    const { header, trailer } = answerMetadata(response.headers);
    this.#header.resolve(header);
    this.#answer.resolve(
      streaming
        ? new EnvelopeReader(response.body!, this.link.limits.maxMessage)
        : new WholeBody(response, { limit: this.link.limits.maxMessage, trailer }),
    );
    this.#streaming.resolve(!value);
  }

  async *#messages(): AsyncGenerator<Uint8Array, void> {
    let done = false;
    try {
      const answers = await this.#answer.promise;
      for (;;) {
        const item = await this.#next(answers);
        if (item === undefined) {
          done = true;
          return;
        }
        yield item;
      }
    } catch (thrown) {
      done = true;
      throw thrown;
    } finally {
      // The reader left the loop.
      if (!done) this.cancel();
    }
  }

  /** The next answer; `undefined` behind the last one. */
  async #next(answers: Answers): Promise<Uint8Array | undefined> {
    if (this.#error !== undefined) throw this.#error;
    try {
      const item = await answers.next();
      if (this.#error !== undefined) throw this.#error;
      if (item !== undefined && !item.end) return item.body;
      if (item === undefined) {
        if (answers.trailer === undefined) throw new TypeError("the stream was cut off");
        this.#finish(answers.trailer);
      } else {
        // The body's own end is read too: before it, the connection cannot serve the next request.
        answers.next().catch(() => {});
        this.#ending(item.body);
        if (this.#error !== undefined) throw this.#error;
      }
      return undefined;
    } catch (thrown) {
      if (this.#error === undefined) this.stop(this.errorOf(thrown));
      throw this.#error;
    }
  }

  /** The message that says how the stream ended. */
  #ending(body: Uint8Array): void {
    const where = this.link.where(this.head);
    let end: { readonly error?: unknown; readonly metadata?: unknown } | null;
    try {
      end = JSON.parse(text(body));
    } catch (cause) {
      throw new MuonError("internal", "cannot read how the stream ended", { id: "muon.http", where, cause });
    }
    const error = end?.error ?? undefined;
    if (error === undefined) return this.#finish(trailerOf(end?.metadata));
    const failure = errorOf(error, where) ??
      new MuonError("unknown", "the stream ended with an error that says nothing", {
        id: "muon.http",
        where,
      });
    this.link.failed(failure);
    this.#fail(failure);
  }

  #finish(trailer: Metadata): void {
    if (this.over) return;
    this.#trailer.resolve(trailer);
    this.#leave();
    this.#writer?.close();
  }

  #fail(error: MuonError): void {
    if (this.over) return;
    this.#error = error;
    this.#header.reject(error);
    this.#streaming.reject(error);
    this.#trailer.reject(error);
    this.#answer.reject(error);
    this.#leave();
    this.#writer?.break(error);
  }

  #leave(): void {
    this.#signal?.removeEventListener("abort", this.#abandoned);
    super.leave();
  }
}

/** What answers are read from. */
interface Answers {
  /** The next one; `undefined` if there is none. */
  next(): Promise<{ readonly body: Uint8Array; readonly end: boolean } | undefined>;
  /** What belongs to the end, where it came ahead. */
  readonly trailer?: Metadata;
}

/** An answer that is one value. */
class WholeBody implements Answers {
  readonly trailer: Metadata;
  readonly #limit: number;
  #response: Response | undefined;

  constructor(
    response: Response,
    { limit, trailer }: { readonly limit: number; readonly trailer: Metadata },
  ) {
    this.#response = response;
    this.#limit = limit;
    this.trailer = trailer;
  }

  async next() {
    const response = this.#response;
    if (response === undefined) return undefined;
    this.#response = undefined;
    return {
      body: await readBody(response, { limit: this.#limit, what: "output", id: "muon.http" }),
      end: false,
    };
  }
}

function overAlready(call: HttpExchange): MuonError {
  return new MuonError("canceled", `the call of ${call.head.endpoint} is over: it was answered`, {
    id: "muon.http",
  });
}

/** The error of a caller's signal. */
function abortError(reason: unknown): MuonError {
  return MuonError.from(reason, {
    id: "muon.http",
    status: (reason as { name?: unknown } | undefined)?.name === "TimeoutError"
      ? "deadline_exceeded"
      : "canceled",
  });
}
