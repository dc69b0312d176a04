/**
 * The `mucp` transport: Go Micro's own, calls as HTTP requests.
 * Source: go-micro v5 `transport/http_*.go`, `client/rpc_client.go`, `server/rpc_server.go`.
 *
 * @module
 */

import { uuid } from "../../entropy.ts";
import { authorityOf } from "../../host_port.ts";
import type { System } from "../../platform.ts";
import { LIMITS, type Limits } from "../../policy.ts";
import type { Node } from "../../record.ts";
import { TimerWheel } from "../../timer_wheel.ts";
import type { Transport } from "../transport.ts";
import { MucpLink } from "./link.ts";
import { MucpServer, NAME } from "./server.ts";

/** Options of {@link createMucpTransport}. */
export interface MucpOptions {
  /** Time, and ids. */
  readonly system: Pick<System, "clock" | "entropy">;
  /** What is taken in. @default {LIMITS} */
  readonly limits?: Partial<Limits>;
  /** Makes requests; one of your own can trust a private authority. @default {globalThis.fetch} */
  readonly fetch?: typeof globalThis.fetch;
}

/**
 * A transport that calls Go Micro's services, and is called by its clients, from those of 2016 to version 6. Calls have
 * one input and one answer; streams are refused as `unimplemented`.
 *
 * @example
 * ```ts
 * const transport = createMucpTransport({ system });
 * host.mount(transport.protocol!((call) => call.reply(call.body!)));
 * const link = await transport.dial({ id: "greeter-1", address: "127.0.0.1:8080", metadata: { protocol: "mucp" } });
 * ```
 */
export function createMucpTransport(options: MucpOptions): Transport {
  const { clock, entropy } = options.system;
  const limits: Limits = { ...LIMITS, ...options.limits };
  const wheel = new TimerWheel(clock);
  const fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
  let process: string | undefined;
  let count = 0;
  const ids = () => {
    process ??= uuid(entropy);
    const id = String(count++);
    return { id, stream: `${process}-${id}` };
  };
  return {
    name: NAME,
    speaks,
    // deno-lint-ignore require-await -- what is wrong with an address is a rejection
    async dial(node, { signal } = {}) {
      signal?.throwIfAborted();
      const { address, metadata } = node;
      const url = `${metadata.secure === "true" ? "https" : "http"}://${authorityOf(node)}/`;
      const peer = { address };
      const { maxMessage, maxMetadata } = limits;
      // Go Micro closes a connection that says nothing for 5 s: the first call makes the first one.
      return new MucpLink({
        peer,
        url,
        fetch,
        maxMessage,
        maxMetadata,
        clock,
        wheel,
        ids,
        firstGeneration: isFirstGeneration(metadata),
      });
    },
    protocol: (accept) => new MucpServer({ clock, wheel, limits, accept }),
  };
}

/** muon lists all it speaks. Of Go Micro's nodes those are meant that take calls over HTTP, not over NATS or gRPC. */
function speaks({ metadata }: Node): boolean {
  const { muon, protocol, transport } = metadata;
  if (muon !== undefined) return muon.split(",").some((name) => name.trim() === NAME);
  return (protocol === NAME || isFirstGeneration(metadata)) &&
    (transport === undefined || transport === "http");
}

/** Go Micro's clients, too, take a node whose record names no protocol for one of the first generation. */
function isFirstGeneration({ muon, protocol }: Node["metadata"]): boolean {
  return muon === undefined && (protocol === undefined || protocol === "");
}
