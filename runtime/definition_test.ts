import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  checkHandlerName,
  checkMethodName,
  checkServiceName,
  checkTopicName,
  endpointOf,
  handlerOf,
  pascalCase,
} from "./definition.ts";

describe("names", () => {
  test("PascalCase splits at -, _ and space and leaves the rest", () => {
    for (
      const [name, expected] of [
        ["hello", "Hello"],
        ["getURL", "GetURL"],
        ["v2-list", "V2List"],
        ["user_ledger", "UserLedger"],
        ["say hello", "SayHello"],
        ["_hidden", "Hidden"],
        ["a--b__c", "ABC"],
        ["Hello", "Hello"],
        ["éclair", "Éclair"],
        ["-", ""],
        ["", ""],
      ] as const
    ) assert.equal(pascalCase(name), expected, name);
  });

  test("PascalCase of PascalCase is itself", () => {
    for (const name of ["getURL", "v2-list", "user_ledger", "a--b"]) {
      assert.equal(pascalCase(pascalCase(name)), pascalCase(name));
    }
  });

  test("a handler is made of the service's last dotted part", () => {
    assert.equal(handlerOf("greeter"), "Greeter");
    assert.equal(handlerOf("acme.user-ledger"), "UserLedger");
    assert.equal(handlerOf("go.micro.srv.greeter"), "Greeter");
  });

  test("an endpoint is computed from service and member", () => {
    assert.equal(endpointOf("greeter", "hello"), "Greeter.Hello");
    assert.equal(endpointOf("acme.user-ledger", "v2_list"), "UserLedger.V2List");
  });
});

describe("checks", () => {
  test("a service's name", () => {
    for (const name of ["a", "greeter", "acme.user-ledger", "go_micro.2", "x".repeat(128)]) {
      checkServiceName(name);
    }
    for (const name of ["", ".a", "a.", "-a", "a b", "a/b", "é", "x".repeat(129)]) {
      assert.throws(() => checkServiceName(name), (error) => {
        assert.ok(error instanceof TypeError);
        assert.ok(error.message.includes(`current value is ${JSON.stringify(name)}`), error.message);
        return true;
      });
    }
    assert.throws(() => checkServiceName(undefined as unknown as string), TypeError);
  });

  test("a handler's name, which is not Debug", () => {
    for (const name of ["Greeter", "_G", "G2"]) checkHandlerName(name, "greeter");
    for (const name of ["", "2G", "G.H", "G-H", "Debug"]) {
      assert.throws(
        () => checkHandlerName(name, "greeter"),
        /^TypeError: .*@Service\("greeter", \{ handler: "…" \}\)$/,
      );
    }
  });

  test("a method's name", () => {
    for (const name of ["Hello", "V2List", "h"]) checkMethodName(name, "hello");
    for (const name of ["", "2Fa", "$get", "A.B", "Éclair"]) {
      assert.throws(() => checkMethodName(name, "hello"), (error) => {
        assert.ok(error instanceof TypeError);
        assert.match(error.message, /member "hello".*@Method\(\{ name: "…" \}\)$/);
        assert.ok(error.message.includes(`current value is ${JSON.stringify(name)}`), error.message);
        return true;
      });
    }
  });

  test("a topic's name", () => {
    for (const name of ["a", "user.created", "user.*", "go.micro/topic:1", "ä", "x".repeat(255)]) {
      checkTopicName(name);
    }
    for (const name of ["", "a b", "a\tb", "a\0b", "\x7f", "x".repeat(256)]) {
      assert.throws(() => checkTopicName(name), /^TypeError: Topic name must be/);
    }
  });
});
