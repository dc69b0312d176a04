import { testRegistry } from "../../../tests/conformance/registry.ts";
import { MdnsWorld } from "../../../tests/support/mdns_world.ts";
import { isServiceName } from "./form.ts";

testRegistry({
  name: "mdns, two processes of a machine",
  holds: isServiceName,
  create() {
    const world = new MdnsWorld();
    return {
      here: world.turned(world.open()),
      there: world.turned(world.open()),
      advance: (ms) => world.advance(ms),
      [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
    };
  },
});
