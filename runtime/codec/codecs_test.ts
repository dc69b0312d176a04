import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { cbor } from "./cbor.ts";
import type { Codec, TypeInfo } from "./codec.ts";
import { Codecs } from "./codecs.ts";
import { json } from "./json.ts";
import { raw } from "./raw.ts";

describe("Codecs", () => {
  const codecs = new Codecs([json(), cbor(), raw()]);

  test("finds a codec whatever the case and the parameters", () => {
    const marshal = codecs.find("application/json");
    assert.notEqual(marshal, undefined);
    for (
      const contentType of [
        "application/json; charset=utf-8",
        "application/json;charset=UTF8",
        'application/json; charset="utf-8"; v=1',
        "Application/JSON",
        " application/json ",
        "application/json;",
      ]
    ) assert.equal(codecs.find(contentType), marshal, contentType);
    assert.equal(codecs.codec("application/cbor; x=y")?.contentType, "application/cbor");
  });

  test("finds none for another type or charset", () => {
    for (
      const contentType of [
        "",
        "text/plain",
        "json",
        "application/json; charset=latin1",
        "application/json+x",
      ]
    ) {
      assert.equal(codecs.find(contentType), undefined, contentType);
    }
  });

  test("says which there are", () => {
    const error = codecs.unknown("text/plain");
    assert.equal(error.status, "invalid_argument");
    assert.equal(
      error.detail,
      'unsupported content type "text/plain": this side reads application/json, application/cbor, application/octet-stream',
    );
    assert.match(codecs.unknown("").detail, /^no content type is given: this side reads application\/json/);
  });

  test("binds a codec to a type where one is given", () => {
    const seen: (TypeInfo | undefined)[] = [];
    const proto: Codec = {
      contentType: "application/protobuf",
      bind(type) {
        seen.push(type);
        return raw().bind();
      },
    };
    const set = new Codecs([proto]);
    assert.notEqual(set.find("application/protobuf", { name: "HelloRequest" }), undefined);
    assert.deepEqual(seen, [undefined, { name: "HelloRequest" }]);
  });

  test("refuses two codecs of one type, and a content type that is none", () => {
    assert.throws(() => new Codecs([json(), json()]), /"application\/json" has two codecs/);
    const named = (contentType: string) => ({ ...raw(), contentType });
    for (const contentType of ["", "json", "Application/JSON", "a/b; c=d"]) {
      assert.throws(() => new Codecs([named(contentType)]), TypeError, contentType);
    }
  });
});
