import assert from "node:assert/strict";
import { test } from "node:test";
import { valueKey, Values } from "./context.ts";
import { type Handler, intercept, type Interceptor, type Invocation } from "./interceptor.ts";

test("the first interceptor is the outermost, and a handler may answer at once", () => {
  const order: string[] = [];
  const named = (name: string): Interceptor => (next) => (invocation) => {
    order.push(`${name} in`);
    const output = next(invocation);
    order.push(`${name} out`);
    return output;
  };
  const handler: Handler = ({ input }) => {
    order.push("handler");
    return `${input}!`;
  };
  const invocation = { input: "hi" } as Invocation;
  assert.equal(intercept([named("outer"), named("inner")], handler)(invocation), "hi!");
  assert.deepEqual(order, ["outer in", "inner in", "handler", "inner out", "outer out"]);
  assert.equal(intercept([], handler), handler);
});

test("values are of one call, and a key without one gives its initial value", () => {
  const user = valueKey<string | undefined>("user", "nobody");
  const same = valueKey<string | undefined>("user", "other");
  const values = new Values();
  assert.equal(values.get(user), "nobody");
  values.set(user, undefined);
  assert.equal(values.get(user), undefined);
  assert.equal(values.get(same), "other");
  assert.equal(new Values().get(user), "nobody");
});
