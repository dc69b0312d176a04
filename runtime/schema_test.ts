import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as v from "valibot";
import { z } from "zod";
import { MuonError } from "./errors.ts";
import { type AnySchema, isSchema, jsonSchema, type StandardResult, validate } from "./schema.ts";

function fixed(result: StandardResult<unknown>): AnySchema {
  return { "~standard": { version: 1, vendor: "fixed", validate: () => result } };
}

function thrown(call: () => unknown): MuonError {
  try {
    call();
  } catch (error) {
    assert.ok(error instanceof MuonError);
    return error;
  }
  assert.fail("nothing was thrown");
}

describe("validate", () => {
  test("answers at once with what the value parses to", () => {
    const schema = z.object({ n: z.coerce.number().default(1) });
    assert.deepEqual(validate(schema, { n: "2" }, "input"), { n: 2 });
    assert.deepEqual(validate(schema, {}, "input"), { n: 1 });
    assert.equal(validate(v.pipe(v.string(), v.toUpperCase()), "a", "input"), "A");
  });

  test("answers with a promise only where the library does", async () => {
    const schema = z.string().refine((text) => Promise.resolve(text !== "no"));
    const yes = validate(schema, "yes", "input");
    assert.ok(yes instanceof Promise);
    assert.equal(await yes, "yes");
    await assert.rejects(async () => await validate(schema, "no", "input"), MuonError);
  });

  test("says which value, where in it, and what is wrong", () => {
    const schema = z.object({ users: z.array(z.object({ name: z.string() })) });
    const error = thrown(() => validate(schema, { users: [{ name: 1 }] }, "input of Greeter.Hello"));
    assert.equal(error.status, "invalid_argument");
    assert.match(error.detail, /^The input of Greeter.Hello does not fit its schema: users\[0\]\.name: /);
    const [details] = error.details!;
    assert.equal(details!.type, "muon.Issues");
    assert.equal((details!.value as { path: string }[])[0]!.path, "users[0].name");
    assert.match(thrown(() => validate(z.string(), 1, "input")).detail, /: \(root\): /);
  });

  test("what a service answers wrongly is its own fault", () => {
    assert.equal(thrown(() => validate(z.string(), 1, "output", "internal")).status, "internal");
  });

  test("path parts may be objects, as in valibot", () => {
    const schema = v.object({ users: v.array(v.object({ name: v.string() })) });
    assert.match(thrown(() => validate(schema, { users: [{}] }, "input")).detail, /users\[0\]\.name: /);
  });

  test("many issues are counted, not listed", () => {
    const issues = Array.from({ length: 60 }, (_, i) => ({ message: `no ${i}`, path: [i] }));
    const error = thrown(() => validate(fixed({ issues }), 1, "input"));
    assert.match(error.detail, /\[4\]: no 4; and 55 more$/);
    assert.equal((error.details![0]!.value as unknown[]).length, 50);
  });
});

describe("jsonSchema", () => {
  test("is derived with zod, for each side", () => {
    const schema = z.object({ name: z.string().min(1), n: z.number().default(1) });
    const input = jsonSchema(schema, "input");
    assert.equal(input.note, undefined);
    assert.equal(input.schema.type, "object");
    assert.deepEqual(input.schema.required, ["name"]);
    assert.deepEqual((input.schema.properties as Record<string, unknown>).name, {
      type: "string",
      minLength: 1,
    });
    assert.deepEqual(jsonSchema(schema, "output").schema.required, ["name", "n"]);
    JSON.stringify(input.schema);
  });

  test("is empty, with a reason, where JSON Schema has no word for it", () => {
    for (
      const schema of [
        z.date(),
        z.object({ at: z.date() }),
        z.bigint(),
        z.map(z.string(), z.string()),
        z.instanceof(Uint8Array),
        z.custom(() => true),
      ]
    ) {
      const { schema: derived, note } = jsonSchema(schema, "input");
      assert.deepEqual(derived, {});
      assert.match(note!, /\S/);
    }
    const transform = z.string().transform(Number);
    assert.equal(jsonSchema(transform, "input").schema.type, "string");
    assert.deepEqual(jsonSchema(transform, "output").schema, {});
  });

  test("is empty, with a reason, where the library has none or there is no schema", () => {
    assert.match(jsonSchema(v.string(), "input").note!, /^valibot gives no Standard JSON Schema/);
    assert.match(jsonSchema(undefined, "input").note!, /no schema/);
    assert.deepEqual(jsonSchema(undefined, "output").schema, {});
  });
});

describe("isSchema", () => {
  test("knows schemas of any library, functions too", () => {
    const callable = Object.assign(() => {}, fixed({ value: 1 }));
    for (const schema of [z.string(), v.string(), fixed({ value: 1 }), callable]) assert.ok(isSchema(schema));
  });

  test("knows what is none", () => {
    for (const value of [undefined, null, 1, "a", {}, () => {}, { "~standard": {} }, { "~standard": null }]) {
      assert.equal(isSchema(value), false);
    }
  });
});
