/**
 * What a client's calls are made with, and what each is made of.
 *
 * @module
 */

import type { CallOptions } from "../call.ts";
import type { Codecs } from "../codec/codecs.ts";
import type { Handler } from "../interceptor.ts";
import type { Metadata } from "../metadata.ts";
import type { System } from "../platform.ts";
import type { PolicyProvider } from "../policy.ts";
import type { Selector } from "../selector/selector.ts";
import type { TimerWheel } from "../timer_wheel.ts";
import type { Links } from "./links.ts";
import type { PendingCall } from "./pending_call.ts";
import type { Target } from "./target.ts";

/** What all calls of a client share. */
export interface ClientCore {
  /** Time and chance. */
  readonly system: System;
  /** Picks nodes. */
  readonly selector: Selector;
  /** Links to them. */
  readonly links: Links;
  /** Ways of writing. */
  readonly codecs: Codecs;
  /** How inputs are written where neither the call nor the link says. */
  readonly contentType: string | undefined;
  /** Timeouts and retries. */
  readonly policy: PolicyProvider;
  /** Deadlines of calls that wait for something other than their answer. */
  readonly wheel: TimerWheel;
  /** Stands around a whole call and ends in `ClientCall.run`; `undefined` where nothing does. */
  readonly whole: Handler | undefined;
  /** Stands around an attempt and ends in `ClientCall.send`; `undefined` where nothing does. */
  readonly single: Handler | undefined;
}

/** What a call inherits from the call whose handler makes it. */
export interface CallParent {
  /** Ends it too. */
  readonly signal: AbortSignal;
  /** It ends no later, in ms on the steady clock. */
  readonly deadline: number | undefined;
  /** Metadata that flows on. */
  readonly forwarded: Metadata;
}

/** What a call is made of. */
export interface CallPlan {
  /** What is called. */
  readonly target: Target;
  /** Input, or stream of inputs. */
  readonly input: unknown;
  /** The caller's options. */
  readonly options: CallOptions | undefined;
  /** The call that is being handled. */
  readonly parent: CallParent | undefined;
  /** What the caller holds. */
  readonly pending: PendingCall;
}
