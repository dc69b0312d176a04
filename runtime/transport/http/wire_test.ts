import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { concat, text, utf8 } from "../../bytes.ts";
import { MuonError, STATUSES } from "../../errors.ts";
import { Metadata } from "../../metadata.ts";
import { END, envelope, EnvelopeReader, EnvelopeWriter, NOTHING } from "./envelope.ts";
import { ERROR_BODY, errorBody, errorOf, errorOfBody, httpStatus } from "./errors.ts";
import {
  accepts,
  answerMetadata,
  CallHeaders,
  decodeValue,
  encodeValue,
  mediaType,
  timeoutOf,
  trailerOf,
  trailerRecord,
  writeMetadata,
  writeTrailer,
} from "./headers.ts";
import { pathOf, routeOf } from "./paths.ts";

function streamOf(...chunks: Uint8Array[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });
}

function fails(run: () => unknown, expected: { status: string; notRun?: boolean; detail?: RegExp }): void {
  assert.throws(run, (error: unknown) => {
    assert.ok(error instanceof MuonError);
    assert.equal(error.status, expected.status);
    if (expected.notRun !== undefined) assert.equal(error.notRun, expected.notRun);
    if (expected.detail !== undefined) assert.match(error.detail, expected.detail);
    return true;
  });
}

describe("a path", () => {
  test("names service and endpoint, and is made of them", () => {
    for (
      const [path, service, endpoint] of [
        ["/greeter.Greeter/Hello", "greeter", "Greeter.Hello"],
        ["/acme.greeter.Greeter/Hello", "acme.greeter", "Greeter.Hello"],
        ["/acme.user-ledger.UserLedger/GetURL", "acme.user-ledger", "UserLedger.GetURL"],
        ["/gr%C3%BC%C3%9Fe.Gr/Hallo", "grüße", "Gr.Hallo"],
      ] as const
    ) {
      assert.deepEqual(routeOf(path), { service, endpoint });
      assert.equal(pathOf({ service, endpoint }), path);
    }
    assert.deepEqual(routeOf("/a.B/C?x=1"), { service: "a", endpoint: "B.C" });
  });

  test("that is no endpoint's is nobody's", () => {
    for (
      const path of [
        "/",
        "/healthz",
        "/Greeter/Hello",
        "/a.B",
        "/a.B/",
        "/a.B/C/D",
        "/.B/C",
        "/a./C",
        "/v1.0/users",
        "/a.B/C.json",
        "//a.B/C",
        "/a.%ff/C",
        "/?id=a.B/C",
      ]
    ) {
      assert.equal(routeOf(path), undefined, path);
    }
  });
});

