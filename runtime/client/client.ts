/**
 * Client: makes calls. Around each: call interceptors, deadline, retries, pick, attempt interceptors, link.
 *
 * @module
 */

import type { CallOptions } from "../call.ts";
import type { Codecs } from "../codec/codecs.ts";
import type { MuonError } from "../errors.ts";
import { intercept, type Interceptor } from "../interceptor.ts";
import type { System } from "../platform.ts";
import type { PolicyProvider } from "../policy.ts";
import type { Selector } from "../selector/selector.ts";
import { TimerWheel } from "../timer_wheel.ts";
import type { Accept, Transport } from "../transport/transport.ts";
import { ClientCall } from "./client_call.ts";
import type { CallParent, ClientCore } from "./client_core.ts";
import { Links } from "./links.ts";
import { PendingCall } from "./pending_call.ts";
import { checkOptions, type Target } from "./target.ts";

export type { CallParent } from "./client_core.ts";

/** Options of {@link RpcClient}. */
export interface RpcClientOptions {
  /** Time, chance and the machine. */
  readonly system: System;
  /** Picks nodes. */
  readonly selector: Selector;
  /** Ways of calling, in the order they are preferred. */
  readonly transports: readonly Transport[];
  /** Ways of writing. */
  readonly codecs: Codecs;
  /** How inputs are written where a call does not say. @default {the link's own, or "application/cbor"} */
  readonly contentType?: string;
  /** Timeouts and retries. */
  readonly policy: PolicyProvider;
  /** Stand around a whole call, outermost first. @default {[]} */
  readonly interceptors?: readonly Interceptor[];
  /** Stand around each attempt of it. @default {[]} */
  readonly attemptInterceptors?: readonly Interceptor[];
  /** Told of a failed call that nobody awaits. */
  readonly onUnobservedError: (error: MuonError) => void;
  /** Takes calls that nodes make over the links this client dialled. */
  readonly accept?: Accept;
}

/** Makes calls. */
export class RpcClient implements AsyncDisposable {
  readonly #options: RpcClientOptions;
  readonly #core: ClientCore;

  constructor(options: RpcClientOptions) {
    const { system, interceptors = [], attemptInterceptors = [] } = options;
    this.#options = options;
    this.#core = {
      system,
      selector: options.selector,
      links: new Links(options.transports, options.accept),
      codecs: options.codecs,
      contentType: options.contentType,
      policy: options.policy,
      wheel: new TimerWheel(system.clock),
      whole: interceptors.length === 0
        ? undefined
        : intercept(interceptors, (invocation) => (invocation as ClientCall).run()),
      single: attemptInterceptors.length === 0
        ? undefined
        : intercept(attemptInterceptors, (invocation) => (invocation as ClientCall).send()),
    };
  }

  /**
   * Makes a call; it is sent before this returns wherever the node is known and a link to it is open.
   *
   * @throws {TypeError | RangeError} If an option is not what it must be.
   */
  call<T>(target: Target, input: unknown, context: {
    readonly options?: CallOptions | undefined;
    readonly parent?: CallParent | undefined;
  }): PendingCall<T> {
    const { options, parent } = context;
    if (options !== undefined) checkOptions(options);
    const pending = new PendingCall<T>(this.#unobserved);
    const call = new ClientCall(this.#core, {
      target,
      input,
      options,
      parent,
      pending: pending as PendingCall,
    });
    pending.cancelWith(call);
    call.start();
    return pending;
  }

  /** Lets the calls under way finish, until the signal. */
  drain(signal: AbortSignal): Promise<void> {
    return this.#core.links.drain(signal);
  }

  /** Ends every call and closes every link. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#core.links[Symbol.asyncDispose]();
  }

  /** Waits to the end of the turn: who makes a call and awaits it does so by then. */
  readonly #unobserved = (call: PendingCall<unknown>, error: MuonError): void => {
    this.#options.system.platform.endOfTurn(() => {
      if (!call.observed) this.#options.onUnobservedError(error);
    });
  };
}
