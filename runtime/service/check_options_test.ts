import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { edge, Service } from "../../edge.ts";
import { connect, createService } from "../../mod.ts";

@Service("greeter")
class Greeter {}

/** Each way in, given options that no compiler would let through. */
const WAYS: Readonly<Record<string, (options: object) => Promise<unknown>>> = {
  connect: (options) => connect(options),
  // deno-lint-ignore require-await -- what it throws rejects
  createService: async (options) => createService(options),
  edge: (options) => edge(Greeter, options).fetch(new Request("http://edge/greeter.Greeter/Hello")),
};

for (const [of, give] of Object.entries(WAYS)) {
  describe(of, () => {
    test("refuses an option that there is not, and says which there are", async () => {
      await assert.rejects(give({ regstry: "memory" }), (error) => {
        assert.ok(error instanceof TypeError);
        assert.match(
          error.message,
          new RegExp(
            `^Unknown option "regstry" of ${of}; there are registry, .*; did you mean "registry"\\?$`,
          ),
        );
        return true;
      });
      await assert.rejects(give({ toString: () => "" }), /Unknown option "toString"/);
    });

    test("refuses a part that lacks a method, and says which", async () => {
      await assert.rejects(
        give({ selector: { name: "x" } }),
        /^TypeError: The selector that is given has no method "pick"/,
      );
      await assert.rejects(
        give({ registry: { name: "x", register() {}, deregister() {}, getService() {}, watch() {} } }),
        /The registry that is given has no method "listServices"; it must have register, /,
      );
      await assert.rejects(
        give({ broker: { publish() {} } }),
        /The broker that is given has no method "subscribe"/,
      );
      await assert.rejects(
        give({ registry: null }),
        /Option "registry" must be a name or an object: .* null/,
      );
      if (of === "edge") return;
      await assert.rejects(give({ transport: {} }), /The transport that is given has no method "speaks"/);
    });
  });
}
