/**
 * What tests of services want: a clock that is turned, and machines and networks in memory.
 *
 * ```ts
 * import { createService } from "@muon/muon";
 * import { createVirtualSystem, VirtualClock } from "@muon/muon/testing";
 *
 * const clock = new VirtualClock();
 * const system = createVirtualSystem({ clock, seed: 1 });
 * const service = createService({ name: "clockwork", system, registry: "memory", transport: "memory", broker: "memory" });
 * await service.start();
 * await clock.advance(60_000);
 * await service.stop();
 * ```
 *
 * @module
 */

export { VirtualClock } from "./runtime/virtual_clock.ts";
export {
  createVirtualSystem,
  VirtualFiles,
  VirtualPlatform,
  type VirtualSystem,
  type VirtualSystemOptions,
} from "./runtime/virtual_platform.ts";
export { VirtualNetwork } from "./runtime/virtual_network.ts";
export { type Random, seeded } from "./runtime/random.ts";
