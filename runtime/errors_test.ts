import assert from "node:assert/strict";
import { test } from "node:test";
import { codeOf, MuonError, type Status, STATUSES, statusOf } from "./errors.ts";

test("statuses stand in the order of gRPC's numbers", () => {
  const numbers: Partial<Record<Status, number>> = {
    canceled: 1,
    unknown: 2,
    deadline_exceeded: 4,
    not_found: 5,
    unimplemented: 12,
    internal: 13,
    unavailable: 14,
    unauthenticated: 16,
  };
  assert.equal(STATUSES.length, 16);
  assert.equal(new Set(STATUSES).size, 16);
  for (const [status, number] of Object.entries(numbers)) assert.equal(STATUSES[number - 1], status);
});

test("a status that is none is refused where the error is made", () => {
  for (const status of ["bogus", undefined, 404, Object.create(null)]) {
    assert.throws(
      () => new MuonError(status as never, "x"),
      {
        name: "TypeError",
        message: /^Status of a MuonError must be one of canceled, .*unauthenticated: current/,
      },
    );
  }
});

test("each status has the number of the design's table, and each number a status that has it", () => {
  const codes: Record<Status, number> = {
    invalid_argument: 400,
    failed_precondition: 400,
    out_of_range: 400,
    unauthenticated: 401,
    permission_denied: 403,
    not_found: 404,
    deadline_exceeded: 408,
    already_exists: 409,
    aborted: 409,
    resource_exhausted: 429,
    canceled: 499,
    unimplemented: 501,
    unavailable: 503,
    internal: 500,
    unknown: 500,
    data_loss: 500,
  };
  for (const status of STATUSES) {
    assert.equal(codeOf(status), codes[status], status);
    assert.equal(codeOf(statusOf(codes[status])), codes[status], status);
  }
  assert.equal(statusOf(418), "internal");
  assert.equal(statusOf(504), "deadline_exceeded");
});

test("the message says status, detail and where, the fields say each", () => {
  const error = new MuonError("unavailable", "no answer", {
    id: "muon.client",
    where: {
      service: "greeter",
      endpoint: "Greeter.Hello",
      node: "greeter-1",
      address: "h:1",
      attempts: [{ node: "greeter-2", address: "h:2", error: "refused" }],
    },
    notRun: true,
    details: [{ type: "x", value: 1 }],
    cause: new Error("beneath"),
  });
  assert.equal(
    error.message,
    "[unavailable] no answer (calling greeter Greeter.Hello; on node greeter-1 at h:1; " +
      "attempt 1 on greeter-2 at h:2: refused)",
  );
  assert.equal(error.name, "MuonError");
  assert.equal(error.code, 503);
  assert.equal(error.detail, "no answer");
  assert.equal(error.notRun, true);
  assert.match((error.cause as Error).message, /beneath/);
  assert.ok(error instanceof Error);
});

test("what leaves the process has neither stack nor cause nor where", () => {
  const error = new MuonError("not_found", "no user 42", { id: "users", cause: new Error("secret") });
  assert.deepEqual(JSON.parse(JSON.stringify(error)), {
    id: "users",
    code: 404,
    detail: "no user 42",
    status: "not_found",
  });
  const detailed = new MuonError("not_found", "x", { details: [{ type: "t", value: [1] }] });
  assert.deepEqual(detailed.toJSON().details, [{ type: "t", value: [1] }]);
});

test("anything that was thrown becomes one", () => {
  const error = new MuonError("aborted", "x");
  assert.equal(MuonError.from(error), error);
  assert.equal(MuonError.from(new Error("no disk")).status, "internal");
  assert.equal(MuonError.from(new Error("no disk")).detail, "no disk");
  assert.equal(MuonError.from(new DOMException("stop", "AbortError")).status, "canceled");
  assert.equal(MuonError.from(new DOMException("late", "TimeoutError")).status, "deadline_exceeded");
  assert.equal(MuonError.from(new TypeError("")).detail, "TypeError");
  assert.equal(MuonError.from("words").detail, "words");
  assert.equal(MuonError.from(undefined).detail, "thrown: undefined");
  assert.equal(MuonError.from(new Error("x"), { status: "unavailable" }).status, "unavailable");
});

test("more is said about where, and what was said stays", () => {
  const first = new MuonError("unavailable", "costs $& and $1", {
    where: { node: "a", address: "h:1" },
    code: 599,
    details: [],
    notRun: true,
  });
  const second = first.at({ service: "greeter", node: "b" });
  assert.deepEqual(second.where, { service: "greeter", node: "a", address: "h:1" });
  assert.equal(second.code, 599);
  assert.equal(second.notRun, true);
  assert.deepEqual(second.details, []);
  assert.match(second.message, /costs \$& and \$1 \(calling greeter; on node a at h:1\)/);
  const [firstLine] = second.stack!.split("\n");
  if (firstLine!.includes("costs")) assert.ok(firstLine!.endsWith(second.message), firstLine);
  assert.deepEqual(MuonError.from(first, { where: { service: "s" } }).where.service, "s");
});

test("anything that is thrown has a text", () => {
  for (const thrown of [Object.create(null), { toString: 1, valueOf: 1 }, Symbol("s"), null, undefined, 1n]) {
    const error = MuonError.from(thrown);
    assert.equal(error.status, "internal");
    assert.equal(typeof error.detail, "string");
  }
  for (const message of [undefined, null, Object.create(null), ""]) {
    const error = MuonError.from(Object.assign(new RangeError(), { message }));
    assert.match(error.detail, /^(RangeError|\[object\])$/);
  }
});

test("errors of another copy of muon are known, other errors are not", async () => {
  const path: string = "./errors.ts?copy"; // in a variable: tsc looks for the file of a literal
  const copy = await import(path) as typeof import("./errors.ts");
  assert.ok(copy.MuonError !== MuonError);
  const error = new copy.MuonError("aborted", "x");
  assert.ok(error instanceof MuonError);
  assert.equal(MuonError.from(error), error as unknown as MuonError);
  for (const other of [new Error("x"), null, undefined, "MuonError", { name: "MuonError" }]) {
    assert.ok(!(other instanceof MuonError));
  }
  class Own extends MuonError {}
  assert.ok(new Own("aborted", "x") instanceof Own);
  assert.ok(!(new MuonError("aborted", "x") instanceof Own));
});
