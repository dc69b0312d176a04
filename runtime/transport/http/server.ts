/**
 * Takes calls on the shared port, in Connect's forms.
 *
 * @module
 */

import { lengthOf, readSized } from "../../body.ts";
import { utf8 } from "../../bytes.ts";
import { type Clock, sleep } from "../../clock.ts";
import { MuonError } from "../../errors.ts";
import type { BareAnswer, BareRequest, Peer, RequestHead } from "../../host.ts";
import type { Limits } from "../../policy.ts";
import type { Accept, ServedProtocol } from "../transport.ts";
import { Cors } from "./cors.ts";
import { errorBody, httpStatus } from "./errors.ts";
import { accepts, CallHeaders, envelopedType, type MediaType, mediaType, timeoutOf } from "./headers.ts";
import { type AnswerForm, HttpCall } from "./inbound.ts";
import { pathOfUrl, type Route, routeOf } from "./paths.ts";

/** What the protocol is made of. */
export interface HttpServerOptions {
  /** Time. */
  readonly clock: Clock;
  /** Takes the calls. */
  readonly accept: Accept;
  /** What is taken in. */
  readonly limits: Limits;
  /** Content types of messages that are read. */
  readonly contentTypes: readonly string[];
  /** Origins whose pages may call. */
  readonly origins: readonly string[];
}

/** Header of the answer to OPTIONS: the largest message that is taken, in bytes. */
export const MAX_MESSAGE = "muon-max-message";
/** Another: the most metadata, in bytes of keys and values. */
export const MAX_METADATA = "muon-max-metadata";

/** How long nobody may have come before a stopping node's connections are closed, in ms. */
const QUIET = 100;
const PASCAL_CASE = /^\p{Lu}.*\.\p{Lu}/u;

/** An HTTP status that is not the one of the error's status, and what else the answer says. */
interface Refusal {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** The protocol `connect`. */
export class HttpServer implements ServedProtocol {
  readonly name = "connect";
  readonly #options: HttpServerOptions;
  readonly #cors: Cors;
  readonly #acceptPost: string;
  /** What is read, by how its `Content-Type` is most often written: exactly so. */
  readonly #known: ReadonlyMap<string, KnownType>;
  #calls = 0;
  #draining = false;
  /** When the last request came, in ms on the steady clock. */
  #last = -Infinity;
  #idle: PromiseWithResolvers<void> | undefined;
  readonly #finished = () => {
    if (--this.#calls === 0) this.#idle?.resolve();
  };

  constructor(options: HttpServerOptions) {
    const { contentTypes } = options;
    this.#options = options;
    this.#cors = new Cors(options.origins);
    const types = [...contentTypes, ...contentTypes.map(envelopedType)].filter((type) => type !== undefined);
    this.#acceptPost = types.join(", ");
    this.#known = new Map(types.map((type) => [type, knownType(type)!]));
  }

  /** An endpoint's path; for other methods than POST one whose names are as muon makes them, lest a user's own be taken. */
  matches({ method, path }: RequestHead): boolean {
    const route = routeOf(path);
    return route !== undefined && (method === "POST" || PASCAL_CASE.test(route.endpoint));
  }

  fetch(request: Request, peer: Peer): Promise<Response> | Response {
    const answer = this.answer(request, peer);
    return answer instanceof Promise ? answer.then(responseOf) : responseOf(answer);
  }

  answer(request: BareRequest, peer: Peer): Promise<BareAnswer> | BareAnswer {
    const now = this.#last = this.#options.clock.now();
    const route = routeOf(request.path ?? pathOfUrl(request.url))!;
    const given = new CallHeaders(request.headers);
    const { origin } = given;
    if (!this.#cors.allows(origin)) {
      return this.#refuse(request, this.#cors.refusal(origin!));
    }
    const headers = this.#cors.headers(origin);
    if (this.#draining) {
      const error = new MuonError("unavailable", "this node stops and takes no further calls", {
        id: "muon.http",
        notRun: true,
      });
      return this.#refuse(request, error, { headers });
    }
    if (request.method === "OPTIONS") return this.#describe(headers, origin);
    if (request.method !== "POST") {
      const error = new MuonError(
        "unimplemented",
        `${route.endpoint} is called with POST: the method is ${request.method}`,
        { id: "muon.http", notRun: true },
      );
      return this.#refuse(request, error, { status: 405, headers: { ...headers, allow: "POST, OPTIONS" } });
    }
    try {
      return this.#call(request, { peer, route, given, headers, now });
    } catch (error) {
      return this.#refuse(request, MuonError.from(error), { headers });
    }
  }