describe("headers", () => {
  test("carry any value, and plain ones as they are", () => {
    for (const value of ["", "acme", "a b", "100%", "a=?b", "=?UTF-8?B?x"]) {
      assert.equal(encodeValue(value), value);
    }
    for (const value of ["grüß dich", " padded", "tab\tbed", "日本", "🙂", "=?UTF-8?B?eA==?="]) {
      const encoded = encodeValue(value);
      assert.match(encoded, /^[\x21-\x7e]+$/);
      assert.equal(decodeValue(encoded), value);
    }
    for (const foreign of ["=?UTF-8?B?gA==?=", "=?UTF-8?B?AA==?=", "=?UTF-8?Q?x?=", "=?UTF-8?B?a?="]) {
      assert.equal(
        decodeValue(foreign),
        foreign,
        "no UTF-8, a control character, another encoding, no base64",
      );
    }
  });

  test("are metadata, but for what is HTTP's and Connect's own", () => {
    const headers = new Headers({
      "Content-Type": "application/json",
      "Connect-Timeout-Ms": "5",
      "User-Agent": "x",
      "Sec-Fetch-Mode": "cors",
      Authorization: "Bearer x",
      "X-Tenant": "=?UTF-8?B?w7w=?=",
    });
    assert.deepEqual(new CallHeaders(headers).metadata(100).toJSON(), {
      authorization: "Bearer x",
      "x-tenant": "ü",
    });
    fails(() => new CallHeaders(headers).metadata(30), {
      status: "resource_exhausted",
      notRun: true,
      detail: /at most 30/,
    });
    fails(() => writeMetadata(Metadata.from({ host: "x" }), {}), {
      status: "invalid_argument",
      notRun: true,
      detail: /"host".*rename it/,
    });
  });

  test("carry trailers of both forms", () => {
    const trailer = Metadata.from({ "x-a": "ü", "content-type": "its own" });
    const headers: Record<string, string> = { "x-b": "1", date: "today" };
    writeTrailer(trailer, headers);
    const read = answerMetadata(new Headers(headers));
    assert.deepEqual(read.trailer.toJSON(), trailer.toJSON());
    assert.deepEqual(read.header.toJSON(), { "x-b": "1" });
    assert.deepEqual(trailerOf(trailerRecord(trailer)).toJSON(), trailer.toJSON());
    assert.deepEqual(trailerOf({ "X-A": ["1", "2"], "no key": ["3"], b: 4 }).toJSON(), { "x-a": "1, 2" });
    assert.equal(trailerOf(null).size, 0);
  });

  test("say how messages are written, what is accepted, and how long the caller waits", () => {
    assert.deepEqual(mediaType("Application/JSON; charset=UTF-8"), {
      contentType: "application/json",
      enveloped: false,
    });
    assert.deepEqual(mediaType("application/connect+cbor"), {
      contentType: "application/cbor",
      enveloped: true,
    });
    assert.equal(mediaType("application/json; charset=latin1"), undefined);
    assert.equal(
      accepts("application/json, application/connect+json;q=0.5", "application/connect+json"),
      true,
    );
    assert.equal(accepts("*/*", "application/json"), false);
    assert.equal(accepts("application/jsonlines", "application/json"), false);
    assert.equal(timeoutOf("250"), 250);
    assert.equal(timeoutOf(null), undefined);
    for (const wrong of ["", "-1", "1.5", "1s", "12345678901"]) {
      fails(() => timeoutOf(wrong), { status: "invalid_argument", notRun: true });
    }
  });
});

