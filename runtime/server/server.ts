/**
 * Server: takes calls that transports hand it, finds their handler, and answers.
 *
 * @module
 */

import type { Codecs } from "../codec/codecs.ts";
import type { Marshal } from "../codec/codec.ts";
import type { Clock } from "../clock.ts";
import type { ServiceDefinition } from "../definition.ts";
import { MuonError, textOf, type Where } from "../errors.ts";
import { isPromise, isStream } from "../eventual.ts";
import type { Interceptor } from "../interceptor.ts";
import { Items } from "../items.ts";
import type { Logger } from "../log.ts";
import type { Accept, CallHead, Incoming } from "../transport/transport.ts";
import { debugEntries, type DebugInfo, isDebug } from "./debug.ts";
import { type Outgoing, ServerCall, type ServerCallHost } from "./server_call.ts";
import { type EndpointStats, type ServiceEntry, serviceEntry, type TableEntry } from "./table.ts";

/** Options of {@link createServer}. */
export interface ServerOptions {
  /** Time. */
  readonly clock: Clock;
  /** How inputs and outputs are written. */
  readonly codecs: Codecs;
  /** Makes the calls of handlers. */
  readonly outgoing: Outgoing;
  /** Log. */
  readonly log: Logger;
  /** Stand around every handler, outermost first. @default {[]} */
  readonly interceptors?: readonly Interceptor[];
  /** Calls that may be under way at a time, over all transports; what comes beyond them is refused. @default {Infinity} */
  readonly maxConcurrentCalls?: number;
  /** What `Debug` says of the process. */
  readonly debug: DebugInfo;
}

/** Takes calls and answers them. */
export interface Server {
  /** To be given to transports: takes their calls. */
  readonly accept: Accept;
  /** The services it serves. */
  readonly services: readonly ServiceEntry[];
  /** What `Debug` says of the process. */
  readonly debug: DebugInfo;
  /**
   * Serves a service.
   *
   * @throws {TypeError} If a service of that name is served already, or the implementation lacks a member.
   */
  handle(definition: ServiceDefinition, implementation: object): void;
}

/**
 * Makes a server. It listens nowhere by itself: transports hand it calls.
 *
 * @throws {RangeError} If `maxConcurrentCalls` is not from 1.
 *
 * @example
 * ```ts
 * const server = createServer({ clock, codecs, outgoing, log, debug });
 * server.handle(definition, { hello: ({ name }) => ({ greeting: `Hello ${name}` }) });
 * host.mount(transport.protocol(server.accept));
 * ```
 */