  /**
   * Answers new calls with `unavailable`; connections are kept. An idle connection cannot be closed without failing the
   * request that may be on its way just then: so this lasts until no caller has come for a while.
   */
  async drain(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    this.#draining = true;
    while (!signal.aborted) {
      if (this.#calls > 0) {
        await this.#untilIdle(signal);
        continue;
      }
      const quiet = clock.now() - this.#last;
      if (quiet >= QUIET) return;
      await sleep(clock, QUIET - quiet, { signal }).catch(() => {});
    }
  }

  async #untilIdle(signal: AbortSignal): Promise<void> {
    const idle = this.#idle ??= Promise.withResolvers();
    const abort = () => idle.resolve();
    signal.addEventListener("abort", abort, { once: true });
    await idle.promise;
    signal.removeEventListener("abort", abort);
    this.#idle = undefined;
  }

  #call(
    request: BareRequest,
    { peer, route, given, headers: own, now }: {
      readonly peer: Peer;
      readonly route: Route;
      readonly given: CallHeaders;
      readonly headers: Readonly<Record<string, string>> | undefined;
      readonly now: number;
    },
  ): Promise<BareAnswer> | BareAnswer {
    const { clock, accept, limits } = this.#options;
    // `curl -X POST` without a body says no type.
    const named = given.contentType ?? (hasBody(given) ? "" : "application/json");
    const type = this.#known.get(named) ?? knownType(named);
    if (type === undefined || !this.#options.contentTypes.includes(type.contentType)) {
      return this.#refuse(request, this.#unknownType(given.contentType), {
        status: 415,
        headers: { ...own, "accept-post": this.#acceptPost },
      });
    }
    const { contentType, enveloped } = type;
    const { version } = given;
    if (version !== null && version !== "1") {
      throw new MuonError(
        "invalid_argument",
        `Connect-Protocol-Version must be 1: current value is ${JSON.stringify(version.slice(0, 40))}`,
        { id: "muon.http", notRun: true },
      );
    }
    const compression = enveloped ? given.connectContentEncoding : given.contentEncoding;
    if (compression !== null && compression !== "identity") {
      const error = new MuonError(
        "unimplemented",
        `the input is compressed with ${JSON.stringify(compression.slice(0, 40))}, which is not read here`,
        { id: "muon.http", notRun: true },
      );
      return this.#refuse(request, error, { headers: { ...own, "accept-encoding": "identity" } });
    }
    const timeout = timeoutOf(given.timeout);
    const metadata = given.metadata(limits.maxMetadata);
    this.#calls++;
    const call = new HttpCall({
      clock,
      request,
      peer,
      head: {
        service: route.service,
        endpoint: route.endpoint,
        metadata,
        contentType,
        timeout: timeout ?? 0,
        idempotent: false,
      },
      timeout,
      arrived: now,
      enveloped,
      form: formOf(type, given.accept),
      maxMessage: limits.maxMessage,
      maxMetadata: limits.maxMetadata,
      window: limits.window,
      headers: own,
      finished: this.#finished,
    });
    if (enveloped) return handOver(accept, call);
    const { whole } = request;
    if (whole !== undefined && whole.length <= limits.maxMessage) {
      call.body = whole;
      return handOver(accept, call);
    }
    const gathered = this.#gather(request, { call, given });
    // Its time may be up before its input is there.
    return timeout === undefined ? gathered : call.answer;
  }

  /** Reads the one input, then hands the call over. */
  #gather(
    request: BareRequest,
    { call, given }: { readonly call: HttpCall; readonly given: CallHeaders },
  ): Promise<BareAnswer> {
    const { accept, limits } = this.#options;
    const length = lengthOf(given.contentLength, given.contentEncoding);
    return readSized(request, length, { limit: limits.maxMessage, what: "input", id: "muon.http" }).then(
      (body) => {
        call.body = body;
        return call.over ? call.answer : handOver(accept, call);
      },
      (error) => {
        const known = error instanceof MuonError
          ? error
          : new MuonError("canceled", "the input ended before it was whole", {
            id: "muon.http",
            cause: error,
          });
        call.refuse(known, known.status === "resource_exhausted" ? 413 : httpStatus(known.status));
        return call.answer;
      },
    );
  }

  /** What a caller asks before its first call, and what browsers ask. */
  #describe(headers: Readonly<Record<string, string>> | undefined, origin: string | null): BareAnswer {
    return {
      status: 204,
      headers: {
        ...headers,
        ...this.#cors.preflight(origin),
        allow: "POST, OPTIONS",
        "accept-post": this.#acceptPost,
        [MAX_MESSAGE]: String(this.#options.limits.maxMessage),
        [MAX_METADATA]: String(this.#options.limits.maxMetadata),
      },
      body: null,
    };
  }

  #unknownType(given: string | null): MuonError {
    return new MuonError(
      "invalid_argument",
      given === null
        ? `no content type is given: this node reads ${this.#acceptPost}`
        : `unsupported content type ${
          JSON.stringify(given.slice(0, 200))
        }: this node reads ${this.#acceptPost}`,
      { id: "muon.http", notRun: true },
    );
  }

  /** An answer in place of a call. What was not read of the body would stand in the way of the next request. */
  #refuse(request: BareRequest, error: MuonError, { status, headers }: Refusal = {}): BareAnswer {
    request.body?.cancel().catch(() => {});
    return {
      status: status ?? httpStatus(error.status),
      headers: { ...headers, "content-type": "application/json" },
      body: utf8(JSON.stringify(errorBody(error))),
    };
  }
}