describe("errors", () => {
  test("have Connect's HTTP status", () => {
    assert.deepEqual(
      STATUSES.map(httpStatus),
      [499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401],
    );
  });

  test("go out in Connect's JSON and come back as they were", () => {
    const error = new MuonError("failed_precondition", "ünder", {
      id: "echo",
      code: 4001,
      notRun: true,
      details: [{ type: "a.Why", value: { day: [1, null] } }],
    });
    const body = errorBody(error);
    assert.deepEqual(body, {
      code: "failed_precondition",
      message: "ünder",
      details: [{ type: "a.Why", value: "eyJkYXkiOlsxLG51bGxdfQ", debug: { day: [1, null] } }],
      id: "echo",
      number: 4001,
      notRun: true,
    });
    const read = errorOf(JSON.parse(JSON.stringify(body)), { service: "s" })!;
    assert.deepEqual(read.toJSON(), error.toJSON());
    assert.equal(read.notRun, true);
    assert.equal(read.where.service, "s");
    const odd = errorBody(new MuonError("internal", "x", { details: [{ type: "big", value: 1n }] }));
    assert.equal(odd.details![0]!.debug, "1");
    const message = { type: "a.B", value: new Uint8Array([10, 1, 120]) };
    const encoded = errorBody(new MuonError("internal", "x", { details: [message] })).details;
    assert.deepEqual(encoded, [{ type: "a.B", value: "CgF4" }]);
  });

  test("reach their reader, however large they are", () => {
    const sent = (error: MuonError) => {
      const body = utf8(JSON.stringify(errorBody(error)));
      assert.ok(body.length <= ERROR_BODY.limit, `${body.length} bytes`);
      return errorOfBody(body, 400, {});
    };
    const details = (size: number) => [{ type: "a.Why", value: "ü".repeat(size / 2) }];
    const fits = sent(new MuonError("aborted", "no", { details: details(65_500) }));
    assert.deepEqual([fits.status, fits.detail, fits.details], ["aborted", "no", details(65_500)]);
    const large = sent(new MuonError("failed_precondition", "no", { id: "echo", details: details(900_000) }));
    assert.deepEqual([large.status, large.id, large.details], ["failed_precondition", "echo", undefined]);
    assert.match(
      large.detail,
      /^no \(its details were left out: written they have 2\d{6} bytes, more than 262144\)$/,
    );
    const long = sent(new MuonError("not_found", "ü".repeat(1_000_000)));
    assert.equal(long.status, "not_found");
    assert.equal(long.detail.length, 65_537);
  });

  test("of others are understood", () => {
    const of = (body: string, http: number) => errorOfBody(utf8(body), http, {});
    const foreign = of('{"code":"not_found","details":[{"type":"a.B","value":"CgF4"},7]}', 404);
    assert.deepEqual([foreign.status, foreign.detail, foreign.code], ["not_found", "", 404]);
    assert.deepEqual(foreign.details, [{ type: "a.B", value: "CgF4" }]);
    const host = of('{"id":"muon.host","code":503,"detail":"stops","status":"unavailable"}', 503);
    assert.deepEqual([host.status, host.notRun], ["unavailable", true]);
    const failed = of('{"id":"muon.host","code":500,"detail":"failed","status":"internal"}', 500);
    assert.equal(failed.notRun, false);
    for (const [http, status] of [[502, "unavailable"], [404, "unimplemented"], [418, "unknown"]] as const) {
      const error = of("<html>Bad gateway", http);
      assert.equal(error.status, status);
      assert.match(error.detail, new RegExp(`HTTP ${http}: <html>Bad gateway`));
      assert.equal(error.notRun, false);
    }
    const long = of("", 431);
    assert.deepEqual([long.status, long.notRun], ["resource_exhausted", true]);
    assert.match(long.detail, /HTTP 431: the request's headers.*call with less metadata/);
    assert.equal(of('{"code":"made_up"}', 500).status, "unknown");
  });
});

describe("envelopes", () => {
  const read = async (reader: EnvelopeReader) => {
    const items: [string, boolean][] = [];
    for (let item = await reader.next(); item !== undefined; item = await reader.next()) {
      items.push([text(item.body), item.end]);
    }
    return items;
  };

  test("are read however they are cut", async () => {
    const whole = concat([
      envelope(new Uint8Array(0), NOTHING),
      envelope(utf8("one")),
      envelope(new Uint8Array(0)),
      envelope(utf8("{}"), END),
    ]);
    assert.deepEqual([...whole.subarray(5, 13)], [0, 0, 0, 0, 3, 0x6f, 0x6e, 0x65]);
    for (let size = 1; size <= whole.length; size++) {
      const chunks: Uint8Array[] = [];
      for (let at = 0; at < whole.length; at += size) chunks.push(whole.subarray(at, at + size));
      assert.deepEqual(await read(new EnvelopeReader(streamOf(...chunks), 10)), [
        ["one", false],
        ["", false],
        ["{}", true],
      ]);
    }
  });

  test("that lie are refused before memory is set aside", async () => {
    for (
      const [bytes, status, detail] of [
        [[0, 0xff, 0xff, 0xff, 0xff], "resource_exhausted", /4294967295 bytes: at most 10/],
        [[1, 0, 0, 0, 1, 0], "invalid_argument", /compressed/],
        [[4, 0, 0, 0, 0], "invalid_argument", /flags 4/],
        [[0, 0, 0], "invalid_argument", /ends amid/],
        [[0, 0, 0, 0, 2, 1], "invalid_argument", /ends amid/],
      ] as const
    ) {
      await assert.rejects(
        read(new EnvelopeReader(streamOf(new Uint8Array(bytes)), 10)),
        (error: unknown) => {
          assert.ok(error instanceof MuonError);
          assert.equal(error.status, status);
          assert.match(error.detail, detail);
          return true;
        },
      );
    }
  });

  test("make their writer wait, and go on when they are read or their reader leaves", async () => {
    let gone: unknown;
    const writer = new EnvelopeWriter({ window: 20, gone: (reason) => gone = reason });
    assert.equal(writer.write(new Uint8Array(10)), undefined);
    const wait = writer.write(new Uint8Array(10));
    assert.ok(wait instanceof Promise);
    const reader = writer.readable.getReader();
    await reader.read();
    await wait;
    const second = writer.write(new Uint8Array(30));
    await reader.cancel("enough");
    await second;
    assert.equal(gone, "enough");
    assert.equal(writer.write(new Uint8Array(99)), undefined);
    writer.close();
  });
});