export function createServer(options: ServerOptions): Server {
  const { clock, codecs, log, maxConcurrentCalls = Infinity } = options;
  if (!(maxConcurrentCalls >= 1)) {
    throw new RangeError(`maxConcurrentCalls must be from 1: the current value is ${maxConcurrentCalls}`);
  }
  const services = new Map<string, ServiceEntry>();
  const host: ServerCallHost = { clock, outgoing: options.outgoing, log };

  /** Calls under way, of all endpoints. A handler whose caller is gone counts until it ends. */
  let running = 0;

  /** What was found for the last head: links give the same object for the same calls. */
  let last: { readonly head: CallHead; readonly entry: TableEntry; readonly marshal: Marshal } | undefined =
    undefined;

  /** @throws {MuonError} If there is no such endpoint or codec. */
  function find(head: CallHead): NonNullable<typeof last> {
    if (last?.head === head) return last;
    const service = head.service === "" ? serviceOf(head.endpoint) : head.service;
    const entry = services.get(service)?.endpoints.get(head.endpoint);
    if (entry === undefined) throw unknownEndpoint(service, head.endpoint);
    const marshal = codecs.find(head.contentType);
    if (marshal === undefined) throw codecs.unknown(head.contentType);
    return last = { head, entry, marshal };
  }

  function accept(call: Incoming): void {
    const { head } = call;
    let found: NonNullable<typeof last>;
    try {
      found = find(head);
    } catch (error) {
      return call.fail(error as MuonError);
    }
    const { entry, marshal } = found;
    if (running >= maxConcurrentCalls && !isDebug(entry.definition.name)) return call.fail(busy());
    running++;
    const { stats } = entry;
    stats.requests++;
    stats.inflight++;
    const started = call.arrived ?? clock.now();
    const { body } = call;
    const { kind } = entry.definition;
    // A generator whose kind is not declared may take a stream; whoever streams whatever is meant most likely means not.
    if (body === undefined && (kind === "unary" || (kind === "server" && call.alwaysStream === true))) {
      onlyItem(call, entry).then(
        (item) => run(call, entry, { marshal, started, body: item }),
        (error) => fail(call, entry, { error, started, context: undefined }),
      );
    } else {
      run(call, entry, { marshal, started, body });
    }
  }

  function run(
    call: Incoming,
    entry: TableEntry,
    { marshal, started, body }: {
      readonly marshal: Marshal;
      readonly started: number;
      readonly body: Uint8Array | undefined;
    },
  ): void {
    const { head } = call;
    let context: ServerCall | undefined;
    let output: unknown;
    try {
      context = new ServerCall(host, {
        definition: entry.service,
        endpoint: head.endpoint,
        kind: entry.definition.kind,
        input: body === undefined ? inputs(call, marshal) : inputOf(entry, marshal, body),
        metadata: head.metadata,
        carrier: call,
      });
      output = entry.handle(context);
    } catch (error) {
      return fail(call, entry, { error, started, context });
    }
    if (isPromise(output)) {
      const bound = context;
      output.then(
        (value) => answer(call, entry, { marshal, started, context: bound, output: value }),
        (error) => fail(call, entry, { error, started, context: bound }),
      );
    } else {
      answer(call, entry, { marshal, started, context, output });
    }
  }

  /** Go Micro's callers may leave the service out: it is the one that has the endpoint, if there is but one. */
  function serviceOf(endpoint: string): string {
    const names = [...services.keys()];
    const having = names.filter((name) => services.get(name)!.endpoints.has(endpoint));
    return (having.length === 1 ? having : names.length === 1 ? names : [])[0] ?? "";
  }

  /** A method that takes a stream gets one of a single item where the caller sent a single value. */
  function inputOf(entry: TableEntry, marshal: Marshal, body: Uint8Array): unknown {
    const value = marshal.decode(body);
    const { kind } = entry.definition;
    return kind === "client" || kind === "bidi" ? single(value) : value;
  }

  function answer(call: Incoming, entry: TableEntry, answered: Answered): void {
    const { marshal, started, context, output } = answered;
    if (isStream(output)) {
      void stream(call, entry, answered);
      return;
    }
    let body: Uint8Array | string;
    try {
      // Bytes that are made of text and into text again take a small call over HTTP 1 µs on Deno.
      body = (call.replyText === undefined ? undefined : marshal.text?.(output)) ?? marshal.encode(output);
    } catch (error) {
      return fail(call, entry, { error: unencodable(entry, error), started, context });
    }
    const { stats } = entry;
    running--;
    stats.inflight--;
    if (call.over) countCanceled(stats);
    stats.latency.observe(clock.now() - started);
    if (typeof body === "string") call.replyText!(body, context.trailer);
    else call.reply(body, context.trailer, marshal);
  }

  async function stream(call: Incoming, entry: TableEntry, answered: Answered): Promise<void> {
    const { marshal, started, context } = answered;
    const { signal } = call;
    let items: AsyncIterator<unknown> | undefined;
    let finished = false;
    // A generator that waits for something of its own would never see that its caller is gone. What it throws when
    // it is closed has nobody to go to but the log.
    const stop = async () => {
      if (finished) return;
      finished = true;
      try {
        await items?.return?.();
      } catch (error) {
        log.warn("stream failed while closing", { endpoint: entry.definition.name, error });
      }
    };
    signal.addEventListener("abort", stop, { once: true });
    try {
      items = (answered.output as AsyncIterable<unknown>)[Symbol.asyncIterator]();
      if (signal.aborted) void stop();
      // Asked for its source's items, `Items` takes a promise less for each: 5 % of a stream's CPU on Node and Deno, 15 %
      // on Bun. It is closed all the same when this is done.
      const made = items instanceof Items ? items as Items<unknown, unknown> : undefined;
      const source = made === undefined ? items : made.source;
      while (!finished) {
        const { done, value } = await source.next();
        if (done || call.over) break;
        let item = value;
        if (made !== undefined) {
          item = made.transform(value);
          if (isPromise(item)) item = await item;
        }
        let body: Uint8Array;
        try {
          body = marshal.encode(item);
        } catch (error) {
          throw unencodable(entry, error);
        }
        const credit = call.send(body);
        if (credit !== undefined) await credit;
        marshal.reclaim?.(body);
      }
      running--;
      entry.stats.inflight--;
      if (call.over) countCanceled(entry.stats);
      entry.stats.latency.observe(clock.now() - started);
      call.end(context.trailer);
    } catch (error) {
      fail(call, entry, { error, started, context });
    } finally {
      void stop();
      signal.removeEventListener("abort", stop);
    }
  }

  function fail(
    call: Incoming,
    entry: TableEntry,
    { error, started, context }: {
      readonly error: unknown;
      readonly started: number;
      readonly context: ServerCall | undefined;
    },
  ): void {
    const { stats } = entry;
    running--;
    stats.inflight--;
    if (call.over) countCanceled(stats);
    else stats.errors++;
    stats.latency.observe(clock.now() - started);
    const failure = asReply(error, entry.service.name);
    if (failure.status === "internal") {
      log.error("handler failed", { service: entry.service.name, endpoint: entry.definition.name, error });
    }
    call.fail(failure, context?.trailer);
  }

  function busy(): MuonError {
    return new MuonError(
      "resource_exhausted",
      `This node has as many calls under way as it takes at a time: ${maxConcurrentCalls} (maxConcurrentCalls)`,
      { id: "muon.server", notRun: true },
    );
  }

  function unknownEndpoint(service: string, endpoint: string): MuonError {
    const known = services.get(service);
    if (known === undefined) {
      return new MuonError(
        "not_found",
        `This node does not serve "${service}"; it serves ${[...services.keys()].join(", ") || "nothing"}`,
        { id: "muon.server", notRun: true },
      );
    }
    const names = [...known.endpoints.keys()].filter((name) => !isDebug(name));
    return new MuonError(
      "not_found",
      `Service "${service}" has no endpoint "${endpoint}"; it has ${
        names.join(", ") || "none"
      }. A public method is an ` +
        `endpoint once it is decorated with @Method`,
      { id: service, notRun: true },
    );
  }

  return {
    accept,
    debug: options.debug,
    get services() {
      return [...services.values()];
    },
    handle(definition, implementation) {
      if (services.has(definition.name)) {
        throw new TypeError(
          `Cannot serve "${definition.name}" twice in one process: give one of them another name or version of its own process`,
        );
      }
      const entry = serviceEntry(definition, implementation, { interceptors: options.interceptors ?? [] });
      const endpoints = new Map(entry.endpoints);
      const all = { definition, endpoints };
      for (const [name, debug] of debugEntries(all, options.debug)) endpoints.set(name, debug);
      services.set(definition.name, all);
      last = undefined;
    },
  };
}