/** A content type, and what stands beside it in answers. */
interface KnownType extends MediaType {
  /** The content type of a stream of such messages. */
  readonly streamed: string | undefined;
  /** What a caller reads who does not say. */
  readonly form: AnswerForm;
}

function knownType(header: string): KnownType | undefined {
  const type = mediaType(header);
  if (type === undefined) return undefined;
  const { contentType, enveloped } = type;
  const streamed = envelopedType(contentType);
  const form = enveloped
    ? { plain: undefined, enveloped: streamed, empty: false, headers: { "content-type": contentType } }
    : { plain: contentType, enveloped: undefined, empty: false, headers: { "content-type": contentType } };
  return { contentType, enveloped, streamed, form };
}

/**
 * What the caller reads: an answer in the form of its request, and in the other form too where its `Accept` names that.
 * So the answer decides whether a call streams, and a caller that is muon need not know beforehand.
 */
function formOf({ contentType, enveloped, streamed, form }: KnownType, accept: string | null): AnswerForm {
  return accepts(accept, enveloped ? contentType : streamed)
    ? { plain: contentType, enveloped: streamed, empty: true, headers: form.headers }
    : form;
}

function responseOf({ status, headers, body }: BareAnswer): Response {
  return new Response(body as BodyInit | null, { status, headers });
}

/** Whether a request has a body, as its headers say it: servers give one of no bytes where there is none. */
function hasBody({ contentLength, transferEncoding }: CallHeaders): boolean {
  return transferEncoding !== null || Number(contentLength ?? 0) > 0;
}

function handOver(accept: Accept, call: HttpCall): Promise<BareAnswer> | BareAnswer {
  try {
    accept(call);
  } catch (thrown) {
    call.fail(MuonError.from(thrown));
  }
  return call.answer;
}
