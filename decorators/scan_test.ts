import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import { z } from "zod";
import type { Context } from "../runtime/context.ts";
import { definitionOf, Method, scan, Service, Subscribe, topic } from "./mod.ts";

const Name = z.object({ name: z.string() });
const Text = z.object({ text: z.string() });
const created = topic("user.created", Name);

@Service("greeter", { version: "1.0.0", metadata: { type: "helloworld" } })
class Greeter {
  readonly #greeting: string;

  constructor(greeting = "Hello") {
    this.#greeting = greeting;
  }

  @Method({ input: Name, output: Text, idempotent: true })
  hello({ name }: { name: string }) {
    return { text: `${this.#greeting} ${name}` };
  }

  @Method({ input: Name, output: Text })
  async *count({ name }: { name: string }) {
    yield { text: name };
  }

  @Subscribe(created, { queue: "greeter" })
  welcome(_: { name: string }, _ctx: Context) {}
}

const named = (target: object) => definitionOf(target).endpoints.map(({ name }) => name);

describe("scan", () => {
  test("a class becomes a definition and an instance", () => {
    const { definition, implementation } = scan(Greeter);
    assert.deepEqual(definition, {
      name: "greeter",
      version: "1.0.0",
      handler: "Greeter",
      metadata: { type: "helloworld" },
      forward: [],
      endpoints: [
        { name: "Greeter.Hello", member: "hello", input: Name, output: Text, idempotent: true },
        {
          name: "Greeter.Count",
          member: "count",
          kind: "server",
          input: Name,
          output: Text,
          idempotent: false,
        },
      ],
      subscriptions: [{ topic: "user.created", member: "welcome", input: Name, queue: "greeter" }],
    });
    assert.ok(implementation instanceof Greeter);
    assert.deepEqual(implementation.hello({ name: "John" }), { text: "Hello John" });
  });

  test("an instance is served as it is", () => {
    const instance = new Greeter("Bonjour");
    const { definition, implementation } = scan(instance);
    assert.equal(implementation, instance);
    assert.deepEqual(definition, definitionOf(Greeter));
  });

  test("a definition is read without making an instance", () => {
    let made = 0;
    @Service("counted")
    class Counted {
      constructor(_argument: string) {
        made++;
      }
      @Method()
      hello() {}
    }
    assert.deepEqual(named(Counted), ["Counted.Hello"]);
    assert.deepEqual(named(new Counted("a")), ["Counted.Hello"]);
    assert.equal(made, 1);
    assert.throws(
      () => scan(Counted),
      /constructor that takes 1 argument: pass an instance, new Counted\(…\)/,
    );
  });

  test("what a constructor throws is the cause", () => {
    const cause = new Error("no database");
    @Service("broken")
    class Broken {
      constructor() {
        throw cause;
      }
    }
    assert.throws(() => scan(Broken), (error) => {
      assert.ok(error instanceof TypeError);
      assert.match(error.message, /Class Broken \(service "broken"\).*no database; pass an instance/);
      assert.equal(error.cause, cause);
      return true;
    });
  });

  test("a definition is frozen, and a scan leaves the next one alone", () => {
    const definition = definitionOf(Greeter);
    for (const part of [definition, definition.endpoints, definition.endpoints[0], definition.metadata]) {
      assert.ok(Object.isFrozen(part));
    }
    assert.deepEqual(definitionOf(Greeter), definition);
  });
});