/** What a handler gave, and what is needed to send it. */
interface Answered {
  readonly marshal: Marshal;
  readonly started: number;
  readonly context: ServerCall;
  readonly output: unknown;
}

/** Counts a call whose caller gave up before its end: to them it failed, whatever its handler did. */
function countCanceled(stats: EndpointStats): void {
  stats.canceled++;
  stats.errors++;
}

/** The one item of an input stream, for a method that takes a single value. */
async function onlyItem(call: Incoming, entry: TableEntry): Promise<Uint8Array> {
  let only: Uint8Array | undefined;
  for await (const item of call.messages) {
    if (only !== undefined) throw notOne(entry, "several");
    only = item;
  }
  if (only === undefined) throw notOne(entry, "none");
  return only;
}

function notOne(entry: TableEntry, sent: string): MuonError {
  const { name } = entry.definition;
  return new MuonError("invalid_argument", `${name} takes one input, and the caller sent ${sent}`);
}

/** The items of an input stream, decoded. */
function inputs(call: Incoming, marshal: Marshal): AsyncIterable<unknown> {
  return new Items(call.messages, (body) => marshal.decode(body));
}

async function* single(value: unknown): AsyncGenerator<unknown, void> {
  yield value;
}

function unencodable(entry: TableEntry, cause: unknown): MuonError {
  const message = cause instanceof Error ? cause.message : textOf(cause);
  return new MuonError("internal", `Cannot encode the output of ${entry.definition.name}: ${message}`, {
    cause,
  });
}

/**
 * The error as its caller gets it: under the service's name where the thrower gave none, and never as one that a
 * caller may take for "did not run", which is true only of calls that the failed one made itself. Where one of those came
 * to nobody, it says which.
 */
export function asReply(thrown: unknown, service: string): MuonError {
  const error = MuonError.from(thrown);
  const { service: callee, endpoint } = error.answered ? {} as Where : error.where;
  if (error.id !== "muon" && !error.notRun && callee === undefined) return error;
  const called = callee === undefined
    ? ""
    : ` (calling ${callee}${endpoint === undefined ? "" : ` ${endpoint}`})`;
  return new MuonError(error.status, error.detail + called, {
    id: error.id === "muon" ? service : error.id,
    code: error.code,
    where: error.where,
    cause: error,
    ...(error.details === undefined ? {} : { details: error.details }),
  });
}