describe("inheritance", () => {
  test("a subclass without decorators serves its own methods under its base's endpoints", () => {
    class French extends Greeter {
      override hello({ name }: { name: string }) {
        return { text: `Bonjour ${name}` };
      }
    }
    const { definition, implementation } = scan(French);
    assert.deepEqual(definition, definitionOf(Greeter));
    assert.deepEqual(implementation.hello({ name: "John" }), { text: "Bonjour John" });
  });

  test("the kind is that of the method that is served", () => {
    class Listed extends Greeter {
      override count({ name }: { name: string }): AsyncGenerator<{ text: string }, void, unknown> {
        return super.count({ name });
      }
    }
    assert.equal(definitionOf(Greeter).endpoints[1]!.kind, "server");
    assert.equal(definitionOf(Listed).endpoints[1]!.kind, undefined);
  });

  test("a decorator in a subclass leaves its base alone", () => {
    @Service("loud")
    class Loud extends Greeter {
      @Method({ input: Name, output: Text, name: "shout" })
      override hello({ name }: { name: string }) {
        return { text: name.toUpperCase() };
      }
    }
    assert.deepEqual(named(Loud), ["Loud.Shout", "Loud.Count"]);
    assert.equal(definitionOf(Loud).endpoints[0]!.idempotent, false);
    assert.equal(definitionOf(Loud).version, "latest");
    assert.deepEqual(definitionOf(Loud).metadata, {});
    assert.deepEqual(named(Greeter), ["Greeter.Hello", "Greeter.Count"]);
  });

  test("siblings share nothing but their base", () => {
    class Base {
      @Method()
      base() {}
    }
    @Service("left")
    class Left extends Base {
      @Method()
      left() {}
    }
    @Service("right")
    class Right extends Base {
      @Method()
      right() {}
    }
    assert.deepEqual(named(Left), ["Left.Base", "Left.Left"]);
    assert.deepEqual(named(Right), ["Right.Base", "Right.Right"]);
  });

  test("a subclass of one dialect extends a class of the other", () => {
    class Legacy {
      hello(_: { name: string }) {
        return { text: "" };
      }
    }
    const descriptor = Object.getOwnPropertyDescriptor(Legacy.prototype, "hello")!;
    Method({ input: Name, output: Text })(Legacy.prototype, "hello", descriptor);
    Service("legacy")(Legacy);

    @Service("standard")
    class Standard extends Legacy {
      @Method()
      own() {}
    }
    class Again extends Standard {
      again() {}
    }
    const again = Object.getOwnPropertyDescriptor(Again.prototype, "again") as TypedPropertyDescriptor<
      () => void
    >;
    Method()(Again.prototype, "again", again);

    assert.deepEqual(named(Legacy), ["Legacy.Hello"]);
    assert.deepEqual(named(Standard), ["Standard.Hello", "Standard.Own"]);
    assert.deepEqual(named(Again), ["Standard.Hello", "Standard.Own", "Standard.Again"]);
  });

  test("a function in a field of an instance stands for the method, as in a mock", () => {
    class Mock extends Greeter {}
    const mock = Object.assign(new Mock(), { hello: () => ({ text: "mocked" }) });
    const { definition, implementation } = scan(mock);
    assert.deepEqual(definition, definitionOf(Greeter));
    assert.deepEqual(implementation.hello(), { text: "mocked" });
  });
});

describe("misuse", () => {
  test("every problem is told at once", () => {
    @Service("not a name", { version: "" })
    class Broken {
      @Method({ timeout: -1 })
      hello() {}

      // @ts-expect-error: private
      @Method()
      #secret() {}

      reveal() {
        this.#secret();
      }
    }
    assert.throws(() => scan(Broken), (error) => {
      assert.ok(error instanceof TypeError);
      const [head, ...lines] = error.message.split("\n");
      assert.equal(head, 'Class Broken (service "not a name") cannot be served:');
      const expected = [
        /private method "#secret" has @Method/,
        /Service name/,
        /version/,
        /"hello": timeout/,
      ];
      assert.equal(lines.length, expected.length, error.message);
      expected.forEach((words, i) => assert.match(lines[i]!, words));
      return true;
    });
  });

  test("what is no class and no instance", () => {
    for (const value of [null, undefined, "greeter", 1, {}, Object.create(null)]) {
      assert.throws(
        () => scan(value as unknown as object),
        /^TypeError: A service must be a class with @Service, or an instance of one/,
      );
    }
    assert.throws(() => scan(() => {}), /^TypeError: Class \(anonymous\) is no service/);
  });

  test("a topic's name and schema", () => {
    for (const name of ["", "a b", "a\nb", "x".repeat(256)]) {
      assert.throws(() => topic(name, Name), /^TypeError: Topic name must be/);
    }
    assert.throws(
      () => topic("a", "b" as unknown as typeof Name),
      /^TypeError: Topic "a" must have a Standard/,
    );
    assert.deepEqual(topic("a", Name), { name: "a", schema: Name });
  });

  test("a compiler that hands out no metadata is named", () => {
    const context = { kind: "method", name: "hello", static: false, private: false, addInitializer() {} };
    const decorate = Method() as unknown as (value: unknown, context: unknown) => void;
    assert.throws(() => decorate(() => {}, context), /^TypeError: The compiler gives decorators no metadata/);
  });
});

describe("print", () => {
  test("JSON and console.log name the library where a schema stands", () => {
    const definition = definitionOf(Greeter);
    const shown = JSON.parse(JSON.stringify(definition));
    assert.deepEqual(shown.endpoints[0], {
      name: "Greeter.Hello",
      member: "hello",
      input: "zod",
      output: "zod",
      idempotent: true,
    });
    assert.deepEqual(shown.subscriptions[0], {
      topic: "user.created",
      member: "welcome",
      input: "zod",
      queue: "greeter",
    });
    const text = inspect(definition, { depth: 4 });
    assert.match(text, /input: ['"]zod['"]/);
    assert.doesNotMatch(text, /~standard|safeParse/);
    const { Deno } = globalThis as { Deno?: { inspect(value: unknown): string } };
    if (Deno !== undefined) assert.doesNotMatch(Deno.inspect(definition), /~standard|safeParse/);
    assert.match(inspect(definition.endpoints[0]), /name: ['"]Greeter.Hello['"]/);
  });

  test("a copy has the schemas, and nothing else", () => {
    const [hello] = definitionOf(Greeter).endpoints;
    assert.equal({ ...hello }.input, Name);
    assert.deepEqual(Object.keys({ ...hello }), ["name", "member", "input", "output", "idempotent"]);
  });
});
